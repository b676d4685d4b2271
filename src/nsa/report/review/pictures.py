"""What the review page shows of an image: a small picture and a small map, within a budget."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from nsa.report.overlay import GAMMA
from nsa.report.pixels import rgb

_Grey = npt.NDArray[np.uint8]

# Of a page, with all its pictures and maps in base64; with paths and scores it stays below 30 MB.
_TOTAL = 26_000_000
_PICTURE_SHARE = 0.75  # of an image's bytes; the rest is its map's
_LARGEST, _SMALLEST = 512, 96  # px of the longer side
_BYTES_PER_PIXEL = 0.28  # of a JPEG of a product at the first of the qualities
_QUALITIES = (85, 75, 65, 50, 35)


@dataclass(frozen=True)
class Shown:
    """An image on the page.

    Attributes:
        picture, map: JPEG in base64, in colour and grey.
        size: width and height of the whole image, px.
        picture_size: those of the picture.
    """

    picture: str
    map: str
    size: tuple[int, int]
    picture_size: tuple[int, int]


class Shrinker:
    """Makes the pictures and maps of a page, smaller the more images it has.

    Args:
        images: how many the page will have.
        map_range: the ends of the colour scale of maps.
    """

    def __init__(self, images: int, map_range: tuple[float, float]) -> None:
        share = _TOTAL // max(images, 1) * 3 // 4  # of base64, four characters are three bytes
        self._picture_bytes = int(share * _PICTURE_SHARE)
        self._map_bytes = share - self._picture_bytes
        fitting = math.sqrt(self._picture_bytes / _BYTES_PER_PIXEL)
        self._longest = int(min(max(fitting, _SMALLEST), _LARGEST))
        self._low, self._high = map_range

    def __call__(self, image: npt.NDArray[np.uint8], anomaly_map: npt.NDArray[np.float32]) -> Shown:
        """Both, of an image uint8 (H, W, C) with C in {1, 3} and its map, float32 (h, w).

        A cell of the map has the highest value below it, so that a defect of a few pixels shows.
        """
        small = _reduced(image, self._longest)
        base = rgb(small)[:, :, ::-1]
        levels = self._levels(_highest(anomaly_map, max(_SMALLEST, self._longest // 2)))
        return Shown(
            _jpeg(base, self._picture_bytes),
            _jpeg(levels, self._map_bytes),
            (image.shape[1], image.shape[0]),
            (base.shape[1], base.shape[0]),
        )

    def _levels(self, scores: npt.NDArray[np.float32]) -> _Grey:
        """Scores as places in the table of colours, as :func:`nsa.report.overlay.overlay` has."""
        share = np.clip((scores - self._low) / (self._high - self._low), 0, 1) ** GAMMA
        return np.asarray(share * 255, np.uint8)


def _reduced(image: npt.NDArray[np.uint8], longest: int) -> npt.NDArray[np.uint8]:
    """The image with at most so many pixels on its longer side."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _highest(scores: npt.NDArray[np.float32], longest: int) -> npt.NDArray[np.float32]:
    """The highest score in each cell of a grid of at most so many cells on its longer side."""
    scale = min(1.0, longest / max(scores.shape))
    rows, columns = (_first_of_each(length, scale) for length in scores.shape)
    # Of whole rows numpy takes the maximum ten times as fast as reduceat does.
    strips = [strip.max(axis=0) for strip in np.split(scores, rows[1:])]
    return np.maximum.reduceat(np.stack(strips), columns, axis=1)


def _first_of_each(length: int, scale: float) -> npt.NDArray[np.intp]:
    """Where each of so many times ``scale`` equal parts of a length begins."""
    parts = max(1, round(length * scale))
    return np.arange(parts) * length // parts


def _jpeg(pixels: npt.NDArray[np.uint8], most: int) -> str:
    """A JPEG of BGR or grey pixels in at most so many bytes, in base64."""
    while True:
        for quality in _QUALITIES:
            encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            if len(encoded) <= most:
                return base64.b64encode(encoded.tobytes()).decode("ascii")
        pixels = _reduced(pixels, int(0.7 * max(pixels.shape[:2])))
