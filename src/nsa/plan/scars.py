"""CutPaste's scars: thin rectangles, turned by any angle and pasted elsewhere.

The paper of CutPaste cuts them 2 to 16 px wide and 10 to 25 px long from images of 256 px and turns
them by up to 45 degrees to either side; here they are relative to the shorter side of an image. The
masks of seamless cloning are eroded by 3 px on each side, so that a scar must be wider than 6 px to
leave anything when it is not pasted.
"""

from __future__ import annotations

import math

import numpy as np

from nsa.plan import table
from nsa.plan._jit import entry, inlined
from nsa.plan.boxes import Limits
from nsa.plan.inside import bounding_box
from nsa.plan.masks import Mask
from nsa.plan.natural import MIN_PIXELS, TRIES, Rows, Wanted, place_region, source_image
from nsa.plan.rng import State, below, coin, seed_stream, uniform

WIDTHS = (2 / 256, 16 / 256)  # of a scar, relative to the shorter side of the image
LENGTHS = (10 / 256, 25 / 256)
# px. A change must survive the 5x5 median of the labels, which wipes out lines of 2 px.
MIN_WIDTH = 3.0
# px, to which short scars are lengthened: rounded to pixels, nearly all have MIN_PIXELS then.
MIN_AREA = 1.2 * MIN_PIXELS
_MARGIN = 1  # px around a scar, as the outermost pixels of a box never count as blended


def largest(height: int, width: int) -> tuple[int, int]:
    """The largest height and width of a scar's box in an image of ``height`` x ``width``."""
    shorter = min(height, width)
    across = max(WIDTHS[1] * shorter, MIN_WIDTH)
    along = max(LENGTHS[1] * shorter, MIN_AREA / max(WIDTHS[0] * shorter, MIN_WIDTH))
    side = math.floor(math.hypot(across, along)) + 1 + 2 * _MARGIN
    return min(side, height), min(side, width)


@entry
def draw(
    limits: Limits, images: int, seed: np.uint64, wanted: Wanted, objects: Mask, room: int
) -> tuple[Rows, Mask]:
    """Rows of a plan in the order of the images, and the masks they point to.

    Args:
        wanted, objects: as for :func:`nsa.plan.natural.draw`.
        room: pixels of the :func:`largest` box.
    """
    rows = np.empty((images * limits.max_patches, table.MODE + 1), np.int32)
    masks = np.empty(len(rows) * room, np.uint8)  # memory that is not written costs nothing
    state = np.empty(4, np.uint64)
    side_y, side_x = limits.rows.side, limits.columns.side
    filled = used = 0
    for image in range(images):
        if not wanted[image]:
            continue
        seed_stream(state, seed, image)
        source = source_image(state, limits, image, images)
        patches = 0
        for attempt in range(limits.max_patches):
            if attempt > 0 and not coin(state):
                continue
            across, along = draw_sides(state, float(min(side_y, side_x)))
            angle = math.pi * uniform(state)
            cosine, sine = math.cos(angle), math.sin(angle)
            height = math.ceil(along * sine + across * abs(cosine)) + 2 * _MARGIN
            width = math.ceil(along * abs(cosine) + across * sine) + 2 * _MARGIN
            if height > side_y or width > side_x:
                continue
            mask = masks[used : used + height * width].reshape(height, width)
            _set_scar(across, along, cosine, sine, mask)
            y, x, rows_, columns, pixels = bounding_box(mask)
            if pixels < MIN_PIXELS:
                continue
            origin = source if limits.objects else 0
            src_y, src_x = _draw_place(state, limits, objects[origin], height, width)
            target = image if limits.objects else 0
            dst_y, dst_x = _draw_place(state, limits, objects[target], height, width)
            if src_y < 0 or dst_y < 0:
                continue
            row = rows[filled]
            row[table.IMAGE], row[table.SOURCE], row[table.ROUND] = image, source, patches
            row[table.SRC_Y], row[table.SRC_X] = src_y, src_x
            row[table.DST_Y], row[table.DST_X] = dst_y, dst_x
            row[table.SRC_H], row[table.SRC_W] = height, width
            row[table.HEIGHT], row[table.WIDTH] = height, width
            row[table.BLEND_MASK], row[table.LABEL_MASK] = used, used
            place_region(row, y, x, rows_, columns, limits.paper)
            patches += 1
            filled += 1
            used += height * width
    return rows[:filled], masks[:used]


@inlined
def draw_sides(state: State, shorter: float) -> tuple[float, float]:
    """Width and length of a scar in px, in an image whose shorter side is that long."""
    across = shorter * (WIDTHS[0] + (WIDTHS[1] - WIDTHS[0]) * uniform(state))
    along = shorter * (LENGTHS[0] + (LENGTHS[1] - LENGTHS[0]) * uniform(state))
    across = max(across, MIN_WIDTH)
    return across, max(along, MIN_AREA / across)


@inlined
def _set_scar(across: float, along: float, cosine: float, sine: float, out: Mask) -> None:
    """Set the pixels of a turned rectangle in the middle of its box, and no others."""
    height, width = out.shape
    for row in range(height):
        line, dy = out[row], row - 0.5 * (height - 1)
        for column in range(width):
            dx = column - 0.5 * (width - 1)
            line[column] = (abs(dx * cosine + dy * sine) <= 0.5 * along) & (
                abs(dy * cosine - dx * sine) <= 0.5 * across
            )


@inlined
def _draw_place(
    state: State, limits: Limits, objects: Mask, height: int, width: int
) -> tuple[int, int]:
    """y and x of a box whole in the image, its centre on the object; -1: none found."""
    for _ in range(TRIES):
        y = below(state, limits.rows.side - height + 1)
        x = below(state, limits.columns.side - width + 1)
        if not limits.objects or objects[y + height // 2, x + width // 2]:
            return y, x
    return -1, -1
