"""The part of the page about training."""

from __future__ import annotations

import statistics
from typing import Any

GOAL = 10_000  # images/s of a step with its synthesis
SYNTHESIS_GOAL = 0.05  # of a step, at most
MVTEC_SAMPLES = 1_385_000  # that the paper's schedule shows for all 15 categories
MVTEC_CATEGORIES = 15


def step(figures: dict[str, Any]) -> list[str]:
    """Throughput of training steps."""
    count = figures["batch"]
    lines = [f"## Training step, 224 px RGB, batch {count} (goal {GOAL:,} images/s)", ""]
    lines += ["| what | ms a step | images/s | plan wait | peak GiB |", "|---|---|---|---|---|"]
    for name, title in (("whole", "images on the GPU"), ("streaming", "images streamed")):
        if name in figures:
            run = figures[name]
            rate = run["images_per_second"]
            lines.append(
                f"| synthesis and network, {title} | {1e3 * count / rate:.2f} | {rate:,.0f} | "
                f"{run['plan_wait_share']:.1%} | {run['peak_gib']:.2f} |"
            )
    if "network_alone" in figures:
        alone = figures["network_alone"]["median"]
        lines.append(f"| network alone | {1e3 * alone:.2f} | {count / alone:,.0f} | - | - |")
        share = 1 - alone * figures["whole"]["images_per_second"] / count
        lines += ["", f"Synthesis takes {share:.1%} of a step (goal {SYNTHESIS_GOAL:.0%})."]
    if "parts" in figures:
        total = sum(figures["parts"].values())
        lines += ["", "| part, kernel by kernel | ms | share |", "|---|---|---|"]
        for name, spent in figures["parts"].items():
            lines.append(f"| {name} | {spent:.2f} | {spent / total:.1%} |")
    return lines


def loader(figures: dict[str, Any], whole: dict[str, Any] | None) -> list[str]:
    """The reference path in a DataLoader beside it."""
    rate = figures["images_per_second"]
    lines = [
        f"## OpenCV and scikit-image in a DataLoader, {figures['cores']} processes",
        "",
        f"The same network gets {rate:,.0f} images/s and waits {figures['wait_share']:.0%} of the "
        "time.",
    ]
    if whole:
        lines[-1] += f" nsa is {whole['images_per_second'] / rate:.1f} times as fast."
    return lines


def bottle(figures: dict[str, Any]) -> list[str]:
    """Whole trainings with their scores."""
    lines = [f"## Bottle from scratch, {figures['images']} images, logistic labels", ""]
    lines += [
        "| epochs | seed | s | start s | images/s | plan wait s | image AUROC | pixel AUROC | "
        "AU-PRO | evaluation s | peak GiB |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    once = figures["import_seconds"] + figures["load_seconds"]
    for run in figures["runs"]:
        lines.append(
            f"| {run['epochs']} | {run['seed']} | {run['training_seconds']:.2f} | "
            f"{once + run['preparation_seconds']:.1f} | {run['images_per_second']:,.0f} | "
            f"{run['plan_wait_seconds']:.3f} | {100 * run['image_auroc']:.1f} | "
            f"{100 * run['pixel_auroc']:.1f} | {100 * run['au_pro']:.1f} | "
            f"{run['evaluation_seconds']:.2f} | {run['peak_gib']:.2f} |"
        )
    rate = statistics.median(run["images_per_second"] for run in figures["runs"])
    start = statistics.median(run["preparation_seconds"] for run in figures["runs"])
    seconds = MVTEC_SAMPLES / rate + MVTEC_CATEGORIES * start
    lines += [
        "",
        "`start` is what a single training pays before its steps are replayed: import "
        f"{figures['import_seconds']:.1f} s, loading {figures['load_seconds']:.1f} s, and the "
        "choice of algorithms and capture. The paper has 97.7 / 98.3 / 92.9 at 320 epochs.",
        "",
        f"At this speed all of MVTec AD by the paper's schedule, {MVTEC_SAMPLES / 1e6:.3f} M "
        f"samples, would take {seconds / 60:.1f} min (goal 3), loading apart.",
    ]
    return lines
