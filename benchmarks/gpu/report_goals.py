"""The part of the page that sets what was measured beside what was promised, misses included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

SYNTHESIS = {64: 100_000, 256: 500_000}  # images/s of blend and label, by batch
SYNTHESIS_ROW = "blend and label, plan on the device"
STEP = 10_000  # images/s, synthesis included
SYNTHESIS_SHARE = 0.05  # of a step, at most
NO_WAIT = 0.0005  # share of the time that rounds to 0.0 %
BOTTLE_SECONDS = 10.0  # of 320 epochs after the start, at most
PAPER = {"image_auroc": 0.977, "pixel_auroc": 0.983, "au_pro": 0.929}  # at 320 epochs
TITLES = {"image_auroc": "image AUROC", "pixel_auroc": "pixel AUROC", "au_pro": "AU-PRO"}

Row = tuple[str, str, str | None, bool]


def verdict(reached: bool) -> str:
    return "reached" if reached else "**missed**"


def goals(figures: dict[str, Any]) -> list[str]:
    lines = ["## Goals", "", "| what | goal | measured | |", "|---|---|---|---|"]
    for what, goal, measured, reached in _rows(figures):
        result = "not measured" if measured is None else verdict(reached)
        lines.append(f"| {what} | {goal} | {measured or '-'} | {result} |")
    return lines


def synthesis_share(step: dict[str, Any]) -> float | None:
    """What a step with synthesis takes beyond the network alone, as a share of it."""
    if "whole" not in step or "network_alone" not in step:
        return None
    share: float = (
        1 - step["network_alone"]["median"] * step["whole"]["images_per_second"] / step["batch"]
    )
    return share


def _rows(figures: dict[str, Any]) -> Iterator[Row]:
    batches = (figures.get("synthesis") or {}).get("batches", [])
    rates = {
        batch["batch"]: batch["batch"] / batch["whole"][SYNTHESIS_ROW]["median"]
        for batch in batches
        if SYNTHESIS_ROW in batch["whole"]
    }
    for batch, wanted in SYNTHESIS.items():
        rate = rates.get(batch)
        measured = None if rate is None else f"{rate:,.0f} images/s"
        what = f"synthesis at batch {batch}, {SYNTHESIS_ROW}"
        yield what, f"{wanted:,} images/s", measured, (rate or 0) >= wanted
    yield from _training(figures.get("step") or {})
    yield from _bottle((figures.get("bottle") or {}).get("runs", []))


def _training(step: dict[str, Any]) -> Iterator[Row]:
    whole = step.get("whole")
    rate = whole["images_per_second"] if whole else 0.0
    what = "training at 224 px, batch 64, bf16, with synthesis"
    yield what, f"{STEP:,} images/s", f"{rate:,.0f} images/s" if whole else None, rate >= STEP
    share = synthesis_share(step)
    yield (
        "synthesis in a training step",
        f"at most {SYNTHESIS_SHARE:.0%}",
        None if share is None else f"{share:.1%}",
        share is not None and share <= SYNTHESIS_SHARE,
    )
    wait = whole["plan_wait_share"] if whole else 0.0
    yield "steps that wait for plans", "0.0 %", f"{wait:.1%}" if whole else None, wait < NO_WAIT


def _bottle(runs: list[dict[str, Any]]) -> Iterator[Row]:
    slowest = max((run["training_seconds"] for run in runs), default=0.0)
    yield (
        f"bottle, 320 epochs after the start, slowest of {len(runs) or 3} seeds",
        f"under {BOTTLE_SECONDS:.0f} s",
        f"{slowest:.1f} s" if runs else None,
        slowest < BOTTLE_SECONDS,
    )
    for name, wanted in PAPER.items():
        scores = [run[name] for run in runs if run.get(name) is not None]
        mean = sum(scores) / len(scores) if scores else 0.0
        yield (
            f"bottle, {TITLES[name]}, mean of {len(scores) or 3} seeds",
            f"the paper's {100 * wanted:.1f}",
            f"{100 * mean:.1f}" if scores else None,
            mean >= wanted,
        )
