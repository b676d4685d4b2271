"""Fixtures for the tests of the Gaussian detector."""

from __future__ import annotations

import pytest
import torch
from discs import draw_images
from torch import Tensor

from nsa.gaussian import FeatureExtractor


@pytest.fixture(scope="session")
def extractor() -> FeatureExtractor:
    """A ResNet-18 with random weights."""
    return FeatureExtractor.load("resnet18", "random", seed=1, batch_size=8)


@pytest.fixture(scope="session")
def normal_images() -> Tensor:
    return draw_images(40, seed=0)


@pytest.fixture(scope="session")
def test_images() -> tuple[Tensor, Tensor]:
    """Ten normal and ten defective images, with labels."""
    normal, defective = draw_images(10, seed=1), draw_images(10, seed=2, defect=True)
    return torch.cat([normal, defective]), torch.arange(20) >= 10
