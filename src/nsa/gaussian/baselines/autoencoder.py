"""A convolutional autoencoder: defects are what it cannot reconstruct."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from nsa.errors import InputError
from nsa.gaussian.baselines.components import component_scores
from nsa.gaussian.baselines.fitting import train_epochs
from nsa.gaussian.features import Precision, channels_last, check_images, mixed, prepare
from nsa.gaussian.pipelines import NOISE, Pipeline, without
from nsa.images.network_input import scaling_of
from nsa.model.resnet import resnet18_encoder
from nsa.system.device import float32_weights


def _shuffled(inputs: int, outputs: int, kernel: int, scale: int) -> nn.Sequential:
    """A convolution that enlarges by ``scale``: pixel shuffle leaves no checkerboard."""
    convolution = nn.Conv2d(inputs, outputs * scale**2, kernel, padding=kernel // 2, bias=False)
    shuffle = nn.PixelShuffle(scale) if scale > 1 else nn.Identity()
    return nn.Sequential(convolution, shuffle, nn.BatchNorm2d(outputs))


class _InvertedBlock(nn.Module):
    """ResNet's basic block run backwards: the stride becomes an enlargement."""

    def __init__(self, inputs: int, outputs: int, scale: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _shuffled(inputs, inputs, 3, 1),
            nn.ReLU(inplace=True),
            _shuffled(inputs, outputs, 3, scale),
        )
        same = inputs == outputs and scale == 1
        self.shortcut = nn.Identity() if same else _shuffled(inputs, outputs, 1, scale)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class Autoencoder(nn.Module):
    """ResNet-18 down to a vector and an inverted ResNet-18 back up.

    Args:
        size: (height, width) of the images, multiples of 32.
        channels: 1 or 3.
        latent: dimensions of the bottleneck.

    Raises:
        InputError: an argument is out of range.
    """

    @float32_weights()
    def __init__(self, size: tuple[int, int], channels: int = 3, latent: int = 32) -> None:
        super().__init__()
        if any(side < 32 or side % 32 for side in size) or channels not in (1, 3) or latent < 1:
            raise InputError(
                "An autoencoder needs sides that are multiples of 32, 1 or 3 channels and a latent "
                f"dimension of at least 1, got {size!r}, {channels!r} and {latent!r}."
            )
        self.channels = channels
        self.size = size
        self.encoder = resnet18_encoder()
        if channels == 1:
            self.encoder.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        grid = (512, size[0] // 32, size[1] // 32)
        self.bottleneck = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(grid)), latent))
        self.expansion = nn.Sequential(nn.Linear(latent, int(np.prod(grid))), nn.Unflatten(1, grid))
        stages = []
        for inputs, outputs, scale in ((512, 256, 2), (256, 128, 2), (128, 64, 2), (64, 64, 1)):
            stages += [_InvertedBlock(inputs, inputs, 1), _InvertedBlock(inputs, outputs, scale)]
        self.decoder = nn.Sequential(
            *stages,
            _shuffled(64, 64, 3, 2), nn.ReLU(inplace=True),  # the max pooling
            nn.Conv2d(64, channels * 4, 7, padding=3), nn.PixelShuffle(2),  # the first convolution
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct normalised images, float (N, channels, height, width) both ways."""
        restored: Tensor = self.decoder(self.expansion(self.bottleneck(self.encoder(x))))
        return restored


class AutoencoderDetector:
    """Train an :class:`Autoencoder` on normal images and score images by its squared error.

    Args:
        size, channels, latent: see :class:`Autoencoder`.
        seed: fixes initial weights, order and augmentation.
        device, precision: where and in what the network runs, as of
            :class:`nsa.gaussian.features.FeatureExtractor`.
    """

    def __init__(
        self,
        size: tuple[int, int] = (224, 224),
        channels: int = 3,
        latent: int = 32,
        *,
        seed: int = 0,
        device: str | torch.device = "cpu",
        precision: Precision = "float32",
    ) -> None:
        self.seed = seed
        self.precision: Precision = precision
        self.device = torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = Autoencoder(size, channels, latent)
        self.model = channels_last(model, self.device).eval()

    def fit(
        self,
        images: Tensor,
        *,
        epochs: int = 100,
        batch_size: int = 64,
        learning_rate: float = 1e-4,
        augmentation: Pipeline = (),
    ) -> list[float]:
        """Train on uint8 images (N, channels, height, width).

        Noise is left out of ``augmentation``: the network would learn to paint it.

        Returns:
            The mean squared error of each epoch, on normalised values.

        Raises:
            InputError: the images have another size or are fewer than two, or a number is out of
                range.
        """
        self._check(images)
        if len(images) < 2:
            raise InputError("Training an autoencoder needs at least two images, got one.")

        def loss(batch: Tensor, _: Tensor) -> Tensor:
            x = prepare(batch.to(self.device), scaling_of(self.model.channels))
            return nn.functional.mse_loss(self.model(x).float(), x)

        epoch_losses = train_epochs(
            self.model,
            images,
            loss,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            augmentation=without(augmentation, NOISE),
            seed=self.seed,
            device=self.device,
            precision=self.precision,
        )
        return list(epoch_losses)

    @torch.inference_mode()
    def maps(self, images: Tensor, batch_size: int = 64) -> Tensor:
        """Squared error of every pixel, mean over channels: float32 (N, height, width), CPU."""
        self._check(images)
        found = []
        for batch in torch.split(images, batch_size):
            x = prepare(batch.to(self.device), scaling_of(self.model.channels))
            with mixed(self.device, self.precision):
                restored = self.model(x).float()
            found.append((restored - x).square().mean(1).cpu())
        return torch.cat(found)

    def score(
        self,
        images: Tensor,
        aggregation: Literal["mean", "components"] = "mean",
        *,
        area: int | None = None,
    ) -> Tensor:
        """Image scores, float64 (N,).

        Args:
            images: uint8 (N, channels, height, width).
            aggregation: ``"mean"`` of the map, or ``"components"``, see
                :func:`nsa.gaussian.baselines.components.component_scores`.
            area: pixels of the smallest component that counts; only for ``"components"``.

        Raises:
            InputError: the aggregation is unknown, or ``area`` is missing or out of range.
        """
        if aggregation == "mean":
            return self.maps(images).double().mean((1, 2))
        if aggregation != "components" or area is None:
            raise InputError(
                "aggregation must be 'mean', or 'components' together with area, got "
                f"{aggregation!r} and {area!r}."
            )
        return torch.from_numpy(component_scores(self.maps(images).numpy(), area))

    def _check(self, images: Tensor) -> None:
        check_images(images)
        wanted = (self.model.channels, *self.model.size)
        if tuple(images.shape[1:]) != wanted:
            raise InputError(f"images must be {wanted} each, got {tuple(images.shape[1:])}.")
