"""A lathe-turned steel flange with six bolt holes on a dark, plain table."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from nsa.images.demo.canvas import (
    SIDE,
    Mask,
    Pixels,
    Plane,
    Random,
    X,
    Y,
    blob,
    cover,
    curve,
    distance_to,
    expose,
    floats,
    mix,
    smooth_noise,
    to_mask,
)

DEFECTS = ("scratch", "stain", "chip", "blind_hole", "dent")
COUNTS = (160, 24, 40)  # for training, good and defective

_OUTER, _HUB, _BORE = 122.0, 66.0, 40.0  # radii, px
_BOLTS, _BOLT_CIRCLE, _BOLT = 6, 95.0, 11.5  # count, radius of their circle and of each
_STEEL = floats([0.60, 0.61, 0.63])
_TABLE = floats([0.135, 0.14, 0.155])


@dataclass
class _Part:
    """Where one flange lies, how it is lit, and what is wrong with its shape."""

    x: float
    y: float
    turn: float  # radians
    light: float  # direction the light comes from, radians
    blind: int | None = None  # the bolt hole that is missing
    bite: Plane | None = None  # signed distance of material that is missing
    relief: Plane | None = None  # height of a dent, px

    def bolt(self, index: int) -> tuple[float, float]:
        """Centre of a bolt hole, px."""
        angle = self.turn + 2 * math.pi * index / _BOLTS
        return self.x + _BOLT_CIRCLE * math.cos(angle), self.y + _BOLT_CIRCLE * math.sin(angle)

    def polar(self, radius: float, angle: float) -> tuple[float, float]:
        """A point of the part, px."""
        return self.x + radius * math.cos(angle), self.y + radius * math.sin(angle)


def draw(random: Random, defect: str | None = None) -> tuple[Pixels, Mask]:
    """One picture and its mask.

    Args:
        random: the only source of variation.
        defect: one of ``DEFECTS``; None for a good part.

    Returns:
        uint8 (SIDE, SIDE, 3) RGB and uint8 (SIDE, SIDE), 255 on the defect.
    """
    part = _Part(
        x=SIDE / 2 + random.normal(0, 2.5),
        y=SIDE / 2 + random.normal(0, 2.5),
        turn=math.radians(random.uniform(-4, 4)),
        light=math.radians(random.normal(-125, 6)),
    )
    mask = np.zeros((SIDE, SIDE), np.uint8)
    if defect in _SHAPE_DEFECTS:
        mask = _SHAPE_DEFECTS[defect](part, random)
    picture, steel = _render(part, random)
    if defect in _SURFACE_DEFECTS:
        picture, mask = _SURFACE_DEFECTS[defect](picture, steel, part, random)
    return expose(picture, random), mask


def _render(part: _Part, random: Random) -> tuple[Plane, Plane]:
    """The picture and how much of each pixel is steel."""
    dx, dy = X - part.x, Y - part.y
    radius, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    light_x, light_y = math.cos(part.light), math.sin(part.light)
    facing = (dx * light_x + dy * light_y) / np.maximum(radius, 1)  # of a rim that slopes outwards

    shade = np.full((SIDE, SIDE), 1.0, np.float32)
    # Turned steel reflects in two wedges along the direction of the light.
    shade += 0.26 * np.abs(np.cos(angle - (part.light + 0.35))) ** 7
    shade += _tool_marks(random, radius, angle)
    shade += 0.05 * (dx * light_x + dy * light_y) / _OUTER
    shade += 0.28 * facing * _ring(radius, _OUTER - 6, _OUTER)
    shade += 0.34 * facing * _ring(radius, _HUB, _HUB + 4)
    shade -= 0.16 * _ring(radius, _HUB + 3.5, _HUB + 6)
    shade -= 0.38 * facing * _ring(radius, _BORE, _BORE + 4)
    shade += 0.05 * cover(radius - _HUB)

    body = np.maximum(radius - _OUTER, _BORE - radius)
    body = np.maximum(body, -_keyway(part, dx, dy))
    # Only the nearest bolt hole matters to a pixel.
    centers = floats([part.bolt(index) for index in range(_BOLTS)])
    nearest = np.rint((angle - part.turn) * (_BOLTS / (2 * math.pi))) % _BOLTS
    to_hole = np.stack([X, Y], axis=-1) - centers[nearest.astype(np.intp)]
    reach = np.hypot(to_hole[..., 0], to_hole[..., 1])
    if part.blind is not None:
        reach[nearest == part.blind] = SIDE
    slope = (to_hole @ floats([light_x, light_y])) / np.maximum(reach, 1)
    shade -= 0.45 * slope * _ring(reach, _BOLT, _BOLT + 4)
    body = np.maximum(body, _BOLT - reach)
    if part.bite is not None:
        shade -= 0.22 * cover(np.abs(part.bite) - 1.6, 1.5)
        body = np.maximum(body, -part.bite)
    if part.relief is not None:
        shade += cv2.Sobel(part.relief, cv2.CV_32F, 1, 0, scale=0.125) * light_x
        shade += cv2.Sobel(part.relief, cv2.CV_32F, 0, 1, scale=0.125) * light_y

    steel = cover(body)
    tint = _STEEL * floats(1 + random.normal(0, 0.008, 3))
    return mix(_table(random, steel, part.light), shade[:, :, None] * tint, steel), steel


def _table(random: Random, steel: Plane, light: float) -> Plane:
    """The table with the part's soft shadow on it."""
    shift = floats([[1, 0, -7 * math.cos(light)], [0, 1, -7 * math.sin(light)]])
    shadow = cv2.GaussianBlur(cv2.warpAffine(steel, shift, (SIDE, SIDE)), (0, 0), 4)
    grain = 1 + 0.02 * smooth_noise(random, 3)
    return (grain * (1 - 0.5 * shadow))[:, :, None] * _TABLE


