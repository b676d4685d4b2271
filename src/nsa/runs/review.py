"""The review page of images that a run has judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsa.detectors.detector import Detector
from nsa.folder import AnyRun
from nsa.images import Sample
from nsa.report.review import ReviewDecisions, ReviewEntry, ReviewPage
from nsa.runs.decisions import PREDICTED, SCORE, Decisions, decided
from nsa.runs.located import locate
from nsa.runs.regions import Region
from nsa.system.places import named

REVIEW = "review.html"


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
        named(path), raw, None if score == "" else score, said[PREDICTED][0], truth, defect,
        [(one.x, one.y, one.width, one.height, one.peak) for one in regions], picture,
    )  # fmt: skip


def add_sample(
    page: ReviewPage,
    test: Sequence[Sample],
    decisions: Decisions | None,
    number: int,
    image: npt.NDArray[np.uint8],
    anomaly_map: npt.NDArray[np.float32],
    raw: float,
) -> None:
    """Add a test image, of which it is known what it is.

    Args:
        number: of the image among the test images.
        image: uint8 (H, W, channels).
        anomaly_map: float32 (H, W).
        raw: its raw score.
    """
    sample, regions = test[number], locate(anomaly_map, decisions).regions
    entry = page_entry(
        sample.path, raw, decisions, regions, truth=int(not sample.is_good), defect=sample.defect
    )
    page.add(entry, image, anomaly_map)
