"""A Gaussian detector as one module: from pixels to maps and scores, or to their distances."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

from nsa.detectors.gaussian.settings import GaussianSettings
from nsa.detectors.gaussian.storage import packed
from nsa.detectors.hidden import places
from nsa.gaussian.detector import GaussianDetector
from nsa.gaussian.features import see
from nsa.gaussian.heat_maps import heat_maps, image_scores
from nsa.gaussian.map_model import MapModel, grid_distances, positions_within
from nsa.graphs.kept import Graph
from nsa.images.ignored import GREY


class Distances(nn.Module):
    """From images to their distances from normal ones."""

    def __init__(
        self, gaussian: GaussianDetector, heat_map: MapModel, size: tuple[int, int]
    ) -> None:
        super().__init__()
        assert gaussian.extractor is not None
        self.network = gaussian.extractor.network
        self.size, self.grid, self.map_scale = size, heat_map.grid, heat_map.scale
        scale, shift = self.network.scaling.of_pixels()
        self.scale = nn.Buffer(scale[:, None, None])
        self.shift = nn.Buffer(shift[:, None, None])
        self.means = nn.ParameterList(level.mean for level in gaussian.levels)
        self.whitenings = nn.ParameterList(level.whitening() for level in gaussian.levels)
        self.map_mean = nn.Buffer(heat_map.mean)
        self.map_whitening = nn.Buffer(heat_map.whitening)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of whole images, of positions, and as maps.

        Args:
            images: (N, channels, *size), from 0 to 255.

        Returns:
            float64 (N, levels), float32 (N, rows, columns) of the grid, and float32 (N, *size).
        """
        pixels = images.to(torch.float32) * self.scale + self.shift
        features, positions = see(self.network, pixels, self.grid)
        parts = zip(features, self.means, self.whitenings, strict=True)
        levels = [
            ((values.double() - mean) @ whitening).square().sum(1).sqrt()
            for values, mean, whitening in parts
        ]
        distances = grid_distances(positions, self.map_mean, self.map_whitening, self.map_scale)
        return torch.stack(levels, 1), distances, heat_maps(distances, self.size)


class MapsAndScores(nn.Module):
    """What :meth:`nsa.detectors.detector.Detector.deployable` gives of a Gaussian detector.

    Args:
        hidden: bool (1, H, W), True where pixels do not count.
    """

    def __init__(
        self,
        gaussian: GaussianDetector,
        heat_map: MapModel,
        settings: GaussianSettings,
        hidden: Tensor | None = None,
    ) -> None:
        super().__init__()
        within = None if hidden is None else positions_within(hidden, heat_map.grid)[0]
        self.hidden = None if hidden is None else nn.Buffer(hidden)
        self.kept = None if within is None else nn.Buffer(places(within))
        self.distances = Distances(gaussian, heat_map, settings.size)
        self.score = settings.gaussian.score

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Maps, float32 (N, H, W), and scores, float64 (N,), of images."""
        if self.hidden is not None:
            pixels = pixels.masked_fill(self.hidden[:, None], GREY)
        levels, distances, maps = self.distances(pixels)
        counted = distances
        if self.kept is not None:
            counted = distances.flatten(1)[:, None, self.kept]
        scores = image_scores(levels, counted, self.score)
        return maps if self.hidden is None else maps.masked_fill(self.hidden, 0.0), scores


def graph_of(
    gaussian: GaussianDetector, heat_map: MapModel, size: tuple[int, int], channels: int
) -> Graph:
    """The distances of images for another runtime."""
    shape = 2, channels, *size
    tensors, values = packed(gaussian)
    images = torch.randint(256, shape, dtype=torch.uint8, device="cpu")
    return Graph(
        module=functools.partial(Distances, gaussian, heat_map, size),
        example=(images,),
        axes=({0: torch.export.Dim("images", min=1)},),
        inputs=("images",),
        outputs=("levels", "distances", "maps"),
        tensors=tensors,
        about=repr(values),
    )
