"""The encoder against torchvision's ResNet-18: weights, initial weights, values and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nsa.model._torchvision import torchvision_models
from nsa.model.resnet import resnet18_encoder


@pytest.fixture
def both() -> tuple[nn.Sequential, nn.Module]:
    """Ours and torchvision's, each drawn from the same seed."""
    torch.manual_seed(3)
    ours = resnet18_encoder()
    after = torch.rand(4)
    torch.manual_seed(3)
    theirs: nn.Module = torchvision_models().resnet18(weights=None)
    assert torch.equal(after, torch.rand(4))  # and as many random numbers were taken
    theirs.avgpool = theirs.fc = nn.Identity()
    return ours, theirs


def test_one_seed_begins_with_the_same_weights(both: tuple[nn.Sequential, nn.Module]) -> None:
    ours, theirs = (model.state_dict() for model in both)
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("size", [(64, 96), (33, 47)])
@pytest.mark.parametrize("training", [False, True])
def test_values_and_gradients_are_the_same(
    both: tuple[nn.Sequential, nn.Module], size: tuple[int, int], training: bool
) -> None:
    x = torch.randn(3, 3, *size, generator=torch.Generator().manual_seed(0))
    found = []
    for model in both:
        features = model.train(training)(x).flatten(1)
        features.square().sum().backward()
        found.append([features, *(p.grad for p in model.parameters()), *model.buffers()])
    ours, theirs = found
    assert len(ours) == len(theirs)
    assert ours[0].shape == (3, 512 * -(-size[0] // 32) * -(-size[1] // 32))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
