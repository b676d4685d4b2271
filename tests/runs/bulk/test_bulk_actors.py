"""How many detectors a cluster runs at once in bulk scoring, and what each takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsa.runs.bulk.cluster import Loading, _actors

NODES = ({"CPU": 16, "GPU": 2}, {"CPU": 4, "GPU": 1}, {"CPU": 3})


@pytest.mark.parametrize(
    ("nodes", "device", "engine", "expected"),
    [
        (NODES, "auto", "torch", (3, 4, 1)),
        (NODES, "cuda", "torch", (3, 4, 1)),
        (NODES, "cpu", "torch", (23, 1, 0)),
        (NODES, "auto", "onnxruntime", (23, 1, 0)),
        (NODES[2:], "auto", "torch", (3, 1, 0)),
        (NODES[2:], "cuda", "torch", (3, 1, 0)),  # which each of them refuses
        ((), "cpu", "torch", (1, 1, 0)),
    ],
)
def test_what_is_on_the_cpu_asks_for_no_gpu(
    nodes: tuple[dict[str, float], ...],
    device: str,
    engine: str,
    expected: tuple[int, int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [{"Resources": node} for node in nodes]
    monkeypatch.setattr("nsa.runs.bulk.cluster.working_nodes", lambda: found)
    assert _actors(Loading(Path("run"), device, engine, None)) == expected
