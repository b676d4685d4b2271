"""A brushed steel sheet under a lamp that stands elsewhere in every picture."""

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
    either_sign,
    expose,
    floats,
    mix,
    smooth_noise,
    to_mask,
)

DEFECTS = ("pit", "crack", "grind", "stain", "scratch")
COUNTS = (160, 24, 40)  # for training, good and defective

_REACH = 480  # px, side of a square that covers the picture however it is turned
_GRAIN = ((0.5, 40, 0.10), (1.0, 100, 0.045), (2.5, 200, 0.022), (9.0, 300, 0.020))
# Width and length of lines, px, and how far their tones spread.


@dataclass
class _Sheet:
    """How a sheet lies and shines.

    Attributes:
        turn: direction of the grain, radians.
        light: brightness by place, without the grain.
        grain: what the grain adds, as a share of it.
        tint: float32 (3,), its colour.
    """

    turn: float
    light: Plane
    grain: Plane
    tint: Plane

    def seen(self) -> Plane:
        """The picture before the camera."""
        shown: Plane = (self.light * (1 + self.grain))[:, :, None] * self.tint
        return shown


def draw(random: Random, defect: str | None = None) -> tuple[Pixels, Mask]:
    """One picture and its mask.

    Args:
        random: the only source of variation.
        defect: one of ``DEFECTS``; None for a good sheet.

    Returns:
        uint8 (SIDE, SIDE, 3) RGB and uint8 (SIDE, SIDE), 255 on the defect.
    """
    sheet = _roll(random)
    picture, mask = sheet.seen(), np.zeros((SIDE, SIDE), np.uint8)
    if defect is not None:
        picture, mask = _DEFECTS[defect](picture, sheet, random)
    return expose(picture, random), mask


def _roll(random: Random) -> _Sheet:
    turn = math.radians(random.normal(0, 3))
    along, across = _turned(turn)
    grain = _brush(random, turn) * random.uniform(0.65, 1.35)
    # Where the brush overlapped, its lines are crossed by some of a slightly other direction.
    for _ in range(int(random.integers(0, 3))):
        middle, half = random.uniform(-150, 150), random.uniform(12, 45)
        share = cover(np.abs(across - middle) - half, random.uniform(4, 16))
        again = _brush(random, turn + math.radians(random.normal(0, 3)))
        grain = grain + share * (0.5 * again - 0.3 * grain + random.normal(0, 0.03))

    light = np.full((SIDE, SIDE), random.uniform(0.40, 0.60), np.float32)
    light *= 1 + 0.05 * smooth_noise(random, 160) + 0.014 * smooth_noise(random, 35)
    light *= 1 + (random.normal(0, 0.09) * along + random.normal(0, 0.07) * across) / 160
    # A lamp is mirrored in a band across the grain, which bends with the sheet.
    for width, most in ((random.uniform(30, 70), 0.22), (random.uniform(80, 140), 0.16)):
        bent = random.normal(0, 0.2) * across + 6 * smooth_noise(random, 120)
        away = (along - random.uniform(-220, 220) + bent) / width
        light *= 1 + random.uniform(0.3, 1) * most * np.exp(-away * away)
    tint = floats([0.995, 1.0, 1.005]) * floats(1 + random.normal(0, 0.006, 3))
    return _Sheet(turn, light, grain, tint)


def _turned(turn: float) -> tuple[Plane, Plane]:
    """Coordinates along and across a direction, px from the picture's middle."""
    c, s = math.cos(turn), math.sin(turn)
    dx, dy = X - SIDE / 2, Y - SIDE / 2
    return c * dx + s * dy, c * dy - s * dx


def _brush(random: Random, turn: float) -> Plane:
    """Lines along a direction, of many widths, lengths and tones, and short strokes; about 0."""
    fine = 2  # rows per px
    lines = np.zeros((_REACH * fine, 64), np.float32)
    for width, length, spread in _GRAIN:
        rows = round(_REACH / width)
        tones = random.standard_normal((rows, max(3, round(_REACH / length) + 1)), dtype=np.float32)
        tones += 0.12 * tones**3  # some stand out
        lines += spread * cv2.resize(tones, lines.shape[::-1], interpolation=cv2.INTER_CUBIC)
    flecks = random.integers(0, lines.size, int(random.integers(40, 120)))
    lines.reshape(-1)[flecks] += floats(np.clip(random.normal(0, 0.33, len(flecks)), -0.7, 0.7))
    lines = floats(cv2.GaussianBlur(lines, (1, 5), 0, sigmaY=0.8))  # no finer than pixels
    along, across = _turned(turn)
    column = (along + _REACH / 2) * (lines.shape[1] / _REACH)
    return cv2.remap(lines, column, (across + _REACH / 2) * fine, cv2.INTER_LINEAR)


def _place(random: Random, margin: float) -> tuple[float, float]:
    return random.uniform(margin, SIDE - margin), random.uniform(margin, SIDE - margin)


