"""What makes overlays readable: regions outlined and numbered, and the scale of the colours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from nsa.errors import InputError
from nsa.report.overlay import COLOURS, GAMMA, OUTLINE, outline
from nsa.report.pixels import Rgb

SMALLEST = 128  # pixels: narrower pictures get no scale, and smaller ones no numbers
MOST_NUMBERS = 99
_SMALLEST_TEXT = 11  # pixels
_HALO = (0, 0, 0)
_INK = "#222222"  # that of the figures, whose module needs all of matplotlib
_TITLE = "anomaly score of a pixel"  # as in the figures

_Box: TypeAlias = tuple[int, int, int, int]


def annotate(
    picture: Rgb,
    low: float,
    high: float,
    *,
    mask: npt.NDArray[np.bool_] | None = None,
    boxes: Sequence[Sequence[float]] = (),
    threshold: float | None = None,
    threshold_name: str = "pixel limit",
) -> Rgb:
    """An overlay with its regions outlined and numbered, above the scale of its colours.

    The scale is a white strip below the picture, whose own pixels stay where they are: its ends
    are raw values of the map, and what lies in between is proportional to its place. Text grows
    with the picture. A picture narrower than 128 px gets no strip, and one with a shorter side than
    that no numbers: they would not be readable. A number that finds no room beside its region and
    clear of the numbers before it is left out.

    Args:
        picture: uint8 (H, W, 3) RGB, as :func:`nsa.report.overlay.overlay` draws it.
        low, high: values of the map at the ends of its colours, the overlay's ``low`` and
            ``limit``.
        mask: (H, W), True in the regions; None: nothing is outlined, nor numbered.
        boxes: x, y, width and height in pixels of regions of the mask, whose pixels touch at sides
            or corners, and whatever follows; numbered from 1 in this order, the first 99 of them.
        threshold: value of the map to mark on the scale; None: none.
        threshold_name: what it is called there.

    Returns:
        uint8 (H + the strip's height, W, 3) RGB, a copy.

    Raises:
        InputError: ``high`` is not above ``low``.
    """
    if not high > low:
        raise InputError(f"high must be above {low:g}, got {high!r}.")
    height, width = picture.shape[:2]
    size = _text_size(height, width)
    strips = [picture]
    if width >= SMALLEST:
        strips.append(_scale(width, size, low, high, threshold, threshold_name))
    drawn = np.concatenate(strips)
    inside = drawn[:height]
    if mask is not None:
        outline(inside, mask)
        if min(height, width) >= SMALLEST:
            _number(inside, mask, boxes, size)
    return drawn


def _text_size(height: int, width: int) -> int:
    """Pixels of text that is readable when the picture is seen as a whole."""
    return max(_SMALLEST_TEXT, round(min(math.sqrt(height * width) / 55, width / 20)))


def _font(size: int) -> ImageFont.FreeTypeFont:
    """That of the figures; one for each thread."""
    package = find_spec("matplotlib")  # without loading it
    assert package is not None
    assert package.origin is not None
    fonts = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf"
    return ImageFont.truetype(fonts / "DejaVuSans.ttf", size)


def _number(
    picture: Rgb, mask: npt.NDArray[np.bool_], boxes: Sequence[Sequence[float]], size: int
) -> None:
    """Write the numbers of regions beside them."""
    font = _font(size)
    halo = max(1, size // 8)
    taken: list[_Box] = []
    for number, box in enumerate(boxes[:MOST_NUMBERS], 1):
        left, top, right, bottom = font.getbbox(str(number), stroke_width=halo)
        shape = math.ceil(right - left), math.ceil(bottom - top)
        x, y, width, height = (int(value) for value in box[:4])
        for place in _places(mask, (x, y, width, height), shape, gap=2 * halo):
            if not any(_overlap(place, one) for one in taken):
                break
        else:
            continue
        taken.append(place)
        part = picture[place[1] : place[3], place[0] : place[2]]
        patch = Image.fromarray(part)
        ImageDraw.Draw(patch).text(
            (-left, -top), str(number), OUTLINE, font, stroke_width=halo, stroke_fill=_HALO
        )
        part[...] = np.asarray(patch)


def _places(
    mask: npt.NDArray[np.bool_], box: _Box, shape: tuple[int, int], gap: int
) -> Iterator[_Box]:
    """Where a number may stand: at the region's extremes, outside of it, else within.

    Args:
        box: x, y, width and height of the region.
        shape: width and height of the number.

    Yields:
        Left, top, right and bottom, within the picture.
    """
    x, y, width, height = box
    last_x, last_y = x + width - 1, y + height - 1
    pixels = mask[y : last_y + 1, x : last_x + 1].view(np.uint8)
    _, labels, parts, _ = cv2.connectedComponentsWithStats(pixels, connectivity=8)
    # Others reach into the box, but no second one from side to side and from top to bottom.
    own = labels == np.flatnonzero((parts[1:, 2:4] == (width, height)).all(1))[0] + 1

    def along(line: npt.NDArray[np.bool_], first: int, length: int, end: int) -> int:
        there = np.flatnonzero(line)
        centre = first + int(there[len(there) // 2])
        return max(0, min(centre - length // 2, end - length))

    across, down = shape
    highest, lowest = (along(own[row], x, across, mask.shape[1]) for row in (0, -1))
    leftmost, rightmost = (along(own[:, column], y, down, mask.shape[0]) for column in (0, -1))
    for left, top in (
        (highest, y - down - gap), (lowest, last_y + 1 + gap), (last_x + 1 + gap, rightmost),
        (x - across - gap, leftmost), (highest, y + 2 * gap),
    ):  # fmt: skip
        right, bottom = left + across, top + down
        if left >= 0 and top >= 0 and right <= mask.shape[1] and bottom <= mask.shape[0]:
            yield left, top, right, bottom


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _scale(
    width: int, size: int, low: float, high: float, threshold: float | None, name: str
) -> Rgb:
    """The strip below a picture: the colours, what their ends mean, and a mark above them."""
    font = _font(size)
    margin, gap, line = size // 2, size // 3, round(1.2 * size)
    top = gap + (line + gap if threshold is not None else 0)
    bottom = top + size
    strip = Image.new("RGB", (width, bottom + gap + line + gap), "white")
    draw = ImageDraw.Draw(strip)
    across = width - 2 * margin
    levels = (np.linspace(0, 1, across) ** GAMMA * 255).astype(np.uint8)
    strip.paste(Image.fromarray(np.repeat(COLOURS[levels][None], bottom - top, 0)), (margin, top))

    def room(text: str) -> float:
        return font.getlength(text) + size

    ends = [f"normal up to {low:.3g}", f"{high:.3g} and above"]
    if sum(map(room, ends)) > across:
        ends = [f"{low:.3g}", f"{high:.3g}"]
    draw.text((margin, bottom + gap), ends[0], _INK, font, "la")
    draw.text((width - margin, bottom + gap), ends[1], _INK, font, "ra")
    if 2 * max(map(room, ends)) + room(_TITLE) <= across:
        draw.text((width / 2, bottom + gap), _TITLE, _INK, font, "ma")
    if threshold is not None:
        share = (threshold - low) / (high - low)
        label = f"{name} {threshold:.3g}" + ("" if 0 <= share <= 1 else ", off the scale")
        if room(label) > across:
            label = f"{threshold:.3g}"
        x = margin + round(min(max(share, 0), 1) * (across - 1))
        half = font.getlength(label) / 2
        centre = min(max(x, margin + half), width - margin - half)
        draw.text((centre, gap), label, _INK, font, "ma")
        edge = max(1, size // 10)
        mark = (x - edge, top - gap // 2, x + edge, bottom + gap // 2)
        draw.rectangle((mark[0] - edge, mark[1] - edge, mark[2] + edge, mark[3] + edge), _INK)
        draw.rectangle(mark, OUTLINE)
    return np.asarray(strip)
