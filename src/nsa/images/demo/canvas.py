"""What the demo categories draw with: noise, blobs, curves and a camera.

Pictures are float32 RGB in [0, 1], (SIDE, SIDE, 3) where no other shape is given; shapes are signed
distances in pixels, negative inside, turned into antialiased coverage by :func:`cover`.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

SIDE = 320
Plane: TypeAlias = npt.NDArray[Any]  # float32, (height, width) or (height, width, 3)
Pixels: TypeAlias = npt.NDArray[np.uint8]  # (height, width, 3) RGB
Mask: TypeAlias = npt.NDArray[np.uint8]  # (height, width), 255 on the defect
Random = np.random.Generator
Y, X = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) + 0.5


def floats(values: npt.ArrayLike) -> Plane:
    """``values`` as a float32 array, so that pictures stay float32."""
    return np.asarray(values, np.float32)


def cover(distance: Plane, softness: float = 1.0) -> Plane:
    """Share of each pixel inside a shape, from the signed distance to its outline."""
    return np.clip(0.5 - distance / softness, 0, 1)


def mix(below: Plane, above: Plane | npt.ArrayLike, share: Plane) -> Plane:
    """Lay ``above`` over ``below`` where ``share`` is 1."""
    mixed: Plane = below + (floats(above) - below) * share[:, :, None]
    return mixed


def smooth_noise(random: Random, scale: float, shape: tuple[int, int] = (SIDE, SIDE)) -> Plane:
    """Noise of about unit deviation whose features are ``scale`` pixels wide."""
    cells = [max(2, round(side / scale) + 1) for side in shape]
    coarse = random.standard_normal(cells, dtype=np.float32)
    return cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


def blob(
    random: Random, x: float, y: float, radius: float, roughness: float = 0.25, side: int = SIDE
) -> Plane:
    """Signed distance, roughly, to an irregular round outline about (x, y)."""
    dx, dy = X[:side, :side] - x, Y[:side, :side] - y
    angle = np.arctan2(dy, dx)
    outline = np.ones_like(angle)
    for wave in range(2, 7):
        size = roughness * random.uniform(0.3, 1.0) / wave
        outline += size * np.cos(wave * angle + random.uniform(0, 6.3))
    stretch, turn = random.uniform(0.75, 1.33), random.uniform(0, math.pi)
    c, s = math.cos(turn), math.sin(turn)
    along, across = (c * dx + s * dy) * stretch, (c * dy - s * dx) / stretch
    distance: Plane = np.hypot(along, across) - radius * outline
    return distance


def curve(start: npt.ArrayLike, heading: float, length: float, bend: npt.ArrayLike) -> Plane:
    """Points (n, 2) of a curve walked in 1 px steps, ``bend`` being the turn in radians per px."""
    steps = round(length)
    turns = np.interp(np.arange(steps), np.linspace(0, steps, np.size(bend)), np.asarray(bend))
    direction = heading + np.cumsum(turns)
    walk = np.stack([np.cos(direction), np.sin(direction)], axis=1).cumsum(axis=0)
    return floats(walk + np.asarray(start))


def distance_to(points: Plane, side: int = SIDE) -> Plane:
    """Distance of every pixel to a curve of points at most 1 px apart."""
    fine = 2  # the distance transform measures between pixel centres, so look at half pixels
    canvas = np.full((side * fine, side * fine), 255, np.uint8)
    line = np.round(points * fine - 0.5).astype(np.int32)
    cv2.polylines(canvas, [line.reshape(-1, 1, 2)], False, 0, 1)
    distance = cv2.distanceTransform(canvas, cv2.DIST_L2, 5)
    return cv2.resize(distance, (side, side), interpolation=cv2.INTER_AREA) / fine


def either_sign(random: Random) -> float:
    """1 or -1."""
    return 1.0 if random.random() < 0.5 else -1.0


def to_mask(share: Plane, threshold: float = 0.3) -> Mask:
    """Ground truth, 0 and 255, of what covers at least ``threshold`` of a pixel."""
    return np.where(share > threshold, np.uint8(255), np.uint8(0))


def expose(picture: Plane, random: Random, grain: float = 1.3) -> Pixels:
    """Photograph a picture: light, white balance, a little blur and sensor noise.

    Args:
        picture: what is seen.
        random: the only source of variation.
        grain: deviation of the noise, grey levels of 255.
    """
    gain = floats(random.normal(1.0, 0.025) * (1 + random.normal(0, 0.005, 3)))
    tilt_x, tilt_y = random.normal(0, 0.02), random.normal(0, 0.02)
    height, width = picture.shape[:2]
    across, down = (np.arange(side, dtype=np.float32) + 0.5 for side in (width, height))
    fall = 1 + tilt_x * (across / width - 0.5) + tilt_y * (down / height - 0.5)[:, None]
    # Rows of width * 3 values and three equal planes: numpy is slow along an axis of three.
    lit = (picture.reshape(height, -1) * np.tile(gain, width)).reshape(picture.shape)
    lit = cv2.GaussianBlur(lit, (0, 0), 0.6)
    lit *= cv2.merge([fall] * 3)
    lit *= 255
    noise = random.standard_normal((height, width), dtype=np.float32) * grain
    lit += cv2.merge([noise] * 3)
    lit += 0.5
    photo: Pixels = np.clip(lit, 0, 255, out=lit).astype(np.uint8)
    return photo
