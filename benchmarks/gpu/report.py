"""One page from what the stages of gpu.sh left behind, whichever of them succeeded."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import report_training

GOALS = {64: 100_000, 256: 500_000}  # images/s of blend and label


def main(folder: Path, page: Path) -> None:
    figures = {
        name: json.loads(path.read_text()) if path.is_file() else None
        for name in ("limits", "synthesis", "peers", "step", "loader", "bottle")
        for path in [folder / f"{name}.json"]
    }
    lines = ["# On a GPU", "", "Written by `benchmarks/gpu.sh`. Times are medians, with quartiles."]
    lines += ["", *_machine(figures["limits"]), "", *_stages(folder / "stages.tsv")]
    if figures["synthesis"]:
        for measured in figures["synthesis"]["batches"]:
            lines += ["", *_whole(measured), "", *_kernels(measured, figures["limits"])]
    if figures["peers"]:
        lines += ["", *_peers(figures["peers"])]
    if figures["step"]:
        lines += ["", *report_training.step(figures["step"])]
    if figures["loader"] and "images_per_second" in figures["loader"]:
        whole = figures["step"] and figures["step"].get("whole")
        lines += ["", *report_training.loader(figures["loader"], whole)]
    if figures["bottle"] and figures["bottle"]["runs"]:
        lines += ["", *report_training.bottle(figures["bottle"])]
    page.write_text("\n".join(lines) + "\n")


def _machine(limits: dict[str, Any] | None) -> list[str]:
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        asked = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        asked = "nvidia-smi does not answer"
    lines = [f"- GPU and driver: {asked}", f"- Python {platform.python_version()}"]
    if limits:
        lines += [
            f"- torch {limits['torch']}, CUDA {limits['cuda']}, "
            f"{limits['multiprocessors']} multiprocessors",
            f"- device-to-device copy: {limits['copy_bytes_per_second'] / 1e12:.2f} TB/s read and "
            "written",
            f"- float32 product of 8192 x 8192: {limits['float32_flops'] / 1e12:.1f} TFLOP/s",
        ]
    return lines


def _stages(path: Path) -> list[str]:
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    return ["| stage | result | s |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]


def _whole(measured: dict[str, Any]) -> list[str]:
    count = measured["batch"]
    lines = [
        f"## Synthesis, batch {count}: 256 px RGB, carpet, logistic, "
        f"{measured['patches'] / count:.2f} patches an image (goal {GOALS[count]:,} images/s)",
        "",
        "| what | us a batch | quartiles | images/s |",
        "|---|---|---|---|",
    ]
    for name, time in measured["whole"].items():
        lines.append(f"| {name} | {_micro(time)} | {count / time['median']:,.0f} |")
    return lines


def _kernels(measured: dict[str, Any], limits: dict[str, Any] | None) -> list[str]:
    total = sum(
        measured["kernels"][name]["median"] for name in ("copy of the batch", "blend", "label")
    )
    lines = [
        "| kernel | us a batch | quartiles | share of synthesis | GB/s | of copy | GFLOP/s | "
        "of float32 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, time in measured["kernels"].items():
        share = (
            f"{time['median'] / total:.0%}"
            if name in ("copy of the batch", "blend", "label")
            else "-"
        )
        moved, work = time["bytes"] / time["median"], time["flops"] / time["median"]
        of_copy = f"{moved / limits['copy_bytes_per_second']:.0%}" if limits else "-"
        of_float = f"{work / limits['float32_flops']:.0%}" if limits and work else "-"
        lines.append(
            f"| {name} | {_micro(time)} | {share} | {moved / 1e9:.0f} | {of_copy} | "
            f"{f'{work / 1e9:.0f}' if work else '-'} | {of_float} |"
        )
    lines += ["", "Bytes and operations are the fewest the work needs, not what was moved or done."]
    return lines


def _peers(peers: dict[str, Any]) -> list[str]:
    count = peers["batch"]
    slowest = max(time["median"] for time in peers["seconds"].values())
    lines = [
        f"## Blending one plan, batch {count}, OpenCV {peers['opencv']}",
        "",
        "| with | us a batch | quartiles | images/s | times as fast |",
        "|---|---|---|---|---|",
    ]
    for name, time in peers["seconds"].items():
        rate = count / time["median"]
        lines.append(f"| {name} | {_micro(time)} | {rate:,.0f} | {slowest / time['median']:.1f} |")
    return lines


def _micro(time: dict[str, float]) -> str:
    """Two cells of a table: median and quartiles in microseconds."""
    return f"{time['median'] * 1e6:.1f} | {time['low'] * 1e6:.1f}-{time['high'] * 1e6:.1f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
