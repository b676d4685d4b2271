"""The part of the page about training."""

from __future__ import annotations

import statistics
from typing import Any

from report_goals import BOTTLE_SECONDS, PAPER, STEP, SYNTHESIS_SHARE, synthesis_share, verdict

MVTEC_SAMPLES = 1_385_000  # that the paper's schedule shows for all 15 categories
MVTEC_CATEGORIES = 15
_NAME = 72  # characters of a kernel's


def step(figures: dict[str, Any]) -> list[str]:
    """Throughput of training steps, and their parts."""
    measured = figures["step"]
    count = measured["batch"]
    lines = [
        f"## Training step, 224 px RGB, batch {count}",
        "",
        f"| what | ms a step | quartiles | images/s | goal {STEP:,} | plan wait | peak GiB |",
        "|---|--:|--:|--:|---|--:|--:|",
    ]
    for name, title in (("whole", "images on the GPU"), ("streaming", "images streamed")):
        if name in measured:
            run = measured[name]
            rate, spread = run["images_per_second"], run["seconds_per_image"]
            lines.append(
                f"| synthesis and network, {title} | {1e3 * count / rate:.2f} | "
                f"{1e3 * count * spread['low']:.2f}-{1e3 * count * spread['high']:.2f} | "
                f"{rate:,.0f} | {verdict(rate >= STEP)} | {run['plan_wait_share']:.1%} | "
                f"{run['peak_gib']:.2f} |"
            )
    if "network_alone" in measured:
        alone = measured["network_alone"]
        lines.append(
            f"| network alone | {_milli(alone)} | {count / alone['median']:,.0f} | - | - | - |"
        )
    share = synthesis_share(measured)
    if share is not None:
        lines += [
            "",
            f"Synthesis takes {share:.1%} of a step; at most {SYNTHESIS_SHARE:.0%} was the goal: "
            f"{verdict(share <= SYNTHESIS_SHARE)}.",
        ]
    if "parts" in measured:
        total = sum(measured["parts"].values())
        lines += ["", "| part, kernel by kernel | ms | share |", "|---|--:|--:|"]
        for name, spent in measured["parts"].items():
            lines.append(f"| {name} | {spent:.2f} | {spent / total:.1%} |")
    return lines


def loader(figures: dict[str, Any]) -> list[str]:
    """The reference path in a DataLoader beside it."""
    measured = figures["loader"]
    rate = measured["images_per_second"]
    lines = [
        f"## OpenCV and scikit-image in a DataLoader, {measured['processes']} processes",
        "",
        f"The same network gets {rate:,.0f} images/s and waits {measured['wait_share']:.0%} of "
        "the time.",
    ]
    whole = (figures.get("step") or {}).get("whole")
    if whole:
        lines[-1] += f" nsa is {whole['images_per_second'] / rate:.1f} times as fast."
    return lines


def forms(figures: dict[str, Any]) -> list[str]:
    """The rewrites of the network beside its default."""
    measured = figures["forms"]
    default = measured["seconds"]["default"]["median"]
    lines = [
        f"## Forms of the network: captured steps of {measured['batch']} images without synthesis",
        "",
        f"| form | ms a step | quartiles over {measured['rounds']} rounds | beside the default |",
        "|---|--:|--:|--:|",
    ]
    for name, time in measured["seconds"].items():
        lines.append(f"| {name} | {_milli(time)} | {time['median'] / default - 1:+.1%} |")
    return lines


def trace(figures: dict[str, Any]) -> list[str]:
    """The kernels of a step, longest first."""
    measured = figures["trace_step"]
    total = measured["total_microseconds"]
    rows = measured["rows"]
    lines = [
        f"## A training step of {measured['batch']} images, kernel by kernel",
        "",
        "| kernel | calls | us a step | share |",
        "|---|--:|--:|--:|",
    ]
    for row in rows:
        lines.append(
            f"| `{_short(row['name'])}` | {row['calls']:.0f} | {row['microseconds']:.1f} | "
            f"{row['microseconds'] / total:.1%} |"
        )
    rest = total - sum(row["microseconds"] for row in rows)
    lines.append(
        f"| {measured['different'] - len(rows)} others | | {rest:.1f} | {rest / total:.1%} |"
    )
    return lines


def bottle(figures: dict[str, Any]) -> list[str]:
    """Whole trainings with their scores."""
    measured = figures["bottle"]
    runs = measured["runs"]
    lines = [
        f"## Bottle from scratch, {measured['images']} images, logistic labels",
        "",
        f"| epochs | seed | s | under {BOTTLE_SECONDS:.0f} s | start s | images/s | plan wait s | "
        "image AUROC | pixel AUROC | AU-PRO | evaluation s | peak GiB |",
        "|---|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    once = measured["import_seconds"] + measured["load_seconds"]
    for run in runs:
        scores = " | ".join(_percent(run.get(name)) for name in PAPER)
        evaluation = run.get("evaluation_seconds")
        lines.append(
            f"| {run['epochs']} | {run['seed']} | {run['training_seconds']:.2f} | "
            f"{verdict(run['training_seconds'] < BOTTLE_SECONDS)} | "
            f"{once + run['preparation_seconds']:.1f} | {run['images_per_second']:,.0f} | "
            f"{run['plan_wait_seconds']:.3f} | {scores} | "
            f"{'-' if evaluation is None else f'{evaluation:.2f}'} | {run['peak_gib']:.2f} |"
        )
    paper = " | ".join(_percent(score) for score in PAPER.values())
    lines.append(f"| 320 | the paper | - | - | - | - | - | {paper} | - | - |")
    rate = statistics.median(run["images_per_second"] for run in runs)
    start = statistics.median(run["preparation_seconds"] for run in runs)
    seconds = MVTEC_SAMPLES / rate + MVTEC_CATEGORIES * start
    lines += [
        "",
        "`start` is what a single training pays before its steps are replayed: import "
        f"{measured['import_seconds']:.1f} s, loading {measured['load_seconds']:.1f} s, and the "
        "choice of algorithms and capture.",
        "",
        f"At this speed all of MVTec AD by the paper's schedule, {MVTEC_SAMPLES / 1e6:.3f} M "
        f"samples, would take {seconds / 60:.1f} min (goal: 3 min), loading apart.",
    ]
    return lines


def _short(kernel: str) -> str:
    """A kernel's name without what many begin with, and no more of it than tells them apart."""
    for common in ("void ", "at::native::", "(anonymous namespace)::", "<unnamed>::"):
        kernel = kernel.replace(common, "")
    return kernel.replace("|", "/")[:_NAME]


def _milli(time: dict[str, float]) -> str:
    """Two cells of a table: median and quartiles in milliseconds."""
    return f"{time['median'] * 1e3:.3f} | {time['low'] * 1e3:.3f}-{time['high'] * 1e3:.3f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
