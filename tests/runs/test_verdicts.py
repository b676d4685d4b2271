"""Tables of verdicts, what they refuse, and what a threshold finds of images judged bad."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny import picture, write

from nsa.errors import InputError
from nsa.images.load import load_contents
from nsa.metrics.conformal import ConformalThreshold
from nsa.runs.decisions import Decisions
from nsa.runs.judged_bad import describe_found, found_of_bad
from nsa.runs.verdicts import Verdicts


def table(folder: Path, *lines: str, heading: str = "path,verdict") -> Path:
    path = folder / "verdicts.csv"
    path.write_text("\n".join((heading, *lines)) + "\n")
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three images, the last of them a copy of the first."""
    folder = tmp_path / "images"
    for name, seed in (("a", 1), ("b", 2), ("copy of a", 1)):
        write(folder / f"{name}.png", picture(seed)[0])
    return folder


def test_paths_are_looked_up_here_and_beside_the_table(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = table(images, "images/a.png,Good", "b.png, bad", f"{images}/a.png,good")
    monkeypatch.chdir(images.parent)
    found = Verdicts.read(source)
    assert found == Verdicts([images.resolve() / "a.png"], [images.resolve() / "b.png"])


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((), "has no verdicts"),
        (("a.png,fine",), "says 'fine' of a.png; a verdict is good or bad."),
        (("a.png,good", "./a.png,bad"), "judges ./a.png both good and bad"),
        (("a.png,good", "x.png,bad", "y.png,bad", ",bad"), "judges 3 files that cannot be found"),
        (("a.png,good,1",), "is damaged in line 2"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(
    images: Path, lines: tuple[str, ...], told: str
) -> None:
    source = table(images, *lines)
    with pytest.raises(InputError, match=str(source)) as refusal:
        Verdicts.read(source)
    assert told in str(refusal.value)


@pytest.mark.parametrize(("heading", "lacking"), [("path,label", "verdict"), ("", "path")])
def test_a_table_needs_its_columns(images: Path, heading: str, lacking: str) -> None:
    with pytest.raises(InputError, match=f"has no column '{lacking}'"):
        Verdicts.read(table(images, heading=heading))


def test_the_same_pixels_cannot_be_good_and_bad(images: Path) -> None:
    found = Verdicts.read(table(images, "a.png,good", "b.png,good", "copy of a.png,bad"))
    contents = load_contents(found.paths, 3, progress=False)
    with pytest.raises(InputError, match=r"copy of a\.png is judged bad, but .*a\.png"):
        found.divide(contents)
    agreed = Verdicts.read(table(images, "a.png,good", "b.png,bad", "copy of a.png,good"))
    good, bad = agreed.divide(load_contents(agreed.paths, 3, progress=False))
    assert (len(good), len(bad)) == (2, 1)


def test_a_later_verdict_replaces_an_earlier_one_and_all_are_kept(images: Path) -> None:
    a, b = (images.resolve() / name for name in ("a.png", "b.png"))
    later = Verdicts([b], []).after(Verdicts([a], [b]))
    assert later == Verdicts([a, b], [])
    assert Verdicts.kept(images) == Verdicts([], [])
    later.write(images)
    assert Verdicts.kept(images) == later


def test_false_alarms_move_the_threshold_of_a_rate_up_only(fresh_seed: int) -> None:
    random = np.random.default_rng(fresh_seed)
    for _ in range(50):
        scores = random.normal(size=int(random.integers(9, 60))).astype(np.float32)
        rate = float(random.uniform(0.1, 0.6))
        before = ConformalThreshold(scores).threshold(rate)
        alarms = before + random.exponential(size=int(random.integers(1, 40)))
        both = np.concatenate([scores, alarms[alarms > before]])
        assert ConformalThreshold(both).threshold(rate) >= before - 1e-3


def test_the_rates_that_find_what_was_judged_bad() -> None:
    conformal = ConformalThreshold(np.arange(19.0), rounding=0.5)
    decisions = Decisions(0.1, conformal.threshold(0.1), None, conformal)
    found = found_of_bad(np.array([30.0, 18.0, 16.2, 0.0, -1.0]), decisions)
    assert (found["images"], found["found"], found["tpr"]) == (5, 2, 0.4)
    # Above 16 only, 16.2 is as high as three of 19.
    assert found["fpr_for_most"] == pytest.approx(4 / 20)
    assert found["fpr_for_all"] is None
    told = describe_found(found)
    assert told == (
        "Of 5 images judged bad 2 are above the threshold at a false positive rate of 10 %; most "
        "from 20 % on, not all of them at any rate."
    )
    for rate in (0.2, 0.19):
        above = np.sort([30.0, 18.0, 16.2]) > conformal.threshold(rate)
        assert above.all() == (rate == 0.2)
