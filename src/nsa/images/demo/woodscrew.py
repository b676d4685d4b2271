"""A wood screw that lies anyhow on a light table."""

from __future__ import annotations

import math

import cv2
import numpy as np

from nsa.images.demo.canvas import (
    SIDE,
    Mask,
    Pixels,
    Plane,
    Random,
    blob,
    cover,
    curve,
    distance_to,
    either_sign,
    expose,
    floats,
    mix,
    smooth_noise,
)
from nsa.images.demo.woodscrew_body import CORE, HEAD, PITCH, RIDGE, Screw, lay, profile, render

DEFECTS = ("thread_worn", "thread_side", "scratch_neck", "head_burr", "tip")
COUNTS = (160, 24, 40)  # for training, good and defective

_TABLE = floats([0.785, 0.785, 0.78])
_SEEN = 0.05  # change of a colour from which a pixel is part of a defect


def draw(random: Random, defect: str | None = None) -> tuple[Pixels, Mask]:
    """One picture and its mask.

    Args:
        random: the only source of variation.
        defect: one of ``DEFECTS``; None for a good screw.

    Returns:
        uint8 (SIDE, SIDE, 3) RGB and uint8 (SIDE, SIDE), 255 on the defect.
    """
    screw = lay(random)
    metal, share = render(screw)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    if defect is not None:
        good = mix(_TABLE, metal, share)
        _DEFECTS[defect](screw, random)
        metal, share = render(screw)
        mask = _difference(good, mix(_TABLE, metal, share))
    return expose(mix(_table(random, share, screw.light), metal, share), random), mask


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


def _on_thread(screw: Screw, random: Random) -> float:
    return random.uniform(screw.thread + 16, screw.length - 34)


def _thread_worn(screw: Screw, random: Random) -> None:
    """Two or three turns whose ridge was ground down."""
    x, y = screw.point(_on_thread(screw, random), random.uniform(-9, 9))
    share = cover(blob(random, x, y, random.uniform(7.5, 10), 0.25), 3.0)
    screw.worn = share * random.uniform(0.7, 1.0)
    screw.marks = share * random.uniform(0.0, 0.14)  # polished, or not


def _thread_side(screw: Screw, random: Random) -> None:
    """A nick in the thread's outline."""
    side = either_sign(random)
    crest = 0.5 - side * 0.25 - screw.roll / (2 * math.pi)  # of a turn, on this side
    s = (round(_on_thread(screw, random) / PITCH - crest) + crest) * PITCH
    x, y = screw.point(s + random.normal(0, 1), side * (CORE + RIDGE + random.uniform(-3, 0)))
    outline = blob(random, x, y, random.uniform(4, 8), 0.5)
    core, _, _ = profile(screw)
    screw.bite = np.maximum(outline, core + 0.3 - np.abs(screw.t))
    screw.marks = 0.22 * cover(np.maximum(outline, np.abs(screw.t) - core), 2.0)


def _scratch_neck(screw: Screw, random: Random) -> None:
    """A few strokes across the smooth neck: bright, with a dark edge."""
    start, heading = random.uniform(40, screw.thread - 18), random.uniform(0.25, 2.9)
    marks = np.zeros_like(screw.s)
    for _ in range(int(random.integers(1, 4))):
        place = screw.point(start + random.uniform(-4, 4), random.uniform(-9, -1))
        line = curve(
            place, screw.turn + heading + random.normal(0, 0.12), random.uniform(9, 17),
            random.normal(0, 0.015, 3),
        )  # fmt: skip
        distance = distance_to(line)
        bright = cover(distance - random.uniform(0.5, 1.0))
        dark = cover(np.roll(distance, (1, 1), (0, 1)) - 0.7)
        marks = np.maximum(marks * (bright < 0.1), 0) + 0.34 * bright - 0.15 * dark
    screw.marks = marks


def _head_burr(screw: Screw, random: Random) -> None:
    """A driver that slipped: a bulge of metal at the head's rim and a nick beside it."""
    side = either_sign(random)
    across = side * random.uniform(0.25, 0.95) * HEAD
    x, y = screw.point(random.uniform(-0.5, 1.0), across)
    screw.burr = blob(random, x, y, random.uniform(3, 5.5), 0.6)
    x, y = screw.point(0, across - side * random.uniform(7, 10))
    screw.bite = blob(random, x, y, random.uniform(2.5, 4.5), 0.5)


def _tip(screw: Screw, random: Random) -> None:
    """A tip that is bent aside, or broken off."""
    if random.random() < 0.5:
        reach = random.uniform(15, 23)
        beyond = np.clip(screw.s - (screw.length - reach), 0, None) / reach
        screw.t = screw.t - either_sign(random) * random.uniform(4, 9) * beyond * beyond
    else:
        ragged = random.normal(0, 0.4) * screw.t + 1.2 * smooth_noise(random, 4)
        screw.bite = screw.length - random.uniform(8, 15) - screw.s + ragged


_DEFECTS = {
    "thread_worn": _thread_worn,
    "thread_side": _thread_side,
    "scratch_neck": _scratch_neck,
    "head_burr": _head_burr,
    "tip": _tip,
}
