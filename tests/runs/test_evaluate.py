"""Metrics of complete and of incomplete test sets, and the two protocols."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import nsa, write_config, write_product

from nsa.detectors.network.detector import NetworkDetector
from nsa.detectors.network.settings import NetworkSettings
from nsa.images import Sample, open_dataset
from nsa.model import EncoderDecoder
from nsa.runs.evaluate import evaluate
from nsa.runs.measures import compute_metrics
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig


def samples(*kinds: str) -> list[Sample]:
    return [
        Sample(Path(f"{i}.png"), "good" if kind == "good" else "spot",
               Path(f"{i}_mask.png") if kind == "marked" else None)
        for i, kind in enumerate(kinds)
    ]  # fmt: skip


def measure(*kinds: str) -> tuple[dict[str, Any], dict[str, str]]:
    random = np.random.default_rng(0)
    maps = random.random((len(kinds), 8, 8), dtype=np.float32)
    masks = np.zeros((len(kinds), 8, 8), dtype=np.uint8)
    for index, kind in enumerate(kinds):
        if kind == "marked":
            masks[index, 2:4, 3:6] = 1
            maps[index, 2:4, 3:6] += 1
    return compute_metrics(samples(*kinds), maps.mean((1, 2)), maps, masks)


def test_a_complete_test_set_gives_everything() -> None:
    values, reasons = measure("good", "good", "marked", "marked")
    assert reasons == {}
    assert list(values)[:4] == ["image_auroc", "pixel_auroc", "au_pro", "au_pro_05"]
    for name in ("pixel_auroc", "au_pro", "au_pro_05", "pixel_f1_max"):
        assert values[name] == pytest.approx(1.0)
    assert "segmentation_f1" not in values


@pytest.mark.parametrize(
    ("kinds", "computed", "reason"),
    [
        ([], set(), "there are no test images"),
        (["good", "good"], set(), "no test image is defective"),
        (
            ["marked"],
            {"pixel_auroc", "au_pro", "au_pro_05", "pixel_average_precision", "pixel_f1_max"},
            "no test image is normal",
        ),
        (
            ["good", "unmarked"],
            {"image_auroc", "image_average_precision", "image_f1_max"},
            "no defective test image has a mask",
        ),
    ],
)
def test_what_cannot_be_computed_is_said(kinds: list[str], computed: set[str], reason: str) -> None:
    values, reasons = measure(*kinds)
    assert {name for name, value in values.items() if value is not None} == computed
    assert set(reasons) == set(values) - computed
    assert set(reasons.values()) == {reason}


def test_defects_without_a_mask_do_not_count_as_normal_pixels() -> None:
    with_extra, _ = measure("good", "marked", "unmarked")
    without, _ = measure("good", "marked")
    assert with_extra["pixel_auroc"] == without["pixel_auroc"]
    assert with_extra["au_pro"] == without["au_pro"]


def test_threads_leave_the_switches_of_tf32_as_they_were() -> None:
    subject = detector("texture", ImageConfig(size=(32, 32), center_crop=None, crop=(32, 32)))
    owners = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
    before = [owner.fp32_precision for owner in owners]
    meeting, maps = threading.Barrier(2, timeout=60), subject._maps

    def overlapping(images: torch.Tensor) -> torch.Tensor:
        meeting.wait()  # both are inside
        assert all(owner.fp32_precision == "ieee" for owner in owners)
        if threading.current_thread().name.endswith("_1"):
            time.sleep(0.1)  # who came first leaves first
        return maps(images)

    subject._maps = overlapping  # type: ignore[method-assign]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(subject.maps, [torch.zeros(1, 3, 32, 32, dtype=torch.uint8)] * 2))
    assert [owner.fp32_precision for owner in owners] == before


@pytest.mark.filterwarnings("ignore:Please use the new API:UserWarning")  # what programs may not
@pytest.mark.parametrize("work", ["convolutions", "matrix products"])
def test_maps_where_a_program_has_set_either_switch_of_tf32(work: str) -> None:
    images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    subject = detector("texture", ImageConfig(size=(32, 32), center_crop=None, crop=(32, 32)))
    newer = older = torch.backends.cuda.matmul
    if work == "convolutions":
        newer, older = torch.backends.cudnn.conv, torch.backends.cudnn
    before, recurrent = newer.fp32_precision, torch.backends.cudnn.rnn.fp32_precision
    expected = subject.maps(images)
    try:
        for precision in ("ieee", "tf32"):
            newer.fp32_precision = precision
            torch.testing.assert_close(subject.maps(images), expected)
            assert newer.fp32_precision == precision
    finally:
        newer.fp32_precision = before
    tf32 = older.allow_tf32
    try:
        older.allow_tf32 = not tf32
        torch.testing.assert_close(subject.maps(images), expected)
        assert older.allow_tf32 is not tf32
    finally:
        older.allow_tf32 = tf32
        newer.fp32_precision, torch.backends.cudnn.rnn.fp32_precision = before, recurrent
    assert older.allow_tf32 is tf32  # torch refuses to say so of a mixed state, and to export


def detector(kind: str, images: ImageConfig) -> NetworkDetector:
    torch.manual_seed(0)
    settings = NetworkSettings(
        category="disc",
        kind=kind,
        synthesis=SynthesisConfig(),
        images=images,
        training=TrainConfig(),
    )
    return NetworkDetector(EncoderDecoder(), settings, torch.device("cpu"))


def test_objects_are_cropped_and_the_map_is_padded_with_zeros(tmp_path: Path) -> None:
    dataset = open_dataset(write_product(tmp_path))
    config = ImageConfig(size=(80, 72), center_crop=None, crop=(64, 64))
    result = evaluate(detector("object", config), dataset)
    maps, scores = result.paper.maps, result.paper.scores
    assert maps.shape[1:] == (80, 72)
    assert maps[:, 8:72, 4:68].min() > 0
    inside = maps[:, 8:72, 4:68].mean((1, 2))
    assert maps.sum((1, 2)).numpy() == pytest.approx(inside.numpy() * 64 * 64, rel=1e-4)
    assert inside.numpy() == pytest.approx(scores, rel=1e-4)
    assert result.whole.maps.min() > 0
    assert result.paper.metrics != result.whole.metrics


def test_a_pixel_threshold_is_one_of_whole_images(tmp_path: Path) -> None:
    dataset = open_dataset(write_product(tmp_path))
    config = ImageConfig(size=(72, 72), center_crop=None, crop=(64, 64))
    for kind in ("object", "texture"):
        subject = detector(kind, config)
        plain = evaluate(subject, dataset)
        assert plain.whole.maps is not None
        threshold = float(plain.whole.maps.median())
        result = evaluate(subject, dataset, pixel_threshold=threshold)
        assert result.masks is not None
        truth, found = result.masks > 0, plain.whole.maps.numpy() > threshold
        expected = 2 * (truth & found).sum() / (truth.sum() + found.sum())
        assert result.whole.metrics["segmentation_f1"] == pytest.approx(expected)
        assert result.whole.metrics.items() > plain.whole.metrics.items()
        if kind == "object":
            assert result.paper.metrics["segmentation_f1"] is None
            assert "whole images" in result.paper.reasons["segmentation_f1"]
        else:
            assert result.paper.metrics["segmentation_f1"] is not None


def test_textures_are_judged_whole(tmp_path: Path) -> None:
    dataset = open_dataset(write_product(tmp_path))
    config = ImageConfig(size=(72, 72), center_crop=None, crop=(64, 64))
    result = evaluate(detector("texture", config), dataset)
    assert result.whole.maps.shape[1:] == (64, 64)
    assert result.paper.maps is result.whole.maps
    assert result.images.shape[2:] == (64, 64)
    # The paper reduces masks by nearest neighbour, which is not how whole images are judged.
    for name in ("image_auroc", "image_average_precision", "image_f1_max"):
        assert result.paper.metrics[name] == result.whole.metrics[name]
    assert np.array_equal(result.paper.scores, result.whole.scores)


@pytest.mark.parametrize(
    "counts", [{"good": 0, "defective": 0}, {"masks": False}, {"defective": 0}]
)
def test_training_on_an_incomplete_set_still_finishes(
    counts: dict[str, int], tmp_path: Path
) -> None:
    write_product(tmp_path, train=4, **counts)  # type: ignore[arg-type]
    config = write_config(tmp_path / "o.yaml", epochs=1)
    run = tmp_path / "run"
    result = nsa("train", "--data-root", tmp_path, "--config", config, "--output", run)
    assert result.exit_code == 0, result.output
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["pixel_auroc"] is None
    assert metrics["not_computed"]["pixel_auroc"]
    assert metrics["not_computed"]["pixel_auroc"].split()[-1] in result.output
    assert (run / "scores.csv").exists() == bool(metrics["test_images"]["normal"])
