"""A circuit board before its parts are soldered on, photographed so that a track is 7 px wide.

The defects measure 4 to 12 px in a picture of 1,536 px: large enough to be seen at that resolution,
and gone in a picture of a few hundred pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from nsa.images.demo.board import FINE, HEIGHT, MARGIN, WIDTH, design, write
from nsa.images.demo.canvas import (
    Mask,
    Pixels,
    Plane,
    Random,
    blob,
    cover,
    curve,
    distance_to,
    expose,
    floats,
    mix,
    smooth_noise,
)

DEFECTS = ("break", "splash", "scratch")
COUNTS = (48, 16, 24)  # for training, good and defective; each picture has 2.3 MB

_BARE = floats([0.045, 0.185, 0.125])  # lacquer over glass fibre
_COPPER = floats([0.085, 0.355, 0.205])  # lacquer over copper
_SCRAPED = floats([0.38, 0.62, 0.42])
_GOLD = floats([0.80, 0.66, 0.37])
_MIRROR = floats([0.085, 0.225, 0.15])  # solder among green
_GLINT = floats([0.80, 0.82, 0.80])
_INK = floats([0.80, 0.82, 0.78])
_HOLE = floats([0.035, 0.04, 0.04])

_TURN, _ZOOM, _SHIFT = 0.8, 0.004, 14.0  # largest, of a board: degrees, share and px
_GRAIN = 0.8  # of the sensor; noise is most of what a file of this size holds
_WINDOW = 24  # px, the side of a square that holds a defect
_EXTENT = (4, 12)  # px, least and most
_APART = 48  # px between two defects of a picture
_SEEN = 0.035  # change of a colour from which a pixel is part of a defect


@dataclass
class _Photo:
    """A good board as it lies under the camera.

    Attributes:
        picture: what is seen, before the camera.
        shade: brightness of the lacquer, (HEIGHT, WIDTH), by which its colour is multiplied.
        bare: its colour where there is no copper below.
        free: uint8 (HEIGHT, WIDTH), 1 where lacquer is seen, without print, lands or holes near.
        pose: float64 (2, 3), from coordinates of the board to those of the picture.
    """

    picture: Plane
    shade: Plane
    bare: Plane
    free: Mask
    pose: Plane


def draw(random: Random, defect: str | None = None) -> tuple[Pixels, Mask]:
    """One picture and its mask.

    Args:
        random: the only source of variation.
        defect: one of ``DEFECTS``, of which one to three are drawn; None for a good board.

    Returns:
        uint8 (HEIGHT, WIDTH, 3) RGB and uint8 (HEIGHT, WIDTH), 255 on the defects.
    """
    photo = _photograph(random)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    if defect is not None:
        mask = _spoil(photo, defect, random)
    return expose(photo.picture, random, _GRAIN), mask


def _photograph(random: Random) -> _Photo:
    board = design()
    limits = floats([_TURN, _ZOOM, _SHIFT, _SHIFT])
    pose = _pose(*random.uniform(-limits, limits))
    copper = _seen(board.copper, pose)
    # Each layer is laid on by itself and never quite in its place.
    gold = _seen(board.gold, pose, random.normal(0, 0.7, 2))
    holes = _seen(board.holes, pose, random.normal(0, 0.9, 2))
    print_shift = random.normal(0, 1.8, 2)
    ink = np.maximum(_seen(board.ink, pose, print_shift), _lot(random, pose, print_shift))

    # How far the copper is etched away, and lighter rims towards the light.
    etched = random.normal(0, 0.06) + 0.05 * _noise(random, 160) + 0.035 * _noise(random, 5)
    relief = np.zeros_like(copper)
    relief[1:, 1:] = copper[1:, 1:] - copper[:-1, :-1]
    copper = np.clip((copper - 0.5 + etched) * 2.4 + 0.5, 0, 1)
    shade = 1 + 0.05 * _noise(random, 140) + 0.035 * _noise(random, 2.5) + 0.16 * relief
    shade *= 1 + 0.09 * _weave(random, pose) * (1 - 0.7 * copper)
    tint = floats(1 + random.normal(0, 0.03, 3))
    bare, coppered = _BARE * tint, _COPPER * tint
    planes = [shade * (a + (b - a) * copper) for a, b in zip(bare, coppered, strict=True)]
    picture = floats(cv2.merge(planes))

    _lay(picture, ink * np.clip(0.97 + 0.12 * _noise(random, 3), 0, 1), _INK)
    _lay(picture, gold, _GOLD, 1 + 0.05 * _noise(random, 60) + 0.045 * _streaks(random))
    _lay(picture, holes, _HOLE)
    _dust(picture, random)
    taken = np.maximum(np.maximum(ink, gold), holes) > 0.02
    around = np.ones((13, 13), np.uint8)
    free = cv2.erode((~taken).astype(np.uint8), around, borderType=cv2.BORDER_REPLICATE)
    return _Photo(picture, shade, bare, np.asarray(free, np.uint8), pose)


def _pose(turn: float, zoom: float, right: float, down: float) -> Plane:
    """From coordinates of the board to those of the picture; degrees, share, px and px."""
    pose = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), turn, 1 + zoom)
    pose[:, 2] += np.array([right, down])
    return pose


def _noise(random: Random, scale: float) -> Plane:
    return smooth_noise(random, scale, (HEIGHT, WIDTH))


def _seen(layer: Plane, pose: Plane, shift: Plane | None = None) -> Plane:
    """A layer of the board as the camera sees it: float32 (HEIGHT, WIDTH) in [0, 1]."""
    whole = np.vstack([pose, [0, 0, 1]])
    if shift is not None:
        whole[:2, 2] += shift
    onto_layer = np.array([[FINE, 0, MARGIN * FINE], [0, FINE, MARGIN * FINE], [0, 0, 1]])
    back = (onto_layer @ np.linalg.inv(whole))[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(layer, back, (WIDTH, HEIGHT), flags=flags)
    return np.multiply(seen, np.float32(1 / 255), dtype=np.float32)


def _lot(random: Random, pose: Plane, shift: Plane) -> Plane:
    """Print that differs from board to board: its number."""
    layer = np.zeros_like(design().ink)
    number = f"LOT {random.integers(100, 1000)}  NO {random.integers(1000, 10000)}"
    write(layer, 930, 1130, number, 20)
    return _seen(layer, pose, shift)


def _weave(random: Random, pose: Plane) -> Plane:
    """Glass fibres that shine through, in [-1, 1], running as the board lies."""
    phase = random.uniform(0, 2 * math.pi, 2)
    x, y = np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32)[:, None]
    c, s = floats(pose[0, 0] * 2 * math.pi / 15), floats(pose[0, 1] * 2 * math.pi / 15)
    return np.sin(c * x - s * y + floats(phase[0])) * np.sin(s * x + c * y + floats(phase[1]))


def _streaks(random: Random) -> Plane:
    """Fine brush marks across the gold."""
    coarse = random.standard_normal((HEIGHT // 24, WIDTH), dtype=np.float32)
    return cv2.resize(coarse, (WIDTH, HEIGHT))


def _lay(picture: Plane, share: Plane, colour: Plane, shade: Plane | None = None) -> None:
    """Mix a colour into the picture, where there is any of it."""
    there = np.flatnonzero(share > 0.004)
    pixels = picture.reshape(-1, 3)
    above = colour if shade is None else colour * shade.reshape(-1, 1)[there]
    below = pixels[there]
    pixels[there] = below + (above - below) * share.reshape(-1, 1)[there]


def _dust(picture: Plane, random: Random) -> None:
    """Specks of one or two pixels, which every board has."""
    count = int(random.integers(60, 140))
    x, y = random.integers(1, WIDTH - 1, count), random.integers(1, HEIGHT - 1, count)
    picture[y, x] += floats(random.uniform(0.03, 0.16, (count, 1)))
    picture[y, x - 1] += floats(random.uniform(0, 0.08, (count, 1)))


def _spoil(photo: _Photo, defect: str, random: Random) -> Mask:
    """Draw one to three defects into a photo; returns where they changed it."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    find, spoil = _DEFECTS[defect]
    count = int(random.integers(1, 4))
    done: list[tuple[int, int]] = []
    while len(done) < count:
        x, y, along = find(photo, random)
        inside = _APART <= x < WIDTH - _APART and _APART <= y < HEIGHT - _APART
        near = any(math.hypot(x - a, y - b) < _APART for a, b in done)
        if not inside or near or not photo.free[y, x]:
            continue
        half = _WINDOW // 2
        window = np.s_[y - half : y + half, x - half : x + half]
        good = photo.picture[window]
        bare = photo.shade[window][:, :, None] * photo.bare
        spoilt = spoil(good, bare, along, random)
        changed = np.abs(spoilt - good).max(axis=2) > _SEEN
        if _fits(changed):
            photo.picture[window] = spoilt
            mask[window][changed] = 255
            done.append((x, y))
    return mask


