"""From pytest-benchmark's JSON to ``results.md``."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from common import Goal, goal_for, machine, seconds, significant
from fidelity import Fidelity

HERE = Path(__file__).parent
_HEADER = (
    "| comparison | implementation | threads | median | IQR | rounds | nsa is faster by | goal |\n"
    "|---|---|--:|--:|--:|--:|--:|---|\n"
)
_PEERS = {
    "nsa": "nsa",
    "cv2": "cv2",
    "fpie": "fpie",
    "reference": "reference",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}


def peer_of(benchmark: dict[str, Any]) -> str:
    """Who ran: ``extra_info["peer"]``, or else the peer that the test's name mentions."""
    name = benchmark["extra_info"].get("peer")
    if name is None:
        test, _, parameters = benchmark["name"].partition("[")
        words = re.split(r"[_\-\] ]", f"{test}_{parameters}")
        name = next((_PEERS[word] for word in words if word in _PEERS), test)
    return str(name)


def render(data: dict[str, Any], fidelity: list[Fidelity], *, quick: bool) -> str:
    """The whole page.

    Args:
        data: pytest-benchmark's JSON.
        fidelity: empty where it was not measured.
        quick: few rounds; the page says so.
    """
    by_file: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for benchmark in data["benchmarks"]:
        by_file[benchmark["fullname"].partition("::")[0].rpartition("/")[2]].append(benchmark)
    parts = [
        "# Benchmark results\n\n"
        f"Written by `python benchmarks/run.py{' --quick' if quick else ''}` on "
        f"{data['datetime'][:10]}. [README.md](README.md) explains the regime.\n",
        _table_of_machine(),
    ]
    if quick:
        parts.append("Few rounds: good for a look, not for a claim.\n")
    parts += [_section(name, by_file[name]) for name in sorted(by_file)]
    if fidelity:
        parts.append(_fidelity_section(fidelity))
    return "\n".join(parts)


def _table_of_machine() -> str:
    rows = "".join(f"| {name} | {text} |\n" for name, text in machine().items())
    return f"| | |\n|---|---|\n{rows}"


def _section(file: str, benchmarks: list[dict[str, Any]]) -> str:
    docstring = ast.get_docstring(ast.parse((HERE / file).read_text())) or file
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for benchmark in benchmarks:
        groups[benchmark["group"] or benchmark["name"]].append(benchmark)
    rows = [row for name, group in groups.items() for row in _rows(name, group)]
    heading = docstring.splitlines()[0].rstrip(".")
    return f"## {heading}\n\n`{file}`\n\n{_HEADER}" + "".join(rows)


def _rows(group: str, benchmarks: list[dict[str, Any]]) -> list[str]:
    """Ours first, then the peers by time."""
    ours = [b["stats"]["median"] for b in benchmarks if peer_of(b) == "nsa"]
    rows = []
    ordered = sorted(benchmarks, key=lambda b: (peer_of(b) != "nsa", b["stats"]["median"]))
    for index, benchmark in enumerate(ordered):
        stats, peer = benchmark["stats"], peer_of(benchmark)
        extra = benchmark["extra_info"]
        median = seconds(stats["median"])
        if "images" in extra:  # of one call
            median += f" ({significant(extra['images'] / stats['median'])} images/s)"
        if "memory" in extra:  # bytes at most
            median += f", {extra['memory'] / 1e6:,.0f} MB"
        ratio = stats["median"] / ours[0] if ours and peer != "nsa" else None
        cells = [
            group if index == 0 else "",
            f"**{peer}**" if peer == "nsa" else peer,
            str(extra.get("threads", "")),
            median,
            seconds(stats["iqr"]),
            str(stats["rounds"]),
            "" if ratio is None else f"{significant(ratio)} x" + (" (slower)" if ratio < 1 else ""),
            _verdict(goal_for(group, peer), ratio, stats["median"], extra.get("images")),
        ]
        rows.append(f"| {' | '.join(cells)} |\n")
    return rows


def _verdict(goal: Goal | None, ratio: float | None, median: float, images: int | None) -> str:
    if goal is None:
        return ""
    if goal.times is not None and ratio is not None:
        return f"{goal.times:g} x: {_reached(ratio >= goal.times)}"
    if goal.seconds is not None:
        return f"{seconds(goal.seconds)}: {_reached(median <= goal.seconds)}"
    if goal.rate is not None and images is not None:
        return f"{goal.rate:g} images/s: {_reached(images / median >= goal.rate)}"
    return ""


def _reached(reached: bool) -> str:
    return "reached" if reached else "**missed**"


def _fidelity_section(rows: list[Fidelity]) -> str:
    cases = sum(row.cases for row in rows)
    lines = "".join(
        f"| {row.mask} | {row.gradients} | {row.cases} | {100 * row.identical:.2f} % | "
        f"{row.largest} |\n"
        for row in rows
    )
    return (
        f"## Fidelity of `nsa.seamless_clone` to `cv2.seamlessClone`\n\n{cases} random RGB cases, "
        "sides 12 to 210 px. Goal: at least 99 % identical inside the boxes, never more than 1 "
        "grey level apart.\n\n"
        "| mask | gradients | cases | identical inside the boxes | largest difference |\n"
        f"|---|---|--:|--:|--:|\n{lines}"
    )
