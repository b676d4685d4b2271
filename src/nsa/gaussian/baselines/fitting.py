"""The training loop that the two trained baselines share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from nsa.errors import InputError
from nsa.gaussian.augmented_images import augment
from nsa.gaussian.features import Precision, mixed
from nsa.gaussian.pipelines import Pipeline, draw


def train_epochs(
    model: nn.Module,
    images: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    augmentation: Pipeline,
    seed: int,
    device: torch.device,
    precision: Precision,
) -> Iterator[float]:
    """Train with Adam and yield the mean loss after each epoch, with the model in eval mode.

    Args:
        images: uint8 (N, C, H, W).
        loss: from augmented uint8 images on their device and their indices (int64) to a scalar.
        augmentation: applied to every image anew in every epoch; an empty tuple: none.
        seed: fixes the order and the augmentation.
        device: where ``model`` is.
        precision: of the convolutions, as of
            :class:`nsa.gaussian.features.FeatureExtractor`; the weights stay float32.

    Raises:
        InputError: a number is out of range.
    """
    if epochs < 1 or batch_size < 1 or learning_rate <= 0:
        raise InputError(
            "epochs and batch_size must be at least 1 and learning_rate positive, got "
            f"{epochs!r}, {batch_size!r} and {learning_rate!r}."
        )
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
    generator = torch.Generator("cpu").manual_seed(seed)
    count = len(images)
    for epoch in range(epochs):
        model.train()
        order = torch.randperm(count, generator=generator, device="cpu")
        parameters = draw(augmentation, count, seed=seed, epoch=epoch)
        total = 0.0
        for start in range(0, count, batch_size):
            rows = order[start : start + batch_size]
            part = {name: values[rows.numpy()] for name, values in parameters.items()}
            batch = augment(images[rows], part, seed=seed, epoch=epoch * count + start)
            with mixed(device, precision):
                value = loss(batch, rows)
            optimiser.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += float(value.detach()) * len(rows)
        model.eval()
        yield total / count
