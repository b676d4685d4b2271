"""Draw the plan of a batch: the only place where anomalies are random."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsa.errors import InputError
from nsa.plan import cutpaste, ellipses, natural, table
from nsa.plan.boxes import limits
from nsa.plan.masks import padded
from nsa.plan.table import Plan
from nsa.settings.config import SynthesisConfig
from nsa.settings.methods import SEAMLESS

_MASKS = (np.dtype(np.uint8), np.dtype(np.bool_))
_MOST_BYTES = 2**31 - 1  # of masks: rows hold their offsets as int32
_CLEAN = 1  # tells what is drawn about clean images from whatever else has the same seed


def draw_plan(
    config: SynthesisConfig,
    count: int,
    height: int,
    width: int,
    *,
    seed: int,
    object_masks: npt.NDArray[np.uint8] | npt.NDArray[np.bool_] | None = None,
) -> Plan:
    """Draw source boxes, sizes and destinations for a batch of images (Section 3, eq. 5-12).

    The first patch of an image is always tried, each of the other ``config.max_patches - 1`` on a
    coin flip. A patch for which 200 tries find no place, or whose blend mask has fewer than 50
    pixels, is left out, so that an image may have no row at all; a ``config.clean_share`` of
    images have none in any case.

    Args:
        config: method, sizes, limits and variant.
        count, height, width: number of images in the batch and their size in px.
        seed: any integer, taken modulo 2^64. The same seed gives the same plan on every machine,
            and the patches of an image depend only on the seed, its index, and the masks of it and
            its source image (with ``variant="paper"`` also on ``count``).
        object_masks: uint8 or bool (count, height, width), 1 on objects and 0 on the background, as
            :func:`nsa.plan.object_masks` makes them. Needed where ``config.background`` is set;
            where given, they are used, unless the method is one without object masks.

    >>> plan = draw_plan(SynthesisConfig(max_patches=1), 4, 256, 256, seed=0)
    >>> plan.column("source").tolist()  # patches come from the image before
    [3, 0, 1, 2]

    Raises:
        InputError: the masks are missing, of another shape or type, or hold other values than 0
            and 1; the size is not positive.
    """
    if count < 0 or height < 1 or width < 1:
        raise InputError(
            f"A plan needs images of at least 1x1 px, got {count} of {height}x{width}."
        )
    way = config.way
    objects = object_masks if way.object_masks else None
    masks = _checked(config, objects, (count, height, width))
    bounds = limits(config, height, width, objects=objects is not None)
    word = np.uint64(seed % 2**64)
    if way.shapes == "cutpaste":
        rows = cutpaste.draw(bounds, count, word)
        factors, labels = np.ones(len(rows), np.float32), np.zeros(0, np.uint8)
    else:
        rows, labels, factors = natural.draw(bounds, count, word, masks)
        if way.shapes == "ellipses":
            rows, labels = ellipses.cut(rows, labels, word, bounds.paper)
            factors = factors[: len(rows)]  # all are 1
    if config.clean_share:
        kept = _draw_changed(config.clean_share, count, seed)[rows[:, table.IMAGE]]
        rows, factors = rows[kept], factors[kept]
    if labels.size > _MOST_BYTES:
        raise InputError(
            f"The masks of {count} images of {height}x{width} exceed 2 GiB; "
            "split the batch into smaller ones."
        )
    if config.blend_mode not in SEAMLESS:
        _blend_whole_patches(rows)
    # The kernel goes through the images one by one, so a stable sort keeps their order in a round.
    order = np.argsort(rows[:, table.ROUND], kind="stable")
    return Plan(rows=rows[order], factors=factors[order], masks=labels)


def _draw_changed(clean_share: float, count: int, seed: int) -> npt.NDArray[np.bool_]:
    """Which images get their patches; drawn apart, so that the others are as without clean ones."""
    random = np.random.default_rng((_CLEAN, seed % 2**64))
    return random.random(count) >= clean_share


def _blend_whole_patches(rows: npt.NDArray[np.int32]) -> None:
    """Only seamless cloning needs a rim and centres it; other patches change every pixel.

    With object masks that is every pixel of the object: no background needs to be blended smoothly.
    """
    rows[:, [table.ROI_Y, table.ROI_X]] = 0
    rows[:, [table.ROI_H, table.ROI_W]] = rows[:, [table.HEIGHT, table.WIDTH]]
    rows[:, [table.PLACE_Y, table.PLACE_X]] = rows[:, [table.DST_Y, table.DST_X]]
    rows[:, table.BLEND_MASK] = rows[:, table.LABEL_MASK]


def _checked(
    config: SynthesisConfig,
    masks: npt.NDArray[np.uint8] | npt.NDArray[np.bool_] | None,
    shape: tuple[int, int, int],
) -> npt.NDArray[np.uint8]:
    if masks is None:
        if config.mask_background is not None:
            raise InputError(
                "This configuration has a background brightness and so needs object_masks; pass "
                "them, or set background=None."
            )
        return padded(np.zeros((1, 1, 1), np.uint8))  # to be indexed; the kernel never reads it
    if not isinstance(masks, np.ndarray) or masks.dtype not in _MASKS or masks.shape != shape:
        got = f"{masks.dtype} {masks.shape}" if isinstance(masks, np.ndarray) else type(masks)
        raise InputError(f"object_masks must be a uint8 or bool array of shape {shape}, got {got}.")
    if masks.dtype != np.bool_ and masks.size and masks.max() > 1:
        raise InputError(f"object_masks must be 0 or 1, got values up to {masks.max()}.")
    return padded(masks.view(np.uint8))
