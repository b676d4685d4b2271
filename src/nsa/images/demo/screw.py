"""A countersunk wood screw that lies anyhow on a light table."""

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
)

DEFECTS = ("thread_worn", "thread_side", "scratch_neck", "head_burr", "tip")
COUNTS = (160, 24, 40)  # for training, good and defective

_LENGTH, _THREAD = 226.0, 92.0  # px from the head's face to the tip, and to the thread
_HEAD, _CORE, _RIDGE, _PITCH = 29.0, 11.0, 5.0, 9.5  # radii, the thread's height and pitch, px
_SLOT_WIDTH, _SLOT_DEPTH = 6.5, 6.0  # px
_TABLE = floats([0.785, 0.785, 0.78])
_STEPS = 4  # entries per px of what is tabulated along the axis
_SEEN = 0.05  # change of a colour from which a pixel is part of a defect


@dataclass
class _Screw:
    """Where one screw lies, how it is lit, and what is wrong with it."""

    x: float
    y: float
    turn: float  # direction from the head to the tip, radians
    roll: float  # about its axis, radians
    length: float
    thread: float  # where it begins
    light: float  # direction the light comes from, radians
    gloss: float
    tint: Plane
    s: Plane  # position along the axis, px from the head's face
    t: Plane  # position across it
    grain: Plane  # brightness of the surface, about 1
    worn: Plane | float = 0.0  # share of the thread's height that is gone
    bite: Plane | None = None  # signed distance of material that is missing
    burr: Plane | None = None  # signed distance of material that was pushed out
    marks: Plane | float = 0.0  # brightness that is added

    def point(self, s: float, t: float) -> tuple[float, float]:
        """Where a point of the axis' coordinates is seen, px."""
        s -= self.length / 2
        c, d = math.cos(self.turn), math.sin(self.turn)
        return self.x + c * s - d * t, self.y + d * s + c * t


def draw(random: Random, defect: str | None = None) -> tuple[Pixels, Mask]:
    """One picture and its mask.

    Args:
        random: the only source of variation.
        defect: one of ``DEFECTS``; None for a good screw.

    Returns:
        uint8 (SIDE, SIDE, 3) RGB and uint8 (SIDE, SIDE), 255 on the defect.
    """
    screw = _lay(random)
    metal, share = _render(screw)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    if defect is not None:
        good = mix(_TABLE, metal, share)
        _DEFECTS[defect](screw, random)
        metal, share = _render(screw)
        mask = _difference(good, mix(_TABLE, metal, share))
    return expose(mix(_table(random, share, screw.light), metal, share), random), mask


def _lay(random: Random) -> _Screw:
    """A screw that was thrown on the table."""
    x, y = (SIDE / 2 + random.uniform(-14, 14) for _ in range(2))
    turn, length = random.uniform(0, 2 * math.pi), _LENGTH + random.uniform(-4, 4)
    c, d = math.cos(turn), math.sin(turn)
    s, t = c * (X - x) + d * (Y - y) + length / 2, c * (Y - y) - d * (X - x)
    turned = random.standard_normal((1, (SIDE + 200) * 2), dtype=np.float32)
    lathe = cv2.remap(
        cv2.GaussianBlur(turned, (0, 0), 1.2), (s + 100) * 2, np.zeros_like(s), cv2.INTER_LINEAR
    )
    return _Screw(
        x=x,
        y=y,
        turn=turn,
        roll=random.uniform(0, 2 * math.pi),
        length=length,
        thread=_THREAD + random.uniform(-2, 2),
        light=math.radians(random.normal(-125, 8)),
        gloss=random.uniform(0.35, 0.65),
        tint=floats([1.0, 0.985, 0.96])
        * floats(random.normal(1, 0.05) + random.normal(0, 0.012, 3)),
        s=s,
        t=t,
        grain=1 + 0.09 * lathe + 0.05 * smooth_noise(random, 1.8) + 0.05 * smooth_noise(random, 14),
    )


def _profile(screw: _Screw) -> tuple[Plane, Plane, Plane]:
    """Radius without the thread, its slope along the axis, and the thread's height, by pixel."""
    at = np.arange(round(screw.length + 40) * _STEPS) / _STEPS
    start, end = screw.thread, screw.length
    knots = [0, 3.5, 10, 18, 28, 36, start, start + 8, end - 30, end - 12, end]
    radii = [_HEAD, _HEAD, 23, 17, 13.5, 12.5, 12.5, _CORE, _CORE, 6.5, 0.6]
    radius = cv2.GaussianBlur(floats(np.interp(at, knots, radii))[None], (0, 0), 1.2 * _STEPS)[0]
    height = np.interp(at, [start, start + 10, end - 22, end - 3], [0, _RIDGE, _RIDGE, 0.4])
    slope = np.gradient(radius) * _STEPS
    index = np.clip(screw.s * _STEPS, 0, len(at) - 1).astype(np.intp)
    return radius[index], floats(slope)[index], floats(height)[index]


