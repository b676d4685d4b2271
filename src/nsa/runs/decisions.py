"""Good or bad, how sure, and which pixels: what a calibrated run decides about images."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nsa.detectors.detector import Detector
from nsa.errors import InputError
from nsa.metrics.conformal import ConformalThreshold
from nsa.runs.calibrate import FILE, Calibration, read_pixels
from nsa.system.console import as_argument

_log = logging.getLogger("nsa")

NORMAL, ANOMALOUS = "normal", "anomalous"
DECIDED = PREDICTED, SCORE, RAW = "predicted", "score", "raw_score"


@dataclass(frozen=True)
class PixelLimit:
    """Above which value of a map a pixel is defective, and the rate that it is for.

    Attributes:
        threshold: of maps at their images' own resolution.
        rate: see :attr:`of`.
        of: ``"fpr"``: at most this share of normal images has any such pixel; ``"share"``: at most
            this share of a normal image's pixels is such, on average.
    """

    threshold: float
    rate: float
    of: Literal["fpr", "share"] = "fpr"


@dataclass(frozen=True)
class Decisions:
    """What a calibrated run decides about images, and how it says so.

    The score that is shown lies between 0 and 1 and means the same for every method: the share of
    normal images that would look less anomalous, by the conformal p-value, whose complement it is
    (:class:`nsa.metrics.conformal.ConformalThreshold`). An image is anomalous where it is at least
    ``1 - fpr``, which is where its raw score is above ``threshold``.

    Attributes:
        fpr: the false positive rate.
        threshold: raw scores above it are anomalous.
        pixels: which pixels are defective; None: the run's calibration knows nothing of maps.
        conformal: from raw scores to p-values.
    """

    fpr: float
    threshold: float
    pixels: PixelLimit | None
    conformal: ConformalThreshold

    @classmethod
    def of(
        cls,
        run: Path,
        detector: Detector,
        fpr: float | None = None,
        mask_fpr: float | None = None,
        mask_share: float | None = None,
    ) -> Decisions | None:
        """Those of a run; None: it is not calibrated, and nothing was asked for that needs it.

        Args:
            fpr: wanted false positive rate; None: that which the training was asked for, else the
                smallest that the calibration supports, ``1 / (n + 1)`` with n images.
            mask_fpr: share of normal images that may have any defective pixel; None: as ``fpr``.
            mask_share: instead, share of a normal image's pixels that may be defective, on average.

        Raises:
            InputError: both of the latter are given, the run is not calibrated and a rate is
                given, or it is calibrated by too few images for a rate.
        """
        if mask_fpr is not None and mask_share is not None:
            raise InputError(
                "--mask-fpr (normal images with any defective pixel) and --mask-share (defective "
                "pixels of normal images) are two thresholds; leave one of them out."
            )
        fpr = detector.default_fpr if fpr is None else fpr
        if (fpr, mask_fpr, mask_share) == (None, None, None) and not (run / FILE).is_file():
            return None
        calibration = Calibration.read(run)
        conformal = calibration.threshold
        fpr = conformal.smallest_rate if fpr is None else fpr
        threshold = conformal.threshold(fpr)  # first, since it is the rate that was asked for
        limit = None
        if mask_share is not None:
            limit = PixelLimit(read_pixels(run).for_pixels(mask_share), mask_share, "share")
        elif mask_fpr is not None or calibration.knows_maps:
            rate = fpr if mask_fpr is None else mask_fpr
            limit = PixelLimit(read_pixels(run).for_images(rate), rate)
        return cls(fpr, threshold, limit, conformal)

    def score(self, raw: float) -> float:
        """The score that is shown: 1 less the p-value of a raw one."""
        return 1.0 - float(self.conformal.p_value([raw])[0])

    def anomalous(self, raw: float) -> bool:
        """Whether an image with this raw score is anomalous."""
        return raw > self.threshold

    def label(self, raw: float) -> str:
        """:data:`ANOMALOUS` or :data:`NORMAL`."""
        return ANOMALOUS if self.anomalous(raw) else NORMAL


def decided(decisions: Decisions | None, raw: Sequence[float]) -> dict[str, list[Any]]:
    """The columns of a table that say what is decided, by name, for images with these raw scores.

    Where nothing is decided, ``predicted`` and ``score`` are empty.
    """
    if decisions is None:
        nothing = [""] * len(raw)
        return {PREDICTED: nothing, SCORE: nothing, RAW: list(raw)}
    return {
        PREDICTED: [decisions.label(one) for one in raw],
        SCORE: [decisions.score(one) for one in raw],
        RAW: list(raw),
    }


def pixel_threshold(decisions: Decisions | None) -> float | None:
    """Above which value of a map a pixel is defective; None: nothing says so."""
    return None if decisions is None or decisions.pixels is None else decisions.pixels.threshold


def say_undecided(run: Path) -> None:
    """Say in the log that images of a run that is not calibrated get no labels."""
    _log.info(
        "Raw scores only: the run is not calibrated, so nothing is called anomalous; nsa calibrate "
        "%s FOLDER does that, with normal images that were not trained on.", as_argument(run),
    )  # fmt: skip
