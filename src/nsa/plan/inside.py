"""Patches with a random mask: ellipses, ablation D of the paper, or thresholded noise.

Boxes are those that NSA draws from the same seed; only what is blended inside them differs.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nsa.plan import table
from nsa.plan._jit import entry, inlined
from nsa.plan.masks import Mask
from nsa.plan.natural import MIN_PIXELS, Rows, place_region
from nsa.plan.rng import State, below, seed_stream, uniform

ELLIPSES = 5  # their union is the mask of a patch
# Noise above this is the mask: a third of a box on average, from 20 to 50 % of four in five.
THRESHOLD = 0.1
_CELLS = 4  # numbers of cells that the noise may have along a side: 1, 2, 4 or 8
_MIN_CELL = 4  # px of a side, where there are several: smaller ones give specks
# Keeps these streams of random numbers apart from those of the boxes.
_STREAM = np.uint64(0xD1B54A32D192ED03)

Values = npt.NDArray[np.float64]


@entry
def cut(
    rows: Rows, objects: Mask, seed: np.uint64, paper: bool, noise: bool, pasted: bool
) -> tuple[Rows, Mask]:
    """Give each patch a random mask, and leave out those with too little in it.

    Args:
        rows: as :func:`nsa.plan.natural.draw` returns them; changed in place.
        objects: the masks of source or destination object that they point to; empty: none.
        noise: masks are thresholded noise, else ellipses.
        pasted: what is background in both images stays as it is, and is no part of a patch.

    Returns:
        The rows that are left, and the masks they point to: for the label the random mask on the
        object, for the blending also what is background in both images.
    """
    masks = np.empty(_bytes(rows) * (2 if objects.size > 0 else 1), np.uint8)
    state = np.empty(4, np.uint64)
    most = 1 << (_CELLS - 1)
    gradients = np.empty((most + 1, most + 1, 2))
    along = np.empty((most + 1, 2))
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
        if noise:
            _set_noise(state, gradients, along, label)
        else:
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
        y, x, rows_, columns, pixels = bounding_box(blend)
        if pasted:
            pixels = _inner_pixels(label)
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
def _set_noise(state: State, gradients: Values, along: Values, out: Mask) -> None:
    """Set the pixels where gradient noise (Perlin, 2002) exceeds the threshold, and no others.

    Its lattice ends at the patch's sides. ``gradients`` and ``along`` are room to work in.
    """
    height, width = out.shape
    cells_y, cells_x = _draw_cells(state, height), _draw_cells(state, width)
    for i in range(cells_y + 1):
        for j in range(cells_x + 1):
            angle = 2.0 * math.pi * uniform(state)
            gradients[i, j, 0], gradients[i, j, 1] = math.sin(angle), math.cos(angle)
    step = cells_x / width
    for row in range(height):
        line, position = out[row], (row + 0.5) * cells_y / height
        i = int(position)
        dy = position - i
        lower = _fade(dy)
        # Interpolated between two rows of the lattice first: each of its columns then has a
        # value and a slope along this row of pixels.
        for j in range(cells_x + 1):
            above, under = gradients[i, j], gradients[i + 1, j]
            along[j, 0] = (1.0 - lower) * above[0] * dy + lower * under[0] * (dy - 1.0)
            along[j, 1] = (1.0 - lower) * above[1] + lower * under[1]
        for j in range(cells_x):
            left, left_slope = along[j, 0], along[j, 1]
            right, right_slope = along[j + 1, 0], along[j + 1, 1]
            # Pixels whose centre lies in the cell.
            first = (2 * j * width + cells_x - 1) // (2 * cells_x)
            end = (2 * (j + 1) * width + cells_x - 1) // (2 * cells_x)
            for column in range(first, end):
                dx = (column + 0.5) * step - j
                near = left + left_slope * dx
                far = right + right_slope * (dx - 1.0)
                line[column] = near + _fade(dx) * (far - near) > THRESHOLD


@inlined
def _draw_cells(state: State, side: int) -> int:
    """Cells of the noise along a side: any power of two that leaves them large enough."""
    choices = 1
    while choices < _CELLS and _MIN_CELL << choices <= side:
        choices += 1
    return 1 << below(state, choices)


@inlined
def _fade(t: float) -> float:
    """Perlin's weight from 0 to 1, whose first two derivatives are 0 at both ends."""
    return t * t * t * (t * (t * 6.0 - 15.0) + 10.0)


@inlined
def _restrict(mask: Mask, either: Mask, blend: Mask) -> None:
    """Cut a mask to the object of either image; ``blend`` gets the background of both too."""
    for row in range(len(mask)):
        inside, objects, out = mask[row], either[row], blend[row]
        for column in range(len(inside)):
            inside[column] &= objects[column]
            out[column] = inside[column] | (1 - objects[column])


@inlined
def bounding_box(mask: Mask) -> tuple[int, int, int, int, int]:
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


@inlined
def _inner_pixels(mask: Mask) -> int:
    """Pixels that are set, without the outermost ones."""
    total = 0
    for y in range(1, len(mask) - 1):
        line = mask[y]
        for x in range(1, mask.shape[1] - 1):
            total += line[x]
    return total
