"""Figures without pyplot: no global state, no window, safe in threads and in a user's notebook."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nsa.system.files import write_atomically

INK = "#222222"
GRID = "#dddddd"
PRIMARY = "#2a5fa5"
SECONDARY = "#b8651b"
DPI = 110
SYNTHESIS_TITLE = "Synthetic anomalies"  # in the files, by which they are known


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, laid out so that nothing overlaps."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path | str, title: str | None = None) -> Path:
    """Write the figure as PNG, whatever the suffix, and return the path.

    Args:
        title: kept in the file.

    Raises:
        InputError: the file cannot be written; an earlier one is untouched.
    """
    drawn = io.BytesIO()
    with warnings.catch_warnings():
        # Of a character that the font lacks, as in the name of a folder, an empty box is drawn.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        figure.savefig(
            drawn, format="png", bbox_inches="tight", pad_inches=0.12, metadata={"Title": title},
            pil_kwargs={"compress_level": 3},  # half the time of 6, and little larger
        )  # fmt: skip
    write_atomically(Path(path), drawn.getvalue())
    return Path(path)


def plain(axes: Axes) -> None:
    """For curves: a light grid, and only the two axes that carry numbers."""
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#888888")
    axes.tick_params(colors=INK, labelsize=9)
