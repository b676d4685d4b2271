"""Patches of Natural Synthetic Anomalies: Section 3 of the paper, one image after another.

FPI, PII and CutPaste choose theirs in the same way, as they do in the paper, less what they lack.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsa.plan import table
from nsa.plan._jit import entry, inlined
from nsa.plan.boxes import Limits, destinations, draw_interval, draw_length, draw_size
from nsa.plan.masks import Mask, Words, has_more, overlaps_more, resize
from nsa.plan.rng import State, below, coin, seed_stream, uniform

TRIES = 200  # for a source box with enough object, and for a destination box
MIN_PIXELS = 50  # of the blend mask; cv2.seamlessClone has no use for less

FACTORS = (0.05, 0.95)  # of FPI and PII: uniform, one an image

Rows = npt.NDArray[np.int32]
Factors = npt.NDArray[np.float32]
Wanted = npt.NDArray[np.bool_]


@entry
def draw(
    limits: Limits, images: int, seed: np.uint64, wanted: Wanted, objects: Mask
) -> tuple[Rows, Mask, Factors]:
    """Rows of a plan in the order of the images, the label masks they point to, and factors.

    Args:
        wanted: bool (images,), which of them get patches.
        objects: (images, height, padded width) object masks as :func:`nsa.plan.masks.padded` makes
            them; not read unless ``limits.objects``.
    """
    rows = np.empty((images * limits.max_patches, table.MODE + 1), np.int32)
    factors = np.ones(len(rows), np.float32)
    # A guess of what the label masks need, at most; memory that is not written costs nothing.
    masks = np.empty(objects.size // 4 if limits.objects else 0, np.uint8)
    patch = np.empty((limits.rows.side, objects.shape[2]), np.uint8)
    state = np.empty(4, np.uint64)
    filled = used = 0
    for image in range(images):
        if not wanted[image]:
            continue
        seed_stream(state, seed, image)
        source = source_image(state, limits, image, images)
        factor = 1.0
        if limits.interpolates:
            factor = FACTORS[0] + (FACTORS[1] - FACTORS[0]) * uniform(state)
        patches = 0
        for attempt in range(limits.max_patches):
            if attempt > 0 and not coin(state):
                continue
            row = rows[filled]
            target = image if limits.objects else 0
            origin = source if limits.objects else 0
            if not _draw_patch(state, limits, objects[origin], objects[target], patch, row):
                continue
            row[table.IMAGE] = image
            row[table.SOURCE] = source
            row[table.ROUND] = patches
            row[table.BLEND_MASK] = -1
            row[table.LABEL_MASK] = -1
            if limits.objects:
                height, width = row[table.HEIGHT], row[table.WIDTH]
                row[table.LABEL_MASK] = used
                if used + height * width > len(masks):
                    grown = np.empty(2 * (used + height * width), np.uint8)
                    for byte in range(used):  # assigning a slice takes numba 2 s longer to compile
                        grown[byte] = masks[byte]
                    masks = grown
                label = masks[used : used + height * width].reshape(height, width)
                _label_mask(patch, objects[image], row[table.DST_Y], row[table.DST_X], label)
                used += height * width
            factors[filled] = factor
            patches += 1
            filled += 1
    return rows[:filled], masks[:used], factors[:filled]


@inlined
def source_image(state: State, limits: Limits, image: int, images: int) -> int:
    """Where the patches of an image come from."""
    if not limits.other_image:
        return image
    if limits.paper and images > 1:
        other = below(state, images - 1)
        return other + 1 if other >= image else other
    # The released code takes the previous image: the batch rolled by one.
    return image - 1 if image > 0 else images - 1


@inlined
def _draw_patch(
    state: State,
    limits: Limits,
    source: Mask,
    target: Mask,
    patch: Mask,
    row: npt.NDArray[np.int32],
) -> bool:
    """Draw one patch into ``row`` (and ``patch``, the resized source mask); False: none found."""
    y, x, height, width = _draw_source(state, limits, source.view(np.uint64))
    if height == 0:
        return False
    new_height, new_width = height, width
    if limits.resize:
        new_height, new_width = draw_size(state, limits, height, width)
    # On tiny images eq. 9 may ask for more than the image: its lower limits win.
    if new_height > limits.rows.side or new_width > limits.columns.side:
        return False
    # The outermost pixels of the rectangle never count as blended.
    if min(new_height, new_width) < 3 or (new_height - 2) * (new_width - 2) < MIN_PIXELS:
        return False
    set_pixels = 0
    if limits.objects:
        set_pixels = resize(source, y, x, height, width, patch, new_height, new_width)
    # A patch that stays where it was cut has no destinations of which eq. 11-12 could choose one.
    new_y, new_x = y, x
    if limits.shift:
        new_y, new_x = _draw_destination(
            state, limits, patch.view(np.uint64), set_pixels, target.view(np.uint64),
            new_height, new_width,
        )  # fmt: skip
        if new_y < 0:
            return False

    row[table.SRC_Y], row[table.SRC_X] = y, x
    row[table.SRC_H], row[table.SRC_W] = height, width
    row[table.HEIGHT], row[table.WIDTH] = new_height, new_width
    row[table.DST_Y], row[table.DST_X] = new_y, new_x
    place_region(row, 1, 1, new_height - 2, new_width - 2, limits.paper)
    return True


@inlined
def place_region(
    row: npt.NDArray[np.int32], y: int, x: int, height: int, width: int, paper: bool
) -> None:
    """Say which box of the patch is blended, and where that lands."""
    row[table.ROI_Y], row[table.ROI_X] = y, x
    row[table.ROI_H], row[table.ROI_W] = height, width
    place_y, place_x = row[table.DST_Y] + y, row[table.DST_X] + x
    if not paper:
        # cv2.seamlessClone puts the middle of the bounding box onto the middle of the patch, so a
        # rectangle of odd width lands 1 px to the right.
        patch_height, patch_width = row[table.HEIGHT], row[table.WIDTH]
        place_y = row[table.DST_Y] + patch_height // 2 - height // 2
        place_x = row[table.DST_X] + patch_width - patch_width // 2 - width // 2
    row[table.PLACE_Y], row[table.PLACE_X] = place_y, place_x


@inlined
def _draw_source(state: State, limits: Limits, source: Words) -> tuple[int, int, int, int]:
    """y, x, height and width of a box with enough object (eq. 5-7); height 0: none found."""
    paper = limits.paper
    long_y = draw_length(state, limits.rows, paper)
    long_x = draw_length(state, limits.columns, paper)
    for _ in range(TRIES):
        y, end_y = draw_interval(state, limits.rows, long_y, paper)
        x, end_x = draw_interval(state, limits.columns, long_x, paper)
        height, width = end_y - y, end_x - x
        if not limits.objects:
            return y, x, height, width
        least = limits.min_object_share * height * width
        if has_more(source, y, x, height, width, least):
            return y, x, height, width
    return 0, 0, 0, 0


@inlined
def _draw_destination(
    state: State,
    limits: Limits,
    patch: Words,
    set_pixels: int,
    target: Words,
    height: int,
    width: int,
) -> tuple[int, int]:
    """y and x of a box on the object (eq. 10-12); -1: none found."""
    paper = limits.paper
    first_y, places_y = destinations(limits.rows, height, paper)
    first_x, places_x = destinations(limits.columns, width, paper)
    if places_y < 1 or places_x < 1:
        return -1, -1
    least = limits.min_object_share * height * width
    common = limits.min_overlap * set_pixels
    # eq. 11. The released code tests the resized source mask, which no other place changes.
    if limits.objects and not paper and not set_pixels > least:
        return -1, -1
    for _ in range(TRIES):
        y = first_y + below(state, places_y)
        x = first_x + below(state, places_x)
        if not limits.objects:
            return y, x
        # eq. 11 as printed: the object in the destination.
        if paper and not has_more(target, y, x, height, width, least):
            continue
        if overlaps_more(patch, target, y, x, height, width, common):  # eq. 12
            return y, x
    return -1, -1


@inlined
def _label_mask(patch: Mask, target: Mask, y: int, x: int, out: Mask) -> None:
    """The object of the patch or of the destination."""
    # Unsigned, so that the compiler sees no negative index and uses vectors.
    for row in range(np.uint64(out.shape[0])):
        under = row + np.uint64(y)
        for column in range(np.uint64(out.shape[1])):
            out[row, column] = patch[row, column] | target[under, column + np.uint64(x)]