def _tool_marks(random: Random, radius: Plane, angle: Plane) -> Plane:
    """Concentric grooves: fine across, long around."""
    rings, turns = 400, 48
    grooves = 0.028 * random.standard_normal((rings, turns), dtype=np.float32)
    for _ in range(6):
        grooves = (np.roll(grooves, 1, 1) + 2 * grooves + np.roll(grooves, -1, 1)) / 4
    grooves += 0.022 * random.standard_normal((rings, 1), dtype=np.float32)
    grooves = np.hstack([grooves, grooves[:, :1]])
    column = (angle + math.pi) * (turns / (2 * math.pi))
    return cv2.remap(grooves, column, radius * 2, cv2.INTER_LINEAR)


def _ring(radius: Plane, inner: float, outer: float) -> Plane:
    middle, half = (inner + outer) / 2, (outer - inner) / 2
    return cover(np.abs(radius - middle) - half)


def _keyway(part: _Part, dx: Plane, dy: Plane) -> Plane:
    """Signed distance to the slot in the bore that takes the shaft's key."""
    c, s = math.cos(part.turn), math.sin(part.turn)
    across, along = c * dx + s * dy, c * dy - s * dx
    slot: Plane = np.maximum(np.abs(across) - 8, np.abs(along + _BORE) - 11)
    return slot


def _chip(part: _Part, random: Random) -> Mask:
    """A piece broken off the rim."""
    x, y = part.polar(_OUTER + random.uniform(-3, 4), random.uniform(0, 2 * math.pi))
    bite = blob(random, x, y, random.uniform(7, 15), 0.5) + smooth_noise(random, 5) * 0.8
    part.bite = bite
    radius = np.hypot(X - part.x, Y - part.y)
    return to_mask(cover(np.maximum(bite - 1.5, radius - _OUTER)))


def _blind_hole(part: _Part, random: Random) -> Mask:
    """A bolt hole that was never drilled."""
    part.blind = int(random.integers(_BOLTS))
    x, y = part.bolt(part.blind)
    return to_mask(cover(np.hypot(X - x, Y - y) - (_BOLT + 4)))


def _dent(part: _Part, random: Random) -> Mask:
    """A hollow knocked into the face, seen by its shading only."""
    reach = random.uniform(8, 15)
    between = (int(random.integers(_BOLTS)) + random.uniform(0.35, 0.65)) / _BOLTS  # two holes
    x, y = part.polar(random.uniform(_HUB + 16, _OUTER - 16), part.turn + 2 * math.pi * between)
    distance = blob(random, x, y, reach, 0.2)
    hollow = np.clip(-distance / reach, 0, 1)
    hollow = hollow * hollow * (3 - 2 * hollow)
    part.relief = cv2.GaussianBlur(hollow, (0, 0), 1.2) * (reach * random.uniform(0.16, 0.3))
    return to_mask(cover(distance))


def _scratch(picture: Plane, steel: Plane, part: _Part, random: Random) -> tuple[Plane, Mask]:
    """A thin groove: bright on the side that faces the light, dark on the other."""
    start = part.polar(random.uniform(_HUB + 4, _OUTER - 12), random.uniform(0, 2 * math.pi))
    line = curve(
        start, random.uniform(0, 2 * math.pi), random.uniform(28, 80), random.normal(0, 0.012, 4)
    )
    width = random.uniform(0.8, 1.6)
    strength = random.uniform(0.16, 0.34)
    wear = np.clip(0.75 + 0.35 * smooth_noise(random, 12), 0.25, 1.2)
    aside = floats([math.cos(part.light), math.sin(part.light)]) * 1.2
    bright = cover(distance_to(line) - width) * steel
    dark = cover(distance_to(line + aside) - 0.7 * width) * steel
    marked = picture + (strength * wear * (bright - 0.8 * dark))[:, :, None]
    return marked, to_mask(np.maximum(bright, dark))


def _stain(picture: Plane, steel: Plane, part: _Part, random: Random) -> tuple[Plane, Mask]:
    """Rust or oil: the steel keeps its marks but changes colour."""
    x, y = part.polar(random.uniform(_BORE + 12, _OUTER - 10), random.uniform(0, 2 * math.pi))
    outline = blob(random, x, y, random.uniform(8, 20), 0.6) + 2 * smooth_noise(random, 7)
    share = cover(outline, 5.0) * steel
    rust, oil = (0.80, 0.62, 0.46), (0.74, 0.73, 0.68)
    colour = floats(rust if random.random() < 0.5 else oil)
    depth = np.clip(random.uniform(0.55, 1.0) + 0.2 * smooth_noise(random, 5), 0.2, 1.2)
    return mix(picture, picture * colour, share * depth), to_mask(share)


_SHAPE_DEFECTS = {"chip": _chip, "blind_hole": _blind_hole, "dent": _dent}
_SURFACE_DEFECTS = {"scratch": _scratch, "stain": _stain}
