"""Patches with the areas and aspect ratios of CutPaste: ablation C of the paper."""

from __future__ import annotations

import math

import numpy as np

from nsa.plan import table
from nsa.plan._jit import entry
from nsa.plan.boxes import Limits
from nsa.plan.natural import MIN_PIXELS, Rows, Wanted, place_region, source_image
from nsa.plan.rng import below, seed_stream, uniform

AREAS = (0.02, 0.15)  # of a patch, relative to the image's
ASPECTS = (0.3, 3.3)  # width over height; the paper's (0.3, 1) u (1, 3.3)


@entry
def draw(limits: Limits, images: int, seed: np.uint64, wanted: Wanted) -> Rows:
    """Rows of a plan in the order of the images: one patch each, uniform, whole in the image.

    Args:
        wanted: bool (images,), which of them get one.
    """
    rows = np.empty((images, table.MODE + 1), np.int32)
    state = np.empty(4, np.uint64)
    side_y, side_x = limits.rows.side, limits.columns.side
    filled = 0
    for image in range(images):
        if not wanted[image]:
            continue
        seed_stream(state, seed, image)
        source = source_image(state, limits, image, images)
        area = (AREAS[0] + (AREAS[1] - AREAS[0]) * uniform(state)) * side_y * side_x
        aspect = ASPECTS[0] + (ASPECTS[1] - ASPECTS[0]) * uniform(state)
        # The longest patch may exceed a narrow image, whose side then cuts it.
        height = min(max(1, math.floor(math.sqrt(area / aspect) + 0.5)), side_y)
        width = min(max(1, math.floor(math.sqrt(area * aspect) + 0.5)), side_x)
        if min(height, width) < 3 or (height - 2) * (width - 2) < MIN_PIXELS:
            continue
        row = rows[filled]
        row[table.IMAGE], row[table.SOURCE], row[table.ROUND] = image, source, 0
        row[table.SRC_Y], row[table.SRC_X] = (
            below(state, side_y - height + 1),
            below(state, side_x - width + 1),
        )
        row[table.DST_Y], row[table.DST_X] = (
            below(state, side_y - height + 1),
            below(state, side_x - width + 1),
        )
        row[table.SRC_H], row[table.SRC_W] = height, width
        row[table.HEIGHT], row[table.WIDTH] = height, width
        row[table.BLEND_MASK], row[table.LABEL_MASK] = -1, -1
        place_region(row, 1, 1, height - 2, width - 2, limits.paper)
        filled += 1
    return rows[:filled]
