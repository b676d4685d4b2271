"""Curves as inline SVG: sharp at any size, coloured by the page's style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from nsa.reproduce.cells import Figure, Table
from nsa.reproduce.evidence import FALSE_POSITIVE_RATES
from nsa.reproduce.statistics import Estimate

_SIDE, _LEFT, _BOTTOM, _TOP = 220, 46, 34, 8
_CURVES = {
    "image_roc": ("ROC, images", "share of defective images found"),
    "pixel_roc": ("ROC, pixels", "share of defective pixels found"),
    "pro": ("PRO", "mean share of a defect found"),
}


def curve_charts(curves: Mapping[str, Sequence[Mapping[str, Sequence[float]]]]) -> str:
    """One chart per curve of a result, a line per system, averaged over its seeds.

    Args:
        curves: system -> the ``curves`` of its results; the order decides the colours.
    """
    charts = []
    for name, (title, label) in _CURVES.items():
        lines = {
            system: np.mean([one[name] for one in found if name in one], axis=0)
            for system, found in curves.items()
            if any(name in one for one in found)
        }
        if lines:
            charts.append(_chart(title, label, list(curves), lines, limit=name == "pro"))
    return "".join(charts)


def _chart(
    title: str, label: str, systems: list[str], lines: Mapping[str, Sequence[float]], limit: bool
) -> str:
    width, height = _LEFT + _SIDE + 8, _TOP + _SIDE + _BOTTOM
    parts = [
        f'<figure class="chart"><figcaption>{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
    ]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x, y = _x(tick), _y(tick)
        parts.append(
            f'<path class="grid" d="M{x:.1f} {_TOP}V{_TOP + _SIDE}M{_LEFT} {y:.1f}h{_SIDE}"/>'
        )
        parts.append(f'<text x="{x:.1f}" y="{_TOP + _SIDE + 13}" class="mid">{tick:g}</text>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y + 3.5:.1f}" class="end">{tick:g}</text>')
    if limit:
        parts.append(f'<path class="limit" d="M{_x(0.3):.1f} {_TOP}V{_TOP + _SIDE}"/>')
    for system, values in lines.items():
        points = " ".join(
            f"{_x(fpr):.1f},{_y(float(value)):.1f}"
            for fpr, value in zip(FALSE_POSITIVE_RATES, values, strict=True)
        )
        parts.append(f'<polyline class="line c{systems.index(system)}" points="{points}"/>')
    parts.append(
        f'<text x="{_LEFT + _SIDE / 2}" y="{height - 5}" class="mid">false positive rate</text>'
    )
    middle = _TOP + _SIDE / 2
    parts.append(
        f'<text x="9" y="{middle}" class="mid" transform="rotate(-90 9 {middle})">'
        f"{escape(label)}</text></svg></figure>"
    )
    return "".join(parts)


def legend(titles: Sequence[str]) -> str:
    """The names of lines, in the order of their colours."""
    return "".join(
        f'<span><svg viewBox="0 0 20 8"><path class="line c{i}" d="M0 4h20"/></svg>'
        f"{escape(title)}</span>"
        for i, title in enumerate(titles)
    )


def row_chart(table: Table) -> str:
    """A table whose rows are steps along one axis: a line per column, the paper's faint behind."""
    ours, theirs = (
        [[_mean(getattr(row.cells[c], side)) for row in table.rows] for c in table.columns]
        for side in ("ours", "paper")
    )
    known = [value for line in (*ours, *theirs) for value in line if value is not None]
    low, high = math.floor(min(known) / 10) * 10, math.ceil(max(known) / 10) * 10
    high = max(high, low + 10)
    steps, width = len(table.rows), 2 * _SIDE
    height = _TOP + _SIDE + 20

    def y(value: float) -> float:
        return _y((value - low) / (high - low))

    def x(step: int) -> float:
        return _LEFT + width * (step + 0.5) / steps

    title = f"{table.title}, in percent"
    parts = [
        f'<figure class="chart rows"><svg viewBox="0 0 {_LEFT + width + 8} {height}" role="img" '
        f'aria-label="{escape(title)}">'
    ]
    for tick in range(low, high + 1, 10):
        parts.append(f'<path class="grid" d="M{_LEFT} {y(tick):.1f}h{width}"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y(tick) + 3.5:.1f}" class="end">{tick}</text>')
    for step, row in enumerate(table.rows):
        parts.append(
            f'<text x="{x(step):.1f}" y="{_TOP + _SIDE + 15}" class="mid">{escape(row.name)}</text>'
        )
    for style, lines in (("paper ", theirs), ("", ours)):
        for number, line in enumerate(lines):
            points = " ".join(
                f"{x(step):.1f},{y(value):.1f}"
                for step, value in enumerate(line)
                if value is not None
            )
            if points:
                parts.append(f'<polyline class="line {style}c{number}" points="{points}"/>')
    faint = "; the paper's are faint" if any(v is not None for line in theirs for v in line) else ""
    return (
        f"{''.join(parts)}</svg><figcaption>AUROC in percent{faint}.</figcaption></figure>"
        f'<p class="legend">{legend(list(table.columns.values()))}</p>'
    )


def _mean(value: Estimate | Figure | None) -> float | None:
    return None if value is None else value.mean


def _x(value: float) -> float:
    return _LEFT + _SIDE * value


def _y(value: float) -> float:
    return _TOP + _SIDE * (1 - value)
