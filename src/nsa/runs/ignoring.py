"""What ``--ignore`` adds to what a run ignores."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from nsa.detectors.detector import Detector
from nsa.detectors.hidden import kept
from nsa.errors import InputError
from nsa.folder import CALIBRATED_IGNORED
from nsa.images.decode import own_shapes
from nsa.images.ignored import Ignored
from nsa.system.files import remove

_log = logging.getLogger("nsa")


def ignoring(
    detector: Detector, ignore: Path | Ignored | None, images: Sequence[Path]
) -> Ignored | None:
    """Let a detector ignore a mask for all images, from now on; masks of single images are given.

    Args:
        ignore: a mask or a folder of masks, see :meth:`nsa.images.ignored.Ignored.open`; opened:
            it need not have a mask of any of the images.
        images: that are going to be judged.

    Raises:
        InputError: a mask cannot be used, or the folder has none for these images.
    """
    if ignore is None:
        return None
    if isinstance(ignore, Ignored):
        detector.ignore(ignore)
        return ignore if ignore.one is None else None
    ignored = Ignored.open(ignore)
    ignored.check(images)
    before = detector.ignored
    detector.ignore(ignored)
    if ignored.one is not None and ignored.one.any() and detector.ignored is not before:
        _log.warning(
            "%s is not ignored by the run itself: what is next to it may look unusual, so labels "
            "hold only after nsa calibrate with the same --ignore.", ignore,
        )  # fmt: skip
    return None if ignored.one is not None else ignored


def ignored_of(
    detector: Detector, images: Sequence[Path], ignored: Ignored | None = None
) -> Tensor | None:
    """What does not count of images that are in memory at a detector's size.

    Args:
        ignored: beside what the detector ignores, whose size is checked.

    Returns:
        bool (N or 1, *detector.size), without what the detector ignores; None: nothing.

    Raises:
        InputError: a mask is of another size than its image, or cannot be used.
    """
    if detector.ignored is not None:
        for path, shape in zip(images, own_shapes(images), strict=True):
            try:
                detector.check_ignored(shape)
            except InputError as error:
                raise InputError(f"{path} {error}") from error
    return None if ignored is None else ignored.seen(images, detector.size)


def keep_ignored(run: Path, detector: Detector) -> None:
    """Keep with a calibration what it ignored of all images, beside what the training ignored.

    What an earlier calibration ignored is forgotten.

    Raises:
        InputError: the folder cannot be written to.
    """
    path, own, ignored = run / CALIBRATED_IGNORED, kept(run, calibrated=False), detector.ignored
    if ignored is None or ignored.one is None or (own is not None and (own | ignored) is own):
        remove(path)
    else:
        ignored.write(path)
