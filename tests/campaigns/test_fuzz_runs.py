"""Damaged run folders: each command works, or names what is wrong in one sentence."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import run_files
import torch
from fuzzing import bounded_memory, explore
from old_run_files import restore, write_images  # of tests/runs
from tiny import GAUSSIAN, nsa, picture, rows, sentence, write

_MEMORY = 3 << 30
_FILES = {
    "nsa": ("config.yaml", "model.safetensors", "metrics.json", "log.csv", "scores.csv"),
    "gaussian": (
        "config.yaml",
        "gaussian.yaml",
        "gaussian.safetensors",
        "metrics.json",
        "calibration.csv",
    ),
    "stopped": ("config.yaml", "checkpoint.safetensors", "log.csv"),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def folders(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run of either method, and one that was stopped."""
    made = tmp_path_factory.mktemp("runs")
    rate = ("--fpr", 0.4, "--holdout", 0.25, "--output", made / "gaussian")
    (made / "small.yaml").write_text("gaussian: {size: [64, 72], map_features: 20}\n")
    fitting = ("train", *GAUSSIAN, "--data-root", images, "--config", made / "small.yaml", *rate)
    assert nsa(*fitting).exit_code == 0
    return {
        "gaussian": made / "gaussian",
        **{name: restore(name, made, images) for name in ("nsa", "stopped")},
    }


@pytest.mark.parametrize(("name", "examples"), [("nsa", 10), ("gaussian", 12), ("stopped", 5)])
def test_damaged_run_folders(
    name: str,
    examples: int,
    folders: dict[str, Path],
    tmp_path: Path,
    fresh_seed: int,
    effort: float,
) -> None:
    for number in range(2):
        write(tmp_path / "new" / f"{number}.png", picture(700 + number)[0])
        write(tmp_path / "normal" / f"{number}.png", picture(800 + number)[0])
    outcomes = {0: 0, 2: 0}
    run, out = tmp_path / "run", tmp_path / "out"
    commands: dict[str, tuple[Any, ...]] = {
        "predict": ("predict", run, tmp_path / "new", "--output", out, "--overwrite"),
        "predict with a rate": (
            "predict",
            run,
            tmp_path / "new",
            "--output",
            out,
            "--overwrite",
            "--fpr",
            0.4,
        ),
        "evaluate": ("evaluate", run),
        "calibrate": ("calibrate", run, tmp_path / "normal"),
        "resume": ("train", "--resume", run),
    }

    def check(data: st.DataObject) -> None:
        run_files.copy(folders[name], run)
        path = run / data.draw(st.sampled_from(_FILES[name]))
        how = run_files.damage(data.draw, folders[name] / path.name, path)
        chosen = data.draw(
            st.sampled_from(
                sorted(commands) if name != "stopped" else ["evaluate", "resume", "resume"]
            )
        )
        try:
            _works_or_refuses(commands[chosen], run, out, outcomes)
        except Exception as error:
            raise AssertionError(f"{chosen}, with {path.name}: {how}") from error

    with bounded_memory(_MEMORY):
        explore(check, st.data(), examples=max(1, round(examples * effort)), start=fresh_seed)
    if examples * effort >= 30:  # or chance decides
        assert min(outcomes.values()) > 0, outcomes


def _works_or_refuses(
    command: tuple[Any, ...], run: Path, out: Path, outcomes: dict[int, int]
) -> None:
    for path in out.glob("*"):
        path.unlink()
    before = torch.get_default_dtype(), torch.initial_seed()
    result = nsa(*command)
    assert result.exit_code in outcomes, result.output
    outcomes[result.exit_code] += 1
    if result.exit_code:
        message = sentence(result)
        assert message.isprintable(), message
        assert len(message) < 1500, message
        return
    assert before[0] == torch.get_default_dtype()
    scores = out / "scores.csv" if command[0] == "predict" else run / "scores.csv"
    if scores.is_file() and command[0] != "calibrate":
        assert all(math.isfinite(float(row["raw_score"])) for row in rows(scores))
    if command[0] in ("evaluate", "train"):
        json.loads((run / "metrics.json").read_text(), parse_constant=_refuse)


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} in metrics.json")
