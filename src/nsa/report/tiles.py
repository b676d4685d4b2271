"""Pages of pictures in rows and columns, with captions and one scale of colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from nsa.report.canvas import DPI, INK, save
from nsa.report.pixels import Map, plane

_OUTLINE = "#12e0d0"  # seen on dark, light, grey and brown products, and not in the colour scale
# In inches.
GAP = 0.08
LINE, _CAPTION = 0.16, 1.6  # height of a caption's line, and its length
_BAR = 0.2
_ROOM = 0.1  # between the pictures and the scale
_BESIDE_BAR = 0.5  # for its numbers and name


class Tiles:
    """Rectangles of one size, all in one pair of axes whose unit is an inch.

    Axes of their own for each picture would take matplotlib five times as long.

    Args:
        sizes: (height, width) in px of all the pictures.
        columns: of rectangles.
        captions: of every row, from above: lines of text that its pictures have over them.
        side: the longer side of a rectangle that a picture of these sizes can fill.
        names: room left of the pictures, for the names of the rows.
        lowest: height of a rectangle at least, as such a name needs it.
    """

    def __init__(
        self,
        sizes: Sequence[tuple[int, int]],
        columns: int,
        captions: Sequence[int],
        *,
        side: float,
        names: float,
        lowest: float = 1.25,
    ) -> None:
        self._wide = side * max(min(1.0, width / height) for height, width in sizes)
        if any(captions):
            self._wide = max(self._wide, _CAPTION)
        self._high = side * max(min(1.0, height / width) for height, width in sizes)
        self._high = max(self._high, lowest)
        self._left = names
        self._tops, below = [], 0.0
        for lines in captions:
            self._tops.append(below + lines * LINE)
            below = self._tops[-1] + self._high + GAP
        self._right = names + columns * (self._wide + GAP) - GAP
        self._bottom = below - GAP
        width = self._right + _ROOM + _BAR + _BESIDE_BAR
        self._figure = Figure(figsize=(width, self._bottom), dpi=DPI, facecolor="white")
        FigureCanvasAgg(self._figure)
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set(xlim=(0, width), ylim=(self._bottom, 0), aspect="auto")
        self._axes.axis("off")

    def show(
        self, row: int, column: int, image: Map, defects: Map | None = None, **how: Any
    ) -> None:
        """Draw a picture in the middle of a rectangle, as large as it can be.

        Args:
            image: (H, W) or (H, W, 3).
            defects: (H, W), outlined where not zero.
            how: further arguments of ``imshow``.
        """
        height, width = image.shape[:2]
        pixel = min(self._wide / width, self._high / height)
        left = self._left + column * (self._wide + GAP) + (self._wide - pixel * width) / 2
        top = self._tops[row] + (self._high - pixel * height) / 2
        extent = (left, left + pixel * width, top + pixel * height, top)
        self._axes.imshow(image, extent=extent, aspect="auto", **how)
        if defects is None:
            return
        inside = plane(defects, (height, width), smooth=False) > 0
        if inside.any():
            padded = np.pad(inside, 1)  # so that a defect at the border closes
            rows, columns = (pixel * (np.arange(-1, n + 1) + 0.5) for n in (height, width))
            self._axes.contour(
                left + columns, top + rows, padded, levels=[0.5], colors=_OUTLINE, linewidths=1.2
            )

    def caption(self, row: int, column: int, text: str) -> None:
        """Lines over a rectangle."""
        middle = self._left + column * (self._wide + GAP) + self._wide / 2
        self._text(middle, self._tops[row] - 0.04, text, 9, va="bottom", linespacing=1.1)

    def name(self, row: int, text: str, *, upright: bool = True) -> None:
        """Left of a row; ``upright``: as its height, else as its lines are long."""
        middle = self._tops[row] + self._high / 2
        turned = {"rotation": 90} if upright else {}
        self._text(self._left - GAP, middle, text, 9, va="center", ha="right", **turned)

    def _text(self, x: float, y: float, text: str, size: float, **how: Any) -> None:
        # A dollar sign in a folder's name is no formula.
        how = {"ha": "center", "color": INK, "parse_math": False, **how}
        self._axes.text(x, y, text, fontsize=size, **how)

    def scale(self, colours: ScalarMappable, name: str, *, longest: float | None = None) -> None:
        """The scale of all colours, right of the pictures; ``longest``: inches."""
        width, height = self._figure.get_size_inches()
        first = self._tops[0]
        length = min(self._bottom - first, longest or self._bottom)
        bottom = self._bottom - (first + self._bottom + length) / 2
        place = ((self._right + _ROOM) / width, bottom / height, _BAR / width, length / height)
        bar = self._figure.colorbar(colours, cax=self._figure.add_axes(place))
        bar.set_label(name, fontsize=9, color=INK)
        bar.ax.tick_params(labelsize=8, colors=INK)
        bar.outline.set_visible(False)

    def save(self, path: Path | str, title: str | None = None) -> Path:
        """See :func:`nsa.report.canvas.save`."""
        return save(self._figure, path, title)
