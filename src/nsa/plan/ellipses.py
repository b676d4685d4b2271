"""Patches masked by ellipses: ablation D of the paper.

Boxes are those that NSA draws from the same seed; only what is blended inside them differs.
"""

from __future__ import annotations

import math

import numpy as np

from nsa.plan import table
from nsa.plan._jit import entry, inlined
from nsa.plan.masks import Mask
from nsa.plan.natural import MIN_PIXELS, Rows, place_region
from nsa.plan.rng import State, seed_stream, uniform

ELLIPSES = 5  # their union is the mask of a patch
# Keeps these streams of random numbers apart from those of the boxes.
_STREAM = np.uint64(0xD1B54A32D192ED03)


@entry
def cut(rows: Rows, objects: Mask, seed: np.uint64, paper: bool) -> tuple[Rows, Mask]:
    """Give each patch a random mask, and leave out those with too little in it.

    Args:
        rows: as :func:`nsa.plan.natural.draw` returns them; changed in place.
        objects: the masks of source or destination object that they point to; empty: none.

    Returns:
        The rows that are left, and the masks they point to: for the label the ellipses on the
        object, for the blending also what is background in both images.
    """
    masks = np.empty(_bytes(rows) * (2 if objects.size > 0 else 1), np.uint8)
    state = np.empty(4, np.uint64)
    filled = used = patches = 0
    image = -1
    for k in range(len(rows)):
        row = rows[filled]
        for column in range(len(row)):  # assigning a slice takes numba 2 s longer to compile
            row[column] = rows[k, column]
        if row[table.IMAGE] != image:
            image, patches = row[table.IMAGE], 0
            seed_stream(state, seed ^ _STREAM, image)
        height, width = row[table.HEIGHT], row[table.WIDTH]
        label = masks[used : used + height * width].reshape(height, width)
        label[:] = 0
        for _ in range(ELLIPSES):
            _add_ellipse(state, label)
        blend, end = label, used + height * width
        row[table.BLEND_MASK] = used
        if objects.size > 0:
            first = row[table.LABEL_MASK]
            either = objects[first : first + height * width].reshape(height, width)
            blend = masks[end : end + height * width].reshape(height, width)
            _restrict(label, either, blend)
            row[table.BLEND_MASK] = end
            end += height * width
        row[table.LABEL_MASK] = used
        y, x, rows_, columns, pixels = _bounding_box(blend)
        if pixels < MIN_PIXELS:
            continue
        place_region(row, y, x, rows_, columns, paper)
        row[table.ROUND] = patches
        patches += 1
        filled += 1
        used = end
    return rows[:filled], masks[:used]


@inlined
def _bytes(rows: Rows) -> int:
    total = 0
    for k in range(len(rows)):
        total += int(rows[k, table.HEIGHT]) * int(rows[k, table.WIDTH])
    return total


@inlined
def _add_ellipse(state: State, out: Mask) -> None:
    """Set the pixels of an ellipse at any place and angle, at most as large as the patch."""
    height, width = out.shape
    centre_y, centre_x = height * uniform(state) - 0.5, width * uniform(state) - 0.5
    # Semi-axes: of one pixel up to half the side that they lie along before the rotation.
    axis_y = 1.0 + max(height / 2 - 1.0, 0.0) * uniform(state)
    axis_x = 1.0 + max(width / 2 - 1.0, 0.0) * uniform(state)
    angle = math.pi * uniform(state)
    cosine, sine = math.cos(angle), math.sin(angle)
    reach_y = math.hypot(axis_x * sine, axis_y * cosine)
    reach_x = math.hypot(axis_x * cosine, axis_y * sine)
    first = max(math.ceil(centre_x - reach_x), 0)
    end = min(math.floor(centre_x + reach_x) + 1, width)
    for row in range(
        max(math.ceil(centre_y - reach_y), 0), min(math.floor(centre_y + reach_y) + 1, height)
    ):
        line, dy = out[row], row - centre_y
        for column in range(first, end):
            dx = column - centre_x
            along = (dx * cosine + dy * sine) / axis_x
            across = (dy * cosine - dx * sine) / axis_y
            line[column] |= along * along + across * across <= 1.0


@inlined
def _restrict(ellipses: Mask, either: Mask, blend: Mask) -> None:
    """Cut the ellipses to the object of either image; ``blend`` gets the background of both too."""
    for row in range(len(ellipses)):
        inside, objects, out = ellipses[row], either[row], blend[row]
        for column in range(len(inside)):
            inside[column] &= objects[column]
            out[column] = inside[column] | (1 - objects[column])


@inlined
def _bounding_box(mask: Mask) -> tuple[int, int, int, int, int]:
    """y, x, height and width around what is set, and its pixels; the outermost ones are not."""
    height, width = mask.shape
    top, bottom, left, right, total = height, 0, width, 0, 0
    for y in range(1, height - 1):
        line = mask[y]
        for x in range(1, width - 1):
            if line[x]:
                total += 1
                top, bottom = min(top, y), y + 1
                left, right = min(left, x), max(right, x + 1)
    return top, left, bottom - top, right - left, total
