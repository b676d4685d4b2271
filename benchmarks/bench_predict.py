"""Maps of images of 256, 1,024 and 4,096 px by a network: time, and memory beside the images."""

import pytest
import torch
from common import peak_memory, texture_images

from nsa.detectors.network.detector import NetworkDetector
from nsa.detectors.network.settings import NetworkSettings
from nsa.model import EncoderDecoder
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig


@pytest.fixture(scope="module")
def detector():
    settings = NetworkSettings(
        category="texture", kind="texture", synthesis=SynthesisConfig(), images=ImageConfig(),
        training=TrainConfig(),
    )  # fmt: skip
    return NetworkDetector(EncoderDecoder(), settings, torch.device("cpu"))


@pytest.mark.parametrize(("side", "count", "rounds"), [(256, 16, 5), (1024, 1, 5), (4096, 1, 3)])
def test_maps(benchmark, detector, side, count, rounds):
    """In one pass up to 4,096 px; 16 images of 256 px have the pixels of one of 1,024."""
    benchmark.group = f"maps of {side} px, RGB, batches of {count}"
    texture = torch.from_numpy(texture_images(count, min(side, 1024))).permute(0, 3, 1, 2)
    images = texture.tile((1, 1, side // texture.shape[2], side // texture.shape[3])).contiguous()
    memory = peak_memory(lambda: detector.maps(images))
    benchmark.extra_info.update(peer="nsa", images=count)
    if memory is not None:
        benchmark.extra_info["memory"] = memory
    maps = benchmark.pedantic(detector.maps, (images,), rounds=rounds)
    assert maps.shape == (count, side, side)
