"""Distances against direct formulas in float64, invariances, and data that leaves little to fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf
from torch import Tensor

from nsa.errors import InputError
from nsa.gaussian import (
    DISTRIBUTIONS,
    Distribution,
    DistributionName,
    fit_distribution,
)
from nsa.gaussian.moments import ledoit_wolf, moments

# Share of the variance that the retained components reach (PCA) or stay within (NPCA).
SHARES: dict[DistributionName, float] = {
    "pca95": 0.95, "pca99": 0.99, "npca1": 0.01, "npca01": 0.001, "npca001": 0.0001,
}  # fmt: skip


def correlated(count: int, dimensions: int, seed: int = 0, decay: float = 2.5) -> Tensor:
    """Correlated float64 features with deviations over about ``decay`` orders of magnitude."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(dimensions, dimensions)) * np.logspace(0, -decay, dimensions)
    return torch.from_numpy(3 + rng.normal(size=(count, dimensions)) @ mix)


@pytest.mark.parametrize(("count", "dimensions"), [(50, 7), (9, 30), (2, 5), (9000, 3), (20, 1)])
def test_moments_and_shrinkage_are_scikit_learns(count: int, dimensions: int) -> None:
    features = correlated(count, dimensions)
    found = moments(features)
    expected = LedoitWolf().fit(features.numpy())
    np.testing.assert_allclose(found.mean, expected.location_, rtol=1e-12)
    np.testing.assert_allclose(ledoit_wolf(found), expected.shrinkage_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        found.covariance, np.cov(features.T, bias=True).reshape(found.covariance.shape), rtol=1e-9
    )


@pytest.mark.parametrize(("count", "dimensions"), [(60, 8), (12, 40)])
def test_mahalanobis_distance(count: int, dimensions: int) -> None:
    features, new = correlated(count, dimensions), correlated(9, dimensions, seed=1)
    estimate = LedoitWolf().fit(features.numpy())
    inverse = np.linalg.inv(estimate.covariance_)
    expected = [mahalanobis(x, estimate.location_, inverse) for x in new.numpy()]
    found = fit_distribution(features)
    np.testing.assert_allclose(found.distance(new), expected, rtol=1e-8)
    assert found.dimensions == dimensions
    assert found.distance(new).dtype == torch.float64


def test_standardised_and_l2_distances() -> None:
    features, new = correlated(30, 6), correlated(9, 6, seed=1)
    x, mean = new.numpy(), features.numpy().mean(0)
    deviation = features.numpy().std(0, ddof=1)
    expected = np.sqrt((((x - mean) / deviation) ** 2).sum(1))
    np.testing.assert_allclose(
        fit_distribution(features, "standardised").distance(new), expected, rtol=1e-10
    )
    expected = np.linalg.norm(x - mean, axis=1)
    np.testing.assert_allclose(fit_distribution(features, "l2").distance(new), expected, rtol=1e-12)


def direct_components(features: np.ndarray, leading: bool, wanted: float) -> np.ndarray:
    """The retained components by a plain loop over the sorted eigenvalues."""
    variance, vectors = np.linalg.eigh(np.cov(features.T))
    rank = min(len(features) - 1, features.shape[1])
    variance, vectors = variance[::-1][:rank], vectors[:, ::-1][:, :rank]
    share = variance / variance.sum()
    kept: list[int] = []
    if leading:
        while share[kept].sum() < wanted:
            kept.append(len(kept))
    else:
        for index in reversed(range(rank)):
            if share[[*kept, index]].sum() > wanted:
                break
            kept.append(index)
        kept = kept or [rank - 1]
    return vectors[:, kept]


@pytest.mark.parametrize("distribution", SHARES)
@pytest.mark.parametrize(("count", "dimensions"), [(80, 12), (15, 40)])
def test_principal_components(distribution: DistributionName, count: int, dimensions: int) -> None:
    features, new = correlated(count, dimensions), correlated(9, dimensions, seed=1)
    basis = direct_components(
        features.numpy(), distribution.startswith("pca"), SHARES[distribution]
    )
    estimate = LedoitWolf().fit(features.numpy() @ basis)
    centred = new.numpy() @ basis - estimate.location_
    expected = np.sqrt(
        np.einsum("ni,ij,nj->n", centred, np.linalg.inv(estimate.covariance_), centred)
    )
    found = fit_distribution(features, distribution)
    assert found.dimensions == basis.shape[1]
    np.testing.assert_allclose(found.distance(new), expected, rtol=1e-6)


@pytest.mark.parametrize("distribution", SHARES)
@pytest.mark.parametrize(("factor", "expected"), [(1 - 1e-6, 2), (1 + 1e-6, 1)])
def test_the_bound_is_the_share_that_the_name_says(
    distribution: DistributionName, factor: float, expected: int
) -> None:
    """Of three orthogonal features the largest, or the two others, hold next to that share.

    Leading: two are needed until the largest alone suffices. Trailing: two, as far as they stay
    within the bound.
    """
    share = SHARES[distribution] * factor
    largest = share if distribution.startswith("pca") else 1 - share
    variances = torch.tensor(
        [largest, 0.6 * (1 - largest), 0.4 * (1 - largest)], dtype=torch.float64
    )
    signs = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
    assert fit_distribution(signs * variances.sqrt(), distribution).dimensions == expected


def test_pca_and_its_negation_split_the_components() -> None:
    """99 % of the leading and 1 % of the trailing variance share at most the component between."""
    features = correlated(200, 20)
    leading = fit_distribution(features, "pca99").dimensions
    trailing = [fit_distribution(features, name).dimensions for name in list(SHARES)[2:]]
    assert leading + trailing[0] in (19, 20)
    assert trailing == sorted(trailing, reverse=True)


