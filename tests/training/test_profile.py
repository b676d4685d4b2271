"""Where a step's time goes: every part is measured, the trace opens, and off means off."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console
from test_loop import same_weights, trainer

from nsa.training.profile import NO_CLOCK, PARTS, Profile, table

CPU = torch.device("cpu")


@pytest.mark.parametrize("epochs", [1, 6])  # 3 steps, or enough for all that is measured
def test_a_run_is_measured_and_stays_the_same(tmp_path: Path, epochs: int) -> None:
    run, other = trainer(epochs=epochs), trainer(epochs=epochs)
    profile = Profile(CPU, steps=3 * epochs)
    run.run(lambda _loss, _count: True, profile)
    other.run(lambda _loss, _count: True)
    assert same_weights(run, other)
    parts = profile.milliseconds()
    assert list(parts) == list(PARTS)
    assert all(parts[name] > 0 for name in PARTS)
    assert (profile.images_per_second() or 0) > (0 if epochs == 6 else -1)
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(table(profile, 4))
    text = console.export_text()
    assert all(name in text for name in (*PARTS, "all parts", "images/s"))
    assert ("rest of the run" in text) == (epochs == 6)
    profile.write_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert {"synthesis", "forward", "backward", "optimiser"} <= {e.get("name") for e in events}


def test_a_run_of_one_step_is_measured() -> None:
    run = trainer(epochs=1, batch_size=10)
    profile = Profile(CPU, steps=1)
    run.run(lambda _loss, _count: True, profile)
    assert profile.milliseconds()["forward"] > 0


def test_without_a_profile_a_part_is_one_shared_object() -> None:
    assert NO_CLOCK.part("forward") is NO_CLOCK.part("backward")
    assert not NO_CLOCK.active
