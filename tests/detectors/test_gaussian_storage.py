"""A fitted Gaussian detector in a folder: saved, loaded, damaged, and of an earlier version."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from nsa.detectors.gaussian.storage import SETTINGS_FILE, WEIGHTS_FILE, load, save
from nsa.errors import InputError
from nsa.gaussian import DISTRIBUTIONS, DistributionName, FeatureExtractor, GaussianDetector
from nsa.gaussian.feature_grid import FeatureGrid
from nsa.gaussian.map_model import Alignment, fit_map
from nsa.gaussian.map_moments import MapMoments


@pytest.fixture(scope="module")
def images() -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (12, 3, 32, 64), generator=rng, dtype=torch.uint8)


@pytest.fixture
def features() -> list[Tensor]:
    return [torch.randn(9, 4, generator=torch.Generator().manual_seed(0))]


def with_maps(images: Tensor, alignment: Alignment) -> GaussianDetector:
    extractor = FeatureExtractor.load("resnet18", "random", seed=1)
    moments = MapMoments(FeatureGrid.choose(extractor.network.entry, (32, 64), features=20))
    detector = GaussianDetector(extractor).fit(images, moments=moments)
    detector.heat_map, _ = fit_map(moments, alignment)
    return detector


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
    assert (written["format"], written["distribution"]) == (3, distribution)


@pytest.mark.parametrize("former", [1, 2])
def test_a_detector_from_before_heat_maps(
    former: int, features: list[Tensor], tmp_path: Path
) -> None:
    save(GaussianDetector().fit(features), tmp_path)
    settings = (tmp_path / SETTINGS_FILE).read_text().replace("format: 3", f"format: {former}")
    (tmp_path / SETTINGS_FILE).write_text(settings)
    with pytest.raises(InputError, match=r"before the method gave heat maps; .* --config .*config"):
        load(tmp_path)


@pytest.mark.parametrize("alignment", ["aligned", "unaligned"])
def test_heat_maps_are_kept(alignment: Alignment, images: Tensor, tmp_path: Path) -> None:
    detector = with_maps(images, alignment)
    save(detector, tmp_path)
    again = load(tmp_path)
    assert again.extractor is not None
    assert again.heat_map is not None
    assert detector.heat_map is not None
    _, positions = again.extractor.see(images, again.heat_map.grid)
    assert torch.equal(again.heat_map.distances(positions), detector.heat_map.distances(positions))
    assert again.heat_map.aligned == (alignment == "aligned")


def test_damaged_heat_maps(images: Tensor, tmp_path: Path) -> None:
    save(with_maps(images, "aligned"), tmp_path)
    settings = (tmp_path / SETTINGS_FILE).read_text()
    tensors = load_file(tmp_path / WEIGHTS_FILE)
    for text, message in (
        ("scale: -1.0", "out of range"),
        ("scale: much", "scale must be a finite number"),
        ("sides:\n  - 400\n  - 8", "out of range"),
        ("sides:\n  - 1\n  - 8", "not those of its settings"),
        ("levels:\n  - 2\n  - 3\n  - 9", "features that the network has not"),
        ("colour: 1", "has no field 'colour'"),
    ):
        changed = yaml.safe_load(settings)
        changed["heat_map"] |= yaml.safe_load(text)
        (tmp_path / SETTINGS_FILE).write_text(yaml.safe_dump(changed))
        with pytest.raises(InputError, match=message):
            load(tmp_path)
    (tmp_path / SETTINGS_FILE).write_text(settings)
    for value in (-1, 5000):
        kept = tensors["heat_map.kept"].clone()
        kept[0] = value
        save_file({**tensors, "heat_map.kept": kept}, tmp_path / WEIGHTS_FILE)
        with pytest.raises(InputError, match="is damaged: the heat map"):
            load(tmp_path)


def test_damaged_folders(features: list[Tensor], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to save"):
        save(GaussianDetector(), tmp_path)
    with pytest.raises(InputError, match=r"has not finished, .*; train it again"):
        load(tmp_path)
    detector = GaussianDetector().fit(features)
    save(detector, tmp_path)
    settings = (tmp_path / SETTINGS_FILE).read_text()
    for text, message in (
        (settings.replace("format: 3", "format: 9"), "has the format 9, .* reads 3"),
        (settings.replace("levels: 1", "levels: 2"), "tensors of a level are not those of"),
        (settings.replace("levels: 1", "levels: 0"), "levels must be a number from 1"),
        (settings.replace("full", "l2"), "tensors of a level are not those of"),
        (settings.replace("full", "cosine"), "is damaged: distribution must be one of"),
        (settings.replace("full", "mahalanobis"), "is damaged: distribution must be one of"),
        (settings.replace("ledoit-wolf", "2"), "is damaged: shrinkage must be a number from 0 to"),
        ("format: 3\ndistribution: l2\n", "is damaged: .* lacks 'shrinkage'"),
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
