"""A network as one module: from pixels to maps and scores, as it is exported, and to maps alone."""

from __future__ import annotations

import functools
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nsa.detectors.hidden import places
from nsa.detectors.network.image_score import ImageScore
from nsa.detectors.network.settings import NetworkSettings
from nsa.graphs.kept import Graph
from nsa.images.ignored import GREY
from nsa.images.network_input import input_scale
from nsa.model import EncoderDecoder
from nsa.model.encoder_decoder import STRIDE, cover, place_of
from nsa.model.layers import HEAD_MARGIN, Window, as_convolution, part_of_interpolation

_EXAMPLE = 90, 170  # px, of what is traced: nothing special


class MapsAndScores(nn.Module):
    """What :meth:`nsa.detectors.detector.Detector.deployable` gives of a network.

    Args:
        network: in evaluation mode.
        channels: of the images.
        image_score: what of its map is the score of an image.
        hidden: bool (1, H, W), True where pixels do not count.
    """

    def __init__(
        self,
        network: EncoderDecoder,
        channels: int,
        image_score: ImageScore,
        hidden: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.hidden = None if hidden is None else nn.Buffer(hidden)
        self.kept = None if hidden is None else nn.Buffer(places(hidden[0]))
        self.network, self.image_score = network, image_score
        scale, shift = input_scale(channels)
        self.scale = nn.Buffer(scale[:, None, None])
        self.shift = nn.Buffer(shift[:, None, None])

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Maps, float32 (N, H, W), and scores, float32 (N,), of images."""
        if self.hidden is not None:
            pixels = pixels.masked_fill(self.hidden[:, None], GREY)
        maps = self.network.predict(pixels * self.scale + self.shift)[:, 0]
        if self.hidden is None or self.kept is None:
            return maps, self.image_score(maps)
        maps = maps.masked_fill(self.hidden, 0.0)
        if self.image_score.whole:
            return maps, self.image_score(maps)
        return maps, self.image_score(maps.flatten(1)[:, None, self.kept])


class Maps(nn.Module):
    """The maps of images of any size, and of tiles of larger ones."""

    def __init__(self, network: EncoderDecoder, channels: int) -> None:
        super().__init__()
        self.network = network
        scale, shift = input_scale(channels)
        self.scale = nn.Buffer(scale[:, None, None])
        self.shift = nn.Buffer(shift[:, None, None])
        # ONNX Runtime adds up what a transposed convolution writes by one thread. Phases of its one
        # output are what a pixel shuffle takes.
        weight, bias = network.head.weight.detach(), network.head.bias
        self.head_weight = nn.Buffer(as_convolution(weight))
        self.head_bias = nn.Buffer(cast(Tensor, bias).detach().repeat(4))

    def forward(self, images: Tensor, place: Tensor) -> Tensor:
        """Maps, float32 (N, H, W), of images, uint8 (N, channels, H, W).

        Args:
            place: as :func:`place_in` gives it.
        """
        pixels = images.to(torch.float32) * self.scale + self.shift
        forms = self.network.forms_on(pixels.device)
        features = self.network.features(pixels, forms)
        # Torch's own interpolation knows no place, and `enlarge` moves axes for it.
        down, across = (
            part_of_interpolation(
                place[axis, 0], features.shape[2 + axis], place[axis, 1], HEAD_MARGIN
            )
            for axis in (0, 1)
        )
        phases = F.conv2d(down @ features @ across.T, self.head_weight, self.head_bias)
        logits = F.pixel_shuffle(phases, 2)
        maps: Tensor = self.network.activate(cover(logits, (images.shape[2], images.shape[3])))
        return maps[:, 0]


def place_in(shape: tuple[int, int], window: Window | None = None) -> Tensor:
    """Where the features of an image or a tile lie, float32 (2, 2), see :data:`Place`.

    Args:
        shape: (height, width) of what the network is given.
        window: None: that is a whole image.
    """
    place = place_of(Window(0, 0, *shape) if window is None else window)
    return torch.tensor(place, dtype=torch.float32, device="cpu")


def graph_of(network: EncoderDecoder, settings: NetworkSettings) -> Graph:
    """The maps of a network for another runtime."""
    channels = settings.images.channels
    shape = 2, channels, *_EXAMPLE
    images = torch.randint(256, shape, dtype=torch.uint8, device="cpu")
    count = torch.export.Dim("images", min=1)
    sides = {axis: torch.export.Dim(f"side{axis}", min=STRIDE + 1) for axis in (2, 3)}
    return Graph(
        module=functools.partial(Maps, network, channels),
        example=(images, place_in(_EXAMPLE)),
        axes=({0: count, **sides}, None),
        inputs=("images", "place"),
        outputs=("maps",),
        tensors=network.state_dict(),
        about=network.activation,
        # Noise may have next to no map, in grey levels or shares of 1, and no less rounding for it.
        scale=1.0 if network.activation == "relu" else 0.01,
    )