def test_affine_maps_leave_the_unshrunk_distance() -> None:
    features, new = correlated(60, 8), correlated(9, 8, seed=1)
    rng = np.random.default_rng(7)
    matrix, offset = torch.from_numpy(rng.normal(size=(8, 8))), torch.from_numpy(rng.normal(size=8))
    before = fit_distribution(features, shrinkage=0.0).distance(new)
    after = fit_distribution(features @ matrix + offset, shrinkage=0.0).distance(
        new @ matrix + offset
    )
    torch.testing.assert_close(before, after, rtol=1e-7, atol=0)
    # A scale common to all features leaves the shrunk distance too; a general map does not.
    shrunk = fit_distribution(features).distance(new)
    torch.testing.assert_close(shrunk, fit_distribution(5 * features).distance(5 * new))
    assert not torch.allclose(shrunk, fit_distribution(features @ matrix).distance(new @ matrix))


def test_unshrunk_covariance_is_eq_5() -> None:
    features, new = correlated(60, 8), correlated(9, 8, seed=1)
    inverse = np.linalg.inv(np.cov(features.T))
    expected = [mahalanobis(x, features.numpy().mean(0), inverse) for x in new.numpy()]
    found = fit_distribution(features, shrinkage=0.0).distance(new)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_full_shrinkage_is_a_scaled_l2_distance() -> None:
    features, new = correlated(60, 8), correlated(9, 8, seed=1)
    ratio = fit_distribution(features, shrinkage=1.0).distance(new)
    ratio = ratio / fit_distribution(features, "l2").distance(new)
    torch.testing.assert_close(ratio, ratio[:1].expand(9))


@pytest.mark.parametrize("distribution", ["full", "pca99", "npca1"])
def test_chi_square_working_point_by_simulation(distribution: DistributionName) -> None:
    """With many Gaussian images the achieved rate is the wanted one within sampling error."""
    # Shrinkage inflates components whose variance is below rho times the mean: keep them alike.
    features, fresh = correlated(80_000, 6, decay=0.5).split(40_000)
    model = fit_distribution(features, distribution)
    for fpr in (0.317, 0.05, 0.003):
        achieved = float((model.distance(fresh) > model.threshold(fpr)).double().mean())
        assert abs(achieved - fpr) < 4 * np.sqrt(fpr * (1 - fpr) / 40_000) + 0.03 * fpr


def test_standardised_working_point_holds_for_independent_features() -> None:
    rng = torch.Generator().manual_seed(0)
    scale = torch.logspace(-2, 2, 5)
    features, fresh = (torch.randn(40_000, 5, generator=rng) * scale for _ in range(2))
    model = fit_distribution(features, "standardised")
    achieved = float((model.distance(fresh) > model.threshold(0.05)).double().mean())
    assert abs(achieved - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 40_000) + 0.001


def test_l2_has_no_chi_square_working_point() -> None:
    with pytest.raises(InputError, match="no chi-square"):
        fit_distribution(correlated(9, 3), "l2").threshold(0.05)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_constant_features_and_few_images_give_finite_scores(
    distribution: DistributionName,
) -> None:
    features = correlated(3, 20).float()
    features[:, ::2] = 0.0
    new = correlated(5, 20, seed=1).float()
    distance = fit_distribution(features, distribution).distance(new)
    assert torch.isfinite(distance).all()
    assert (distance > 0).all()


def test_a_feature_that_never_varies_among_many_images() -> None:
    features = torch.cat([correlated(20_000, 3), torch.full((20_000, 1), 2.0)], 1)
    model = fit_distribution(features)
    moved = features[:1].clone()
    moved[0, 3] = 2.5
    assert torch.isfinite(model.distance(features)).all()
    assert model.distance(moved) > model.distance(features).max()
    assert fit_distribution(features, "standardised").dimensions == 3


@pytest.mark.parametrize("distribution", [name for name in DISTRIBUTIONS if name != "l2"])
def test_one_image_or_equal_images_are_told(distribution: DistributionName) -> None:
    with pytest.raises(InputError, match="needs at least two images"):
        fit_distribution(correlated(1, 4), distribution)
    with pytest.raises(InputError, match="the same features"):
        fit_distribution(correlated(1, 4).repeat(5, 1).float(), distribution)


def test_l2_needs_one_image_only() -> None:
    one = correlated(1, 4)
    assert fit_distribution(one, "l2").distance(one + 1) == pytest.approx(2.0)


def test_wrong_arguments() -> None:
    features = correlated(9, 4)
    with pytest.raises(InputError, match="must be one of full"):
        fit_distribution(features, "cosine")
    with pytest.raises(InputError, match="shrinkage must be"):
        fit_distribution(features, shrinkage=1.5)
    with pytest.raises(InputError, match="singular"):
        fit_distribution(correlated(3, 9), shrinkage=0.0)
    with pytest.raises(InputError, match="floating tensor"):
        fit_distribution(features.to(torch.uint8))
    with pytest.raises(InputError, match="not finite"):
        fit_distribution(features / 0)
    with pytest.raises(InputError, match=r"\(N, 4\), got \(9, 5\)"):
        fit_distribution(features).distance(correlated(9, 5))


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_tensors_round_trip(distribution: DistributionName) -> None:
    model = fit_distribution(correlated(30, 6), distribution)
    again = Distribution.from_tensors(distribution, model.tensors())
    new = correlated(9, 6, seed=1)
    assert torch.equal(model.distance(new), again.distance(new))
    assert again.dimensions == model.dimensions
    assert again.shrinkage == model.shrinkage
