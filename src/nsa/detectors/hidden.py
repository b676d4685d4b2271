"""Masks of what does not count: those of a run folder, and those beside batches of images."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from nsa.folder import CALIBRATED_IGNORED, IGNORED
from nsa.images.ignored import Ignored


def part_of(ignored: Tensor | None, rows: slice) -> Tensor | None:
    """Of masks (N or 1, H, W) those of some images."""
    return ignored if ignored is None or len(ignored) == 1 else ignored[rows]


def counting(maps: Tensor, ignored: Tensor) -> list[Tensor]:
    """What counts of maps (N, H, W), as if it were maps of one row.

    Args:
        ignored: bool (N or 1, H, W), with something left of each.

    Returns:
        One (N, 1, K) where it is the same of all, else (1, 1, K) of each.
    """
    if len(ignored) == 1:
        return [maps.flatten(1)[:, None, places(ignored[0])]]
    return [one[~mask][None, None] for one, mask in zip(maps, ignored, strict=True)]


def places(ignored: Tensor) -> Tensor:
    """Where in the values of one map, in a row, those are that count: int64 (K,)."""
    return (~ignored).flatten().nonzero()[:, 0]


def kept(run: Path, *, calibrated: bool = True) -> Ignored | None:
    """What a run folder says is ignored of all images.

    Args:
        calibrated: also what its calibration ignored.

    Raises:
        InputError: a mask is damaged.
    """
    names = (IGNORED, CALIBRATED_IGNORED) if calibrated else (IGNORED,)
    found: Ignored | None = None
    for path in [run / name for name in names if (run / name).is_file()]:
        mask = Ignored.open(path)
        found = mask if found is None else found | mask
    return found


def ignored_by(run: Path, place: str | None) -> Ignored | None:
    """What a training ignores: what its run folder keeps, else what it was asked for.

    Args:
        place: the mask or the folder that it was asked for; None: nothing.

    Raises:
        InputError: a mask is gone or damaged.
    """
    own = kept(run, calibrated=False)
    return Ignored.open(place) if own is None and place is not None else own
