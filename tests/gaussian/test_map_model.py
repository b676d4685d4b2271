"""Gaussians of positions against their direct formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf
from torch import Tensor

from nsa.errors import InputError
from nsa.gaussian.feature_grid import FeatureGrid
from nsa.gaussian.map_model import MapModel, fit_map
from nsa.gaussian.map_moments import MapMoments

SIDES = (2, 3)
SIZE = 5


def a_grid(sides: tuple[int, int] = SIDES, size: int = SIZE) -> FeatureGrid:
    return FeatureGrid((1,), (torch.arange(size),), sides)


def moments_of(features: Tensor, batch: int = 7) -> MapMoments:
    moments = MapMoments(a_grid((features.shape[2], features.shape[3]), features.shape[1]))
    for part in features.split(batch):
        moments.add(part)
    return moments


def draw(count: int, seed: int, spread: float = 1.0) -> Tensor:
    """Correlated features whose mean differs between positions by ``spread``; far from zero."""
    rng = torch.Generator().manual_seed(seed)
    mixing = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(9))
    places = torch.randn(*SIDES, SIZE, generator=torch.Generator().manual_seed(8))
    values = torch.randn(count, *SIDES, SIZE, generator=rng) @ mixing + spread * places + 100
    return values.permute(0, 3, 1, 2)


def at_positions(features: Tensor) -> np.ndarray:
    """float64 (P, n, D)."""
    return features.flatten(2).permute(2, 0, 1).double().numpy()


@pytest.mark.parametrize("count", [2, 3, 40])
@pytest.mark.parametrize("batch", [1, 7, 100])
def test_streamed_moments_are_those_of_all_images(count: int, batch: int, fresh_seed: int) -> None:
    features = draw(count, fresh_seed)
    moments = moments_of(features, batch)
    assert [half.count for half in moments.halves] == [(count + 1) // 2, count // 2]
    for sums, rows in (
        (moments.total, slice(None)),
        (moments.halves[0], slice(0, None, 2)),
        (moments.halves[1], slice(1, None, 2)),
    ):
        values = at_positions(features[rows])
        centred = values - values.mean(1, keepdims=True)
        np.testing.assert_allclose(sums.mean() + moments.shift, values.mean(1), rtol=1e-12)
        covariance = centred.transpose(0, 2, 1) @ centred / values.shape[1]
        np.testing.assert_allclose(sums.covariance(), covariance, atol=1e-10)
        fourth = (centred**2).sum(2) ** 2
        np.testing.assert_allclose(sums.fourth(), fourth.mean(1), rtol=1e-7, atol=1e-8)
        other = np.arange(SIZE) + 99.0
        about = values - other
        np.testing.assert_allclose(
            sums.about((torch.from_numpy(other) - moments.shift).expand(6, -1)),
            about.transpose(0, 2, 1) @ about / values.shape[1], atol=1e-9,
        )  # fmt: skip
    pooled = at_positions(features).reshape(-1, SIZE)
    np.testing.assert_allclose(
        moments.total.pooled().covariance()[0], np.cov(pooled.T, bias=True), atol=1e-9
    )


def direct(train: Tensor, features: Tensor, aligned: bool) -> np.ndarray:
    """Unscaled distances (n, rows, columns) by an explicit inverse, in float64."""
    values, seen = at_positions(train), at_positions(features)
    if not aligned:
        values = values.reshape(1, -1, SIZE).repeat(len(seen), 0)
    floor = 0.1 * values.var(1).mean() if aligned else 0.0
    distances = []
    for one, other in zip(values, seen, strict=True):
        fitted = LedoitWolf().fit(one)
        extra = max(floor - fitted.shrinkage_ * one.var(0).mean(), 0.0)
        inverse = np.linalg.inv(fitted.covariance_ + extra * np.eye(SIZE))
        off = other - one.mean(0)
        distances.append(np.sqrt(np.einsum("nd,de,ne->n", off, inverse, off)))
    return np.stack(distances, 1).reshape(-1, *SIDES)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("count", [3, 12, 60])
def test_distances_are_those_of_the_direct_formula(
    aligned: bool, count: int, fresh_seed: int
) -> None:
    train, features = draw(count, fresh_seed), draw(9, fresh_seed + 1)
    model, why = fit_map(moments_of(train), "aligned" if aligned else "unaligned")
    assert (model.aligned, why) == (aligned, "as asked")
    found = model.distances(features) * model.scale
    np.testing.assert_allclose(found, direct(train, features, aligned), rtol=2e-4)
    assert model.distances(features[:0]).shape == (0, *SIDES)


def test_a_position_that_never_changes_has_a_floor() -> None:
    train, features = draw(30, 0), draw(4, 1)
    train[:, :, 0, 0] = features[:, :, 0, 0] = 7.0
    features[0, :, 0, 0] += 1.0
    model, _ = fit_map(moments_of(train), "aligned")
    distances = model.distances(features) * model.scale
    assert distances[1:, 0, 0].max() < 1e-3
    floor = 0.1 * at_positions(train).var(1).mean()
    assert distances[0, 0, 0] == pytest.approx((SIZE / floor) ** 0.5, rel=1e-3)


@pytest.mark.parametrize(("spread", "aligned"), [(3.0, True), (0.0, False)])
def test_the_alignment_is_found_out(spread: float, aligned: bool, fresh_seed: int) -> None:
    model, why = fit_map(moments_of(draw(40, fresh_seed, spread)))
    assert model.aligned == aligned
    assert ("lie alike" in why, "do not lie alike" in why) == (True, not aligned)
    few, why = fit_map(moments_of(draw(3, fresh_seed, spread)))
    assert not few.aligned
    assert "too few images" in why


def test_new_normal_images_have_a_distance_of_about_1(fresh_seed: int) -> None:
    for alignment in ("aligned", "unaligned"):
        model, _ = fit_map(moments_of(draw(300, fresh_seed)), alignment)
        squares = model.distances(draw(300, fresh_seed + 1)).square().mean()
        assert 0.8 < float(squares) < 1.2


def test_a_single_position_is_a_grid_too() -> None:
    features = draw(20, 0)[:, :, :1, :1]
    model, _ = fit_map(moments_of(features), "aligned")
    shared, _ = fit_map(moments_of(features), "unaligned")
    assert (len(model.mean), len(shared.mean)) == (1, 1)
    assert model.distances(features).shape == (20, 1, 1)


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="at least two normal images, got 1"):
        fit_map(moments_of(draw(1, 0)))
    with pytest.raises(InputError, match="alignment must be"):
        fit_map(moments_of(draw(9, 0)), "rotated")  # type: ignore[arg-type]
    same = draw(1, 0)[:, :, :1, :1].expand(9, -1, -1, -1)
    for alignment in ("aligned", "unaligned"):
        with pytest.raises(InputError, match="check that the images differ"):
            fit_map(moments_of(same), alignment)


def test_memory_does_not_grow_with_the_images() -> None:
    moments = MapMoments(a_grid((4, 4), 8))
    sizes = set()
    for seed in range(3):
        moments.add(torch.randn(20, 8, 4, 4, generator=torch.Generator().manual_seed(seed)))
        tensors = [value for half in moments.halves for value in vars(half).values()]
        sizes.add(sum(value.nbytes for value in tensors if isinstance(value, Tensor)))
    assert len(sizes) == 1


def test_a_model_is_plain_tensors() -> None:
    model, _ = fit_map(moments_of(draw(20, 0)), "aligned")
    assert isinstance(model, MapModel)
    assert model.whitening.dtype == model.mean.dtype == torch.float32
    assert torch.equal(model.whitening, model.whitening.tril())
