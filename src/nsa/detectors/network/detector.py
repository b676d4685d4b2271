"""A trained network with its settings: images in, anomaly maps and scores out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nsa._native.layout import check_images
from nsa.detectors.detector import Detector, Judged, Pixels, Scored, enlarge
from nsa.detectors.network.folder import NetworkRun
from nsa.detectors.network.image_score import LARGEST_BOX, MEAN, ImageScore, read_score
from nsa.detectors.network.settings import NetworkSettings
from nsa.errors import InputError
from nsa.images import center_crop, resize, to_network_input
from nsa.images.frame import fill, scaled_shape, window_in
from nsa.images.network_input import input_scale
from nsa.model import EncoderDecoder
from nsa.model.encoder_decoder import STRIDE
from nsa.model.layers import Window
from nsa.model.tiling import LARGEST, plan_tiles, reach, tiled_map
from nsa.model.weights import load_model
from nsa.settings.config import ImageConfig
from nsa.system.device import choose_device, memory_format
from nsa.system.memory import available_memory

_BATCH = {"cpu": 16, "cuda": 64}  # images at a time, at most: what keeps either busy
MEMORY = 3 << 30
"""Bytes that a pass of the network may take on a CPU, where so many and as many again are free."""
PIXEL_BYTES = {"cpu": 144, "cuda": 192}
"""Bytes that a pass takes for each pixel of colour images, float32, rounded up.

On a CPU (x86-64, AVX-512) it was 92 from 2,048 px a side on, most of it for the first residual
blocks, and 129 where the C library keeps freed memory, as it does for the commands. On a GPU it
depends on the algorithms that cuDNN chooses; what turns out too much is tried again with less.
"""


class NetworkDetector(Detector):
    """Finds anomalies by a network that was trained on synthetic ones.

    Attributes:
        settings: the settings of its run.
        image_score: what of its map is the score of an image.
        network: what finds the anomalies, in evaluation mode.
    """

    def __init__(
        self,
        network: EncoderDecoder,
        settings: NetworkSettings,
        device: torch.device,
        image_score: ImageScore = MEAN,
    ) -> None:
        self.network = network.to(device, memory_format=memory_format(device, "fp32")).eval()  # type: ignore[call-overload]
        self._device = device
        self._reach = reach(network)
        self.settings, self.image_score = settings, image_score
        self.size, self.resize = settings.test_size, settings.images.resize
        self.channels, self.levels = settings.images.channels, settings.images.levels
        self.default_fpr = settings.training.fpr
        # Continuous maps are in grey levels, of which y0 counts half in the logistic label; all
        # others end at 1.
        synthesis = settings.synthesis
        self.map_range = (0.0, 2 * synthesis.label_midpoint if synthesis.unbounded else 1.0)

    def score(self, images: Tensor) -> Scored:
        """See :meth:`Detector.score`."""
        maps = self.maps(images)
        return Scored(self.image_score(maps), maps)

    def check_shape(self, shape: tuple[int, int]) -> None:
        """See :meth:`Detector.check_shape`."""
        check_shape(self.settings.images, shape)

    def judge(self, images: Sequence[Pixels]) -> list[Judged]:
        """See :meth:`Detector.judge`; images of their own shape are judged in it."""
        if self.resize == "stretch":
            return super().judge(images)
        return [self._judge(image) for image in images]

    def prepare(self, image: Pixels) -> Tensor:
        """An image in its own shape as the network sees it.

        Args:
            image: uint8 (H, W, channels) of any size.

        Returns:
            uint8 (channels, h, w): scaled as the settings say and, where it is seen whole, in a
            frame of :attr:`size`.
        """
        config = self.settings.images
        seen = resize(image, scaled_shape(image.shape[:2], config.size, config.resize))
        if not config.cropped:
            seen = fill(seen, config.size)
        return torch.from_numpy(seen).permute(2, 0, 1)

    def _judge(self, image: Pixels) -> Judged:
        """Score and map of an image in its own shape."""
        config, own = self.settings.images, image.shape[:2]
        found = self.maps(self.prepare(image)[None])
        if not config.cropped:
            shape = scaled_shape(own, config.size, config.resize)
            rows, columns = window_in(config.size, shape).slices
            found = found[:, rows, columns]
        score = float(self.image_score(found))
        return Judged(score, enlarge(found[None], own)[0, 0].numpy())

    def score_as_published(self, images: Tensor) -> Scored | None:
        """The centre crop of objects (Section 4.1), with zeros around its map."""
        config = self.settings.images
        if self.size == config.crop or config.cropped:  # the whole image is judged there, too
            return None
        maps = self.maps(center_crop(images, config))
        return Scored(self.image_score(maps), _pad(maps, config))

    @property
    def any_size(self) -> bool:
        """See :attr:`Detector.any_size`; not where images of any shape are put into one frame."""
        return self.settings.images.cropped

    @torch.inference_mode()
    def maps(self, images: Tensor) -> Tensor:
        """Anomaly maps of images of any one size; nothing is resized.

        Images that are too large for the memory of one pass (:data:`MEMORY` on a CPU, half of what
        is free on a GPU) are taken in tiles, whose maps differ from those of one pass by rounding
        alone. Beside that memory and the images there are the maps. Runs in float32 on every
        device, so that maps hardly depend on the machine.

        Args:
            images: uint8 (N, channels, H, W), H and W at least 32.

        Returns:
            float32 (N, H, W) on the CPU: 0 is normal; at most 1, except for continuous labels.

        Raises:
            InputError: wrong dtype, shape or number of channels, images smaller than that, or too
                little memory for one tile.
        """
        check_images(images, channels=(self.channels,))
        height, width = images.shape[2:]
        if min(height, width) < STRIDE:
            raise InputError(
                f"An image of {height} x {width} px is too small for a map at its own resolution, "
                f"which needs {STRIDE} px on each side; enlarge it, or leave it out."
            )
        result = torch.empty((len(images), height, width), dtype=torch.float32, device="cpu")
        count = min(len(images), _BATCH[self._device.type])
        most = min(self._room(), count * height * width)  # pixels at a time
        first = 0
        with _FULL_FLOAT32:
            while first < len(images):
                size = most // (height * width) if max(height, width) <= LARGEST else 0
                try:
                    if size:
                        part = self._maps(images[first : first + size])
                    else:
                        tiles = plan_tiles((height, width), most, self._reach)
                        part = tiled_map(self._maps, images[first], tiles)[None]
                except torch.OutOfMemoryError:
                    most //= 2  # the maps do not depend on it
                    continue
                result[first : first + len(part)] = part
                first += len(part)
        return result

    def deployable(self) -> tuple[nn.Module, dict[str, str]]:
        """See :meth:`Detector.deployable`."""
        height, width = ("height", "width") if self.any_size else self.size
        outputs = {"maps": f"float32 (N, {height}, {width})", "scores": "float32 (N)"}
        return _MapsAndScores(self.network, self.channels, self.image_score), outputs

    def _maps(self, batch: Tensor, window: Window | None = None) -> Tensor:
        """The maps of a batch, on the device where the copy to the CPU waits for them."""
        inputs = to_network_input(batch.to(self._device), self.settings.images)
        inputs = inputs.contiguous(memory_format=memory_format(self._device, "fp32"))
        maps: Tensor = self.network.predict(inputs, window)
        return maps[:, 0]

    def _room(self) -> int:
        """Pixels that there is memory for in one pass."""
        if self._device.type == "cpu":
            free = min(2 * MEMORY, available_memory())
        else:
            free, _ = torch.cuda.mem_get_info(self._device)
            # What torch keeps of what was freed.
            free += torch.cuda.memory_reserved(self._device)
            free -= torch.cuda.memory_allocated(self._device)
        return free // 2 // PIXEL_BYTES[self._device.type]


class _MapsAndScores(nn.Module):
    def __init__(self, network: EncoderDecoder, channels: int, image_score: ImageScore) -> None:
        super().__init__()
        self.network, self.image_score = network, image_score
        scale, shift = input_scale(channels)
        self.scale = nn.Buffer(scale[:, None, None])
        self.shift = nn.Buffer(shift[:, None, None])

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Maps, float32 (N, H, W), and scores, float32 (N,), of images."""
        maps = self.network.predict(pixels * self.scale + self.shift)[:, 0]
        return maps, self.image_score(maps)


