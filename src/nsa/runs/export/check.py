"""Whether an exported file says what the checkpoint says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from nsa.detectors.detector import Detector
from nsa.errors import InputError
from nsa.runs.export.sessions import Differences, Session, checkpoint, differences
from nsa.system.console import counted

OWN, DRAWN = 16, 4  # images of the run, and of noise
_SAME = 1e-4  # of the largest value, where a detector names no rounding


class Checked(NamedTuple):
    """What came of a check.

    Attributes:
        images: how many were compared, and which.
        found: how far the file and the checkpoint lie apart.
        allowed: for scores and maps.
    """

    images: str
    found: Differences
    allowed: tuple[float, float]

    def __str__(self) -> str:
        found, (scores, maps) = self.found, self.allowed
        labels = "" if found.labels is None else f", and {counted(found.labels, 'label')}"
        return (
            f"{self.images}: scores differ by {found.scores:.3g} at most "
            f"(allowed: {scores:.3g}), maps by {found.maps:.3g} ({maps:.3g}){labels}"
        )


def check(
    file: Session,
    detector: Detector,
    threshold: float | None,
    images: Sequence[Tensor],
    what: str = "image",
) -> Checked:
    """Compare a file with its checkpoint.

    Scores and maps may differ by the detector's :attr:`Detector.rounding`, or by 1e-4 of the
    largest, and no label may.

    Args:
        threshold: of the labels; None: there are none.
        images: uint8 (1, channels, H, W) each, as the file takes them.
        what: one of them is.

    Raises:
        InputError: they differ by more.
    """
    found = differences(checkpoint(detector, threshold), file, images)
    rounding = detector.rounding
    allowed = (
        _SAME * found.largest_score if rounding is None else rounding,
        _SAME * found.largest_map if rounding is None else rounding,
    )
    checked = Checked(counted(len(images), what), found, allowed)
    # Or: a NaN is no difference that is small enough.
    if not (found.scores <= allowed[0] and found.maps <= allowed[1]) or found.labels:
        raise InputError(
            f"The file does not say what its run says, so nothing was written. {checked}; without "
            "--check it is written all the same."
        )
    return checked
