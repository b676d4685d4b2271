"""A heat map drawn over an image so that the product stays visible."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from nsa.errors import InputError
from nsa.report.pixels import Image, Map, Rgb, plane, rgb

# Of the scores from low to the limit, uint8 (256, 3) RGB: inferno, which is even to the eye and
# bright where the score is high, without its black end, which would not show on a dark product.
_LEVELS = np.minimum(256 * np.linspace(0.2, 1, 256), 255).astype(np.uint8)
COLOURS: Rgb = np.asarray(
    cv2.applyColorMap(_LEVELS[:, None], cv2.COLORMAP_INFERNO)[:, 0, ::-1], np.uint8
)
# Of the colour scale: colours follow the square root of a score, so that a faint find shows beside
# one that is ten times as certain.
GAMMA = 0.5
OPACITY = 0.75  # of high scores, so that the defect's own texture shows through
OPAQUE_FROM = 0.6  # share of the limit; below it opacity falls to none
_HIGH_PERCENTILE = 99.9  # one outlying pixel must not darken every other map
OUTLINE = (0, 255, 255)  # seen on inferno's colours and on most products
_PIXELS_PER_WIDTH = 512  # of the longer side, for every pixel that a line is wide
_STRIP = 1 << 16  # pixels that are coloured at a time, in float64


def overlay(image: Image, anomaly_map: Map, limit: float | None = None, low: float = 0.0) -> Rgb:
    """Colour an image by its anomaly scores, at the image's own resolution.

    Args:
        image: uint8 tensor (C, H, W) or array (H, W, C) or (H, W), with C in {1, 3}.
        anomaly_map: (h, w) or (1, h, w) scores; any size, resized bilinearly to the image's.
        limit: the score at the top of the colour scale, see :data:`GAMMA`; None: this map's own
            maximum. Give one limit to images that are to be compared.
        low: the score at its bottom: up to here is normal.

    Returns:
        uint8 (H, W, 3) RGB. Opacity grows with the score: normal parts keep their own colours.
        Beside it little more memory is used than for the map at the image's size.

    Raises:
        InputError: wrong dtype or shape, or a limit that is not positive.
    """
    base = rgb(image)
    scores = plane(anomaly_map, (base.shape[0], base.shape[1]), smooth=True)
    if limit is None:
        top = float(scores.max())
        limit = top if top > low else low + 1.0
    if not limit > low:
        raise InputError(f"limit must be above {low:g}, got {limit!r}.")
    coloured = np.empty_like(base)
    rows = max(1, _STRIP // base.shape[1])
    for first in range(0, base.shape[0], rows):
        strip = slice(first, first + rows)
        coloured[strip] = _blend(base[strip], scores[strip], low, limit)
    return coloured


def outline(picture: Rgb, mask: npt.NDArray[np.bool_]) -> None:
    """Draw a line around the regions of a mask, (H, W), into a picture, uint8 (H, W, 3) RGB.

    The line lies on the regions' own outermost pixels, wider in large pictures.
    """
    inside = mask.view(np.uint8)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    kept = cv2.erode(inside, cross, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    width = max(1, round(max(picture.shape) / _PIXELS_PER_WIDTH))
    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    # Contours as lists of points take minutes where a noisy map is full of holes.
    picture[cv2.dilate(inside - kept, pen) > 0] = OUTLINE


def _blend(base: Rgb, scores: npt.NDArray[np.float32], low: float, limit: float) -> Rgb:
    """The colours of scores (H, W) over an image (H, W, 3)."""
    share = np.clip((scores - low) / (limit - low), 0, 1) ** GAMMA
    levels = (share * 255).astype(np.uint8)
    colours = COLOURS[levels].astype(np.float64)
    opacity = OPACITY * np.minimum(share / OPAQUE_FROM, 1)[..., None]
    return np.asarray(base + opacity * (colours - base) + 0.5).astype(np.uint8)


def shared_limit(maps: Sequence[Map]) -> float:
    """The top of one colour scale for several maps: nearly their largest score.

    It follows the most anomalous map rather than all pixels, of which few are defective.
    """
    tops = [
        float(np.percentile(plane(values, _shape(values), smooth=False), _HIGH_PERCENTILE))
        for values in maps
    ]
    return max(tops, default=0.0) or 1.0


def _shape(values: Map) -> tuple[int, int]:
    return values.shape[-2], values.shape[-1]
