"""Tiles against one pass over the whole image, and the plans of tiles."""

from __future__ import annotations

import copy
import functools
import random

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nsa.errors import InputError
from nsa.model import EncoderDecoder, Forms
from nsa.model.layers import Window
from nsa.model.tiling import LARGEST, Span, Tile, plan_tiles, reach, tiled_map

TOLERANCE = 5e-6  # of maps from 0 to 1
ALL = Forms(stem=True, decoder=True, upsampling=True, head=True)


@functools.cache
def trained(skips: bool, seed: int) -> EncoderDecoder:
    """Trained a little, so that its batch normalisation has statistics and its maps a contrast."""
    torch.manual_seed(seed)
    model = EncoderDecoder(skips=skips)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(12):
        labels = (F.interpolate(torch.rand(8, 1, 4, 4), size=64) > 0.7).float()
        x = torch.randn(8, 3, 64, 64) + 2 * labels
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(x), labels).backward()
        optimizer.step()
    return model.eval()


@pytest.fixture
def network(fresh_seed: int) -> EncoderDecoder:
    return trained(False, fresh_seed)


@pytest.fixture
def draw(fresh_seed: int, request: pytest.FixtureRequest) -> random.Random:
    return random.Random(f"{fresh_seed} {request.node.name}")


def picture(draw: random.Random, size: tuple[int, int]) -> Tensor:
    """uint8 (3, H, W): noise with spots such as the network was trained on."""
    torch.manual_seed(draw.randrange(2**32))
    spots = F.interpolate(torch.rand(1, 1, *(1 + side // 16 for side in size)), size=size)[0]
    return (100 + 20 * torch.randn(3, *size) + 40 * (spots > 0.7)).clamp(0, 255).to(torch.uint8)


@torch.inference_mode()
def tiled_and_whole(
    network: EncoderDecoder, image: Tensor, tiles: list[Tile]
) -> tuple[Tensor, Tensor]:
    def predict(pixels: Tensor, window: Window | None = None) -> Tensor:
        scaled = (pixels.to(network.head.weight.dtype) - 100) / 20
        return network.predict(scaled, window)[:, 0]

    return tiled_map(predict, image, tiles), predict(image[None])[0]


@pytest.mark.parametrize("forms", [None, ALL], ids=str)
@pytest.mark.parametrize(("lying", "skips"), [(True, False), (False, True)])
def test_strips_have_no_seams(
    draw: random.Random, fresh_seed: int, lying: bool, skips: bool, forms: Forms | None
) -> None:
    """In float64, but for the maps themselves."""
    network = copy.deepcopy(trained(skips, fresh_seed)).double()
    network.forms = forms
    size = draw.randrange(32, 100), draw.randrange(1300, 2300)
    size = size if lying else size[::-1]
    tiles = plan_tiles(size, draw.randrange(900, 1250) * (32 * -(-min(size) // 32)), reach(network))
    assert len(tiles) > 1
    tiled, whole = tiled_and_whole(network, picture(draw, size), tiles)
    assert whole.max() - whole.min() > 0.02
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-7, msg=lambda m: f"{size}: {m}")


def test_an_image_has_no_seams(network: EncoderDecoder, draw: random.Random) -> None:
    size = draw.randrange(900, 1100), draw.randrange(900, 1100)
    tiles = plan_tiles(size, 864 * 864, reach(network))
    assert len(tiles) == 4
    tiled, whole = tiled_and_whole(network, picture(draw, size), tiles)
    torch.testing.assert_close(tiled, whole, rtol=0, atol=TOLERANCE, msg=lambda m: f"{size}: {m}")


def test_a_smaller_overlap_shows_seams(network: EncoderDecoder, draw: random.Random) -> None:
    """So the tests above would see one."""
    size = 64, 1400
    tiles = plan_tiles(size, 64 * 480, 60)
    tiled, whole = tiled_and_whole(network, picture(draw, size), tiles)
    assert (tiled - whole).abs().max() > 10 * TOLERANCE


@pytest.mark.parametrize(("axis", "skips"), [(2, False), (3, True)])
def test_reach_is_that_of_gradients(axis: int, skips: bool) -> None:
    """In float64: which pixels have a part in a pixel of the map, for all 32 places in the grid."""
    network = EncoderDecoder(skips=skips).double().eval()
    size = [32, 32]
    size[axis - 2] = 704
    x = torch.randn(1, 3, *size, dtype=torch.float64, requires_grad=True)
    lines = network(x).sum(5 - axis).flatten()
    furthest = 0
    for line in range(352, 384):
        (gradient,) = torch.autograd.grad(lines[line], x, retain_graph=True)
        (places,) = gradient.abs().amax((0, 1, 5 - axis)).nonzero(as_tuple=True)
        furthest = max(furthest, line - int(places[0]), int(places[-1]) - line)
    assert 0 <= reach(network) - furthest < 16


def test_plans_cover_every_pixel_once(draw: random.Random) -> None:
    for _ in range(300):
        size = draw.randrange(1, 20_001), draw.randrange(1, 20_001)
        margin = draw.randrange(1, 320)
        most = draw.randrange(960 * 960, LARGEST**2)
        tiles = plan_tiles(size, most, margin)
        covered = 0
        for tile in tiles:
            pixels = 1
            for span, side in zip(tile, size, strict=True):
                assert span.begin % 32 == 0
                assert 0 <= span.begin <= span.first < span.last <= span.end <= side
                assert span.first == 0 if span.begin == 0 else span.first - span.begin >= margin
                assert span.last == side if span.end == side else span.end - span.last >= margin
                assert span.end - span.begin <= LARGEST
                pixels *= span.end - span.begin
            assert pixels <= most
            covered += (tile.rows.last - tile.rows.first) * (tile.columns.last - tile.columns.first)
        assert covered == size[0] * size[1]
        rows, columns = {tile.rows for tile in tiles}, {tile.columns for tile in tiles}
        assert len(tiles) == len(rows) * len(columns)
        for spans, side in ((rows, size[0]), (columns, size[1])):
            ends = sorted((span.first, span.last) for span in spans)
            assert [first for first, _ in ends] == [0, *(last for _, last in ends[:-1])]
            assert ends[-1][1] == side


def test_an_image_that_fits_is_one_tile() -> None:
    whole = Tile(Span(0, 700, 0, 700), Span(0, 999, 0, 999))
    assert plan_tiles((700, 999), 704 * 1024, 280) == [whole]
    assert len(plan_tiles((700, 999), 704 * 1024 - 1, 280)) > 1


def test_large_images_are_computed_little_more_than_once() -> None:
    tiles = plan_tiles((9000, 12_000), LARGEST**2, 280)
    computed = sum((r.end - r.begin) * (c.end - c.begin) for r, c in tiles)
    assert computed / (9000 * 12_000) < 1.3


def test_too_little_memory_for_a_tile_is_said() -> None:
    with pytest.raises(InputError, match=r"one image of 5000 x 70 px: a tile .* at least 82944 px"):
        plan_tiles((5000, 70), 80_000, 280)


def test_a_window_begins_in_the_grid(network: EncoderDecoder) -> None:
    with pytest.raises(InputError, match="multiples of 32 px"):
        network.predict(torch.zeros(1, 3, 64, 64), Window(0, 16, 64, 80))
