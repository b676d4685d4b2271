"""Draw the plan of a batch: the only place where anomalies are random."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nsa.errors import InputError
from nsa.plan import cutpaste, inside, natural, scars, table
from nsa.plan.boxes import limits
from nsa.plan.light import draw_patch_lights
from nsa.plan.masks import padded
from nsa.plan.table import Plan
from nsa.settings.config import SynthesisConfig
from nsa.settings.methods import PATCH_MODES, SEAMLESS

_MASKS = (np.dtype(np.uint8), np.dtype(np.bool_))
_MOST_BYTES = 2**31 - 1  # of masks: rows hold their offsets as int32
# Tell what is drawn about all images from whatever else has the same seed.
_CLEAN, _METHOD, _OPACITY = 1, 2, 3

Part = tuple[natural.Rows, natural.Factors, npt.NDArray[np.uint8]]
"""Rows in the order of the images, factors, and the label masks that they point to."""


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
    images have none in any case. With a ``config.mixture`` each image has the patches that one of
    the methods gives it with the same seed.

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
    shape = count, height, width
    masks = _checked(config, object_masks, shape) if config.masked else None
    method = _draw_methods(config, count, seed)
    lights = draw_patch_lights([member.way.light for member in config.members], method, seed)
    parts = [
        _draw_member(member, shape, seed, method == number, masks)
        for number, member in enumerate(config.members)
    ]
    if sum(part_masks.size for *_, part_masks in parts) > _MOST_BYTES:
        raise InputError(
            f"The masks of {count} images of {height}x{width} exceed 2 GiB; "
            "split the batch into smaller ones."
        )
    rows, factors, label_masks = parts[0] if len(parts) == 1 else _joined(parts)
    if config.translucent:
        low, high = config.opacity_bounds
        drawn = _random(_OPACITY, seed).random((count, config.max_patches))
        opacity = low + (high - low) * drawn[rows[:, table.IMAGE], rows[:, table.ROUND]]
        factors = opacity.astype(np.float32)
    # By round and then by image, of which no two rows have both.
    order = np.argsort(rows[:, table.ROUND] * np.int64(count) + rows[:, table.IMAGE])
    return Plan(rows=rows[order], factors=factors[order], masks=label_masks, lights=lights)


def _joined(parts: Sequence[Part]) -> Part:
    used = 0
    for rows, _, masks in parts:
        for column in (table.BLEND_MASK, table.LABEL_MASK):
            rows[rows[:, column] >= 0, column] += used
        used += masks.size
    rows, factors, masks = (np.concatenate(part) for part in zip(*parts, strict=True))
    return rows, factors, masks


def _draw_methods(config: SynthesisConfig, count: int, seed: int) -> npt.NDArray[np.int64]:
    """By which of ``config.members`` each image gets its patches; -1: by none.

    Both are drawn apart from the patches, which are as they would be without clean images or other
    methods.
    """
    method = np.zeros(count, np.int64)
    if config.mixture:
        ends = np.cumsum(list(config.mixture.values()))
        method = np.searchsorted(ends, _random(_METHOD, seed).random(count), side="right")
    if config.clean_share:
        method[_random(_CLEAN, seed).random(count) < config.clean_share] = -1
    return method


def _random(what: int, seed: int) -> np.random.Generator:
    return np.random.default_rng((what, seed % 2**64))


def _draw_member(
    config: SynthesisConfig,
    shape: tuple[int, int, int],
    seed: int,
    wanted: npt.NDArray[np.bool_],
    masks: npt.NDArray[np.uint8] | None,
) -> Part:
    """What one method makes of the images that are wanted."""
    (count, height, width), way, mode = shape, config.way, config.patch_mode
    objects = masks if way.object_masks else None
    bounds = limits(config, height, width, objects=objects is not None)
    word = np.uint64(seed % 2**64)
    # Without objects the samplers never read the masks, but have to be given some.
    given = padded(np.zeros((1, 1, 1), np.uint8)) if objects is None else objects
    labels = np.zeros(0, np.uint8)
    if way.shapes == "cutpaste":
        rows = cutpaste.draw(bounds, count, word, wanted)
        factors = np.ones(len(rows), np.float32)
    elif way.shapes == "scars":
        room = math.prod(scars.largest(height, width))
        rows, labels = scars.draw(bounds, count, word, wanted, given, room)
        factors = np.ones(len(rows), np.float32)
    else:
        rows, labels, factors = natural.draw(bounds, count, word, wanted, given)
        if way.shapes in ("ellipses", "perlin"):
            noise, pasted = way.shapes == "perlin", mode not in SEAMLESS
            rows, labels = inside.cut(rows, labels, word, bounds.paper, noise, pasted)
            factors = factors[: len(rows)]  # of such a method all are 1
    rows[:, table.MODE] = PATCH_MODES.index(mode)
    if way.light is not None:
        rows[:, table.SOURCE] += count
    if mode not in SEAMLESS:
        _blend_whole_patches(rows)
    return rows, factors, labels


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
) -> npt.NDArray[np.uint8] | None:
    """Object masks as the samplers read them; None: there are none."""
    if masks is None:
        if config.mask_background is not None:
            raise InputError(
                "This configuration has a background brightness and so needs object_masks; pass "
                "them, or set background=None."
            )
        return None
    if not isinstance(masks, np.ndarray) or masks.dtype not in _MASKS or masks.shape != shape:
        got = f"{masks.dtype} {masks.shape}" if isinstance(masks, np.ndarray) else type(masks)
        raise InputError(f"object_masks must be a uint8 or bool array of shape {shape}, got {got}.")
    if masks.dtype != np.bool_ and masks.size and masks.max() > 1:
        raise InputError(f"object_masks must be 0 or 1, got values up to {masks.max()}.")
    return padded(masks.view(np.uint8))
