"""A trained network with its settings: images in, anomaly maps and scores out."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nsa._native.layout import check_images
from nsa.detectors.detector import Detector, Judged, Pixels, Scored, enlarge
from nsa.detectors.network.deployed import MapsAndScores, graph_of, place_in
from nsa.detectors.network.folder import NetworkRun
from nsa.detectors.network.image_score import LARGEST_BOX, MEAN, ImageScore, read_score
from nsa.detectors.network.settings import NetworkSettings
from nsa.errors import InputError
from nsa.graphs.kept import open_kept
from nsa.graphs.session import Session
from nsa.images import center_crop, resize, to_network_input
from nsa.images.frame import fill, scaled_shape, window_in
from nsa.images.ignored import as_seen, paint
from nsa.images.masks import Mask
from nsa.model import EncoderDecoder
from nsa.model.encoder_decoder import STRIDE
from nsa.model.folded_network import FoldedNetwork
from nsa.model.layers import Window
from nsa.model.tiling import LARGEST, plan_tiles, reach, tiled_map
from nsa.model.weights import Undrawn, load_model
from nsa.settings.config import ImageConfig, middle
from nsa.system.device import choose_device, memory_format, torch_threads
from nsa.system.float32 import FULL_FLOAT32
from nsa.system.memory import available_memory
from nsa.system.pace import Pace

_BATCH = {"cpu": 16, "cuda": 64}  # images at a time, at most: what keeps either busy
MEMORY = 3 << 30
"""Bytes that a pass of the network may take on a CPU, where so many and as many again are free."""
_SHORT = 1 << 20  # pixels of a pass for which the number of threads is found out
_LITTLE = 1 << 16  # pixels: a pass that takes some MB, for which nobody asks what memory is free
PIXEL_BYTES = {"cpu": 112, "cuda": 192}
"""Bytes that a pass takes for each pixel of colour images, float32, rounded up.

