"""Figures without pyplot: no global state, no window, safe in threads and in a user's notebook."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK = "#222222"
GRID = "#dddddd"
PRIMARY = "#2a5fa5"
SECONDARY = "#b8651b"
DPI = 110


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, laid out so that nothing overlaps."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path | str) -> Path:
    """Write the figure as PNG, whatever the suffix, and return the path."""
    figure.savefig(path, format="png", bbox_inches="tight", pad_inches=0.12)
    return Path(path)


def frameless(axes: Axes) -> None:
    """For pictures: no ticks, no frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def plain(axes: Axes) -> None:
    """For curves: a light grid, and only the two axes that carry numbers."""
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#888888")
    axes.tick_params(colors=INK, labelsize=9)
