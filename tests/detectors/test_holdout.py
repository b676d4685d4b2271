"""Which images are held out, by their number, a share or a rate."""

import logging
from pathlib import Path

import pytest

from nsa.detectors.holdout import held_out_count, rows_that_count, say_held_out
from nsa.detectors.network.held_out import hold_out
from nsa.errors import InputError
from nsa.images import Contents, Dataset, Sample
from nsa.settings.config import TrainConfig


def samples(count: int, name: str = "") -> list[Sample]:
    return [Sample(Path(f"{name}{number}.png"), "good") for number in range(count)]


@pytest.mark.parametrize(
    ("count", "held"),
    [(1, 0), (29, 0), (30, 10), (56, 18), (57, 19), (199, 19), (209, 20), (5000, 200)],
)
def test_by_their_number(count: int, held: int) -> None:
    train = samples(count)
    dataset = Dataset("thing", train, [])
    kept, out = hold_out(dataset, TrainConfig())
    assert len(out) == held == held_out_count(count, None)
    assert sorted([*kept.train, *out], key=train.index) == train
    assert sorted(out, key=train.index) == out
    assert hold_out(dataset, TrainConfig()) == (kept, out)
    assert (hold_out(dataset, TrainConfig(seed=1))[1] != out) == bool(held)
    assert hold_out(dataset, TrainConfig(holdout=0.0)) == (dataset, [])


def test_a_rate_holds_out_as_many_as_it_needs() -> None:
    assert held_out_count(300, None, 0.01) == 99
    assert held_out_count(300, None, 0.2) == 30
    assert held_out_count(20, None, 0.2) == 6  # asked for, so fewer than 30 serve too
    for count in (290, 20):
        with pytest.raises(InputError, match=r"rate of 0\.01 needs 99 held-out images, and of"):
            held_out_count(count, None, 0.01)
    assert held_out_count(20, 0.5, 0.1) == 10
    with pytest.raises(InputError, match="hold out at least 9"):
        held_out_count(20, 0.25, 0.1)


@pytest.mark.parametrize(
    ("count", "holdout", "message"),
    [
        (20, 0.02, r"0.02 of 20 training images is none; raise it, or set it to 0"),
        (1, 0.3, r"of 1 training image is none"),
        (3, 0.9, r"leaves none of 3 images to train on"),
    ],
)
def test_shares_that_cannot_be(count: int, holdout: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        held_out_count(count, holdout)


def test_validation_images_serve_instead_where_they_are_enough() -> None:
    train, validation = samples(60), samples(19, "v")
    dataset = Dataset("thing", train, [], validation)
    assert hold_out(dataset, TrainConfig()) == (dataset, validation)
    assert hold_out(dataset, TrainConfig(fpr=0.05)) == (dataset, validation)
    with pytest.raises(InputError, match="by 19 held-out normal images"):
        hold_out(dataset, TrainConfig(fpr=0.04))
    few = Dataset("thing", train, [], validation[:18])
    assert len(hold_out(few, TrainConfig())[1]) == 19
    assert set(hold_out(few, TrainConfig())[1]) <= set(train)
    assert hold_out(dataset, TrainConfig(holdout=0.0)) == (dataset, [])
    assert len(hold_out(dataset, TrainConfig(holdout=0.5))[1]) == 30


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((0, 29), "No image is held out, since there are fewer than 30"),
        ((10, 30), "10 of 30 training images are held out"),
        ((0, 60, 19), "The 19 validation images set the threshold."),
    ],
)
def test_what_is_said(
    numbers: tuple[int, ...], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "nsa"):
        say_held_out(*numbers)
    assert said in caplog.text


def contents(*digests: int) -> Contents:
    made = Contents([f"{number}.png" for number in range(len(digests))])
    made.digests[:, 0] = digests
    return made


def test_copies_among_held_out_images_do_not_count(caplog: pytest.LogCaptureFixture) -> None:
    held, trained = contents(1, 2, 3, 2, 9), contents(8, 9)
    assert rows_that_count(held, trained, "validation images", 0.25) == [0, 1, 2]
    said = "2 of 5 validation images are copies of training images or of each other, such as "
    assert said in caplog.text
    assert "4.png of " in caplog.text
    with pytest.raises(InputError, match=f"{said}.*, and do not count: a false .* by 3 held-out"):
        rows_that_count(held, trained, "validation images", 0.2)
    caplog.clear()
    assert rows_that_count(held, contents(8), "held-out images") == [0, 1, 2, 4]
    assert "3.png of " in caplog.text
    caplog.clear()
    assert rows_that_count(contents(1), trained, "held-out images", 0.5) == [0]
    assert not caplog.text
