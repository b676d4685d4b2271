"""The losses that a network is trained by, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_loop import same_weights, steps, trainer
from torch.nn import functional as F  # noqa: N812

from nsa.detectors.network.settings import NetworkSettings
from nsa.errors import InputError
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.training.update import loss_of


def drawn(seed: int, count: int = 5, height: int = 7, width: int = 9) -> tuple[torch.Tensor, ...]:
    """Logits, and labels of which some are 0 and 1; the first image has none."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 4, (count, 1, height, width))
    labels = np.clip(random.normal(0.3, 0.6, logits.shape), 0, 1)
    labels[0] = 0
    return torch.from_numpy(logits), torch.from_numpy(labels)


def slowly(logits: torch.Tensor, labels: torch.Tensor, focal: float, dice: float) -> float:
    """Pixel by pixel and image by image."""
    total = 0.0
    for one, wanted in zip(logits.numpy(), labels.numpy(), strict=True):
        both = squares = entropy = 0.0
        for logit, label in zip(one.ravel(), wanted.ravel(), strict=True):
            found = 1 / (1 + np.exp(-logit))
            pixel = -label * np.log(found) - (1 - label) * np.log(1 - found)
            entropy += pixel * abs(found - label) ** focal
            both += found * label
            squares += found**2 + label**2
        total += entropy / one.size + dice * (1 - (2 * both + 1) / (squares + 1))
    return total / len(logits)


@pytest.mark.parametrize("focal", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("dice", [0.0, 0.5])
def test_losses_are_as_defined(focal: float, dice: float, fresh_seed: int) -> None:
    logits, labels = drawn(fresh_seed)
    loss = loss_of(TrainConfig(focal=focal, dice=dice), unbounded=False)
    assert loss(logits, labels).item() == pytest.approx(slowly(logits, labels, focal, dice))
    # Shares of a batch are weighed by their images.
    parts = [loss(logits[part], labels[part]).item() for part in (slice(0, 2), slice(2, 5))]
    assert loss(logits, labels).item() == pytest.approx(0.4 * parts[0] + 0.6 * parts[1])
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda given: loss(given, labels), logits)


def test_usually_it_is_torchs_own() -> None:
    assert loss_of(TrainConfig(), unbounded=False) is F.binary_cross_entropy_with_logits
    logits, labels = drawn(0)
    given = TrainConfig(focal=1.0, dice=1.0)
    wanted = F.mse_loss(F.relu(logits), labels)
    assert torch.equal(loss_of(given, unbounded=True)(logits, labels), wanted)


@pytest.mark.parametrize("value", [-1e4, 1e4, 0.0])
@pytest.mark.parametrize("label", [0.0, 0.5, 1.0])
def test_slopes_are_finite_wherever_a_network_is(value: float, label: float) -> None:
    """Ignored pixels have the first of these logits and the label 0."""
    logits = torch.full((2, 1, 3, 3), value, requires_grad=True)
    loss = loss_of(TrainConfig(focal=1.0, dice=0.5), unbounded=False)
    found = loss(logits, torch.full_like(logits, label))
    found.backward()
    assert torch.isfinite(found)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    if value < 0 and label == 0:
        assert found == 0
        assert not logits.grad.any()


def test_a_network_learns_by_them() -> None:
    run = trainer(batch_size=10, focal=1.0, dice=0.5)
    run.model.train()
    batch, labels = run.make_batch(0, 0)
    losses = [run.train_step(batch, labels) for _ in range(8)]
    assert losses[-1] < 0.8 * losses[0]


def test_a_warm_up_trains_otherwise() -> None:
    runs = [trainer(epochs=2, warmup_epochs=count) for count in (0, 1, 1)]
    for run in runs:
        run.run(steps(10**9))
    assert same_weights(runs[1], runs[2])
    assert not same_weights(runs[0], runs[1])


def test_what_has_no_use_is_refused() -> None:
    with pytest.raises(InputError, match=r"focal must be 0 or from 1 to 5, got 0\.5"):
        TrainConfig(focal=0.5)
    for name in ("focal", "dice"):
        with pytest.raises(InputError, match=f"^{name} is for labels from 0 to 1"):
            NetworkSettings(
                category="a", kind="texture", synthesis=SynthesisConfig(label="continuous"),
                images=ImageConfig(), training=TrainConfig(**{name: 1.0}),
            )  # fmt: skip