def _fits(changed: npt.NDArray[np.bool_]) -> bool:
    """Whether what changed is one piece of a size that belongs to this category."""
    pieces, _, stats, _ = cv2.connectedComponentsWithStats(changed.astype(np.uint8))
    if pieces != 2:
        return False
    longest = max(stats[1, cv2.CC_STAT_WIDTH], stats[1, cv2.CC_STAT_HEIGHT])
    return bool(_EXTENT[0] <= longest <= _EXTENT[1])


def _anywhere(_photo: _Photo, random: Random) -> tuple[int, int, float]:
    """A point of the picture and a direction."""
    x, y = int(random.integers(WIDTH)), int(random.integers(HEIGHT))
    return x, y, random.uniform(0, 2 * math.pi)


def _on_track(photo: _Photo, random: Random) -> tuple[int, int, float]:
    """A point on a track, and where the track runs."""
    tracks = design().tracks
    lengths = np.hypot(*(tracks[:, 1] - tracks[:, 0]).T)
    start, end = tracks[random.choice(len(tracks), p=lengths / lengths.sum())]
    point = start + (end - start) * random.random()
    x, y = photo.pose @ np.append(point, 1)
    dx, dy = photo.pose[:, :2] @ (end - start)
    return int(x), int(y), math.atan2(dy, dx)


