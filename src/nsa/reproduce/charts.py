"""ROC and PRO curves as inline SVG: sharp at any size, coloured by the page's style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from nsa.reproduce.evidence import FALSE_POSITIVE_RATES

_SIDE, _LEFT, _BOTTOM, _TOP = 220, 46, 34, 8
_KINDS = {
    "image_roc": ("ROC, images", "share of defective images found"),
    "pixel_roc": ("ROC, pixels", "share of defective pixels found"),
    "pro": ("PRO", "mean share of a defect found"),
}


def curve_charts(curves: Mapping[str, Sequence[Mapping[str, Sequence[float]]]]) -> str:
    """One chart per kind of curve, a line per system, averaged over its seeds.

    Args:
        curves: system -> the ``curves`` of its results; the order decides the colours.
    """
    charts = []
    for kind, (title, label) in _KINDS.items():
        lines = {
            system: np.mean([one[kind] for one in found if kind in one], axis=0)
            for system, found in curves.items()
            if any(kind in one for one in found)
        }
        if lines:
            charts.append(_chart(title, label, list(curves), lines, limit=kind == "pro"))
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


def _x(value: float) -> float:
    return _LEFT + _SIDE * value


def _y(value: float) -> float:
    return _TOP + _SIDE * (1 - value)
