"""The Gaussian detector: fitting 209 images of 224 px and scoring 83 (MVTec AD's bottle)."""

import numpy as np
import pytest
import torch
from common import product_images
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from nsa.gaussian import FeatureExtractor, GaussianDetector

TRAIN, TEST = 209, 83


@pytest.fixture(scope="module")
def images():
    pixels = product_images(TRAIN + TEST, 224)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


@pytest.mark.threads(2)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_images(benchmark, images, precision):
    # Random weights cost what pretrained ones do.
    extractor = FeatureExtractor.load("resnet18", "random", precision=precision)
    benchmark.group = f"Gaussian detector, ResNet-18 {precision}, fit {TRAIN} and score {TEST}"
    benchmark.extra_info["peer"] = "nsa"
    benchmark.extra_info["images"] = TRAIN + TEST

    def fit_and_score():
        return GaussianDetector(extractor).fit(images[:TRAIN]).score(images[TRAIN:])

    scores = benchmark.pedantic(fit_and_score, rounds=3)
    assert torch.isfinite(scores).all()


def plain_scores(train, test):
    """The same by scikit-learn and SciPy: one inverse per level, one distance at a time."""
    total = np.zeros(len(test[0]))
    for fitted, new in zip(train, test, strict=True):
        model = LedoitWolf().fit(fitted.astype(np.float64))
        inverse = np.linalg.inv(model.covariance_)
        total += [mahalanobis(x, model.location_, inverse) for x in new.astype(np.float64)]
    return total


@pytest.mark.threads(2)
@pytest.mark.parametrize("peer", ["nsa", "scikit-learn and SciPy"])
def test_distributions(benchmark, peer):
    rng = np.random.default_rng(0)
    widths = (64, 64, 128, 256, 512)
    features = [rng.normal(size=(TRAIN + TEST, width)).astype(np.float32) for width in widths]
    train, test = [f[:TRAIN] for f in features], [f[TRAIN:] for f in features]
    benchmark.group = "Gaussian detector, distributions of the 5 levels of ResNet-18"
    benchmark.extra_info["peer"] = peer
    if peer == "nsa":
        levels = [torch.from_numpy(level) for level in train]
        new = [torch.from_numpy(level) for level in test]
        scores = benchmark(lambda: GaussianDetector().fit(levels).score(new))
        np.testing.assert_allclose(scores, plain_scores(train, test), rtol=1e-8)
    else:
        benchmark.pedantic(plain_scores, (train, test), rounds=3)
