"""Grids of pictures: test images with their heat maps, and synthetic anomalies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, PowerNorm

from nsa.report.canvas import SYNTHESIS_TITLE
from nsa.report.examples import same_length
from nsa.report.overlay import COLOURS, GAMMA, overlay, shared_limit
from nsa.report.pixels import Image, Map, plane, rgb
from nsa.report.tiles import Tiles
from nsa.system.console import printable

_SIDE, _NAMES = 1.67, 0.22  # inches


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
    pictures = [rgb(image) for image in images]
    tiles = Tiles(
        [(len(picture), picture.shape[1]) for picture in pictures], columns, [2, 0] * bands,
        side=_SIDE, names=_NAMES,
    )  # fmt: skip
    for index, picture in enumerate(pictures):
        band, column = divmod(index, columns)
        tiles.caption(2 * band, column, f"{_shorten(titles[index])}\n{scores[index]:.3g}")
        mask = None if masks is None else masks[index]
        tiles.show(2 * band, column, picture, mask)
        tiles.show(2 * band + 1, column, overlay(picture, maps[index], limit, low), mask)
    for band in range(bands):
        tiles.name(2 * band, "test image")
        tiles.name(2 * band + 1, "anomaly score")
    colours = ListedColormap(COLOURS / 255, "scores")
    tiles.scale(ScalarMappable(PowerNorm(GAMMA, low, limit), colours), "anomaly score of a pixel")
    return tiles.save(path)


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
    pictures = [rgb(image) for image in originals]
    sizes = [(len(picture), picture.shape[1]) for picture in pictures]
    planes = [plane(label, size, smooth=False) for label, size in zip(labels, sizes, strict=True)]
    top = max(1.0, *(float(values.max()) for values in planes))
    captions = [0 if titles is None else 1, 0, 0] * bands
    tiles = Tiles(sizes, columns, captions, side=_SIDE, names=_NAMES)
    for index, picture in enumerate(pictures):
        band, column = divmod(index, columns)
        if titles is not None:
            tiles.caption(3 * band, column, _shorten(titles[index]))
        tiles.show(3 * band, column, picture)
        tiles.show(3 * band + 1, column, rgb(anomalies[index]))
        tiles.show(
            3 * band + 2, column, planes[index],
            cmap="inferno", vmin=0, vmax=top, interpolation="nearest",
        )  # fmt: skip
    for band in range(bands):
        for row, name in enumerate(("original", "synthetic anomaly", "label")):
            tiles.name(3 * band + row, name)
    tiles.scale(ScalarMappable(Normalize(0, top), "inferno"), "label")
    return tiles.save(path, SYNTHESIS_TITLE)


def _arrangement(count: int, widest: int = 8) -> tuple[int, int]:
    """Columns and rows of ``count`` examples, as even as possible."""
    rows = -(-count // widest)
    return -(-count // rows), rows


def _shorten(title: str, longest: int = 22) -> str:
    title = printable(title)
    return title if len(title) <= longest else title[: longest - 3].rstrip() + "..."
