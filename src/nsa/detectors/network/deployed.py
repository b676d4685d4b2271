"""A network as one module, from pixels to maps and scores, as it is exported."""

from __future__ import annotations

from torch import Tensor, nn

from nsa.detectors.hidden import places
from nsa.detectors.network.image_score import ImageScore
from nsa.images.ignored import GREY
from nsa.images.network_input import input_scale
from nsa.model import EncoderDecoder


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
