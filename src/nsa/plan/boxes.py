"""Sizes and places of rectangular patches: equations 5-10 of the paper, one axis at a time."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeVar

from nsa.plan._jit import inlined
from nsa.plan.rng import State, below, gamma2, normal, uniform
from nsa.settings.config import Bounds, SynthesisConfig

Number = TypeVar("Number", int, float)

# Eq. 5-6: sides are 0.06 + Gamma(2, 0.1) of the image's, and 0.8 at most in nearly all of Table 4.
_START, _SCALE, _USUAL_END = 0.06, 0.1, 0.80


class Axis(NamedTuple):
    """Limits along the height or the width of an image."""

    side: int  # of the image, px
    low: float  # smallest and largest side of a patch, relative to the image's
    high: float
    start: float  # where the distribution of sides begins, and the scale of it, relative too
    scale: float
    half_low: int  # half of these in px, which is what the released code works with
    half_high: int


class Limits(NamedTuple):
    """What the samplers need of a configuration, in a form that numba compiles."""

    rows: Axis
    columns: Axis
    paper: bool  # variant "paper"; else "released"
    objects: bool  # there are object masks
    other_image: bool  # these four as in nsa.settings.methods.Method
    shift: bool
    resize: bool
    interpolates: bool
    max_patches: int
    scale_low: float
    scale_high: float
    min_object_share: float
    min_overlap: float


def limits(config: SynthesisConfig, height: int, width: int, *, objects: bool) -> Limits:
    """The limits of ``config`` for images of ``height`` x ``width``."""
    way = config.way
    return Limits(
        rows=_axis(height, config.height_bounds, config.patch_pixels),
        columns=_axis(width, config.width_bounds, config.patch_pixels),
        paper=config.variant == "paper",
        objects=objects,
        other_image=way.other_image,
        shift=way.shift,
        resize=way.resize,
        interpolates=way.interpolates,
        max_patches=int(config.max_patches) if way.several else 1,
        scale_low=float(config.scale_bounds[0]),
        scale_high=float(config.scale_bounds[1]),
        min_object_share=float(config.min_object_share),
        min_overlap=float(config.min_overlap),
    )


def _axis(side: int, bounds: Bounds, pixels: tuple[int, int] | None) -> Axis:
    start, scale = _START, _SCALE
    if pixels is not None:
        smallest, largest = min(pixels[0], side), min(pixels[1], side)
        start, bounds = smallest / side, (smallest / side, largest / side)
        scale = _SCALE * (bounds[1] - bounds[0]) / (_USUAL_END - _START)
    # At least 1: on tiny images the rounded limit would be an empty patch.
    half_low = max(1, round(bounds[0] / 2 * side))
    half_high = max(half_low, round(bounds[1] / 2 * side))
    return Axis(int(side), float(bounds[0]), float(bounds[1]), start, scale, half_low, half_high)


@inlined
def _clip(value: Number, low: Number, high: Number) -> Number:
    return min(max(value, low), high)


@inlined
def draw_length(state: State, axis: Axis, paper: bool) -> float:
    """Side of the source patch in px, eq. 5-6: a clipped Gamma variable."""
    if paper:
        return axis.side * _clip(axis.start + gamma2(state, axis.scale), axis.low, axis.high)
    # The released code draws half of the side and cuts it to whole pixels.
    half = (axis.start / 2 + gamma2(state, axis.scale / 2)) * axis.side
    return 2.0 * math.floor(_clip(half, float(axis.half_low), float(axis.half_high)))


@inlined
def draw_interval(state: State, axis: Axis, length: float, paper: bool) -> tuple[int, int]:
    """First pixel and end of the source box, eq. 7: a uniform centre, clipped to the image."""
    if paper:
        margin = axis.side * axis.low / 2
        centre = margin + (axis.side - 2 * margin) * uniform(state)
    else:
        # Whole pixels; one choice is left where the smallest patch is the whole image.
        centre = float(axis.half_low + below(state, max(1, axis.side - 2 * axis.half_low)))
    # On tiny images a box may round to nothing: it keeps one pixel.
    first = _clip(math.floor(centre - length / 2 + 0.5), 0, axis.side - 1)
    end = math.floor(centre + length / 2 + 0.5)
    return first, _clip(end, first + 1, axis.side)


@inlined
def draw_size(state: State, limits: Limits, height: int, width: int) -> tuple[int, int]:
    """Height and width of the resized patch, eq. 9."""
    scale = _clip(normal(state, 1.0, 0.5), limits.scale_low, limits.scale_high)
    rows, columns = limits.rows, limits.columns
    if limits.paper:
        relative_height, relative_width = height / rows.side, width / columns.side
        scale = min(scale, columns.high / relative_width, rows.high / relative_height)
        scale = max(scale, columns.low / relative_width, rows.low / relative_height)
        new_height = math.floor(scale * height + 0.5)
        new_width = math.floor(scale * width + 0.5)
        return max(new_height, 1), max(new_width, 1)
    # The released code clips the whole side by the limits of the half side, and one axis after
    # the other, so that the aspect ratio survives unless both axes meet a limit.
    scaled = _clip(scale * height, float(rows.half_low), float(rows.half_high))
    new_width = _clip(int(scaled / height * width), columns.half_low, columns.half_high)
    new_height = _clip(int(new_width / width * height), rows.half_low, rows.half_high)
    return new_height, new_width


@inlined
def destinations(axis: Axis, length: int, paper: bool) -> tuple[int, int]:
    """First place and number of places of the destination box along an axis, eq. 10."""
    if paper:
        return 0, axis.side - length + 1
    # The released code draws the centre and keeps a pixel of distance to the border.
    return 1, axis.side - 2 * (length // 2) - 2
