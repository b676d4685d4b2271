"""The part of the page about the synthesis and its kernels."""

from __future__ import annotations

from typing import Any

from report_goals import SYNTHESIS, verdict

SYNTHESIS_KERNELS = ("copy of the batch", "blend", "label")


def synthesis(figures: dict[str, Any]) -> list[str]:
    """Every batch: the whole, then kernel by kernel."""
    lines: list[str] = []
    for measured in figures["synthesis"]["batches"]:
        if lines:
            lines.append("")
        lines += _whole(measured)
        if measured["kernels"]:
            lines += ["", *_kernels(measured["kernels"], figures.get("limits"))]
    return lines


def _whole(measured: dict[str, Any]) -> list[str]:
    count = measured["batch"]
    goal = SYNTHESIS.get(count)
    lines = [
        f"## Synthesis, batch {count}: 256 px RGB, carpet, logistic, "
        f"{measured['patches'] / count:.2f} patches an image",
        "",
        f"| what | us a batch | quartiles | images/s | goal {f'{goal:,}' if goal else '-'} |",
        "|---|--:|--:|--:|---|",
    ]
    for name, time in measured["whole"].items():
        rate = count / time["median"]
        reached = verdict(rate >= goal) if goal else "-"
        lines.append(f"| {name} | {_micro(time)} | {rate:,.0f} | {reached} |")
    return lines


def _kernels(timed: dict[str, Any], limits: dict[str, Any] | None) -> list[str]:
    own = [timed[name]["median"] for name in SYNTHESIS_KERNELS if name in timed]
    lines = [
        "| kernel | us a batch | quartiles | share of synthesis | GB/s | of copy | GFLOP/s | "
        "of float32 |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, time in timed.items():
        share = f"{time['median'] / sum(own):.0%}" if name in SYNTHESIS_KERNELS else "-"
        rates = _rates(time["bytes"] / time["median"], time["flops"] / time["median"], limits)
        lines.append(f"| {name} | {_micro(time)} | {share} | {rates} |")
    lines += ["", "Bytes and operations are the fewest the work needs, not what was moved or done."]
    return lines


def _rates(moved: float | None, work: float | None, limits: dict[str, Any] | None) -> str:
    """Four cells: GB/s, their share of the copy's, GFLOP/s, their share of the product's."""
    of_copy = f"{moved / limits['copy_bytes_per_second']:.0%}" if limits and moved else "-"
    of_float = f"{work / limits['float32_flops']:.0%}" if limits and work else "-"
    return (
        f"{f'{moved / 1e9:,.0f}' if moved else '-'} | {of_copy} | "
        f"{f'{work / 1e9:,.0f}' if work else '-'} | {of_float}"
    )


def counters(figures: dict[str, Any]) -> list[str]:
    """What the GPU itself counted in the two big kernels."""
    lines = [
        "## Counted by the GPU: one batch of 256, as above",
        "",
        "| kernel | us | GB/s | of copy | GFLOP/s | of float32 | warps active | registers | "
        "threads | blocks | shared KB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in figures["counters"]["launches"]:
        seconds = row["seconds"]
        moved = row["bytes"] / seconds if seconds and row["bytes"] is not None else None
        work = row["flops"] / seconds if seconds and row["flops"] is not None else None
        active = "-" if row["occupancy"] is None else f"{row['occupancy']:.0%}"
        shared = None if row["shared_bytes"] is None else row["shared_bytes"] / 1024
        lines.append(
            f"| {row['kernel']} | {f'{seconds * 1e6:.1f}' if seconds else '-'} | "
            f"{_rates(moved, work, figures.get('limits'))} | {active} | {_count(row['registers'])} "
            f"| {_count(row['threads'])} | {_count(row['blocks'])} | {_count(shared)} |"
        )
    lines += [
        "",
        "Under `ncu`, which fixes the clock: its times are not those of the tables above.",
    ]
    return lines


def peers(figures: dict[str, Any]) -> list[str]:
    """OpenCV and this package's CPU kernels beside the GPU."""
    measured = figures["peers"]
    count = measured["batch"]
    slowest = max(time["median"] for time in measured["seconds"].values())
    lines = [
        f"## Blending one plan, batch {count}, OpenCV {measured['opencv']}",
        "",
        "| with | us a batch | quartiles | images/s | times as fast |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, time in measured["seconds"].items():
        rate = count / time["median"]
        lines.append(f"| {name} | {_micro(time)} | {rate:,.0f} | {slowest / time['median']:.1f} |")
    return lines


def _micro(time: dict[str, float]) -> str:
    """Two cells of a table: median and quartiles in microseconds."""
    return f"{time['median'] * 1e6:,.1f} | {time['low'] * 1e6:,.1f}-{time['high'] * 1e6:,.1f}"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"
