"""``nsa export --int8`` and ``--check``: what a file says beside what its run says."""

from __future__ import annotations

import dataclasses
import importlib.util
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tiny import nsa, picture, sentence, write

from nsa.detectors.registry import load, open_run
from nsa.images import load_images
from nsa.runs.calibrate import Calibration
from nsa.runs.export import export, sessions
from nsa.runs.export.quantise import quantised_nodes


@pytest.fixture(scope="module")
def calibrated(network_run: Path, normals: Path) -> Path:
    assert nsa("calibrate", network_run, normals, "--device", "cpu").exit_code == 0
    return network_run


def session(path: Path) -> Any:
    return onnxruntime.InferenceSession(path)


def kinds(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


def test_a_file_in_8_bits_labels_by_its_own_scores(
    calibrated: Path, normals: Path, tmp_path: Path
) -> None:
    path = tmp_path / "detector.onnx"
    result = nsa("export", calibrated, "--output", path, "--int8", "--fpr", 0.1)
    assert result.exit_code == 0, result.output
    assert "in float32" in result.stderr  # the times
    assert "convolutions in 8 bits, by 20 normal images" in result.stderr
    assert kinds(path).count("DequantizeLinear") > 20
    file = session(path)
    notes = file.get_modelmeta().custom_metadata_map
    assert notes["int8"].startswith("convolutions in 8 bits")
    assert "pixel_threshold" not in notes  # it would be that of maps in float32
    threshold = float(notes["threshold"])
    images = load_images(sorted(normals.iterdir()), (72, 72), progress=False).numpy()
    found = [file.run(None, {"images": image[None]}) for image in images]
    scores = np.array([one[1][0] for one in found])
    assert sum(one[2][0] for one in found) == 1  # floor(0.1 x 20) - 1, by these scores
    assert [one[2][0] for one in found] == (scores > threshold).tolist()
    kept = Calibration.read(calibrated)
    own = dataclasses.replace(kept, scores=scores.astype(np.float64)).threshold.threshold(0.1)
    assert threshold == pytest.approx(own, rel=1e-5)
    assert [value.name for value in file.get_outputs()] == ["maps", "scores", "anomalous"]
    assert file.run(None, {"images": images[:3]})[2].shape == (3,)


def test_scores_and_maps_of_8_bits_are_near(calibrated: Path, tmp_path: Path) -> None:
    path = tmp_path / "detector.onnx"
    run, detector = open_run(calibrated), load(calibrated, "cpu")
    export(run, detector, path, int8=True)
    pixels = np.stack([picture(700 + index)[0][:, :, ::-1] for index in range(3)])[:, 4:76, 4:76]
    images = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    maps = session(path).run(None, {"images": images})[0]
    expected = detector.score(torch.from_numpy(images)).maps.numpy()
    assert 0 < np.abs(maps - expected).max() < 0.2 * expected.max()


def test_what_makes_maps_and_scores_stays_float32(gaussian_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "detector.onnx"
    export(open_run(gaussian_run), load(gaussian_run, "cpu"), path)
    graph = onnx.load(path).graph
    chosen = set(quantised_nodes(graph))
    smoothing = [node.name for node in graph.node if node.op_type == "Conv"][-2:]
    assert not chosen & {*smoothing}
    by_kind = [node.op_type for node in graph.node if node.name in chosen]
    assert by_kind.count("Conv") == 20  # all of a ResNet-18
    assert {*by_kind} == {"Conv", "Relu", "Add", "MaxPool"}
    scaling = next(node.name for node in graph.node if node.op_type == "Add")
    assert scaling not in chosen


def test_the_calibration_of_8_bits_needs_its_images(
    network_run: Path, normals: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = Path(shutil.copytree(normals, tmp_path / "normals"))
    run = Path(shutil.copytree(network_run, tmp_path / "run"))
    command = ("calibrate", run, images, "--device", "cpu", "--overwrite")
    assert nsa(*command).exit_code == 0
    path = tmp_path / "detector.onnx"
    write(images / "3.png", picture(900)[0])
    request = ("export", run, "--output", path, "--int8", "--fpr", 0.1)
    assert "3.png is no longer the image" in sentence(nsa(*request))
    (images / "3.png").unlink()
    assert "1 of 19 are gone" in sentence(nsa(*request))
    assert not path.exists()
    done = export(open_run(run), load(run, "cpu"), path, int8=True, images=[normals])  # no rate
    assert "threshold" not in done.notes
    assert "The file has no label" in caplog.text
    assert len(session(path).get_outputs()) == 2


@pytest.mark.parametrize("ending", [".onnx", ".pt2"])
def test_checked_files_say_what_the_run_says(calibrated: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"detector{ending}"
    result = nsa("export", calibrated, "--output", path, "--check")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    assert "Checked with 16 normal images: scores differ by" in said
    assert "Checked with 4 noise images" in said
    assert "and 0 labels" in said
    assert path.is_file()


def test_a_file_that_says_something_else_is_not_written(
    calibrated: Path, normals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_onnx, path = sessions.open_onnx, tmp_path / "detector.onnx"
    request = ("export", calibrated, "--output", path, "--check", "--images", normals)
    for name, change in (("scores", 1e-3), ("maps", np.nan)):

        def wrong(content: bytes, name: str = name, change: float = change) -> sessions.Session:
            file = open_onnx(content)
            return lambda images: {**(said := file(images)), name: said[name] + np.float32(change)}

        monkeypatch.setattr(sessions, "open_onnx", wrong)
        message = sentence(nsa(*request))
        assert "does not say what its run says, so nothing was written" in message
        assert not path.exists()


def test_requests_that_cannot_be_met_are_said(
    calibrated: Path, normals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(name: str, *options: object) -> str:
        message = sentence(nsa("export", calibrated, "--output", tmp_path / name, *options))
        assert not (tmp_path / name).exists()
        return message

    assert "end in .onnx" in refused("detector.pt2", "--int8")
    assert "leave one of them out" in refused("detector.onnx", "--int8", "--check")
    assert "--images are for" in refused("detector.onnx", "--images", normals)
    gone = tmp_path / "gone"
    assert "gone" in refused("detector.onnx", "--int8", "--images", gone)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name)
    )
    for option in ("--int8", "--check"):
        assert "pip install onnxruntime" in refused("detector.onnx", option)


def test_training_images_that_are_gone_are_asked_for(network_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(network_run, tmp_path / "run"))
    for name in ("calibration.csv", "calibration_pixels.safetensors"):
        (run / name).unlink(missing_ok=True)
    config = run / "config.yaml"
    lines = config.read_text().splitlines()
    config.write_text(
        "\n".join("data_root: /gone" if line.startswith("data_root") else line for line in lines)
    )
    path = tmp_path / "detector.onnx"
    message = sentence(nsa("export", run, "--output", path, "--int8"))
    assert "name normal images with --images" in message
    result = nsa("export", run, "--output", path, "--check")
    assert result.exit_code == 0, result.output
    assert "Checked with noise alone" in result.stderr
