"""The grid of features that heat maps are made of."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from nsa.errors import InputError
from nsa.gaussian import FeatureExtractor
from nsa.gaussian.feature_grid import MOST_POSITIONS, FeatureGrid, resampling, usual_levels
from nsa.model.backbones import find_network


@pytest.mark.parametrize(
    ("name", "levels", "features"),
    [
        ("efficientnet_lite0", (3, 4, 5), 24 + 40 + 80),
        ("efficientnet_b4", (3, 4, 5), 160),
        ("resnet18", (2, 3, 4), 160),
    ],
)
def test_the_usual_levels_of_strides_4_8_and_16(
    name: str, levels: tuple[int, ...], features: int
) -> None:
    grid = FeatureGrid.choose(find_network(name), (224, 160))
    assert (grid.levels, grid.features, grid.sides) == (levels, features, (28, 20))
    assert all(torch.equal(kept, kept.unique()) for kept in grid.kept)


def test_levels_of_networks_without_these_strides() -> None:
    assert usual_levels((2, 2, 4, 16, 16, 32)) == [3, 4]
    assert usual_levels((14, 14, 14)) == [1]
    assert usual_levels((32, 64)) == [1]


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        ((256, 256), (32, 32)),
        ((448, 448), (28, 28)),
        ((448, 225), (28, 15)),
        ((32, 32), (4, 4)),
        ((1, 9), (1, 2)),
        ((8192, 8192), (32, 32)),
    ],
)
def test_a_position_is_8_pixels_or_more_where_there_would_be_too_many(
    size: tuple[int, int], sides: tuple[int, int]
) -> None:
    grid = FeatureGrid.choose(find_network("efficientnet_lite0"), size)
    assert grid.sides == sides
    assert sides[0] * sides[1] <= MOST_POSITIONS


def test_the_seed_chooses_among_too_many_channels() -> None:
    network = find_network("resnet18")
    one, same, other = (
        FeatureGrid.choose(network, (64, 64), levels=(2, 5), features=50, seed=seed)
        for seed in (3, 3, 4)
    )
    assert one.features == 50
    assert all(torch.equal(a, b) for a, b in zip(one.kept, same.kept, strict=True))
    assert not torch.equal(torch.cat(one.kept), torch.cat(other.kept))
    single = FeatureGrid.choose(network, (64, 64), levels=(2, 5), features=1)
    assert (len(single.levels), single.features) == (1, 1)


def test_levels_that_there_are_not() -> None:
    for levels in ((0,), (6,), ()):
        with pytest.raises(InputError, match="must be from 1 to 5, those of resnet18"):
            FeatureGrid.choose(find_network("resnet18"), (64, 64), levels=levels)


@pytest.mark.parametrize(("before", "after"), [(56, 28), (7, 7), (12, 5), (1, 1), (13, 1)])
def test_cells_are_averaged(before: int, after: int) -> None:
    values = torch.randn(before, dtype=torch.float64)
    fine = values.repeat_interleave(after)  # every new cell is a whole number of these
    expected = fine.reshape(after, before).mean(1)
    torch.testing.assert_close(resampling(before, after).double() @ values, expected, atol=1e-6,
                               rtol=1e-6)  # fmt: skip


@pytest.mark.parametrize(("before", "after"), [(14, 28), (7, 28), (1, 4), (5, 12)])
def test_smaller_cells_are_bilinear(before: int, after: int) -> None:
    values = torch.randn(1, 1, before)
    expected = F.interpolate(values, after, mode="linear", align_corners=False)[0, 0]
    torch.testing.assert_close(resampling(before, after) @ values[0, 0], expected)


def test_features_are_those_of_the_levels(extractor: FeatureExtractor) -> None:
    images = torch.randint(0, 256, (3, 3, 64, 96), dtype=torch.uint8)
    grid = FeatureGrid.choose(extractor.network.entry, (64, 96), features=1000)
    assert grid.sides == (8, 12)
    features, positions = extractor.see(images, grid)
    plain = extractor.batch(images)
    assert all(torch.equal(a, b) for a, b in zip(features, plain, strict=True))
    # The second of the levels, of stride 8, lies on the grid as it is; of the others the mean stays
    # where cells are whole.
    first, second, _ = positions.split([64, 128, 256], 1)
    torch.testing.assert_close(second.mean((2, 3)), plain[2])
    torch.testing.assert_close(first.mean((2, 3)), plain[1])
