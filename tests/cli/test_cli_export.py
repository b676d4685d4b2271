"""``nsa export``: files that give the detector's own maps and scores elsewhere."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from tiny import nsa, picture, rows, sentence
from torch import Tensor

from nsa.detectors.network.detector import NetworkDetector
from nsa.detectors.registry import load, open_run
from nsa.gaussian import DISTRIBUTIONS, DistributionName, fit_distribution
from nsa.images import load_images, stack
from nsa.metrics import ConformalThreshold
from nsa.runs.calibrate import Calibration, read_pixels
from nsa.runs.export import export

FPR = 0.1


@pytest.fixture(scope="module")
def calibrated(network_run: Path, normals: Path) -> Path:
    assert nsa("calibrate", network_run, normals, "--device", "cpu").exit_code == 0
    return network_run


def five(size: tuple[int, int]) -> Tensor:
    """Five images, of which two have a defect, at a detector's size."""
    pictures = [picture(300 + index, defect=index > 2)[0][:, :, ::-1] for index in range(5)]
    return stack([np.ascontiguousarray(image) for image in pictures], size)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return five((72, 72))


@pytest.fixture(scope="module")
def expected(calibrated: Path, images: Tensor) -> tuple[Tensor, Tensor, float]:
    """Maps, scores and a threshold."""
    detector = load(calibrated, "cpu")
    assert isinstance(detector, NetworkDetector)
    maps = detector.maps(images)
    calibration = [float(row["score"]) for row in rows(calibrated / "calibration.csv")]
    return maps, detector.image_score(maps), ConformalThreshold(calibration).threshold(FPR)


def test_onnx_gives_what_the_detector_gives(
    calibrated: Path, images: Tensor, expected: tuple[Tensor, Tensor, float], tmp_path: Path
) -> None:
    path = tmp_path / "detector.onnx"
    result = nsa("export", calibrated, "--output", path, "--fpr", FPR)
    assert result.exit_code == 0, result.output
    assert "uint8 (N, 3, 72, 72), RGB" in result.stderr
    session = onnxruntime.InferenceSession(path)
    assert [output.name for output in session.get_outputs()] == ["maps", "scores", "anomalous"]
    notes = session.get_modelmeta().custom_metadata_map
    maps, scores, threshold = expected
    assert float(notes["threshold"]) == threshold
    assert float(notes["fpr"]) == FPR
    limit = read_pixels(calibrated).for_images(FPR)
    assert float(notes["pixel_threshold"]) == limit
    for count in (5, 1):  # any number of images
        found = session.run(None, {"images": images[:count].numpy()})
        np.testing.assert_allclose(found[0], maps[:count], atol=1e-5)
        np.testing.assert_allclose(found[1], scores[:count], rtol=1e-4)
        assert found[2].tolist() == (scores[:count] > threshold).tolist()


def test_held_out_images_have_one_label_everywhere(
    calibrated: Path, normals: Path, tmp_path: Path
) -> None:
    """Also the image that sets the threshold, whose score was a little lower on another machine."""
    run = Path(shutil.copytree(calibrated, tmp_path / "run"))
    kept = Calibration.read(run)
    dataclasses.replace(kept, scores=kept.scores * (1 - 1e-6)).write(run)
    onnx, pt2, out = tmp_path / "detector.onnx", tmp_path / "detector.pt2", tmp_path / "out"
    for command in (
        ("export", run, "--output", onnx, "--fpr", FPR),
        ("export", run, "--output", pt2, "--fpr", FPR),
        ("predict", run, normals, "--output", out, "--fpr", FPR, "--no-overlays"),
    ):
        assert nsa(*command).exit_code == 0
    scored = rows(out / "scores.csv")
    labels = [row["predicted"] == "anomalous" for row in scored]
    assert sum(labels) == 1  # floor(0.1 x 20) - 1
    images = load_images([row["path"] for row in scored], (72, 72), progress=False)
    session, module = onnxruntime.InferenceSession(onnx), torch.export.load(pt2).module()
    for image, label in zip(images[:, None], labels, strict=True):
        _, score, anomalous = session.run(None, {"images": image.numpy()})
        assert anomalous.tolist() == [label], score
        assert module(image)[2].tolist() == [label]


RUN_ALONE = """
import json
import sys
import torch

for name in ("nsa", "nsa.model"):
    sys.modules[name] = None
extra = {"nsa.json": ""}
detector = torch.export.load(sys.argv[1], extra_files=extra).module()
maps, scores, anomalous = detector(torch.load(sys.argv[2]))
torch.save([maps, scores, anomalous], sys.argv[3])
print(extra["nsa.json"])
"""