def _pit(picture: Plane, _sheet: _Sheet, random: Random) -> tuple[Plane, Mask]:
    """Dark spots where rust ate into the steel, with bright rims away from the light."""
    x, y = _place(random, 30)
    depth, share = random.uniform(0.16, 0.42), np.zeros((SIDE, SIDE), np.float32)
    for _ in range(int(random.integers(1, 4))):
        a, b, radius = x + random.normal(0, 9), y + random.normal(0, 9), random.uniform(0.9, 2.6)
        hollow = cover(blob(random, a, b, radius, 0.6), 1.6)
        rim = cover(np.abs(blob(random, a + 0.7, b + 0.7, radius + 0.6, 0.3)) - 0.6) * (1 - hollow)
        picture = picture * (1 + 0.3 * depth * rim - depth * hollow)[:, :, None]
        share = np.maximum(share, np.maximum(hollow, 0.8 * rim))
    return picture, to_mask(share)


def _crack(picture: Plane, _sheet: _Sheet, random: Random) -> tuple[Plane, Mask]:
    """A thin dark line that zigzags and branches."""

    def zigzag(start: Plane | tuple[float, float], heading: float, length: float) -> Plane:
        corners = random.normal(0, 0.5, round(length / 4) + 2)
        return curve(start, heading, length, np.diff(corners) / 4 + random.normal(0, 0.006))

    length, heading = random.uniform(30, 80), random.uniform(0, 2 * math.pi)
    line = zigzag(_place(random, 60), heading, length)
    pieces = [(line, random.uniform(0.45, 0.8))]
    for _ in range(int(random.integers(1, 4))):
        fork = line[int(random.uniform(0.2, 0.8) * len(line))]
        aside = heading + either_sign(random) * random.uniform(0.4, 1.0)
        pieces.append((zigzag(fork, aside, length * random.uniform(0.2, 0.45)), 0.4))
    share = np.max([cover(distance_to(points) - half) for points, half in pieces], axis=0)
    depth = np.clip(random.uniform(0.12, 0.4) + 0.08 * smooth_noise(random, 9), 0.09, 0.6)
    return picture * (1 - depth * share)[:, :, None], to_mask(share)


def _grind(picture: Plane, sheet: _Sheet, random: Random) -> tuple[Plane, Mask]:
    """A patch that was ground again in another direction, and reflects a little otherwise."""
    x, y = _place(random, 40)
    outline = blob(random, x, y, random.uniform(10, 24), 0.5) + 1.5 * smooth_noise(random, 4)
    share = cover(outline, random.uniform(2, 7)) * random.uniform(0.7, 1)
    turn = sheet.turn + either_sign(random) * math.radians(random.uniform(12, 90))
    grain = random.uniform(0.8, 1.2) * _brush(random, turn)
    grain += either_sign(random) * random.uniform(0.03, 0.06)
    ground = (sheet.light * (1 + grain))[:, :, None] * sheet.tint
    return mix(picture, ground, share), to_mask(share, 0.3)


def _stain(picture: Plane, _sheet: _Sheet, random: Random) -> tuple[Plane, Mask]:
    """A film of oil or dried water: soft, and hardly coloured."""
    x, y = _place(random, 40)
    softness = random.uniform(4, 12)
    outline = blob(random, x, y, random.uniform(11, 24), 0.5) + 1.5 * smooth_noise(random, 7)
    share = cover(outline, softness)
    edge = np.exp(-(((outline + 0.2 * softness) / 2) ** 2)) * share
    tones = ((0.88, 0.878, 0.87), (0.88, 0.883, 0.89), (1.12, 1.12, 1.125))
    colour = floats(tones[int(random.integers(len(tones)))])
    film = random.uniform(0.6, 1.2) * share + random.uniform(0, 0.5) * edge
    return mix(picture, picture * colour, film), to_mask(share)


def _scratch(picture: Plane, sheet: _Sheet, random: Random) -> tuple[Plane, Mask]:
    """A bright groove across the grain, dark on one side."""
    heading = sheet.turn + either_sign(random) * random.uniform(0.5, math.pi - 0.5)
    line = curve(_place(random, 60), heading, random.uniform(25, 90), random.normal(0, 0.012, 4))
    half, strength = random.uniform(0.5, 1.0), random.uniform(0.12, 0.32)
    wear = np.clip(0.8 + 0.3 * smooth_noise(random, 10), 0.45, 1.2)
    bright = cover(distance_to(line) - half)
    dark = cover(distance_to(line + floats([1.1, 1.1])) - 0.7 * half)
    changed = 1 + strength * wear * (bright - 0.6 * dark * (1 - bright))
    return picture * changed[:, :, None], to_mask(np.maximum(bright, dark))


_DEFECTS = {
    "pit": _pit, "crack": _crack, "grind": _grind, "stain": _stain, "scratch": _scratch,
}  # fmt: skip
