"""A trained network with its settings: images in, anomaly maps and scores out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nsa.errors import InputError
from nsa.folder import Run
from nsa.images import resize, to_network_input
from nsa.model import EncoderDecoder
from nsa.model.weights import load_model
from nsa.settings.methods import is_unbounded
from nsa.settings.options import Settings
from nsa.system.device import choose_device, memory_format

_BATCH = {"cpu": 16, "cuda": 64}  # images at a time: what keeps either busy


class Detector:
    """Finds anomalies in images of the kind it was trained on.

    Attributes:
        settings: the settings of its run.
        size: (height, width) in pixels to which the network's images are resized.
        network: what finds the anomalies, in evaluation mode.

    Example:
        >>> detector = nsa.load("runs/bottle-001")
        >>> maps, scores = detector.predict(images)
    """

    def __init__(self, model: EncoderDecoder, settings: Settings, device: torch.device) -> None:
        self.network = model.to(device, memory_format=memory_format(device, "fp32")).eval()  # type: ignore[call-overload]
        self._device = device
        self.settings = settings
        self.size = settings.test_size

    @classmethod
    def load(cls, run: str | Path, device: str = "auto") -> Detector:
        """Load the detector of a finished run.

        Args:
            run: the run folder.
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

        Raises:
            InputError: the folder holds no finished run of this format, or there is no such device.
        """
        opened = Run.open(Path(run))
        opened.need_model()
        settings = opened.settings
        unbounded = is_unbounded(settings.synthesis)
        model = EncoderDecoder(settings.images.channels, "relu" if unbounded else "sigmoid")
        load_model(opened.model, model)
        return cls(model, settings, choose_device(device))

    @torch.inference_mode()
    def maps(self, images: Tensor) -> Tensor:
        """Anomaly maps of images that already have the network's size; nothing is resized.

        Runs in float32 on every device, so that maps hardly depend on the machine.

        Args:
            images: uint8 (N, channels, H, W), H and W at least 32.

        Returns:
            float32 (N, H, W) on the CPU: 0 is normal; at most 1, except for continuous labels.
        """
        size = _BATCH[self._device.type]
        result = torch.empty((len(images), *images.shape[2:]))
        first = 0
        with _full_float32():
            while first < len(images):
                try:
                    part = self._maps(images[first : first + size])
                except torch.OutOfMemoryError as error:
                    if size == 1:
                        height, width = images.shape[2:]
                        raise InputError(
                            f"The GPU has too little free memory for one image of {height} x "
                            f"{width} px; end what else runs on it, or use --device cpu."
                        ) from error
                    size //= 2  # the maps do not depend on it
                    continue
                result[first : first + len(part)] = part
                first += len(part)
        return result

    def _maps(self, batch: Tensor) -> Tensor:
        """The maps of a batch, on the device where the copy to the CPU waits for them."""
        inputs = to_network_input(batch.to(self._device), self.settings.images)
        inputs = inputs.contiguous(memory_format=memory_format(self._device, "fp32"))
        maps: Tensor = self.network.predict(inputs)
        return maps[:, 0]

    def predict(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Maps at the images' own resolution and one score per image.

        The whole image is judged, up to its borders.

        Args:
            images: uint8 (N, channels, H, W) of any size.

        Returns:
            Maps, float32 (N, 1, H, W), and scores, float32 (N,), the mean of the map at the
            network's resolution; higher is more anomalous. Both on the CPU.

        Raises:
            InputError: wrong dtype, shape or number of channels.
        """
        channels = self.settings.images.channels
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != channels:
            raise InputError(
                f"images must be a uint8 tensor (N, {channels}, H, W), got {images.dtype} with "
                f"shape {tuple(images.shape)}."
            )
        if not len(images):
            return torch.empty((0, 1, *images.shape[2:])), torch.empty(0)
        maps = self.maps(stack(images.cpu().permute(0, 2, 3, 1).numpy(), self.size))[:, None]
        return enlarge(maps, tuple(images.shape[2:])), image_scores(maps)


@contextlib.contextmanager
def _full_float32() -> Iterator[None]:
    """Arithmetic on a GPU without TF32, whose 10 bits would make maps depend on the machine."""
    owners: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    name: str = "allow_tf32"
    full: bool | str = False
    # The old switches cannot be read in a program that has set those which replace them.
    if hasattr(torch.backends.cudnn, "conv"):
        owners = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
        name, full = "fp32_precision", "ieee"
    before = [getattr(owner, name) for owner in owners]
    for owner in owners:
        setattr(owner, name, full)
    try:
        yield
    finally:
        for owner, value in zip(owners, before, strict=True):
            setattr(owner, name, value)


def stack(images: Iterable[npt.NDArray[np.uint8]], size: tuple[int, int]) -> Tensor:
    """Images, uint8 (H, W, C) of any sizes, resized into one uint8 tensor (N, C, *size)."""
    scaled = np.stack([resize(image, size) for image in images])
    return torch.from_numpy(scaled).permute(0, 3, 1, 2)


def enlarge(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Maps (N, 1, h, w) at the (height, width) of their images, bilinear."""
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)


def image_scores(maps: Tensor) -> Tensor:
    """The score of an image, the mean of its map: (N, ...) -> float32 (N,)."""
    return maps.flatten(1).mean(1)


def load(run: str | Path, device: str = "auto") -> Detector:
    """:meth:`Detector.load` as a function: ``nsa.load("runs/bottle-001")``."""
    return Detector.load(run, device)