def _render(screw: _Screw) -> tuple[Plane, Plane]:
    """The metal's colour and how much of each pixel is metal."""
    s, t = screw.s, screw.t
    core, slope, height = _profile(screw)
    # A ridge winds around the core: half a turn of it is seen.
    angle = np.arcsin(np.clip(t / (core + height), -1, 1))
    winding = s / _PITCH + (angle + screw.roll) / (2 * math.pi)
    aside = winding - np.floor(winding) - 0.5
    ridge = np.clip(1.2 - np.abs(aside) / 0.3, 0, 1) * (1 - screw.worn)
    flank = np.where(np.abs(aside) < 0.36, np.sin(aside * (-math.pi / 0.36)), 0)
    flank *= (1 - screw.worn) / (0.42 * _PITCH)  # rounder than the outline
    radius, slope = core + height * ridge, slope + height * flank
    body = np.maximum(np.maximum(np.abs(t) - radius, -s), s - screw.length)
    shade = _shade(screw, slope, np.clip(t / radius, -1, 1))
    shade *= 1 + (0.65 * ridge - 0.4) * (height / _RIDGE)  # crests are bare, valleys dark
    shade += screw.marks

    # The slot ends at the rim, towards the camera; along it one looks through.
    exit_, seen = _HEAD * math.sin(screw.roll), abs(math.cos(screw.roll))
    through = np.maximum(np.abs(t) - _SLOT_WIDTH / 2 * seen + abs(exit_), s - _SLOT_DEPTH)
    exit_ *= math.copysign(1, math.cos(screw.roll))
    slot = np.maximum(np.abs(t - exit_) - _SLOT_WIDTH / 2 * seen, s - _SLOT_DEPTH)
    shade *= 1 - 0.68 * cover(slot)
    body = np.maximum(body, -through)
    if screw.bite is not None:
        shade += 0.2 * cover(np.abs(screw.bite) - 1.3, 1.5)
        body = np.maximum(body, -screw.bite)
    if screw.burr is not None:
        hill = cv2.GaussianBlur(screw.burr, (0, 0), 1.2)
        lit = math.cos(screw.light) * cv2.Sobel(hill, cv2.CV_32F, 1, 0, scale=0.125)
        lit += math.sin(screw.light) * cv2.Sobel(hill, cv2.CV_32F, 0, 1, scale=0.125)
        raised = 0.46 + 0.26 * lit
        shade += (raised - shade) * cover(screw.burr, 1.5)
        body = np.minimum(body, screw.burr)
    return (shade * screw.grain)[:, :, None] * screw.tint, cover(body)


def _shade(screw: _Screw, slope: Plane, across: Plane) -> Plane:
    """Brightness of metal that falls by ``slope`` along the axis, at the sine ``across`` of it."""
    azimuth, low = screw.light - screw.turn, 0.64
    light = floats([low * math.cos(azimuth), low * math.sin(azimuth), math.sqrt(1 - low * low)])
    half = light + floats([0, 0, 1])
    half /= np.linalg.norm(half)
    upright = np.sqrt(1 - across * across)
    lean = 1 / np.sqrt(1 + slope * slope)
    normal = (-slope * lean, across * lean, upright * lean)
    lit = sum(a * b for a, b in zip(normal, light, strict=True))
    glance = sum(a * b for a, b in zip(normal, half, strict=True))
    shade = 0.20 + 0.28 * np.clip(lit, 0, 1) + screw.gloss * np.clip(glance, 0, 1) ** 12
    shade += 0.22 * np.clip(np.abs(across) - 0.55, 0, 1) * (1.1 - lit)  # the table shines back
    result: Plane = shade
    return result


