"""What a calibrated run decides, and that its rates hold, for small samples too."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nsa.errors import InputError
from nsa.metrics import ConformalThreshold
from nsa.metrics.conformal_pixels import map_levels
from nsa.runs.calibrate import Calibration
from nsa.runs.decisions import Decisions, decided, pixel_threshold
from nsa.runs.working_point import describe

DRAWS = 3000


def detector(fpr: float | None = None) -> Any:
    return SimpleNamespace(default_fpr=fpr)


def calibrated(run: Path, scores: npt.NDArray[np.float64], maps: bool = False) -> Path:
    levels = None
    if maps:
        levels = np.stack([map_levels(np.full((4, 5), one, np.float32)) for one in scores])
    paths = [f"{number}.png" for number in range(len(scores))]
    Calibration(paths, scores, levels=levels).write(run)
    return run


def of(scores: npt.NDArray[np.float64], fpr: float | None = None) -> Decisions:
    """As :meth:`Decisions.of` makes them, without the files."""
    conformal = ConformalThreshold(scores)
    fpr = conformal.smallest_rate if fpr is None else fpr
    return Decisions(fpr, conformal.threshold(fpr), None, conformal)


@pytest.mark.parametrize("count", [1, 2, 9, 19, 40])
@pytest.mark.parametrize("ties", [False, True])
def test_new_normal_images_are_called_anomalous_at_the_rate(
    count: int, ties: bool, fresh_seed: int
) -> None:
    """Over draws of the held-out and of a new image: at most the rate, and nearly it."""
    generator = np.random.default_rng(fresh_seed)
    scores = generator.lognormal(0, 2, (DRAWS, count + 1))
    if ties:
        scores = np.floor(4 * scores) / 4
    said = [of(row[:-1]) for row in scores]
    fpr = 1 / (count + 1)
    assert {one.fpr for one in said} == {fpr}
    false = np.mean([one.anomalous(row[-1]) for one, row in zip(said, scores, strict=True)])
    error = 4.5 * np.sqrt(fpr * (1 - fpr) / DRAWS)  # standard errors: one in 100,000 runs
    assert false < fpr + error
    if not ties:
        assert false > fpr - error


@pytest.mark.parametrize(("count", "fpr"), [(19, 0.1), (19, 0.3), (40, 0.05), (99, 0.01)])
def test_any_rate_holds(count: int, fpr: float, fresh_seed: int) -> None:
    scores = np.random.default_rng(fresh_seed).gamma(0.5, 1.0, (DRAWS, count + 1))
    false = np.mean([of(row[:-1], fpr).anomalous(row[-1]) for row in scores])
    assert false < fpr + 4.5 * np.sqrt(fpr * (1 - fpr) / DRAWS)


@pytest.mark.parametrize("count", [1, 9, 40])
def test_a_shown_score_means_the_same_for_every_method(count: int, fresh_seed: int) -> None:
    """At most a share a of normal images has a score of 1 - a or more, whatever the raw ones."""
    generator = np.random.default_rng(fresh_seed)
    raw = generator.standard_normal((DRAWS, count + 1))
    for values in (raw, np.exp(9 * raw), -1 / (2 + np.tanh(raw))):  # other methods' scales
        shown = np.array([of(row[:-1]).score(row[-1]) for row in values])
        assert ((shown >= 0) & (shown < 1)).all()
        for share in (1 / (count + 1), 0.5, 0.9):
            reached = np.mean(shown >= 1 - share - 1e-12)
            assert reached < share + 4.5 * np.sqrt(share * (1 - share) / DRAWS)


def test_labels_and_shown_scores_agree(fresh_seed: int) -> None:
    generator = np.random.default_rng(fresh_seed)
    for count in (1, 7, 30):
        held = np.round(generator.exponential(size=count), 1)
        for fpr in (None, 0.5, 0.77):
            decisions = of(held, fpr)
            for raw in [*held, *(held + 1e-9), *generator.exponential(size=20)]:
                by_score = decisions.score(raw) >= 1 - decisions.fpr - 1e-12
                assert decisions.anomalous(raw) == by_score
                assert decisions.label(raw) == ("anomalous" if by_score else "normal")


def test_the_rate_is_what_was_asked_for_or_the_smallest(tmp_path: Path) -> None:
    assert Decisions.of(tmp_path, detector()) is None
    run = calibrated(tmp_path, np.arange(19.0))
    for asked, trained, rate in ((None, None, 1 / 20), (None, 0.2, 0.2), (0.1, 0.2, 0.1)):
        decisions = Decisions.of(run, detector(trained), asked)
        assert decisions is not None
        assert decisions.fpr == rate
        assert decisions.pixels is None
        assert decisions.threshold == ConformalThreshold(np.arange(19.0)).threshold(rate)
    with pytest.raises(InputError, match=r"smallest is 1/20 = 0\.05; hold out at least 99"):
        Decisions.of(run, detector(), 0.01)


def test_nothing_is_decided_without_a_calibration(tmp_path: Path) -> None:
    for asked in ({"fpr": 0.1}, {"mask_fpr": 0.1}, {"mask_share": 0.1}):
        with pytest.raises(InputError, match="is not calibrated"):
            Decisions.of(tmp_path, detector(), **asked)
    with pytest.raises(InputError, match="is not calibrated"):
        Decisions.of(tmp_path, detector(0.1))  # which a training was asked for
    assert decided(None, [0.5, 2]) == {
        "predicted": ["", ""], "score": ["", ""], "raw_score": [0.5, 2],
    }  # fmt: skip
    assert pixel_threshold(None) is None


def test_pixels_are_judged_at_the_rate_of_images_unless_asked(tmp_path: Path) -> None:
    run = calibrated(tmp_path, np.arange(19.0), maps=True)
    for asked, of_what, rate in (
        ({}, "fpr", 1 / 20), ({"fpr": 0.2}, "fpr", 0.2), ({"mask_fpr": 0.1}, "fpr", 0.1),
        ({"mask_share": 0.3}, "share", 0.3),
    ):  # fmt: skip
        decisions = Decisions.of(run, detector(), **asked)
        assert decisions is not None
        limit = decisions.pixels
        assert limit is not None
        assert (limit.of, limit.rate) == (of_what, rate)
        assert pixel_threshold(decisions) == limit.threshold
    with pytest.raises(InputError, match="are two thresholds; leave one of them out"):
        Decisions.of(run, detector(), mask_fpr=0.1, mask_share=0.1)


def test_columns_of_a_table() -> None:
    said = decided(of(np.arange(9.0)), [-1.0, 3.5, 100.0])
    assert said["predicted"] == ["normal", "normal", "anomalous"]
    assert said["score"] == pytest.approx([0.0, 0.4, 0.9])
    assert said["raw_score"] == [-1.0, 3.5, 100.0]


@pytest.mark.parametrize(
    ("share", "told"), [(0.0, "0 %"), (4.1e-7, "less than 0.001 %"), (0.0123, "1.2 %")]
)
def test_shares_of_pixels_can_be_read(share: float, told: str) -> None:
    pixels = {
        "fpr": 0.05, "threshold": 0.5, "test_share": share, "test_fpr": 0.042,
        "test_normal_images": 24,
    }  # fmt: skip
    assert describe({"pixels": pixels}).endswith(
        f"; above it are {told} of the pixels of 24 normal test images, and some of 4.2 % of these "
        "images."
    )
