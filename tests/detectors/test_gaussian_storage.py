"""A fitted Gaussian detector in a folder: saved, loaded, damaged, and of an earlier version."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor

from nsa.detectors.gaussian.storage import SETTINGS_FILE, WEIGHTS_FILE, load, save
from nsa.errors import InputError
from nsa.gaussian import DISTRIBUTIONS, DistributionName, FeatureExtractor, GaussianDetector


@pytest.fixture(scope="module")
def images() -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (12, 3, 32, 64), generator=rng, dtype=torch.uint8)


@pytest.fixture
def features() -> list[Tensor]:
    return [torch.randn(9, 4, generator=torch.Generator().manual_seed(0))]


def test_a_loaded_detector_is_the_saved_one(images: Tensor, tmp_path: Path) -> None:
    extractor = FeatureExtractor.load("resnet18", "random", seed=1, size=(32, 32), batch_size=5)
    detector = GaussianDetector(extractor, "npca1").fit(images, holdout=0.25)
    save(detector, tmp_path / "run")
    again = load(tmp_path / "run", batch_size=5)
    assert torch.equal(again.score(images), detector.score(images))
    assert torch.equal(again.calibration, detector.calibration)
    assert again.threshold(0.3) == detector.threshold(0.3)
    assert again.distribution == "npca1"
    assert again.extractor is not None
    assert again.extractor.size == (32, 32)
    assert again.extractor.network.source == "random weights (seed 1)"
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [WEIGHTS_FILE, SETTINGS_FILE]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_every_distribution_without_a_network(
    distribution: DistributionName, features: list[Tensor], tmp_path: Path
) -> None:
    detector = GaussianDetector(distribution=distribution, shrinkage=0.5).fit(features)
    save(detector, tmp_path)
    again = load(tmp_path)
    assert torch.equal(again.score(features), detector.score(features))
    assert (again.distribution, again.shrinkage) == (distribution, 0.5)
    assert again.calibration is None
    written = yaml.safe_load((tmp_path / SETTINGS_FILE).read_text())
    assert (written["format"], written["distribution"]) == (2, distribution)
    assert "kind" not in written


@pytest.mark.parametrize(
    ("former", "distribution"),
    [
        ("mahalanobis", "full"), ("standardised", "standardised"), ("l2", "l2"),
        ("pca-95", "pca95"), ("pca-99", "pca99"),
        ("npca-1", "npca1"), ("npca-0.1", "npca01"), ("npca-0.01", "npca001"),
    ],
)  # fmt: skip
def test_format_1_had_other_names(
    former: str, distribution: DistributionName, features: list[Tensor], tmp_path: Path
) -> None:
    detector = GaussianDetector(distribution=distribution).fit(features)
    save(detector, tmp_path)
    (tmp_path / SETTINGS_FILE).write_text(
        f"format: 1\nkind: {former}\nshrinkage: ledoit-wolf\nlevels: 1\nnetwork: null\n"
    )
    again = load(tmp_path)
    assert again.distribution == distribution
    assert torch.equal(again.score(features), detector.score(features))


def test_damaged_folders(features: list[Tensor], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to save"):
        save(GaussianDetector(), tmp_path)
    with pytest.raises(InputError, match=r"has not finished, .*; train it again"):
        load(tmp_path)
    detector = GaussianDetector().fit(features)
    save(detector, tmp_path)
    settings = (tmp_path / SETTINGS_FILE).read_text()
    for text, message in (
        (settings.replace("format: 2", "format: 9"), "has the format 9, .* reads 1 and 2"),
        (settings.replace("levels: 1", "levels: 2"), "tensors of a level are not those of"),
        (settings.replace("levels: 1", "levels: 0"), "levels must be a number from 1"),
        (settings.replace("full", "l2"), "tensors of a level are not those of"),
        (settings.replace("full", "cosine"), "is damaged: distribution must be one of"),
        (settings.replace("full", "mahalanobis"), "is damaged: distribution must be one of"),
        (settings.replace("ledoit-wolf", "2"), "is damaged: shrinkage must be a number from 0 to"),
        ("format: 1\nkind: [l2]\n", "is damaged: .* lacks 'shrinkage'"),
        ("- format", "must hold names and values"),
        (": [", "is not valid YAML in line 1"),
    ):
        (tmp_path / SETTINGS_FILE).write_text(text)
        with pytest.raises(InputError, match=message):
            load(tmp_path)
    (tmp_path / SETTINGS_FILE).write_text(settings)
    (tmp_path / WEIGHTS_FILE).write_bytes(b"damaged")
    with pytest.raises(InputError, match="is damaged and cannot be read"):
        load(tmp_path)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="is a file, not a folder"):
        save(detector, blocked)
