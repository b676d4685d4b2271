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
from nsa.report.canvas import INK, SYNTHESIS_TITLE, frameless, new_figure, save
from nsa.report.pixels import Image, Map, Rgb, plane, rgb

_TILE = 1.25  # inches
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
    height = (len(methods) + 1) * _TILE
    figure = new_figure(count * (2 + 2 * _GAP) * _TILE + 2.4, height + 0.2)
    axes = figure.subplots(
        len(methods) + 1, count, squeeze=False, gridspec_kw={"hspace": 0.02, "wspace": 0.04}
    )
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(h_pad=0.02, w_pad=0.03)  # type: ignore[call-arg]
    for cell in axes.flat:
        frameless(cell)
    for index, original in enumerate(originals):
        axes[0, index].imshow(_pair(rgb(original), None), interpolation="antialiased")
    _name(axes[0, 0], "Normal image")
    for row, examples in zip(axes[1:], methods, strict=True):
        top = max(1.0, *(float(np.max(np.asarray(label))) for label in examples.labels))
        for cell, image, label in zip(row, examples.anomalies, examples.labels, strict=True):
            picture = rgb(image)
            values = plane(label, picture.shape[:2], smooth=False) / top
            colours = (255 * matplotlib.colormaps[_COLORS](values)[..., :3]).round()
            cell.imshow(_pair(picture, colours.astype(np.uint8)), interpolation="antialiased")
        _name(
            row[0], examples.title if top == 1 else f"{examples.title}\n1.0 = {top:.0f} grey levels"
        )
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), _COLORS), ax=axes, shrink=min(1, 4 / height),
        fraction=0.02, pad=0.01, aspect=20,
    )  # fmt: skip
    bar.set_label("label", fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=8, colors=INK)
    bar.outline.set_visible(False)
    return save(figure, path, SYNTHESIS_TITLE)


def _pair(left: Rgb, right: Rgb | None) -> Rgb:
    """Two pictures side by side; one alone has white beside it."""
    gap = np.full((left.shape[0], max(1, round(_GAP * left.shape[1])), 3), 255, np.uint8)
    return np.concatenate([left, gap, np.full_like(left, 255) if right is None else right], axis=1)


def _name(cell: matplotlib.axes.Axes, title: str) -> None:
    cell.set_ylabel(title, fontsize=9.5, color=INK, rotation=0, ha="right", va="center", labelpad=6)
