"""The detector on drawn images: scores, held-out images, working points."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nsa.errors import InputError
from nsa.gaussian import FeatureExtractor, GaussianDetector, fit_distribution, pipeline_for
from nsa.metrics import ConformalThreshold, auroc

Images = tuple[Tensor, Tensor]


@pytest.fixture(scope="module")
def fitted(extractor: FeatureExtractor, normal_images: Tensor) -> GaussianDetector:
    return GaussianDetector(extractor).fit(normal_images, holdout=0.25, seed=3)


def test_it_finds_defects(fitted: GaussianDetector, test_images: Images) -> None:
    images, labels = test_images
    assert auroc(labels, fitted.score(images)) > 0.9


def test_scores_are_those_of_the_levels(
    extractor: FeatureExtractor, normal_images: Tensor, test_images: Images
) -> None:
    train, new = extractor(normal_images), extractor(test_images[0])
    detector = GaussianDetector(extractor).fit(normal_images)
    expected = [fit_distribution(a).distance(b) for a, b in zip(train, new, strict=True)]
    scores = detector.level_scores(test_images[0])
    torch.testing.assert_close(scores, torch.stack(expected, 1))
    torch.testing.assert_close(detector.score(test_images[0]), scores.sum(1))
    assert torch.equal(detector.score(new, level=4), detector.level_scores(new)[:, 3])


def test_images_and_features_are_the_same(
    extractor: FeatureExtractor, normal_images: Tensor, test_images: Images
) -> None:
    features = extractor(normal_images)
    on_images = GaussianDetector(extractor, "pca99").fit(normal_images, holdout=0.2, seed=1)
    on_features = GaussianDetector(distribution="pca99").fit(features, holdout=0.2, seed=1)
    assert torch.equal(on_images.calibration, on_features.calibration)
    new = extractor(test_images[0])
    torch.testing.assert_close(on_images.score(new), on_features.score(new))


def test_holdout_is_not_fitted(extractor: FeatureExtractor, normal_images: Tensor) -> None:
    features = extractor(normal_images)
    detector = GaussianDetector().fit(features, holdout=0.25, seed=3)
    assert detector.calibration is not None
    assert detector.calibration.shape == (10, 5)
    held = [i for i in range(40) if torch.isclose(
        detector.level_scores(features)[i], detector.calibration).all(1).any()]  # fmt: skip
    assert len(held) == 10
    kept = torch.tensor([i for i in range(40) if i not in held])
    alone = GaussianDetector().fit([level[kept] for level in features])
    torch.testing.assert_close(alone.score(features), detector.score(features))
    again = alone.calibrate([level[torch.tensor(held)] for level in features])
    torch.testing.assert_close(again.calibration, detector.calibration)


def test_equal_images_are_held_out_or_fitted_once(
    extractor: FeatureExtractor, normal_images: Tensor
) -> None:
    alone = GaussianDetector(extractor, "l2").fit(normal_images, holdout=0.25, seed=3)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    twice = torch.cat([normal_images, normal_images[order]])
    features = [torch.cat([level, level[order]]) for level in extractor(normal_images)]
    of_images = GaussianDetector(extractor, "l2").fit(twice, holdout=0.25, seed=3)
    of_features = GaussianDetector(distribution="l2").fit(features, holdout=0.25, seed=3)
    assert alone.held_out is not None
    for detector in (of_images, of_features):
        assert torch.equal(detector.held_out, alone.held_out)
        torch.testing.assert_close(detector.calibration, alone.calibration)
        torch.testing.assert_close(detector.levels[0].mean, alone.levels[0].mean)
    assert alone.calibrate(normal_images[:5]).held_out is None


def test_working_points(fitted: GaussianDetector, test_images: Images) -> None:
    assert fitted.calibration is not None
    of_sum = fitted.working_point(0.2)
    assert (of_sum.method, of_sum.level, of_sum.achieved) == ("conformal", None, None)
    expected = ConformalThreshold(fitted.calibration.sum(1)).threshold(0.2)
    assert of_sum.threshold == expected == fitted.threshold(0.2)
    of_level = fitted.working_point(0.2, level=5)
    assert of_level.method == "chi-square"
    assert of_level.threshold == fitted.levels[4].threshold(0.2)
    above = fitted.calibration[:, 4] > of_level.threshold
    assert (of_level.achieved, of_level.held_out) == (above.double().mean().item(), 10)
    conformal = fitted.working_point(0.2, level=5, method="conformal")
    assert conformal.threshold == ConformalThreshold(fitted.calibration[:, 4]).threshold(0.2)
    fresh = fitted.score(test_images[0][:10])
    reported = fitted.working_point(0.2, held_out=fresh)
    assert reported.achieved == (fresh > reported.threshold).double().mean().item()


def test_conformal_rate_of_the_sum_by_simulation() -> None:
    """End to end on Gaussian features: holdout, fit, threshold; the mean rate is the wanted one."""
    rates = []
    for seed in range(150):
        rng = torch.Generator().manual_seed(seed)
        features = [torch.randn(2098, d, generator=rng) * (1 + torch.arange(d)) for d in (3, 6)]
        train, fresh = [f[:98] for f in features], [f[98:] for f in features]
        detector = GaussianDetector().fit(train, holdout=0.5, seed=seed)
        rates.append(detector.working_point(0.1, held_out=detector.score(fresh)).achieved)
    # Beta(5, 45) for each draw.
    error = (0.1 * 0.9 / 51) ** 0.5 / len(rates) ** 0.5
    assert abs(sum(rates) / len(rates) - 0.1) < 4 * error


def test_augmented_fit(extractor: FeatureExtractor, normal_images: Tensor) -> None:
    pipeline = pipeline_for("bottle")
    fits = [
        GaussianDetector(extractor).fit(
            normal_images[:6], holdout=1 / 3, augmentation=pipeline, passes=3, seed=seed
        )
        for seed in (0, 0, 1)
    ]
    first, same, other = (detector.levels[2].mean for detector in fits)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert fits[0].calibration is not None
    assert fits[0].calibration.shape == (2, 5)


def test_what_is_refused(fitted: GaussianDetector, normal_images: Tensor) -> None:
    features = [torch.randn(9, 4), torch.randn(9, 3)]
    with pytest.raises(InputError, match="not fitted"):
        GaussianDetector().score(features)
    with pytest.raises(InputError, match="not fitted"):
        GaussianDetector().threshold(0.1)
    with pytest.raises(InputError, match="has no network"):
        GaussianDetector().fit(normal_images)
    with pytest.raises(InputError, match="features were given"):
        GaussianDetector().fit(features, augmentation=pipeline_for("bottle"))
    with pytest.raises(InputError, match="the same images in each"):
        GaussianDetector().fit([features[0], features[1][:5]])
    with pytest.raises(InputError, match="holdout must be"):
        GaussianDetector().fit(features, holdout=1.0)
    with pytest.raises(InputError, match="leaves none of 9"):
        GaussianDetector().fit(features, holdout=0.99)
    with pytest.raises(InputError, match=r"Level 2 cannot be fitted: .*the same features"):
        GaussianDetector().fit([features[0], torch.ones(9, 3)])
    with pytest.raises(InputError, match=r"Level 1 cannot be fitted: .*at least two images"):
        GaussianDetector().fit([level[:1] for level in features])
    with pytest.raises(InputError, match="5 levels are needed, got 2"):
        fitted.score(features)
    with pytest.raises(InputError, match="from 1 to 5, got 6"):
        fitted.score(normal_images, level=6)
    with pytest.raises(InputError, match="name a level"):
        fitted.threshold(0.1, method="chi-square")
    with pytest.raises(InputError, match="smallest is 1/11"):
        fitted.threshold(0.01)
    with pytest.raises(InputError, match="call calibrate"):
        GaussianDetector().fit(features).threshold(0.1)
    with pytest.raises(InputError, match="method must be"):
        fitted.threshold(0.1, method="guess")  # type: ignore[arg-type]