def load(run: NetworkRun, device: str | torch.device = "auto") -> NetworkDetector:
    """The detector of a finished run.

    Args:
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        InputError: the run has not finished, or there is no such device.
    """
    run.need_model()
    settings = run.settings
    unbounded = settings.synthesis.unbounded
    network = EncoderDecoder(settings.images.channels, "relu" if unbounded else "sigmoid")
    load_model(run.model, network)
    return NetworkDetector(network, settings, choose_device(device), read_score(run.model))


def check_shape(config: ImageConfig, shape: tuple[int, int]) -> None:
    """Check that images of a (height, width) can be judged by a network of these settings.

    Raises:
        InputError: see :meth:`Detector.check_shape`.
    """
    least = STRIDE if config.cropped else LARGEST_BOX
    if min(scaled_shape(shape, config.size, config.resize)) < least:
        raise InputError(
            f"is {shape[1]} x {shape[0]} px, and the detector needs at least {least} px on each "
            "side at the resolution that it is trained at."
        )


def _pad(maps: Tensor, config: ImageConfig) -> Tensor:
    """Zeros around the maps of centre crops, so that they cover the whole image again."""
    (height, width), (rows, columns) = config.size, config.crop
    top, left = round((height - rows) / 2), round((width - columns) / 2)
    return F.pad(maps, (left, width - columns - left, top, height - rows - top))


class _FullFloat32:
    """Arithmetic on a GPU without TF32, whose 10 bits would make maps depend on the machine.

    The switches are those of the whole process: of threads inside at the same time the first sets
    them, and the last puts them back.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._before: list[tuple[Any, str, bool | str]] = []

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = self._switch()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                for owner, name, value in self._before:
                    setattr(owner, name, value)

    @staticmethod
    def _switch() -> list[tuple[Any, str, bool | str]]:
        """Set the switches; how they were before."""
        owners: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
        name: str = "allow_tf32"
        full: bool | str = False
        # The old switches cannot be read in a program that has set those which replace them.
        if hasattr(torch.backends.cudnn, "conv"):
            owners = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
            name, full = "fp32_precision", "ieee"
        before = [(owner, name, getattr(owner, name)) for owner in owners]
        for owner in owners:
            setattr(owner, name, full)
        return before


_FULL_FLOAT32 = _FullFloat32()
