"""The review page of images that a run has judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nsa.detectors.detector import Detector
from nsa.folder import AnyRun
from nsa.report.review import ReviewDecisions, ReviewEntry, ReviewPage
from nsa.runs.decisions import PREDICTED, SCORE, Decisions, decided
from nsa.runs.regions import Region


def start_page(
    run: AnyRun, detector: Detector, planned: int, decisions: Decisions | None
) -> ReviewPage:
    """A page for so many images at most."""
    said = None
    if decisions is not None:
        bounds = decisions.conformal.bounds
        said = ReviewDecisions(decisions.fpr, decisions.threshold, bounds)
    title = f"{run.settings.category}: {run.path.absolute().name}"
    return ReviewPage(title, planned, said, detector.map_range)


def page_entry(
    path: Path,
    raw: float,
    decisions: Decisions | None,
    regions: Sequence[Region],
    *,
    picture: str = "",
    truth: int | None = None,
    defect: str | None = None,
) -> ReviewEntry:
    """An image on it.

    Args:
        raw: its raw score.
        picture: name of its overlay, in the page's own folder; empty: there is none.
        truth, defect: see :class:`ReviewEntry`.
    """
    said = decided(decisions, [raw])
    score = said[SCORE][0]
    return ReviewEntry(
        str(path), raw, None if score == "" else score, said[PREDICTED][0], truth, defect,
        [(one.x, one.y, one.width, one.height, one.peak) for one in regions], picture,
    )  # fmt: skip
