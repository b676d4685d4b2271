"""The shape of a countersunk wood screw, and how its metal shines wherever it lies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from nsa.images.demo.canvas import SIDE, Plane, Random, X, Y, cover, floats, smooth_noise

HEAD, CORE, RIDGE, PITCH = 29.0, 11.0, 5.0, 9.5  # radii, the thread's height and pitch, px
_LENGTH, _THREAD = 226.0, 92.0  # px from the head's face to the tip, and to the thread
_SLOT_WIDTH, _SLOT_DEPTH = 6.5, 6.0  # px
_ZINC = floats([1.0, 0.985, 0.96])
_STEPS = 4  # entries per px of what is tabulated along the axis


@dataclass
class Screw:
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


def lay(random: Random) -> Screw:
    """A screw that was thrown on the table."""
    x, y = (SIDE / 2 + random.uniform(-14, 14) for _ in range(2))
    turn, length = random.uniform(0, 2 * math.pi), _LENGTH + random.uniform(-4, 4)
    c, d = math.cos(turn), math.sin(turn)
    s, t = c * (X - x) + d * (Y - y) + length / 2, c * (Y - y) - d * (X - x)
    rings = cv2.GaussianBlur(random.standard_normal((1, 1000), dtype=np.float32), (0, 0), 1.2)
    lathe = cv2.remap(rings, (s + 100) * 2, np.zeros_like(s), cv2.INTER_LINEAR)
    return Screw(
        x=x,
        y=y,
        turn=turn,
        roll=random.uniform(0, 2 * math.pi),
        length=length,
        thread=_THREAD + random.uniform(-2, 2),
        light=math.radians(random.normal(-125, 8)),
        gloss=random.uniform(0.35, 0.65),
        tint=_ZINC * floats(random.normal(1, 0.05) + random.normal(0, 0.012, 3)),
        s=s,
        t=t,
        grain=1 + 0.09 * lathe + 0.05 * smooth_noise(random, 1.8) + 0.05 * smooth_noise(random, 14),
    )


def profile(screw: Screw) -> tuple[Plane, Plane, Plane]:
    """Radius without the thread, its slope along the axis, and the thread's height, by pixel."""
    at = np.arange(round(screw.length + 40) * _STEPS) / _STEPS
    start, end = screw.thread, screw.length
    knots = [0, 3.5, 10, 18, 28, 36, start, start + 8, end - 30, end - 12, end]
    radii = [HEAD, HEAD, 23, 17, 13.5, 12.5, 12.5, CORE, CORE, 6.5, 0.6]
    radius = cv2.GaussianBlur(floats(np.interp(at, knots, radii))[None], (0, 0), 1.2 * _STEPS)[0]
    height = np.interp(at, [start, start + 10, end - 22, end - 3], [0, RIDGE, RIDGE, 0.4])
    slope = np.gradient(radius) * _STEPS
    index = np.clip(screw.s * _STEPS, 0, len(at) - 1).astype(np.intp)
    return radius[index], floats(slope)[index], floats(height)[index]


def render(screw: Screw) -> tuple[Plane, Plane]:
    """The metal's colour, (SIDE, SIDE, 3), and how much of each pixel is metal."""
    s, t = screw.s, screw.t
    core, slope, height = profile(screw)
    # A ridge winds around the core: half a turn of it is seen.
    angle = np.arcsin(np.clip(t / (core + height), -1, 1))
    winding = s / PITCH + (angle + screw.roll) / (2 * math.pi)
    aside = winding - np.floor(winding) - 0.5
    ridge = np.clip(1.2 - np.abs(aside) / 0.3, 0, 1) * (1 - screw.worn)
    flank = np.where(np.abs(aside) < 0.36, np.sin(aside * (-math.pi / 0.36)), 0)
    flank *= (1 - screw.worn) / (0.42 * PITCH)  # rounder than the outline
    radius, slope = core + height * ridge, slope + height * flank
    body = np.maximum(np.maximum(np.abs(t) - radius, -s), s - screw.length)
    shade = _shade(screw, slope, np.clip(t / radius, -1, 1))
    shade *= 1 + (0.65 * ridge - 0.4) * (height / RIDGE)  # crests are bare, valleys dark
    shade += screw.marks

    # The slot ends at the rim, towards the camera; along it one looks through.
    exit_, seen = HEAD * math.sin(screw.roll), abs(math.cos(screw.roll))
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


def _shade(screw: Screw, slope: Plane, across: Plane) -> Plane:
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
    return floats(shade)
