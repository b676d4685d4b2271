"""Synthetic anomalies of several methods, one below the other: Figure 2 of the NSA paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from nsa.errors import InputError
from nsa.report.canvas import SYNTHESIS_TITLE
from nsa.report.pixels import Image, Map, Rgb, plane, rgb
from nsa.report.tiles import Tiles

_TILE, _NAMES = 1.25, 1.5  # inches
_GAP = 0.03  # white between an image and its label, relative to a tile
_COLORS = "inferno"


@dataclass(frozen=True)
class Examples:
    """What one method makes of the same images.

    Attributes:
        title: its name.
        anomalies: n uint8 images, tensors (C, H, W) or arrays (H, W, C) or (H, W).
        labels: n labels (H, W) or (1, H, W), from 0 on.
    """

    title: str
    anomalies: Sequence[Image]
    labels: Sequence[Map]


def method_grid(originals: Sequence[Image], methods: Sequence[Examples], path: Path | str) -> Path:
    """One row a method and one column an image, each anomaly with its label beside it, as one PNG.

    Labels share a scale from 0 to 1; where those of a method are grey levels and go beyond, its
    row ends at their maximum, which stands below its name.

    Args:
        originals: n uint8 images as in :class:`Examples`, drawn above the anomalies.
        methods: the rows.
        path: file to write.

    Raises:
        InputError: there is nothing to draw, or a method has another number of images.
    """
    count = len(originals)
    if count == 0 or not methods:
        raise InputError("There is no image to draw.")
    for examples in methods:
        if not len(examples.anomalies) == len(examples.labels) == count:
            raise InputError(
                f"{examples.title} must have {count} anomalies and labels, got "
                f"{len(examples.anomalies)} and {len(examples.labels)}."
            )
    pairs = [_pair(rgb(original), None) for original in originals]
    tiles = Tiles(
        [(len(pair), pair.shape[1]) for pair in pairs], count, [0] * (len(methods) + 1),
        side=(2 + _GAP) * _TILE, names=_NAMES, lowest=0.4,
    )  # fmt: skip
    for column, pair in enumerate(pairs):
        tiles.show(0, column, pair)
    tiles.name(0, "Normal image", upright=False)
    for row, examples in enumerate(methods, 1):
        top = max(1.0, *(float(np.max(np.asarray(label))) for label in examples.labels))
        both = zip(examples.anomalies, examples.labels, strict=True)
        for column, (image, label) in enumerate(both):
            picture = rgb(image)
            values = plane(label, picture.shape[:2], smooth=False) / top
            colours = (255 * matplotlib.colormaps[_COLORS](values)[..., :3]).round()
            tiles.show(row, column, _pair(picture, colours.astype(np.uint8)))
        unit = "" if top == 1 else f"\n1.0 = {top:.0f} grey levels"
        tiles.name(row, f"{examples.title}{unit}", upright=False)
    tiles.scale(ScalarMappable(Normalize(0, 1), _COLORS), "label", longest=4.0)
    return tiles.save(path, SYNTHESIS_TITLE)


def _pair(left: Rgb, right: Rgb | None) -> Rgb:
    """Two pictures side by side; one alone has white beside it."""
    gap = np.full((left.shape[0], max(1, round(_GAP * left.shape[1])), 3), 255, np.uint8)
    return np.concatenate([left, gap, np.full_like(left, 255) if right is None else right], axis=1)