def _break(good: Plane, bare: Plane, along: float, random: Random) -> Plane:
    """A piece of a track that was etched away, with ragged ends."""
    middle = _WINDOW / 2
    y, x = (axis + 0.5 - middle for axis in np.mgrid[0:_WINDOW, 0:_WINDOW].astype(np.float32))
    lengthwise = np.abs(math.cos(along) * x + math.sin(along) * y)
    across = np.abs(math.cos(along) * y - math.sin(along) * x)
    ragged = 0.5 * smooth_noise(random, 3, good.shape[:2])
    gap = np.maximum(lengthwise - random.uniform(1.2, 2.4) + ragged, across - 7)
    return mix(good, bare, cover(gap, 1.5))


def _splash(good: Plane, _bare: Plane, _along: float, random: Random) -> Plane:
    """A ball of solder that stuck to the lacquer: a dark mirror with a bright spot."""
    middle, radius = _WINDOW / 2, random.uniform(1.9, 4.4)
    outline = blob(random, middle, middle, radius, 0.5, _WINDOW)
    y, x = (axis + 0.5 - middle for axis in np.mgrid[0:_WINDOW, 0:_WINDOW].astype(np.float32))
    shadow = cover(np.hypot(x - 1, y - 1) - radius, 2.0)
    shaded = good * (1 - 0.35 * shadow)[:, :, None]
    ball = _MIRROR * (1 - 0.45 * (x + y) / radius)[:, :, None]
    spot = cover(np.hypot(x + 0.3 * radius, y + 0.3 * radius) - 0.36 * radius, 1.5)
    return mix(shaded, mix(np.maximum(ball, 0.02), _GLINT, spot), cover(outline))


def _scratch(good: Plane, _bare: Plane, along: float, random: Random) -> Plane:
    """A hairline in the lacquer: a bright rim towards the light and a dark one beside it."""
    length, middle = random.uniform(6, 12), _WINDOW / 2
    start = middle - floats([math.cos(along), math.sin(along)]) * (length / 2)
    line = curve(start, along, length, random.normal(0, 0.05, 3))
    half, depth = random.uniform(0.5, 0.7), random.uniform(0.75, 1.0)
    bright = cover(distance_to(line, _WINDOW) - half) * depth
    dark = cover(distance_to(line + floats([1.1, 1.1]), _WINDOW) - half - 0.2) * depth
    return mix(mix(good, good * 0.4, dark), _SCRAPED, bright)


_Finder = Callable[[_Photo, Random], tuple[int, int, float]]
_Drawer = Callable[[Plane, Plane, float, Random], Plane]
_DEFECTS: dict[str, tuple[_Finder, _Drawer]] = {
    "break": (_on_track, _break),
    "splash": (_anywhere, _splash),
    "scratch": (_anywhere, _scratch),
}
