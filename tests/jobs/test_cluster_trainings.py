"""``nsa train --category all --cluster``: the results of one machine, whatever is killed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from isolated import run_isolated
from safetensors.torch import load_file
from tiny import nsa, write_config, write_product

from nsa.jobs.inline import InlineExecutor

pytestmark = pytest.mark.thorough

NAMES = ("disc", "plate", "ring")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trainings")
    root = write_product(folder / "products", train=6, good=2, defective=2)
    for number, name in enumerate(NAMES[1:]):
        shutil.copytree(root / "disc", root / name)
        (root / name / "train" / "good" / f"{number}.png").unlink()
    write_config(folder / "o.yaml", epochs=25, threads=1)
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    return run_isolated("cluster_trainings.py", folder)


def test_nothing_finished_is_done_again(found: Mapping[str, Any]) -> None:
    assert set(found["at the end"]) == set(NAMES)
    for earlier in ("after the kill", "after Ctrl-C"):
        for name, time in found[earlier].items():
            assert found["at the end"][name] == time


def test_ctrl_c_saves_what_runs(found: Mapping[str, Any]) -> None:
    output, errors, status = found["interrupted"]
    assert status == 130, errors
    assert output == ""
    assert errors.splitlines()[-1].startswith("Stopped and saved, ")
    assert errors.splitlines()[-1].endswith("continue with: nsa train --resume out")
    assert found["saved"]
    for name in found["saved"]:
        assert f"Continuing {name}." in found["logs"][name]


def test_a_node_that_is_lost_costs_nothing(
    folder: Path, found: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    output, errors, status = found["finished"]
    assert status == 0, errors
    assert "continues elsewhere: its node was lost" in errors

    monkeypatch.setattr("nsa.jobs.choose.LocalExecutor", lambda *_: InlineExecutor())
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    out, alone = folder / "out", folder / "alone"
    result = nsa(
        "train", "--data-root", folder / "products", "--category", "all", "--output", alone,
        "--config", folder / "o.yaml",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    # A table each, whose times differ, and nothing of Ray's.
    tables = [text.splitlines() for text in (output, result.stdout)]
    assert {lines[0][0] + lines[-1][0] for lines in tables} == {"┏└"}
    names = [[line.split("│")[1].strip() for line in lines if "│" in line] for lines in tables]
    assert [*filter(None, names[0])] == [*filter(None, names[1])]
    assert "raylet" not in output + errors
    for name in NAMES:
        there, here = (load_file(run / name / "model.safetensors") for run in (out, alone))
        assert all(torch.equal(tensor, here[key]) for key, tensor in there.items())
        scores = [json.loads((run / name / "metrics.json").read_text()) for run in (out, alone)]
        assert {**scores[0], "times": None} == {**scores[1], "times": None}
