"""Grids of pictures: test images with their heat maps, and synthetic anomalies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, PowerNorm
from matplotlib.figure import Figure

from nsa.report.canvas import INK, SYNTHESIS_TITLE, frameless, new_figure, save
from nsa.report.examples import same_length
from nsa.report.overlay import COLOURS, GAMMA, overlay, shared_limit
from nsa.report.pixels import Image, Map, Rgb, plane, rgb
from nsa.system.console import printable

_TILE = 1.75  # inches
# A dollar sign in a folder's name is no formula.
_CAPTION: dict[str, Any] = {"fontsize": 9, "color": INK, "parse_math": False}
_OUTLINE = "#12e0d0"  # seen on dark, light, grey and brown products, and not in the colour scale


def heat_map_grid(
    images: Sequence[Image],
    masks: Sequence[Map] | None,
    maps: Sequence[Map],
    scores: Sequence[float],
    titles: Sequence[str],
    path: Path | str,
    *,
    limit: float | None = None,
    low: float = 0.0,
) -> Path:
    """Test images above their heat maps, with the true defects outlined, as one PNG.

    Args:
        images: n uint8 images, tensors (C, H, W) or arrays (H, W, C) or (H, W).
        masks: n ground truths (H, W), non-zero where defective; None: unknown.
        maps: n anomaly maps (h, w), resized to their images.
        scores: n image scores.
        titles: n short captions, such as the defect's name.
        path: file to write.
        limit: score at the top of the colour scale that all maps share; None: from the maps.
        low: score at its bottom: up to here is normal.

    Raises:
        InputError: no images, or lists of different lengths.
    """
    count = same_length(images=images, masks=masks, maps=maps, scores=scores, titles=titles)
    if limit is None:
        top = shared_limit(maps)
        limit = top if top > low else low + 1.0
    columns, bands = _arrangement(count)
    figure = new_figure(columns * _TILE + 0.9, bands * (2 * _TILE + 0.5))
    axes = figure.subplots(2 * bands, columns, squeeze=False)
    for cell in axes.flat:
        frameless(cell)
    for index in range(count):
        band, column = divmod(index, columns)
        top, bottom = axes[2 * band, column], axes[2 * band + 1, column]
        image = rgb(images[index])
        top.set_title(f"{_shorten(titles[index])}\n{scores[index]:.3g}", **_CAPTION)
        _show(top, image)
        _show(bottom, overlay(image, maps[index], limit, low))
        if masks is not None:
            for cell in (top, bottom):
                _outline(cell, masks[index], image.shape[:2])
    for band in range(bands):
        axes[2 * band, 0].set_ylabel("test image", fontsize=9, color=INK)
        axes[2 * band + 1, 0].set_ylabel("anomaly score", fontsize=9, color=INK)
    scale = ScalarMappable(PowerNorm(GAMMA, low, limit), ListedColormap(COLOURS / 255, "scores"))
    _color_bar(figure, axes, scale, "anomaly score of a pixel")
    return save(figure, path)


def synthesis_grid(
    originals: Sequence[Image],
    anomalies: Sequence[Image],
    labels: Sequence[Map],
    path: Path | str,
    titles: Sequence[str] | None = None,
) -> Path:
    """Originals, synthetic anomalies and their labels, one column each, as one PNG.

    Figure 2 of the NSA paper shows the same.

    Args:
        originals, anomalies: n uint8 images each, tensors (C, H, W) or arrays (H, W, C) or (H, W).
        labels: n labels (H, W) or (1, H, W) in [0, 1]; all share a scale that ends at 1, or at the
            largest label where one exceeds 1.
        path: file to write.
        titles: n column headings.

    Raises:
        InputError: no images, or lists of different lengths.
    """
    count = same_length(originals=originals, anomalies=anomalies, labels=labels, titles=titles)
    columns, bands = _arrangement(count)
    heading = 0.25 if titles is not None else 0.0
    figure = new_figure(columns * _TILE + 0.9, bands * (3 * _TILE + 0.25 + heading))
    axes = figure.subplots(3 * bands, columns, squeeze=False)
    for cell in axes.flat:
        frameless(cell)
    sizes = [rgb(image).shape[:2] for image in originals]
    planes = [plane(label, size, smooth=False) for label, size in zip(labels, sizes, strict=True)]
    top = max(1.0, *(float(values.max()) for values in planes))
    for index in range(count):
        band, column = divmod(index, columns)
        cells = axes[3 * band : 3 * band + 3, column]
        if titles is not None:
            cells[0].set_title(_shorten(titles[index]), **_CAPTION)
        _show(cells[0], rgb(originals[index]))
        _show(cells[1], rgb(anomalies[index]))
        cells[2].imshow(planes[index], cmap="inferno", vmin=0, vmax=top, interpolation="nearest")
    for band in range(bands):
        for row, name in enumerate(("original", "synthetic anomaly", "label")):
            axes[3 * band + row, 0].set_ylabel(name, fontsize=9, color=INK)
    _color_bar(figure, axes, ScalarMappable(Normalize(0, top), "inferno"), "label")
    return save(figure, path, SYNTHESIS_TITLE)


def _arrangement(count: int, widest: int = 8) -> tuple[int, int]:
    """Columns and rows of ``count`` examples, as even as possible."""
    rows = -(-count // widest)
    return -(-count // rows), rows


def _show(axes: Axes, image: Rgb) -> None:
    axes.imshow(image, interpolation="antialiased")


def _color_bar(
    figure: Figure, axes: npt.NDArray[np.object_], scale: ScalarMappable, name: str
) -> None:
    """One scale for all ``axes``, of the same width in inches in every figure."""
    width, height = figure.get_size_inches()
    bar = figure.colorbar(
        scale, ax=axes, fraction=0.2 / width, pad=0.1 / width, aspect=height / 0.2
    )
    bar.set_label(name, fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=8, colors=INK)
    bar.outline.set_visible(False)


def _outline(axes: Axes, mask: Map, size: tuple[int, ...]) -> None:
    inside = plane(mask, (size[0], size[1]), smooth=False) > 0
    if inside.any():
        padded = np.pad(inside, 1)  # so that a defect at the border closes
        rows, columns = (np.arange(-1, side + 1) for side in size)
        axes.contour(columns, rows, padded, levels=[0.5], colors=_OUTLINE, linewidths=1.2)
        axes.set_xlim(-0.5, size[1] - 0.5)
        axes.set_ylim(size[0] - 0.5, -0.5)


def _shorten(title: str, longest: int = 22) -> str:
    title = printable(title)
    return title if len(title) <= longest else title[: longest - 3].rstrip() + "..."
