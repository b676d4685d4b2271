"""The extractor: batches, channels, sizes and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nsa.errors import InputError
from nsa.gaussian import FeatureExtractor
from nsa.gaussian.features import prepare
from nsa.model.backbones import NETWORKS, Levels


def test_shapes_and_independence_of_the_batch(
    extractor: FeatureExtractor, normal_images: Tensor
) -> None:
    features = extractor(normal_images[:11])
    assert [tuple(level.shape) for level in features] == [(11, c) for c in (64, 64, 128, 256, 512)]
    assert {level.dtype for level in features} == {torch.float32}
    single = extractor(normal_images[10:11])
    for level, alone in zip(features, single, strict=True):
        torch.testing.assert_close(level[10:], alone, rtol=1e-4, atol=1e-5)


def test_memory_format_does_not_matter(extractor: FeatureExtractor, normal_images: Tensor) -> None:
    planar = normal_images[:3].contiguous()
    for one, other in zip(extractor(planar), extractor(normal_images[:3]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_grey_images_are_repeated(extractor: FeatureExtractor, normal_images: Tensor) -> None:
    grey = normal_images[:2, :1]
    for one, other in zip(extractor(grey), extractor(grey.repeat(1, 3, 1, 1)), strict=True):
        torch.testing.assert_close(one, other)


def test_bfloat16_is_close_and_its_means_are_float32(
    extractor: FeatureExtractor, normal_images: Tensor
) -> None:
    short = FeatureExtractor(extractor.network, precision="bfloat16")
    for one, other in zip(extractor(normal_images[:2]), short(normal_images[:2]), strict=True):
        assert other.dtype == torch.float32
        assert not torch.equal(one, other)
        assert (one - other).norm() < 0.02 * one.norm()


def test_prepare_resizes_and_scales_as_the_network_wants() -> None:
    images = torch.full((1, 3, 8, 8), 128, dtype=torch.uint8)
    x = prepare(images, NETWORKS["resnet18"].scaling, size=(4, 6))
    assert x.shape == (1, 3, 4, 6)
    expected = [(128 / 255 - m) / d for m, d in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    torch.testing.assert_close(x[0, :, 0, 0], torch.tensor(expected))
    lite = prepare(images, NETWORKS["efficientnet_lite0"].scaling)
    torch.testing.assert_close(lite, torch.full((1, 3, 8, 8), (128 - 127) / 128))
    grey = prepare(images[:, :1], Levels("resnet18", channels=1).scaling)
    torch.testing.assert_close(grey, torch.full((1, 1, 8, 8), 128 / 255))


@pytest.mark.parametrize(
    ("name", "channels"), [("resnet18", 3), ("efficientnet_lite1", 3), ("resnet18", 1)]
)
def test_scaling_of_pixels_is_that_of_prepare(name: str, channels: int) -> None:
    with torch.device("meta"):
        scaling = Levels(name, channels).scaling
    images = torch.randint(0, 256, (2, channels, 5, 7), dtype=torch.uint8)
    scale, shift = scaling.of_pixels()
    expected = images * scale[:, None, None] + shift[:, None, None]
    torch.testing.assert_close(prepare(images, scaling), expected, rtol=1e-5, atol=1e-5)


def test_what_is_refused(extractor: FeatureExtractor, normal_images: Tensor) -> None:
    with pytest.raises(InputError, match=r"uint8 tensor .* got torch.float32"):
        extractor(normal_images.float())
    with pytest.raises(InputError, match=r"with shape \(3, 64, 64\)"):
        extractor(normal_images[0])
    with pytest.raises(InputError, match="at least one image"):
        extractor(normal_images[:0])
    with pytest.raises(InputError, match="precision must be"):
        FeatureExtractor(extractor.network, precision="float16")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="batch_size"):
        FeatureExtractor(extractor.network, batch_size=0)
    grey = FeatureExtractor(Levels("resnet18", channels=1).requires_grad_(False))
    with pytest.raises(InputError, match="load them grey"):
        grey(normal_images[:1])
    with pytest.raises(InputError, match="Only a ResNet"):
        Levels("efficientnet_b0", channels=1)


def test_values_that_are_not_finite_are_named(normal_images: Tensor) -> None:
    broken = FeatureExtractor.load("resnet18", "random")
    with torch.no_grad():
        broken.network.body.layer2[0].conv1.weight[0, 0, 0, 0] = torch.inf
    with pytest.raises(InputError, match="Level 3"):
        broken(normal_images[:1])


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_no_gpu_is_told(extractor: FeatureExtractor) -> None:
    with pytest.raises(InputError, match="no CUDA device"):
        FeatureExtractor(extractor.network, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_gpu_gives_the_same_features(normal_images: Tensor) -> None:
    on_cpu = FeatureExtractor.load("resnet18", "random", seed=1)
    on_gpu = FeatureExtractor.load("resnet18", "random", seed=1, device="cuda")
    for one, other in zip(on_cpu(normal_images[:3]), on_gpu(normal_images[:3]), strict=True):
        torch.testing.assert_close(one, other, rtol=0.01, atol=1e-3)
