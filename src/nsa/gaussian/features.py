"""From images to features: the average activation of every channel at the end of every level."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nsa._native import layout
from nsa.errors import InputError
from nsa.gaussian.feature_grid import FeatureGrid
from nsa.gaussian.map_moments import MapMoments
from nsa.images.network_input import Scaling
from nsa.model.backbones import Levels
from nsa.model.folded_levels import fold_levels
from nsa.model.pretrained import load_network
from nsa.model.timm_networks import is_timm
from nsa.system import device as devices
from nsa.system.progress import progress_bar

Precision = Literal["float32", "bfloat16"]
"""What the convolutions multiply; see :class:`FeatureExtractor`."""
Features = list[Tensor]
"""One float32 tensor (images, channels of the level) per level, on the CPU."""

Module = TypeVar("Module", bound=nn.Module)


class FeatureExtractor:
    """Runs a network over images and keeps the spatial mean of each level.

    Args:
        network: the network's levels, as :func:`nsa.model.pretrained.load_network` returns them.
            The first images on a CPU take a copy of its weights.
        size: (height, width) to which images are resized first (antialiased bilinear); None: they
            are taken as they are.
        batch_size: images per forward pass; bounds the memory. None: 4 on a CPU, whose caches hold
            no more, else 32.
        device: where the network runs.
        precision: ``"bfloat16"`` runs the convolutions in bfloat16; the means stay float32. It pays
            on a GPU and on CPUs that multiply in it (1.8 times as fast with AVX-512). Its rounding,
            0.4 %, moved the AUROC of one test by 0.002, but by up to 0.03 with the components of
            least variance (NPCA), so the default is float32.
        progress: show a progress bar on standard error.

    Raises:
        InputError: ``precision`` or ``device`` is unknown or not available.
    """

    def __init__(
        self,
        network: Levels,
        *,
        size: tuple[int, int] | None = None,
        batch_size: int | None = None,
        device: str | torch.device = "cpu",
        precision: Precision = "float32",
        progress: bool = False,
    ) -> None:
        if precision not in ("float32", "bfloat16"):
            raise InputError(f"precision must be 'float32' or 'bfloat16', got {precision!r}.")
        if batch_size is not None and batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size!r}.")
        self.device = torch.device(device)
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise InputError("device is 'cuda', but torch finds no CUDA device; use 'cpu'.")
        self.network = channels_last(network, self.device).eval()
        self.size = size
        self.batch_size = batch_size or (4 if self.device.type == "cpu" else 32)
        self.precision: Precision = precision
        # In bfloat16 folded weights would be rounded differently.
        folds = precision == "float32" and not is_timm(network.entry.name)
        self._folds = folds and self.device.type == "cpu"
        self._folded: Levels | None = None
        self.progress = progress

    @classmethod
    def load(
        cls,
        network: str = "resnet18",
        weights: str | Path | None = "default",
        *,
        seed: int = 0,
        size: tuple[int, int] | None = None,
        batch_size: int | None = None,
        device: str | torch.device = "cpu",
        precision: Precision = "float32",
        progress: bool = False,
    ) -> FeatureExtractor:
        """An extractor by the network's name and weights, see :func:`load_network`."""
        return cls(
            load_network(network, weights, seed),
            size=size,
            batch_size=batch_size,
            device=device,
            precision=precision,
            progress=progress,
        )

    @property
    def same_for_any_threads(self) -> bool:
        """Whether features are the same, bit for bit, for any number of torch's threads."""
        return self._folds

    @property
    def channels(self) -> tuple[int, ...]:
        """Number of features of each level."""
        return self.network.entry.channels

    def __call__(self, images: Tensor, moments: MapMoments | None = None) -> Features:
        """Extract the features.

        Args:
            images: uint8 (N, C, H, W), N at least 1, C in {1, 3}. Grey images are repeated to three
                channels for a colour network.
            moments: count the features of heat maps too.

        Returns:
            One float32 tensor (N, channels) per level, on the CPU.

        Raises:
            InputError: ``images`` has another shape or dtype, or a level is not finite.
        """
        check_images(images)
        features = [
            torch.empty(len(images), channels, dtype=torch.float32, device="cpu")
            for channels in self.channels
        ]
        starts = range(0, len(images), self.batch_size)
        for start in self.track(starts, "Extracting features"):
            batch = images[start : start + self.batch_size]
            for level, values in zip(features, self.batch(batch, moments), strict=True):
                level[start : start + len(batch)] = values
        return features

    def batch(self, images: Tensor, moments: MapMoments | None = None) -> Features:
        """Features of images that fit into memory at once, see :meth:`__call__`."""
        if moments is None:
            return self.see(images)[0]
        features, positions = self.see(images, moments.grid)
        moments.add(positions)
        return features

    @torch.inference_mode()
    def see(self, images: Tensor, grid: FeatureGrid | None = None) -> tuple[Features, Tensor]:
        """Features of images that fit into memory at once, and those of heat maps.

        Args:
            images: as in :meth:`__call__`.
            grid: the positions; None: none.

        Returns:
            One float32 tensor (N, channels) per level, and float32 (N, D, rows, columns); both on
            the CPU.
        """
        x = prepare(images.to(self.device, non_blocking=True), self.network.scaling, self.size)
        with mixed(self.device, self.precision):
            if self._folds and self._folded is None:
                self._folded = fold_levels(self.network)
            features, positions = see(self._folded or self.network, x, grid)
        features = [level.cpu() for level in features]
        for number, level in enumerate(features, 1):
            if not torch.isfinite(level).all():
                raise InputError(
                    f"Level {number} of the network gives values that are not finite; its weights "
                    "are damaged or not trained, use others."
                )
        return features, positions.cpu()

    def track(self, steps: range, title: str) -> Iterable[int]:
        """``steps`` with a progress bar on standard error, if one is wanted."""
        with progress_bar(title, len(steps), shown=self.progress) as bar:
            for step in steps:
                yield step
                bar.advance()


