"""Maps of images from distances on a grid, and the scores of images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F  # noqa: N812

from nsa.gaussian.heat_maps import heat_maps, image_scores


@pytest.mark.parametrize("size", [(64, 64), (33, 120), (1, 8)])
def test_maps_are_smoothed(size: tuple[int, int], fresh_seed: int) -> None:
    rng = torch.Generator().manual_seed(fresh_seed)
    distances = torch.rand(3, 8, 8, generator=rng)
    maps = heat_maps(distances, size)
    plain = F.interpolate(distances[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    expected = [gaussian_filter(one, 4.0, mode="nearest", truncate=3.0) for one in plain.numpy()]
    np.testing.assert_allclose(maps, np.stack(expected), rtol=1e-4, atol=1e-5)


def test_a_flat_map_stays_flat() -> None:
    torch.testing.assert_close(heat_maps(torch.full((1, 4, 4), 3.0), (40, 50)),
                               torch.full((1, 40, 50), 3.0))  # fmt: skip


def test_scores() -> None:
    levels = torch.tensor([[1.0, 3.0], [4.0, 12.0]], dtype=torch.float64)
    distances = torch.zeros(2, 10, 30)
    distances[0, 3, 4:7] = torch.tensor([9.0, 8.0, 7.0])  # the highest percent of 300
    distances[1, :, :] = 1.0
    assert image_scores(levels, distances, "levels").tolist() == [4.0, 16.0]
    assert image_scores(levels, distances, "map").tolist() == [8.0, 1.0]
    both = image_scores(levels, distances, "both")
    torch.testing.assert_close(both, torch.tensor([32.0, 16.0]).double().sqrt())
    assert image_scores(levels, distances[:, :1, :1] + 2, "map").tolist() == [2.0, 3.0]
