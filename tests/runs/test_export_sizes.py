"""Exported files of a detector that judges images of any size."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from nsa.detectors.network.detector import NetworkDetector
from nsa.detectors.registry import load, open_run
from nsa.model import EncoderDecoder
from nsa.runs.export import SMALLEST, export
from nsa.settings.config import Resize
from nsa.settings.fields import replace


def detector(run: Path, resize: Resize, *, whole: bool = False) -> NetworkDetector:
    """A detector of 72 x 72 px whose images come to that as said, and its network to them."""
    judge = load(run, "cpu")
    assert isinstance(judge, NetworkDetector)
    images = judge.settings.images
    if resize != "stretch":
        crop = images.size if whole else images.crop
        images = replace(images, resize=resize, center_crop=None, rotation=0, crop=crop)
    settings = dataclasses.replace(judge.settings, images=images)
    return NetworkDetector(judge.network, settings, torch.device("cpu"))


@pytest.fixture(scope="module")
def judge(network_run: Path) -> NetworkDetector:
    """Its training images were of 72 x 72 px, of which its network saw crops.

    The network has skip connections: what is more about it depends on the size of the image, too.
    """
    judge = detector(network_run, "none")
    judge.network = EncoderDecoder(skips=True).eval()
    torch.nn.init.zeros_(judge.network.head.bias)  # type: ignore[arg-type]
    return judge


def test_files_take_any_height_and_width(
    network_run: Path, judge: NetworkDetector, tmp_path: Path, fresh_seed: int
) -> None:
    draw = random.Random(fresh_seed)
    torch.manual_seed(fresh_seed)
    onnx, pt2 = tmp_path / "detector.onnx", tmp_path / "detector.pt2"
    for path in (onnx, pt2):
        notes = export(open_run(network_run), judge, path).notes
        assert "(N, 3, height, width), RGB, of any height and width from 33 px" in notes["inputs"]
        assert "maps: float32 (N, height, width)" in notes["outputs"]
        assert (notes["resize"], notes["resize_rule"]) == ("none", "none")
        assert notes["smallest"] == str(SMALLEST)
    session, module = onnxruntime.InferenceSession(onnx), torch.export.load(pt2).module()
    axes = {value.name: value.shape for value in (*session.get_inputs(), *session.get_outputs())}
    assert axes == {
        "images": ["images", 3, "height", "width"],
        "maps": ["images", "height", "width"],
        "scores": ["images"],
    }
    free = [(draw.randrange(SMALLEST, 200), draw.randrange(SMALLEST, 200)) for _ in range(4)]
    for count, (height, width) in enumerate([*free, (SMALLEST, 64), (96, 96), (90, 170)], 1):
        images = torch.randint(256, (count, 3, height, width), dtype=torch.uint8)
        maps = judge.maps(images)
        with torch.no_grad():  # up to torch 2.9 its weights want gradients
            by_torch = module(images)
        for found, scores in (session.run(None, {"images": images.numpy()}), by_torch):
            np.testing.assert_allclose(found, maps, rtol=0, atol=1e-4, err_msg=f"{images.shape}")
            np.testing.assert_allclose(scores, judge.image_score(maps), rtol=0, atol=1e-5)
    with pytest.raises(AssertionError):  # of torch's own, not a wrong map
        module(torch.zeros(1, 3, SMALLEST - 1, 64, dtype=torch.uint8))


def test_a_file_of_fitted_images_says_how_they_are_scaled(
    network_run: Path, tmp_path: Path
) -> None:
    path = tmp_path / "fit.pt2"
    notes = export(open_run(network_run), detector(network_run, "fit"), path).notes
    extra = {"nsa.json": ""}
    torch.export.load(path, extra_files=extra)
    assert json.loads(extra["nsa.json"]) == notes
    assert notes["resize"].startswith("in its own shape until it just fits into 72 x 72 px, bilin")
    assert "of any height and width" in notes["inputs"]
    assert (notes["resize_rule"], notes["smallest"]) == ("fit", str(SMALLEST))
    whole = detector(network_run, "fit", whole=True)
    notes = export(open_run(network_run), whole, tmp_path / "whole.pt2").notes
    assert "until it just fits into the middle of 72 x 72 px, the rest filled by" in notes["resize"]
    assert "(N, 3, 72, 72), RGB" in notes["inputs"]
    assert notes["resize_rule"] == "frame"
    assert "smallest" not in notes


def test_a_file_for_one_size_says_so(network_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "detector.onnx"
    notes = export(open_run(network_run), detector(network_run, "stretch"), path).notes
    assert "(N, 3, 72, 72), RGB" in notes["inputs"]
    assert notes["resize_rule"] == "stretch"
    session = onnxruntime.InferenceSession(path)
    assert session.get_inputs()[0].shape == ["images", 3, 72, 72]
    assert [value.shape for value in session.get_outputs()] == [["images", 72, 72], ["images"]]