def as_dtype(precision: devices.Precision) -> Precision:
    """How this package names what a run names ``"bf16"`` or ``"fp32"``."""
    return "bfloat16" if precision == "bf16" else "float32"


def mixed(device: torch.device, precision: Precision) -> torch.autocast:
    """Inside, what pays in bfloat16 runs in it, if that is the precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def see(network: Levels, x: Tensor, grid: FeatureGrid | None) -> tuple[Features, Tensor]:
    """:meth:`FeatureExtractor.see` of scaled images, on the device where they are."""
    # Under autocast activations may be bfloat16; the mean of thousands must not be.
    means, parts = [], []
    for number, output in enumerate(network.outputs(x), 1):
        means.append(output.mean((2, 3), dtype=torch.float32))
        if grid is not None and number in grid.levels:
            parts.append(grid.part(number, output))
    return means, torch.cat(parts, 1) if parts else x.new_empty(0)


def channels_last(model: Module, device: torch.device) -> Module:
    """Move a model to a device, with its convolutions' weights channels-last as the images are."""
    for parameter in (*model.parameters(), *model.buffers()):
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model.to(device)


def check_images(images: Tensor) -> None:
    """Refuse anything but a batch of uint8 images.

    Raises:
        InputError: ``images`` is no uint8 tensor (N, C, H, W) with N >= 1 and C in {1, 3}.
    """
    layout.check_images(images)
    if len(images) == 0:
        raise InputError("images must hold at least one image.")


def prepare(images: Tensor, scaling: Scaling, size: tuple[int, int] | None = None) -> Tensor:
    """Network input from uint8 images: float32, channels-last, resized and scaled.

    Raises:
        InputError: colour images meet a network for grey ones.
    """
    channels = len(scaling.mean)
    if images.shape[1] > channels:
        raise InputError(
            "The network takes grey images, but these have 3 channels; load them grey."
        )
    x = images.to(torch.float32, memory_format=torch.channels_last) / 255
    if size is not None and tuple(x.shape[-2:]) != tuple(size):
        x = F.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False)
    mean = x.new_tensor(scaling.mean).view(1, channels, 1, 1)
    deviation = x.new_tensor(scaling.deviation).view(1, channels, 1, 1)
    return ((x - mean) / deviation).contiguous(memory_format=torch.channels_last)
