"""Results of jobs that never ran, for tests of tables and pages."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nsa.reproduce.results import Result, read_results

METRICS = ("image_auroc", "pixel_auroc", "au_pro")


def values(system: str, category: str, seed: int, figure: float, **changes: Any) -> dict[str, Any]:
    """A result file's content with one ``figure`` (a fraction) for every metric."""
    metrics = dict.fromkeys(METRICS, figure)
    return {
        "format_version": 1, "nsa_version": version("nsa"), "commit": "0123456789abcdef",
        "system": system, "category": category, "seed": seed,
        "hash": f"{abs(hash((system, category, seed))):012x}"[:12],
        "epochs": 320, "preset_epochs": 320, "shortened": False, "precision": "fp32",
        "overrides": {}, "device": "cpu",
        "metrics": {"paper": metrics, "whole_image": {**metrics, "image_auroc": figure / 2}},
        "not_computed": {}, "test_images": {"normal": 3, "defective": 3},
        "times": {"training_seconds": 60.0}, "curves": {}, "cases": [],
        "settings": {"category": category, "kind": "object",
                     "training": {"seed": seed, "epochs": 320}, "synthesis": {}, "images": {}},
        "hardware": {"processor": "A <processor>", "threads": 2, "gpus": []}, "versions": {},
        **changes,
    }  # fmt: skip


def record(folder: Path, content: dict[str, Any]) -> Path:
    """Write a result file under the name its job would have."""
    name = f"{content['category']}-{content['system']}-seed{content['seed']}-{content['hash']}"
    path = folder / "jobs" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def results(folder: Path, figures: dict[tuple[str, str], list[float]]) -> list[Result]:
    """Results of (system, category) -> a figure per seed."""
    for (system, category), column in figures.items():
        for seed, figure in enumerate(column):
            record(folder, values(system, category, seed, figure))
    return read_results(folder)
