"""Denim: a 3/1 twill of blue warp over pale weft yarns, seen from above."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

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

DEFECTS = ("hole", "stain", "thread", "snag", "mispick")
COUNTS = (160, 24, 40)  # for training, good and defective

_PITCH = 9.0  # px from one yarn to the next
_REPEAT, _OVER = 4, 3  # the warp lies over 3 of every 4 weft yarns
_WARP = floats([0.27, 0.36, 0.55])
_WEFT = floats([0.74, 0.74, 0.72])
_BACKING = floats([0.12, 0.12, 0.14])


@dataclass
class _Cloth:
    """Where the yarns run, and which of them are missing."""

    u: Plane  # position across the warp, in yarns
    v: Plane  # position across the weft, in yarns
    gap: tuple[float, float, float] | None = None  # missing weft yarn: its number, first and last u


def draw(random: Random, defect: str | None = None) -> tuple[Pixels, Mask]:
    """One picture and its mask.

    Args:
        random: the only source of variation.
        defect: one of ``DEFECTS``; None for good cloth.

    Returns:
        uint8 (SIDE, SIDE, 3) RGB and uint8 (SIDE, SIDE), 255 on the defect.
    """
    cloth = _lay(random)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    if defect in _WEAVE_DEFECTS:
        mask = _WEAVE_DEFECTS[defect](cloth, random)
    picture = _weave(cloth, random)
    if defect in _SURFACE_DEFECTS:
        picture, mask = _SURFACE_DEFECTS[defect](picture, cloth, random)
    return expose(picture, random), mask


def _lay(random: Random) -> _Cloth:
    """Cloth on the table: shifted, turned and stretched a little, never quite straight."""
    turn, pitch = math.radians(random.normal(0, 1.2)), _PITCH * random.normal(1, 0.012)
    c, s = math.cos(turn) / pitch, math.sin(turn) / pitch
    sag_u, sag_v = (0.16 * smooth_noise(random, 90) for _ in range(2))
    shift_u, shift_v = random.uniform(100, 140), random.uniform(100, 140)
    return _Cloth(c * X + s * Y + sag_u + shift_u, c * Y - s * X + sag_v + shift_v)


def _weave(cloth: _Cloth, random: Random) -> Plane:
    warp, weft = np.floor(cloth.u), np.floor(cloth.v)
    in_warp, in_weft = cloth.u - warp - 0.5, cloth.v - weft - 0.5
    step = (warp + weft) % _REPEAT
    on_top = step < _OVER  # the warp is seen
    missing = np.zeros_like(on_top)
    if cloth.gap is not None:
        yarn, start, stop = cloth.gap
        missing = (weft == yarn) & (cloth.u > start) & (cloth.u < stop)
    # A float rises out of the cloth in its middle and dives under at its ends.
    along_warp = ((weft + warp) % _REPEAT + in_weft + 0.5) / _OVER - 0.5
    across = np.where(on_top, in_warp, in_weft)
    along = np.where(on_top, along_warp, in_warp)
    shade = (1 - 2.3 * across * across) * (1 - along * along)
    shade += -0.10 * across  # light from above left
    shade *= _fibres(random, cloth, on_top)
    picture: Plane = np.where(on_top[:, :, None], _WARP, _WEFT) * shade[:, :, None]
    picture[missing & ~on_top] = _BACKING
    slack = missing & on_top
    picture[slack] *= 0.72
    tone = 1 + 0.03 * smooth_noise(random, 110)
    picture *= tone[:, :, None]
    return picture


def _fibres(random: Random, cloth: _Cloth, on_top: npt.NDArray[np.bool_]) -> Plane:
    """Brightness of the yarns: each its own tone, slubs along it, fine twisted fibres."""
    count = 200
    result = []
    for across, along in ((cloth.u, cloth.v), (cloth.v, cloth.u)):
        thickness = random.standard_normal((count, count // 5), dtype=np.float32)
        slubs = 0.05 * cv2.resize(thickness, (count, count))
        slubs += 0.05 * random.standard_normal((count, 1), dtype=np.float32)
        yarn = np.floor(across)
        tone = cv2.remap(slubs, along, yarn, cv2.INTER_LINEAR)
        twist = np.sin((across * 2 + along * 3.0) * (2 * math.pi) + yarn)
        result.append(1 + tone + 0.035 * twist)
    fuzz = 0.035 * smooth_noise(random, 1.6)
    return np.where(on_top, result[0], result[1]) + fuzz


def _place(random: Random, margin: float) -> tuple[float, float]:
    return random.uniform(margin, SIDE - margin), random.uniform(margin, SIDE - margin)


def _snag(cloth: _Cloth, random: Random) -> Mask:
    """Yarns pulled aside by something that caught in them."""
    x, y = _place(random, 45)
    reach = random.uniform(16, 28)
    distance = np.hypot(X - x, Y - y) / reach
    pull = np.clip(1 - distance * distance, 0, 1) ** 2
    heading, strength = random.uniform(0, 2 * math.pi), random.uniform(0.9, 1.5)
    cloth.u += pull * (strength * math.cos(heading))
    cloth.v += pull * (strength * math.sin(heading))
    return to_mask(pull * strength, 0.2)


def _mispick(cloth: _Cloth, random: Random) -> Mask:
    """A weft yarn that is missing over some length."""
    x, y = _place(random, 40)
    yarn = float(np.floor(cloth.v[int(y), int(x)]))
    center, half = float(cloth.u[int(y), int(x)]), random.uniform(4, 12)
    cloth.gap = (yarn, center - half, center + half)
    inside = (np.floor(cloth.v) == yarn) & (np.abs(cloth.u - center) < half)
    return np.where(inside, np.uint8(255), np.uint8(0))


def _hole(picture: Plane, cloth: _Cloth, random: Random) -> tuple[Plane, Mask]:
    """A tear: dark backing, a worn rim and loose yarn ends that reach in."""
    x, y = _place(random, 35)
    radius = random.uniform(7, 14)
    ends = np.sin(cloth.u * 6.28) * np.sin(cloth.v * 6.28)
    outline = blob(random, x, y, radius, 0.5) + 2.2 * ends + smooth_noise(random, 3)
    opened = cover(outline, 1.5)
    rim = np.clip(1 - np.abs(outline - 2) / 4, 0, 1) * 0.45
    worn = mix(picture, picture * 0.6 + 0.22, rim)
    return mix(worn, _BACKING, opened), to_mask(np.maximum(opened, rim))


def _stain(picture: Plane, _cloth: _Cloth, random: Random) -> tuple[Plane, Mask]:
    """A spill that dried with a marked edge: coffee, oil, or bleach."""
    x, y = _place(random, 35)
    outline = blob(random, x, y, random.uniform(12, 28), 0.5)
    share = cover(outline, 4.0)
    edge = np.exp(-(((outline + 2) / 3) ** 2)) * share
    depth = random.uniform(0.6, 1.0) * share + 0.35 * edge
    if random.random() < 0.3:
        faded = picture * 0.75 + floats([0.20, 0.21, 0.20])
        return mix(picture, faded, depth), to_mask(share)
    colour = floats([(0.78, 0.60, 0.42), (0.62, 0.62, 0.60)][int(random.integers(2))])
    return mix(picture, picture * colour, depth), to_mask(share)


def _thread(picture: Plane, _cloth: _Cloth, random: Random) -> tuple[Plane, Mask]:
    """A loose thread lying on the cloth, with its shadow."""
    line = curve(
        _place(random, 60), random.uniform(0, 2 * math.pi), random.uniform(45, 110),
        random.normal(0, 0.035, 5),
    )  # fmt: skip
    half = random.uniform(1.3, 2.1)
    distance = distance_to(line)
    shadow = cover(distance_to(line + floats([1.8, 2.2])) - half, 3.0)
    body = cover(distance - half)
    tones = ((0.85, 0.83, 0.77), (0.62, 0.22, 0.18), (0.55, 0.62, 0.74))
    tone = floats(tones[int(random.integers(len(tones)))])
    round_shade = (1 - 0.35 * (distance / half) ** 2)[:, :, None]
    shaded = picture * (1 - 0.4 * shadow)[:, :, None]
    return mix(shaded, tone * round_shade, body), to_mask(body)


_WEAVE_DEFECTS = {"snag": _snag, "mispick": _mispick}
_SURFACE_DEFECTS = {"hole": _hole, "stain": _stain, "thread": _thread}
