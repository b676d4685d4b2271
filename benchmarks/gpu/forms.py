"""The network's rewrites against each other: captured steps, every form in turn, in one process.

The default of this device, each rewrite flipped alone, and none at all.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Callable
from typing import Any

from device import DEVICE, sized, summary, time_calls, write
from step import BATCH, captured_step, make_trainer

from nsa.model import Forms

ROUNDS = sized(7, 2)
REPEATS = sized(20, 2)


def variants(default: Any) -> dict[str, Any]:
    """What to compare, by name.

    Args:
        default: a frozen dataclass of booleans, one a rewrite.
    """
    found = {"default": default}
    names = [field.name for field in dataclasses.fields(default)]
    for name in names:
        on = getattr(default, name)
        changed = dataclasses.replace(default, **{name: not on})
        found[f"{'without' if on else 'with'} {name}"] = changed
    none = dataclasses.replace(default, **dict.fromkeys(names, False))
    if none not in found.values():
        found["none"] = none
    return found


def prepared(forms: Any) -> Callable[[], Any]:
    trainer = make_trainer()
    trainer.model.forms = forms
    return captured_step(trainer)


def main(folder: str) -> None:
    compared = variants(Forms.for_device(DEVICE))
    replays = {}
    for name, forms in compared.items():
        replays[name] = prepared(forms)
        print(f"{name}: captured", flush=True)
    medians: dict[str, list[float]] = {name: [] for name in replays}
    for turn in range(ROUNDS):
        for name, replay in replays.items():
            medians[name].append(time_calls([replay], REPEATS)["median"])
        if turn > 0:
            seconds = {name: summary(values) for name, values in medians.items()}
            write(folder, "forms", {"batch": BATCH, "rounds": turn + 1, "seconds": seconds})
    best = min(medians, key=lambda name: statistics.median(medians[name]))
    print(f"fastest: {best}")


if __name__ == "__main__":
    main(sys.argv[1])
