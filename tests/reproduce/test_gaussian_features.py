"""Features in a results folder: made once, read again, made anew where they are damaged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
import yaml
from tiny import write_product

from nsa.gaussian import FeatureExtractor, pipeline_for
from nsa.gaussian.augmented_images import augmented_features
from nsa.images import Dataset, load_images, open_dataset
from nsa.reproduce.gaussian import features
from nsa.reproduce.gaussian.job import GaussianJob
from nsa.reproduce.gaussian.jobs import plan_jobs
from nsa.reproduce.request import ReproduceRequest

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_product(tmp_path_factory.mktemp("data"), train=3, good=1, defective=1)


@pytest.fixture(scope="module")
def dataset(root: Path) -> Dataset:
    return open_dataset(root, "disc")


@pytest.fixture
def job(root: Path, tmp_path: Path) -> GaussianJob:
    """Twelve augmented passes over three images."""
    config = tmp_path / "options.yaml"
    config.write_text(yaml.safe_dump({"gaussian": {"size": [32, 32], "augment": 12}}))
    request = ReproduceRequest(
        data_root=root, output=Path(), paper="gaussian", methods=("resnet18_augmented",),
        categories=("disc",), seeds=(4,), config=config, weights="random", device="cpu",
    )  # fmt: skip
    [job] = plan_jobs(request)
    return job


def test_passes_are_kept_and_go_on(
    job: GaussianJob, dataset: Dataset, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    first = features.augmented_train_features(job, dataset, tmp_path, CPU)
    paths = sorted(tmp_path.glob("passes-*"))
    assert [path.name for path in paths] == [f"passes-{n:04d}.safetensors" for n in (0, 10)]
    images = load_images([sample.path for sample in dataset.train], (32, 32))
    extractor = FeatureExtractor.load("resnet18", "random", seed=4)
    whole = augmented_features(extractor, images, pipeline_for("disc"), passes=12, seed=4)
    for level, expected in zip(first, whole, strict=True):
        torch.testing.assert_close(level, expected)
    paths[1].write_bytes(paths[1].read_bytes()[:100])
    asked = []

    def count(*arguments: object, **keywords: int) -> list[torch.Tensor]:
        asked.append((keywords["first"], keywords["passes"]))
        return augmented_features(*arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(features, "augmented_features", count)
    with caplog.at_level(logging.WARNING, "nsa"):
        again = features.augmented_train_features(job, dataset, tmp_path, CPU)
    assert asked == [(10, 2)]
    assert "passes-0010.safetensors is damaged" in caplog.text
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    features.forget_passes(tmp_path)
    assert list(tmp_path.glob("passes-*")) == []


def test_features_are_extracted_once(
    job: GaussianJob, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = features.category_features(job, dataset, tmp_path, CPU)
    assert first.source == "random weights (seed 4)"

    def fail(*_: object) -> None:
        raise AssertionError("extracted again")

    monkeypatch.setattr(features, "_extractor", fail)
    again = features.category_features(job, dataset, tmp_path, CPU)
    assert again.source == first.source
    for one, other in ((first.train, again.train), (first.test, again.test)):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert [len(level) for level in (first.train[0], first.test[0])] == [3, 2]
