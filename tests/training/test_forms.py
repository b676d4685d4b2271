"""Training with layers in other forms: what rounding changes, and nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from test_loop import IMAGES, pictures
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nsa.model import EncoderDecoder, Forms
from nsa.settings.config import SynthesisConfig, TrainConfig
from nsa.settings.fields import replace
from nsa.system.device import Precision
from nsa.training import Trainer

NAMES = [field.name for field in dataclasses.fields(Forms)]
FORMS = [*(Forms(**{name: True}) for name in NAMES), Forms(**dict.fromkeys(NAMES, True))]
STEPS = 4


def losses(forms: Forms, precision: Precision, channels: int) -> np.ndarray[Any, Any]:
    """Of the first steps of a training."""
    run = Trainer(
        pictures(channels=channels), SynthesisConfig(), replace(IMAGES, channels=channels),
        TrainConfig(epochs=STEPS, batch_size=4),
        device=torch.device("cpu"), precision=precision,
    )  # fmt: skip
    run.model.forms = forms
    seen: list[float] = []

    def after_step(loss: float, _count: int) -> bool:
        seen.append(loss)
        return len(seen) < STEPS

    run.run(after_step)
    return np.array(seen)


@pytest.mark.parametrize(("channels", "compared"), [(1, FORMS[-1:]), (3, FORMS)])
def test_losses_in_float32(channels: int, compared: list[Forms]) -> None:
    """Adam divides small gradients by their own size, so that rounding grows with every step."""
    expected = losses(Forms(), "fp32", channels)
    for forms in compared:
        actual = losses(forms, "fp32", channels)
        np.testing.assert_allclose(actual[:2], expected[:2], rtol=2e-5)
        np.testing.assert_allclose(actual, expected, rtol=0.05)


@pytest.mark.parametrize("channels", [1, 3])
def test_losses_in_bfloat16(channels: int) -> None:
    """As near to those of the layers as written as these are to float32's, 2 %."""
    expected = losses(Forms(), "bf16", channels)
    np.testing.assert_allclose(losses(FORMS[-1], "bf16", channels), expected, rtol=0.1)


def gradients(model: EncoderDecoder, x: Tensor, labels: Tensor, half: bool) -> Tensor:
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits = model(x)
    F.binary_cross_entropy_with_logits(logits.to(labels.dtype), labels).backward()
    return torch.cat([parameter.grad.flatten().double() for parameter in model.parameters()])


@pytest.mark.parametrize("forms", FORMS, ids=str)
def test_gradients_in_bfloat16(forms: Forms) -> None:
    """They move by a small part of what bfloat16 itself costs."""
    torch.manual_seed(0)
    model = EncoderDecoder().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x, labels = torch.randn(4, 3, 64, 64), (torch.rand(4, 1, 64, 64) < 0.1).float()
    half = x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    expected = gradients(model, half, labels, half=True)
    model.forms = forms
    actual = gradients(model, half, labels, half=True)
    model.forms = None
    exact = gradients(model.double(), half.double(), labels.double(), half=False)
    assert (actual - expected).norm() < 0.1 * (expected - exact).norm()
