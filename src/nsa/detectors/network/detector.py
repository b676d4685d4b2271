"""A trained network with its settings: images in, anomaly maps and scores out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nsa.detectors.detector import Detector, Judged, Pixels, Scored, enlarge
from nsa.detectors.network.folder import NetworkRun
from nsa.detectors.network.settings import NetworkSettings
from nsa.errors import InputError
from nsa.images import center_crop, resize, to_network_input
from nsa.images.frame import fill, scaled_shape, window_in
from nsa.images.network_input import input_scale
from nsa.model import EncoderDecoder
from nsa.model.weights import load_model
from nsa.settings.config import ImageConfig
from nsa.system.device import choose_device, memory_format

_LEAST_SIDE = 32  # px: what the encoder makes one position of
_BATCH = {"cpu": 16, "cuda": 64}  # images at a time: what keeps either busy


class NetworkDetector(Detector):
    """Finds anomalies by a network that was trained on synthetic ones.

    Attributes:
        settings: the settings of its run.
        network: what finds the anomalies, in evaluation mode.
    """

    def __init__(
        self, network: EncoderDecoder, settings: NetworkSettings, device: torch.device
    ) -> None:
        self.network = network.to(device, memory_format=memory_format(device, "fp32")).eval()  # type: ignore[call-overload]
        self._device = device
        self.settings = settings
        self.size, self.resize = settings.test_size, settings.images.resize
        self.channels, self.levels = settings.images.channels, settings.images.levels
        # Continuous maps are in grey levels, of which y0 counts half in the logistic label; all
        # others end at 1.
        synthesis = settings.synthesis
        self.map_range = (0.0, 2 * synthesis.label_midpoint if synthesis.unbounded else 1.0)

    def score(self, images: Tensor) -> Scored:
        """See :meth:`Detector.score`; the score of an image is the mean of its map."""
        maps = self.maps(images)
        return Scored(image_scores(maps), maps)

    def judge(self, images: Sequence[Pixels]) -> list[Judged]:
        """See :meth:`Detector.judge`; images of their own shape are judged in it."""
        if self.resize == "stretch":
            return super().judge(images)
        return [self._judge(image) for image in images]

    def _judge(self, image: Pixels) -> Judged:
        """Score and map of an image in its own shape."""
        config, own = self.settings.images, image.shape[:2]
        shape = scaled_shape(own, config.size, config.resize)
        seen = resize(image, shape)
        if not config.cropped:
            seen = fill(seen, config.size)
        if min(seen.shape[:2]) < _LEAST_SIDE:
            raise InputError(
                f"An image of {own[1]} x {own[0]} px is judged at {shape[1]} x {shape[0]} px, and "
                f"the network needs at least {_LEAST_SIDE} px a side; leave it out."
            )
        found = self.maps(torch.from_numpy(seen).permute(2, 0, 1)[None])
        if not config.cropped:
            rows, columns = window_in(config.size, shape).slices
            found = found[:, rows, columns]
        score = float(image_scores(found))
        return Judged(score, enlarge(found[None], own)[0, 0].numpy())

    def score_as_published(self, images: Tensor) -> Scored | None:
        """The centre crop of objects (Section 4.1), with zeros around its map."""
        config = self.settings.images
        if self.size == config.crop or config.cropped:  # the whole image is judged there, too
            return None
        maps = self.maps(center_crop(images, config))
        return Scored(image_scores(maps), _pad(maps, config))

    @torch.inference_mode()
    def maps(self, images: Tensor) -> Tensor:
        """Anomaly maps of images of any one size; nothing is resized.

        Runs in float32 on every device, so that maps hardly depend on the machine.

        Args:
            images: uint8 (N, channels, H, W), H and W at least 32.

        Returns:
            float32 (N, H, W) on the CPU: 0 is normal; at most 1, except for continuous labels.
        """
        size = _BATCH[self._device.type]
        result = torch.empty((len(images), *images.shape[2:]), dtype=torch.float32, device="cpu")
        first = 0
        with _FULL_FLOAT32:
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

    def deployable(self) -> tuple[nn.Module, dict[str, str]]:
        """See :meth:`Detector.deployable`."""
        height, width = self.size
        outputs = {"maps": f"float32 (N, {height}, {width})", "scores": "float32 (N)"}
        return _MapsAndScores(self.network, self.channels), outputs

    def _maps(self, batch: Tensor) -> Tensor:
        """The maps of a batch, on the device where the copy to the CPU waits for them."""
        inputs = to_network_input(batch.to(self._device), self.settings.images)
        inputs = inputs.contiguous(memory_format=memory_format(self._device, "fp32"))
        maps: Tensor = self.network.predict(inputs)
        return maps[:, 0]


class _MapsAndScores(nn.Module):
    def __init__(self, network: EncoderDecoder, channels: int) -> None:
        super().__init__()
        self.network = network
        scale, shift = input_scale(channels)
        self.scale = nn.Buffer(scale[:, None, None])
        self.shift = nn.Buffer(shift[:, None, None])

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Maps, float32 (N, H, W), and scores, float32 (N,), of images."""
        maps = self.network.predict(pixels * self.scale + self.shift)[:, 0]
        return maps, image_scores(maps)


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
    return NetworkDetector(network, settings, choose_device(device))


def image_scores(maps: Tensor) -> Tensor:
    """The score of an image, the mean of its map: (N, ...) -> float32 (N,)."""
    return maps.flatten(1).mean(1)


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
