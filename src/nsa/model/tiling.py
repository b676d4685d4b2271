"""Maps of images of any size in bounded memory: from tiles that overlap, without seams.

A network sees a tile as it sees an image, with zeros around it. They change the map as far inside
the tile as the network's :func:`reach`, so tiles overlap by twice as much and that border is left
out. What is kept is the map of one pass over the whole image, but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nsa.errors import InputError
from nsa.model.encoder_decoder import STRIDE, EncoderDecoder
from nsa.model.layers import Window

LARGEST = 4096
"""Side of a tile in px, at most: larger ones would save little and slow the last interpolation."""
_SMALLEST = 3  # margins: a side's third is kept, and each pixel is computed nine times at most


class Span(NamedTuple):
    """A tile along one axis, in px of the image.

    Attributes:
        begin, end: what the network is given; ``begin`` is a multiple of 32.
        first, last: what is kept of its map.
    """

    begin: int
    end: int
    first: int
    last: int


class Tile(NamedTuple):
    """A tile of an image."""

    rows: Span
    columns: Span


def reach(network: EncoderDecoder) -> int:
    """How far, in px, a pixel of the map depends on pixels of the image, along each axis.

    Every layer reads a range of positions for one of its own. Followed from the last layer to the
    first, that is the range of the image; shortcuts, and the layers that lead from the encoder to
    the decoder, read less than the layers beside them.
    """
    convolutions = [
        layer
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.MaxPool2d)
        and not {"downsample", "shortcut", "lateral"} & {*name.split(".")}
    ]
    furthest = 0
    for pixel in range(STRIDE):  # then it repeats itself
        low = high = pixel
        for layer in reversed(convolutions):
            side, stride, padding = map(
                _along_an_axis, (layer.kernel_size, layer.stride, layer.padding)
            )
            if isinstance(layer, nn.ConvTranspose2d):
                low = -((side - 1 - padding - low) // stride)
                high = (high + padding) // stride
            else:
                low = low * stride - padding
                high = high * stride - padding + side - 1
            if layer is network.head:
                # Its input is interpolated: row q of S rows is at q (S - 1) / (2 S - 1), which is
                # between (q - 1) / 2 and q / 2 for any S.
                low, high = (low - 1) // 2, high // 2 + 1
        furthest = max(furthest, pixel - low, high - pixel)
    return furthest


def plan_tiles(size: tuple[int, int], most: int, reach: int) -> list[Tile]:
    """Tiles for an image, so that together they have as few pixels as possible.

    Args:
        size: (height, width) of the image in px.
        most: pixels of a tile at most.
        reach: see :func:`reach`.

    Returns:
        One tile if the whole image may be one.

    Raises:
        InputError: even the smallest tile has more pixels.
    """
    rows, columns = (-(-side // STRIDE) for side in size)
    margin = -(-reach // STRIDE)
    area, longest, smallest = most // STRIDE**2, LARGEST // STRIDE, _SMALLEST * margin
    best: tuple[int, list[Span], list[Span]] | None = None
    for high in range(min(rows, smallest), min(rows, longest) + 1):
        wide = min(columns, longest, area // high)
        if wide < min(columns, smallest):
            break
        down, across = _spans(size[0], high, margin), _spans(size[1], wide, margin)
        total = _total(down) * _total(across)
        if best is None or total <= best[0]:
            best = total, down, across
    if best is None:
        least = min(rows, smallest) * min(columns, smallest) * STRIDE**2
        raise InputError(
            f"There is too little free memory for one image of {size[0]} x {size[1]} px: a tile of "
            f"it has at least {least} px and there is room for {most}; end what else uses this "
            "memory, or take another --device."
        )
    _, down, across = best
    return [Tile(row, column) for row in down for column in across]


def tiled_map(
    predict: Callable[[Tensor, Window], Tensor], image: Tensor, tiles: Iterable[Tile]
) -> Tensor:
    """The map of an image, tile by tile.

    Args:
        predict: from a tile, (1, C, h, w) as ``image`` is, and its place, to its map (1, h, w).
        image: (C, H, W); only views of it are taken.
        tiles: as :func:`plan_tiles` gives them.

    Returns:
        float32 (H, W), on the CPU.
    """
    height, width = image.shape[1:]
    result = torch.empty((height, width), dtype=torch.float32, device="cpu")
    for rows, columns in tiles:
        given = image[None, :, rows.begin : rows.end, columns.begin : columns.end]
        found = predict(given, Window(rows.begin, columns.begin, height, width))[0]
        result[rows.first : rows.last, columns.first : columns.last] = found[
            rows.first - rows.begin : rows.last - rows.begin,
            columns.first - columns.begin : columns.last - columns.begin,
        ]
    return result


def _spans(side: int, most: int, margin: int) -> list[Span]:
    """The fewest tiles along an axis, equally long but for the last.

    Args:
        side: of the image in px.
        most, margin: length of a tile and what is dropped at its inner ends, in 32 px.
    """
    whole = -(-side // STRIDE)
    count = 1 if whole <= most else 1 - (most - whole) // (most - 2 * margin)
    length = -(-(whole + 2 * margin * (count - 1)) // count)
    spans = []
    for number in range(count):
        begin = STRIDE * number * (length - 2 * margin)
        end = min(side, begin + STRIDE * length)
        first = begin + STRIDE * margin if number else 0
        last = end - STRIDE * margin if number < count - 1 else side
        spans.append(Span(begin, end, first, last))
    return spans


def _total(spans: list[Span]) -> int:
    return sum(span.end - span.begin for span in spans)


def _along_an_axis(value: int | str | tuple[int, ...]) -> int:
    """Of a layer's kernel, stride or padding; all are the same along both axes."""
    return int(value[0] if isinstance(value, tuple) else value)