def test_pt2_runs_without_this_package(
    calibrated: Path, images: Tensor, expected: tuple[Tensor, Tensor, float], tmp_path: Path
) -> None:
    path, given, found = tmp_path / "detector.pt2", tmp_path / "images", tmp_path / "found"
    assert nsa("export", calibrated, "--output", path).exit_code == 0
    torch.save(images, given)
    run = subprocess.run(
        [sys.executable, "-c", RUN_ALONE, path, given, found],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    maps, scores, anomalous = torch.load(found)
    torch.testing.assert_close(maps, expected[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(scores, expected[1], atol=1e-6, rtol=1e-4)
    notes = json.loads(run.stdout)
    assert notes["category"] == "disc"
    assert (notes["height"], notes["width"], notes["channels"]) == ("72", "72", "3")
    # At the smallest rate that the calibration supports, as every command.
    threshold = Calibration.read(calibrated).threshold.threshold(1 / 20)
    assert (float(notes["fpr"]), float(notes["threshold"])) == (1 / 20, threshold)
    assert anomalous.tolist() == (scores > threshold).tolist()


def test_a_gaussian_detector_gives_its_maps_and_scores(gaussian_run: Path, tmp_path: Path) -> None:
    images = five((64, 72))
    expected, maps, _ = load(gaussian_run, "cpu").score(images)
    onnx, pt2 = tmp_path / "detector.onnx", tmp_path / "detector.pt2"
    assert nsa("export", gaussian_run, "--output", onnx, "--fpr", 0.25).exit_code == 0
    assert nsa("export", gaussian_run, "--output", pt2).exit_code == 0
    session = onnxruntime.InferenceSession(onnx)
    threshold = float(session.get_modelmeta().custom_metadata_map["threshold"])
    assert threshold == Calibration.read(gaussian_run).threshold.threshold(0.25)
    for count in (5, 1):
        found, scores, anomalous = session.run(None, {"images": images[:count].numpy()})
        np.testing.assert_allclose(found, maps[:count], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(scores, expected[:count], rtol=1e-4)
        assert anomalous.tolist() == (expected[:count] > threshold).tolist()
        drawn, alone, labels = torch.export.load(pt2).module()(images[:count])
        own = Calibration.read(gaussian_run).threshold.threshold(0.2)  # as it was trained for
        assert labels.tolist() == (alone > own).tolist()
        torch.testing.assert_close(drawn, maps[:count], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(alone, expected[:count], rtol=1e-4, atol=0)
    assert len(set((expected > threshold).tolist())) == 2


def test_features_in_bfloat16_are_said_to_become_float32(
    gaussian_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = "calibration.csv", "calibration_pixels.safetensors"
    for name in ("config.yaml", "gaussian.safetensors", "gaussian.yaml", *kept):
        shutil.copy(gaussian_run / name, tmp_path)
    settings = tmp_path / "gaussian.yaml"
    written = settings.read_text()
    for precision in ("float32", "bfloat16"):
        assert "precision: float32" in written
        settings.write_text(written.replace("precision: float32", f"precision: {precision}"))
        caplog.clear()
        export(open_run(tmp_path), load(tmp_path, "cpu"), tmp_path / f"{precision}.pt2")
        said = [record.getMessage() for record in caplog.records if record.name == "nsa"]
        assert any("some 0.4 %." in line for line in said) == (precision == "bfloat16")


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_whitened_features_have_the_distance_of_every_model(
    distribution: DistributionName,
) -> None:
    generator = torch.Generator().manual_seed(len(distribution))
    features = torch.randn((40, 12), generator=generator) * torch.logspace(0, -3, 12)
    level = fit_distribution(features, distribution)
    new = torch.randn((7, 12), generator=generator)
    distances = ((new.double() - level.mean) @ level.whitening()).norm(dim=1)
    torch.testing.assert_close(distances, level.distance(new), rtol=1e-9, atol=1e-9)


def test_what_cannot_be_exported_is_said(
    calibrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(name: str, *options: object) -> str:
        message = sentence(nsa("export", calibrated, "--output", tmp_path / name, *options))
        assert not (tmp_path / name).exists()
        return message

    assert "must end in .onnx or .pt2" in refused("detector.pb")
    assert "19" in refused("detector.pt2", "--fpr", 0.001)
    assert "Cannot write" in refused("no folder/detector.pt2")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name.startswith("onnx") else find(name)
    )
    assert "pip install onnx onnxscript" in refused("detector.onnx")