def _table(random: Random, share: Plane, light: float) -> Plane:
    """The table, unevenly lit, with the screw's soft shadow on it."""
    tone = 1 + random.normal(0, 0.012) + 0.012 * smooth_noise(random, 130)
    tone += 0.008 * smooth_noise(random, 2.5)
    for far, blur, depth in ((3, 2.5, 0.27), (8, 7, 0.34)):
        shift = floats([[1, 0, -far * math.cos(light)], [0, 1, -far * math.sin(light)]])
        shadow = cv2.GaussianBlur(cv2.warpAffine(share, shift, (SIDE, SIDE)), (0, 0), blur)
        tone *= 1 - depth * shadow
    return tone[:, :, None] * _TABLE


def _difference(good: Plane, bad: Plane) -> Mask:
    """Where a defect is seen, without gaps and specks."""
    changed = (np.abs(bad - good).max(axis=2) > _SEEN).astype(np.uint8) * 255
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    whole = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, around)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(whole)
    large = stats[:, cv2.CC_STAT_AREA] >= 6
    large[0] = False
    return np.where(large[labels], np.uint8(255), np.uint8(0))


def _on_thread(screw: _Screw, random: Random) -> float:
    return random.uniform(screw.thread + 16, screw.length - 34)


def _side(random: Random) -> float:
    return 1.0 if random.random() < 0.5 else -1.0


def _thread_worn(screw: _Screw, random: Random) -> None:
    """Two or three turns whose ridge was ground down."""
    x, y = screw.point(_on_thread(screw, random), random.uniform(-9, 9))
    share = cover(blob(random, x, y, random.uniform(7.5, 11), 0.3), 3.0)
    screw.worn = share * random.uniform(0.7, 1.0)
    screw.marks = share * random.uniform(0.0, 0.14)  # polished, or not


def _thread_side(screw: _Screw, random: Random) -> None:
    """A nick in the thread's outline."""
    side = _side(random)
    crest = 0.5 - side * 0.25 - screw.roll / (2 * math.pi)  # of a turn, on this side
    s = (round(_on_thread(screw, random) / _PITCH - crest) + crest) * _PITCH
    x, y = screw.point(s + random.normal(0, 1), side * (_CORE + _RIDGE + random.uniform(-3, 0)))
    outline = blob(random, x, y, random.uniform(4, 8), 0.5)
    core, _, _ = _profile(screw)
    screw.bite = np.maximum(outline, core + 0.3 - np.abs(screw.t))
    screw.marks = 0.22 * cover(np.maximum(outline, np.abs(screw.t) - core), 2.0)


def _scratch_neck(screw: _Screw, random: Random) -> None:
    """A few strokes across the smooth neck: bright, with a dark edge."""
    start, heading = random.uniform(40, screw.thread - 18), random.uniform(0.25, 2.9)
    marks = np.zeros_like(screw.s)
    for _ in range(int(random.integers(1, 4))):
        place = screw.point(start + random.uniform(-5, 5), random.uniform(-9, -1))
        line = curve(
            place, screw.turn + heading + random.normal(0, 0.12), random.uniform(9, 20),
            random.normal(0, 0.015, 3),
        )  # fmt: skip
        bright = cover(distance_to(line) - random.uniform(0.5, 1.0))
        dark = cover(distance_to(line + floats([1.2, 1.2])) - 0.7)
        marks = np.maximum(marks * (bright < 0.1), 0) + 0.34 * bright - 0.15 * dark
    screw.marks = marks


def _head_burr(screw: _Screw, random: Random) -> None:
    """A driver that slipped: a bulge of metal at the head's rim and a nick beside it."""
    side = _side(random)
    across = side * random.uniform(0.25, 0.95) * _HEAD
    x, y = screw.point(random.uniform(-0.5, 1.0), across)
    screw.burr = blob(random, x, y, random.uniform(3, 5.5), 0.6)
    x, y = screw.point(0, across - side * random.uniform(7, 10))
    screw.bite = blob(random, x, y, random.uniform(2.5, 4.5), 0.5)


def _tip(screw: _Screw, random: Random) -> None:
    """A tip that is bent aside, or broken off."""
    if random.random() < 0.5:
        reach = random.uniform(16, 26)
        beyond = np.clip(screw.s - (screw.length - reach), 0, None) / reach
        screw.t = screw.t - _side(random) * random.uniform(4, 9) * beyond * beyond
    else:
        ragged = random.normal(0, 0.4) * screw.t + 1.2 * smooth_noise(random, 4)
        screw.bite = screw.length - random.uniform(8, 17) - screw.s + ragged


_DEFECTS = {
    "thread_worn": _thread_worn,
    "thread_side": _thread_side,
    "scratch_neck": _scratch_neck,
    "head_burr": _head_burr,
    "tip": _tip,
}
