"""The paper's baselines on drawn images: they learn, and their scores are what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from discs import draw_images
from scipy.ndimage import label as scipy_label
from sklearn.svm import OneClassSVM
from torch import Tensor

from nsa.errors import InputError
from nsa.gaussian import FeatureExtractor, pipeline_for
from nsa.gaussian.baselines import (
    Autoencoder,
    AutoencoderDetector,
    ClassifierDetector,
    OneClassSVMDetector,
    component_scores,
    cross_validate,
    smallest_area,
)
from nsa.metrics import auroc

Images = tuple[Tensor, Tensor]


def test_one_class_svm(
    extractor: FeatureExtractor, normal_images: Tensor, test_images: Images
) -> None:
    images, labels = test_images
    detector = OneClassSVMDetector(extractor).fit(normal_images)
    scores = detector.level_scores(images)
    assert scores.shape == (20, 5)
    assert auroc(labels, detector.score(images)) > 0.8
    train, new = extractor(normal_images)[2].numpy(), extractor(images)[2].numpy()
    expected = -OneClassSVM(gamma="scale").fit(train.astype(float)).decision_function(new)
    np.testing.assert_allclose(scores[:, 2], expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(detector.score(images), scores.sum(1))


def test_one_class_svm_refuses() -> None:
    with pytest.raises(InputError, match="nu must be"):
        OneClassSVMDetector(nu=0)
    with pytest.raises(InputError, match="not fitted"):
        OneClassSVMDetector().score([torch.eye(3)])
    with pytest.raises(InputError, match="has no network"):
        OneClassSVMDetector().fit(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(InputError, match="Level 1 has the same features"):
        OneClassSVMDetector().fit([torch.ones(4, 3)])


@pytest.mark.parametrize("area", [1, 5, 20, 400])
def test_component_scores_by_trying_every_threshold(area: int) -> None:
    maps = np.random.default_rng(area).integers(0, 12, (4, 20, 20)).astype(np.float32)
    expected = []
    for single in maps:
        best = -np.inf
        for threshold in np.unique(single):
            regions, count = scipy_label(single >= threshold, structure=np.ones((3, 3)))
            if count and np.bincount(regions.ravel())[1:].max() >= area:
                best = max(best, threshold)
        expected.append(best)
    np.testing.assert_array_equal(component_scores(maps, area), expected)


def test_smallest_area() -> None:
    mask = np.zeros((10, 10), np.uint8)
    mask[1:4, 1:4] = 255
    mask[6:8, 6:9] = 255
    assert smallest_area([np.zeros((10, 10)), mask]) == 6
    with pytest.raises(InputError, match="no smallest anomaly"):
        smallest_area([np.zeros((4, 4))])
    with pytest.raises(InputError, match="from 1 to 400"):
        component_scores(np.zeros((1, 20, 20)), 0)
    with pytest.raises(InputError, match=r"\(N, H, W\)"):
        component_scores(np.zeros((20, 20)), 1)


def test_autoencoder_inverts_its_encoder() -> None:
    model = Autoencoder((64, 96)).to("meta")
    x = torch.empty(2, 3, 64, 96, device="meta")
    assert model(x).shape == x.shape
    assert model.bottleneck(model.encoder(x)).shape == (2, 32)
    sides = []
    for stage in model.decoder:
        before, x = x, stage(torch.empty(2, 512, 2, 3, device="meta") if not sides else x)
        sides.append(x.shape[-2])
    assert sides[-1] == 64
    assert before.shape[1] == 12  # three channels, shuffled by two
    assert sum(isinstance(module, torch.nn.PixelShuffle) for module in model.modules()) == 8
    assert not any(isinstance(module, torch.nn.ConvTranspose2d) for module in model.modules())


def test_autoencoder_learns() -> None:
    images = torch.cat(
        [draw_images(8, seed=1, size=32), draw_images(8, seed=2, size=32, defect=True)]
    )
    labels = torch.arange(16) >= 8
    detector = AutoencoderDetector((32, 32), seed=0)
    losses = detector.fit(
        draw_images(16, seed=0, size=32), epochs=10, batch_size=8, learning_rate=1e-3
    )
    assert losses[-1] < 0.3 * losses[0]
    maps = detector.maps(images)
    assert maps.shape == (16, 32, 32)
    mean = detector.score(images)
    torch.testing.assert_close(mean, maps.double().mean((1, 2)))
    assert auroc(labels, mean) > 0.9
    assert auroc(labels, detector.score(images, "components", area=10)) > 0.9
    assert detector.score(images, "components", area=32 * 32)[0] == maps[0].min()


def test_autoencoder_is_fixed_by_its_seed() -> None:
    runs, images = [], draw_images(4, seed=0, size=32)
    for seed in (0, 0, 1):
        detector = AutoencoderDetector((32, 32), seed=seed)
        runs.append(detector.fit(images, epochs=1, augmentation=pipeline_for("bottle")))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_the_autoencoder_in_bfloat16_is_nearly_the_same() -> None:
    images, maps, losses = draw_images(8, seed=0, size=32), {}, {}
    for precision in ("float32", "bfloat16"):
        detector = AutoencoderDetector((32, 32), seed=0, precision=precision)
        losses[precision] = detector.fit(images, epochs=1, batch_size=4)
        maps[precision] = detector.maps(images)
        assert all(p.dtype == torch.float32 for p in detector.model.parameters())
    assert maps["bfloat16"].dtype == torch.float32
    assert 0 < abs(losses["bfloat16"][0] / losses["float32"][0] - 1) < 0.02
    difference = (maps["bfloat16"] - maps["float32"]).abs().mean()
    assert 0 < difference < 0.1 * maps["float32"].mean()


def test_autoencoder_refuses(normal_images: Tensor) -> None:
    with pytest.raises(InputError, match="multiples of 32"):
        AutoencoderDetector((60, 64))
    detector = AutoencoderDetector((32, 32))
    with pytest.raises(InputError, match=r"\(3, 32, 32\) each"):
        detector.fit(normal_images)
    small = normal_images[:, :, :32, :32]
    with pytest.raises(InputError, match="at least two images"):
        detector.fit(small[:1])
    with pytest.raises(InputError, match="learning_rate positive"):
        detector.fit(small, learning_rate=0)
    with pytest.raises(InputError, match="together with area"):
        detector.score(small, "components")


def test_fine_tuning_keeps_the_best_epoch(test_images: Images) -> None:
    images, labels = test_images
    chosen = torch.arange(20) % 2 == 0
    detector = ClassifierDetector("resnet18", "random", seed=0)
    validation = (images[chosen], labels[chosen])
    best = detector.fit(images[~chosen], labels[~chosen], validation, epochs=6, learning_rate=1e-3)
    assert auroc(labels[chosen], detector.score(images[chosen])) == best
    assert best > 0.7
    with pytest.raises(InputError, match="as many labels"):
        detector.fit(images, labels[:3], validation)


def test_fine_tuning_in_bfloat16_is_nearly_the_same(test_images: Images) -> None:
    images, labels = test_images
    logits = {}
    for precision in ("float32", "bfloat16"):
        detector = ClassifierDetector("resnet18", "random", seed=0, precision=precision)
        detector.fit(images, labels, (images, labels), epochs=1)
        assert all(p.dtype == torch.float32 for p in detector.model.parameters())
        logits[precision] = detector.score(images)
    difference = (logits["bfloat16"] - logits["float32"]).abs().mean()
    assert 0 < difference < 0.3 * logits["float32"].std()


def test_cross_validation(test_images: Images) -> None:
    images, labels = test_images
    found = cross_validate(images, labels, weights="random", folds=2, epochs=4, learning_rate=1e-3)
    assert len(found) == 2
    assert all(0 <= value <= 1 for value in found)
    assert np.mean(found) > 0.6
    with pytest.raises(InputError, match="smaller class"):
        cross_validate(images[:12], labels[:12], weights="random")
