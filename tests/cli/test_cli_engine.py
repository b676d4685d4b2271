"""``--engine onnxruntime``: the same scores and labels from every command that judges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import nsa, picture, rows, sentence, write

from nsa.graphs.kept import FILE
from nsa.graphs.session import Session

ENGINE = "--engine", "onnxruntime"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for number in range(4):
        write(tmp_path / "in" / f"{number}.png", picture(700 + number, defect=number > 1)[0])
    return tmp_path / "in"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images ONNX Runtime is given at a time."""
    found: list[int] = []
    call = Session.__call__
    monkeypatch.setattr(
        Session, "__call__", lambda self, *given: found.append(len(given[0])) or call(self, *given)
    )
    return found


def results(output: Path) -> tuple[list[str], list[float]]:
    lines = sorted(rows(output / "scores.csv"), key=lambda line: line["path"])
    return [line["predicted"] for line in lines], [float(line["raw_score"]) for line in lines]


def test_predict_and_watch(
    gaussian_run: Path, images: Path, tmp_path: Path, calls: Sequence[int]
) -> None:
    by_torch = tmp_path / "torch"
    assert nsa("predict", gaussian_run, images, "--output", by_torch).exit_code == 0
    assert not calls
    labels, scores = results(by_torch)
    before = {path.name for path in gaussian_run.iterdir()}
    for number, command in enumerate((("predict",), ("watch", "--once"))):
        output = tmp_path / command[0]
        result = nsa(*command, gaussian_run, images, "--output", output, *ENGINE)
        assert result.exit_code == 0, result.output
        assert ("for ONNX Runtime, once; this takes" in result.stderr) == (number == 0)
        assert calls
        found = results(output)
        assert found[0] == labels
        np.testing.assert_allclose(found[1], scores, rtol=1e-4)
        assert {path.name for path in gaussian_run.iterdir()} == before | {FILE}


def test_a_new_calibration_keeps_what_is_there(
    gaussian_run: Path, normals: Path, images: Path, tmp_path: Path
) -> None:
    """The file holds no threshold and no mask, so it stays right; results follow the new ones."""
    assert nsa("predict", gaussian_run, images, "--output", tmp_path / "0", *ENGINE).exit_code == 0
    kept = (gaussian_run / FILE).read_bytes()
    mask = np.zeros((80, 80), np.uint8)
    mask[:40] = 255
    write(tmp_path / "mask.png", mask)
    options = "--ignore", tmp_path / "mask.png", "--device", "cpu", "--overwrite"
    result = nsa("calibrate", gaussian_run, normals, *options)
    assert result.exit_code == 0, result.output
    result = nsa("predict", gaussian_run, images, "--output", tmp_path / "1", *ENGINE)
    assert "once; this takes" not in result.stderr
    assert (gaussian_run / FILE).read_bytes() == kept
    assert nsa("predict", gaussian_run, images, "--output", tmp_path / "2").exit_code == 0
    found, expected, before = (results(tmp_path / name) for name in "120")
    assert found[0] == expected[0]
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4)
    assert not np.allclose(found[1], before[1], rtol=1e-3)


def test_serve(gaussian_run: Path, monkeypatch: pytest.MonkeyPatch, calls: Sequence[int]) -> None:
    served: list[Any] = []
    monkeypatch.setattr("nsa.runs.serve.server.serve", lambda *given, **_: served.append(given[1]))
    assert nsa("serve", gaussian_run, "--port", 0, *ENGINE).exit_code == 0
    [detector] = served
    detector.judge([picture(1)[0]])
    assert calls == [1]


@pytest.mark.parametrize("command", ["predict", "watch", "serve"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--engine", "onnx"), "Error: --engine must be torch or onnxruntime, got 'onnx'."),
        ((*ENGINE, "--device", "cuda"), "Error: --engine onnxruntime is for the CPU, and the"),
    ],
)
def test_what_is_refused(
    command: str, options: Sequence[str], message: str, gaussian_run: Path, tmp_path: Path
) -> None:
    places = () if command == "serve" else (tmp_path, "--output", tmp_path / "out")
    port = ("--port", 0) if command == "serve" else ()
    said = sentence(nsa(command, gaussian_run, *places, *port, *options))
    assert said.startswith(message)
    assert not (tmp_path / "out").exists()
