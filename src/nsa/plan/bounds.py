"""How large a plan can become, for memory that is reserved before one is drawn."""

from __future__ import annotations

import math
from typing import NamedTuple

from nsa.plan.boxes import limits
from nsa.plan.cutpaste import AREAS, ASPECTS
from nsa.plan.scars import largest
from nsa.settings.config import SynthesisConfig


class PlanBounds(NamedTuple):
    """No plan of a configuration goes beyond these.

    Attributes:
        rounds: patches of one image.
        height, width: of a resized patch, px.
        mask_bytes: of all masks that belong to one image's patches.
    """

    rounds: int
    height: int
    width: int
    mask_bytes: int


def plan_bounds(
    config: SynthesisConfig, height: int, width: int, *, objects: bool = False
) -> PlanBounds:
    """The bounds of plans for images of ``height`` x ``width`` px.

    Args:
        objects: whether they are drawn with object masks though there is no background.
    """
    members = [_member_bounds(one, height, width, objects) for one in config.members]
    return PlanBounds(*map(max, zip(*members, strict=True)))


def _member_bounds(config: SynthesisConfig, height: int, width: int, objects: bool) -> PlanBounds:
    """The bounds of plans of one method."""
    way = config.way
    found = limits(config, height, width, objects=False)
    if way.shapes == "cutpaste":
        area = AREAS[1] * height * width
        sides = _rounded(math.sqrt(area / ASPECTS[0])), _rounded(math.sqrt(area * ASPECTS[1]))
    elif way.shapes == "scars":
        sides = largest(height, width)
    elif found.paper:
        sides = height, width  # of very long patches the image itself limits the longer side
    else:
        factor = 1 if way.resize else 2  # the released code resizes to half of the limits
        sides = factor * found.rows.half_high, factor * found.columns.half_high
    rows, columns = min(height, sides[0]), min(width, sides[1])
    masked = config.mask_background is not None or (objects and way.object_masks)
    # Random masks are cut to the object for the label, and so have another for the blending.
    masks = int(masked) + int(way.shapes in ("ellipses", "perlin"))
    if way.shapes == "scars":
        masks = 1  # which are not cut
    return PlanBounds(found.max_patches, rows, columns, masks * found.max_patches * rows * columns)


def _rounded(side: float) -> int:
    return max(1, math.floor(side + 0.5))
