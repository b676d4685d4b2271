"""The Gaussian detector with its heat maps: fit 209 images and judge 83, as of MVTec AD bottle."""

import numpy as np
import pytest
import torch
from common import product_images
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from nsa.gaussian import FeatureExtractor, GaussianDetector
from nsa.gaussian.feature_grid import FeatureGrid
from nsa.gaussian.heat_maps import heat_maps, image_scores
from nsa.gaussian.map_model import fit_map
from nsa.gaussian.map_moments import MapMoments

TRAIN, TEST = 209, 83
LITE, SIDE = "efficientnet_lite0", 256
PEERS = ("nsa", "scikit-learn and SciPy")


@pytest.fixture(scope="module")
def images():
    pixels = product_images(TRAIN + TEST, 224)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def large_images():
    pixels = product_images(TRAIN + TEST, SIDE)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def fit(extractor, images):
    """What ``nsa train --method gaussian`` fits."""
    moments = MapMoments(FeatureGrid.choose(extractor.network.entry, (SIDE, SIDE)))
    detector = GaussianDetector(extractor).fit(images, moments=moments)
    detector.heat_map, _ = fit_map(moments)
    return detector


def judge(detector, images):
    """Scores and maps."""
    scores, maps = [], []
    for batch in images.split(detector.extractor.batch_size):
        features, positions = detector.extractor.see(batch, detector.heat_map.grid)
        distances = detector.heat_map.distances(positions)
        scores.append(image_scores(detector.level_scores(features), distances, "both"))
        maps.append(heat_maps(distances, (SIDE, SIDE)))
    return torch.cat(scores), torch.cat(maps)


@pytest.mark.threads(2)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_images(benchmark, images, precision):
    # Random weights cost what pretrained ones do.
    extractor = FeatureExtractor.load("resnet18", "random", precision=precision)
    benchmark.group = f"levels of ResNet-18, 224 px, {precision}: fit {TRAIN} and score {TEST}"
    benchmark.extra_info["peer"] = "nsa"
    benchmark.extra_info["images"] = TRAIN + TEST

    def fit_and_score():
        return GaussianDetector(extractor).fit(images[:TRAIN]).score(images[TRAIN:])

    scores = benchmark.pedantic(fit_and_score, rounds=3)
    assert torch.isfinite(scores).all()


@pytest.mark.threads(2)
def test_heat_maps_of_images(benchmark, large_images):
    extractor = FeatureExtractor.load(LITE, "random")
    benchmark.group = f"heat maps of EfficientNet-Lite0, {SIDE} px: fit {TRAIN} and judge {TEST}"
    benchmark.extra_info["peer"] = "nsa"
    benchmark.extra_info["images"] = TRAIN + TEST

    def fit_and_judge():
        return judge(fit(extractor, large_images[:TRAIN]), large_images[TRAIN:])

    scores, _ = benchmark.pedantic(fit_and_judge, rounds=3)
    assert torch.isfinite(scores).all()


@pytest.mark.threads(2)
def test_one_image(benchmark, large_images):
    extractor = FeatureExtractor.load(LITE, "random")
    detector = fit(extractor, large_images[:40])
    benchmark.group = f"heat map and score of one image, EfficientNet-Lite0, {SIDE} px"
    benchmark.extra_info["peer"] = "nsa"
    scores, _ = benchmark(judge, detector, large_images[:1])
    assert torch.isfinite(scores).all()


def plain_fit(features):
    """scikit-learn's means and one inverse per level or position."""
    fitted = []
    for values in features:
        model = LedoitWolf().fit(values.astype(np.float64))
        fitted.append((model.location_, np.linalg.inv(model.covariance_)))
    return fitted


def plain_distances(models, features):
    """SciPy's, one at a time: (models, n)."""
    return np.array(
        [
            [mahalanobis(x, mean, inverse) for x in values.astype(np.float64)]
            for (mean, inverse), values in zip(models, features, strict=True)
        ]
    )


@pytest.mark.threads(2)
@pytest.mark.parametrize("peer", PEERS)
def test_distributions(benchmark, peer):
    rng = np.random.default_rng(0)
    widths = (32, 16, 24, 40, 80, 112, 192, 320, 1280)
    features = [rng.normal(size=(TRAIN + TEST, width)).astype(np.float32) for width in widths]
    train, test = [f[:TRAIN] for f in features], [f[TRAIN:] for f in features]
    benchmark.group = "distributions of the 9 levels of EfficientNet-Lite0: fit and score"
    benchmark.extra_info["peer"] = peer

    def plainly():
        return plain_distances(plain_fit(train), test).sum(0)

    if peer == "nsa":
        levels = [torch.from_numpy(level) for level in train]
        new = [torch.from_numpy(level) for level in test]
        scores = benchmark(lambda: GaussianDetector().fit(levels).score(new))
        np.testing.assert_allclose(scores, plainly(), rtol=1e-8)
    else:
        benchmark.pedantic(plainly, rounds=3)


@pytest.fixture(scope="module")
def positions():
    """Features (images, 144, 32, 32), which vary enough everywhere to need no floor."""
    rng = torch.Generator().manual_seed(0)
    return torch.randn(TRAIN + TEST, 144, 32, 32, generator=rng)


@pytest.mark.threads(2)
@pytest.mark.parametrize("peer", PEERS)
def test_distributions_of_positions(benchmark, positions, peer):
    grid = FeatureGrid((1,), (torch.arange(144),), (32, 32))
    benchmark.group = f"distributions of 32 x 32 positions, 144 features: fit {TRAIN}, judge {TEST}"
    benchmark.extra_info["peer"] = peer
    plain = positions.flatten(2).permute(2, 0, 1).numpy()

    def ours():
        moments = MapMoments(grid)
        for batch in positions[:TRAIN].split(4):
            moments.add(batch)
        model, _ = fit_map(moments, "aligned")
        return model.distances(positions[TRAIN:]) * model.scale

    def plainly():
        return plain_distances(plain_fit(plain[:, :TRAIN]), plain[:, TRAIN:])

    if peer == "nsa":
        distances = benchmark.pedantic(ours, rounds=3)
        some = plain[:3]
        expected = plain_distances(plain_fit(some[:, :TRAIN]), some[:, TRAIN:])
        np.testing.assert_allclose(distances[:, 0, :3].T, expected, rtol=1e-4)
    else:
        benchmark.pedantic(plainly, rounds=1)


@pytest.mark.threads(2)
@pytest.mark.parametrize("peer", PEERS)
def test_positions_of_one_image(benchmark, positions, peer):
    grid = FeatureGrid((1,), (torch.arange(144),), (32, 32))
    moments = MapMoments(grid)
    moments.add(positions[:TRAIN])
    model, _ = fit_map(moments, "aligned")
    benchmark.group = "distances of one image's 32 x 32 positions, 144 features"
    benchmark.extra_info["peer"] = peer
    if peer == "nsa":
        benchmark(model.distances, positions[TRAIN : TRAIN + 1])
        return
    plain = positions.flatten(2).permute(2, 0, 1).numpy()
    fitted = [
        (mean.double().numpy(), (white.T @ white).double().numpy())
        for mean, white in zip(model.mean, model.whitening, strict=True)
    ]
    benchmark.pedantic(plain_distances, (fitted, plain[:, TRAIN : TRAIN + 1]), rounds=5)