On a CPU (x86-64, AVX-512) it was 61 to 96 from 1,000 px a side on, the most where the C library
keeps freed memory, as it does for the commands. On a GPU it depends on the algorithms that cuDNN
chooses; what turns out too much is tried again with less.
"""


class NetworkDetector(Detector):
    """Finds anomalies by a network that was trained on synthetic ones.

    Attributes:
        settings: the settings of its run.
        image_score: what of its map is the score of an image.
        network: what finds the anomalies, in evaluation mode. On a CPU the first maps take a copy
            of its weights; what becomes of them later is not seen.
    """

    def __init__(
        self,
        network: EncoderDecoder,
        settings: NetworkSettings,
        device: torch.device,
        image_score: ImageScore = MEAN,
    ) -> None:
        self.network = network.to(device, memory_format=memory_format(device, "fp32")).eval()  # type: ignore[call-overload]
        self._device, self._pace = device, Pace()
        self._folded: FoldedNetwork | None = None
        self._session: Session | None = None
        self._reach = reach(network)
        self.settings, self.image_score = settings, image_score
        self.size, self.resize = settings.test_size, settings.images.resize
        self.channels, self.levels = settings.images.channels, settings.images.levels
        self.default_fpr = settings.training.fpr
        self._framed = not settings.images.cropped
        # Continuous maps are in grey levels, of which y0 counts half in the logistic label; all
        # others end at 1.
        synthesis = settings.synthesis
        self.map_range = (0.0, 2 * synthesis.label_midpoint if synthesis.unbounded else 1.0)

    def score(self, images: Tensor, ignored: Tensor | None = None) -> Scored:
        """See :meth:`Detector.score`."""
        hidden = self.hidden(ignored)
        return self._scored(self.maps(paint(images, hidden)), hidden)

    def _scored(self, maps: Tensor, hidden: Tensor | None) -> Scored:
        # By one thread where that is quick, so that sums are the same for any number.
        with torch_threads(1 if maps.numel() <= _SHORT else None):
            if hidden is None:
                return Scored(self.image_score(maps), maps)
            maps = maps.masked_fill(hidden, 0.0)
            return Scored(self.image_score.of_rest(maps, hidden), maps)

    def check_shape(self, shape: tuple[int, int]) -> None:
        """See :meth:`Detector.check_shape`."""
        super().check_shape(shape)
        check_shape(self.settings.images, shape)

    def judge(
        self, images: Sequence[Pixels], ignored: Sequence[Mask | None] | None = None
    ) -> list[Judged]:
        """See :meth:`Detector.judge`; images of their own shape are judged in it."""
        if self.resize == "stretch":
            return super().judge(images, ignored)
        self._check_images(images)
        masks = [None] * len(images) if ignored is None else ignored
        return [self._judge(image, mask) for image, mask in zip(images, masks, strict=True)]

    def prepare(self, image: Pixels) -> Tensor:
        """See :meth:`Detector.prepare`.

        Scaled as the settings say and, where an image is seen whole, in a frame of :attr:`size`.
        """
        config = self.settings.images
        seen = resize(image, scaled_shape(image.shape[:2], config.size, config.resize))
        if not config.cropped:
            seen = fill(seen, config.size)
        return torch.from_numpy(seen).permute(2, 0, 1)

    def hidden_of(self, mask: Mask | None = None) -> Tensor | None:
        """What does not count of an image in its own shape, as :meth:`prepare` gives the image.

        Args:
            mask: uint8 0/1 (H, W), what does not count beside what :meth:`ignore` said.

        Returns:
            bool (h, w); None: everything counts.
        """
        own = self._own_hidden()
        if mask is None:
            return None if own is None else own[0]
        config = self.settings.images
        seen = as_seen(mask, config.size, config.resize, framed=self._framed)
        return seen if own is None else seen | own[0]

    def _judge(self, image: Pixels, mask: Mask | None = None) -> Judged:
        """Score and map of an image in its own shape."""
        config, own, hidden = self.settings.images, image.shape[:2], self.hidden_of(mask)
        masks = None if hidden is None else hidden[None]
        found = self.maps(paint(self.prepare(image)[None], masks))
        if not config.cropped:
            shape = scaled_shape(own, config.size, config.resize)
            rows, columns = window_in(config.size, shape).slices
            found = found[:, rows, columns]
            masks = None if masks is None else masks[:, rows, columns]
        scored = self._scored(found, masks)
        return Judged(float(scored.scores), enlarge(scored.maps[None], own)[0, 0].numpy())

    def score_as_published(self, images: Tensor, ignored: Tensor | None = None) -> Scored | None:
        """The centre crop of objects (Section 4.1), with zeros around its map."""
        config = self.settings.images
        if self.size == config.crop or config.cropped:  # the whole image is judged there, too
            return None
        hidden = self.hidden(ignored)
        maps = self.maps(center_crop(paint(images, hidden), config))
        if hidden is not None:
            (rows, columns), (height, width) = config.crop, config.size
            top, left = middle(height, rows), middle(width, columns)
            hidden = hidden[:, top : top + rows, left : left + columns]
            if hidden.flatten(1).all(1).any():  # nothing is left that a crop's score could be of
                return None
        scored = self._scored(maps, hidden)
        return Scored(scored.scores, _pad(scored.maps, config))

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
        most = count * height * width  # pixels at a time
        if most > _LITTLE:
            most = min(most, self._room())
        first = 0
        with FULL_FLOAT32:
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
                if len(part) == len(images) and part.device.type == "cpu":
                    return part.contiguous()
                result[first : first + len(part)] = part
                first += len(part)
        return result

    def deployable(self) -> tuple[nn.Module, dict[str, str]]:
        """See :meth:`Detector.deployable`."""
        height, width = ("height", "width") if self.any_size else self.size
        outputs = {"maps": f"float32 (N, {height}, {width})", "scores": "float32 (N)"}
        hidden = None
        if self.ignored is not None:
            if self.any_size:
                raise InputError(
                    f"The mask {self.ignored.source} of what is ignored has one size, and the file "
                    "would take images of any; only detectors that see whole images at one size "
                    "are exported with a mask, so train without --crop or --size."
                )
            hidden = self.hidden()
        return MapsAndScores(self.network, self.channels, self.image_score, hidden), outputs

    def use_onnxruntime(self, folder: Path) -> None:
        """See :meth:`Detector.use_onnxruntime`."""
        self._session = open_kept(folder, graph_of(self.network, self.settings))

    def _maps(self, batch: Tensor, window: Window | None = None) -> Tensor:
        """The maps of a batch, on the device where the copy to the CPU waits for them."""
        if self._device.type != "cpu":
            inputs = to_network_input(batch.to(self._device), self.settings.images)
            inputs = inputs.contiguous(memory_format=memory_format(self._device, "fp32"))
            found: Tensor = self.network.predict(inputs, window)
            return found[:, 0]
        work = functools.partial(self._maps_on_cpu, batch, window)
        pixels = batch.shape[0] * batch.shape[2] * batch.shape[3]
        return self._pace.run(work, pixels) if pixels <= _SHORT else work()

    def _maps_on_cpu(self, batch: Tensor, window: Window | None) -> Tensor:
        if self._session is not None:
            height, width = batch.shape[2:]
            [found] = self._session(batch, place_in((height, width), window))
            return found
        if self._folded is None:
            self._folded = FoldedNetwork(self.network)
        inputs = to_network_input(batch, self.settings.images)
        maps: Tensor = self._folded.predict(inputs, window)
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


def load(run: NetworkRun, device: str | torch.device = "auto") -> NetworkDetector:
    """The detector of a finished run.

    Args:
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        InputError: the run has not finished, or there is no such device.
    """
    run.need_model()
    settings = run.settings
    with Undrawn():
        network = EncoderDecoder(
            settings.images.channels,
            "relu" if settings.synthesis.unbounded else "sigmoid",
            settings.training.skips,
        )
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
