"""Which score of images is chosen by held-out images, on constructed maps; which are held out."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from torch import Tensor

from nsa.detectors.network import score_choice
from nsa.detectors.network.image_score import MEAN, SCORES
from nsa.detectors.network.score_choice import (
    Judged,
    choose,
    choose_score,
    judge,
    judge_on_crops,
)
from nsa.plan.augmentation import draw_crops
from nsa.settings.config import ImageConfig, SynthesisConfig
from nsa.synthesis import NSA
from nsa.training.schedule import SCORE_CHOICE, derive_seed

SYNTHESIS = SynthesisConfig(height_bounds=(0.06, 0.3), width_bounds=(0.06, 0.3), label="binary")


def said(seed: int, gains: list[float], count: int = 24) -> Judged:
    """Scores that find ten versions of each image so many deviations above the image."""
    random = np.random.default_rng(seed)
    normal = random.normal(size=(count, 1)) + 0.5 * random.normal(size=(count, len(gains)))
    source = np.repeat(np.arange(count), 10)
    shared = 0.3 * random.normal(size=(len(source), 1))
    own = 0.1 * random.normal(size=(len(source), len(gains)))
    return Judged(normal, normal[source] + shared + own + gains, source)


def test_another_score_is_chosen_where_it_is_better(
    fresh_seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "nsa"):
        assert choose(said(fresh_seed, [0.2, 0.3, 6.0, 1.0, 0.2])) == SCORES[2]
    message = caplog.messages[-1]
    assert message.startswith("Image score: mean of the highest 0.1 % of pixels (AUROC of 24 ")
    assert "of the mean" in message


def test_equally_good_scores_leave_the_mean(fresh_seed: int) -> None:
    """All find all, or chance alone tells them apart: 6 % of draws may choose another."""
    assert choose(said(fresh_seed, [30.0] * 5)) == MEAN
    for gains in ([1.0] * 5, [2.0, 1.0, 0.0, 0.5, 1.9]):
        others = [choose(said(fresh_seed % 10**6 + draw, gains)) != MEAN for draw in range(200)]
        assert np.mean(others) < 0.06 + 4 * (0.06 * 0.94 / 200) ** 0.5


def test_without_anomalies_it_is_the_mean() -> None:
    none = Judged(np.zeros((9, 5)), np.zeros((0, 5)), np.zeros(0, np.int64))
    assert choose(none) == MEAN


def pictures(seed: int, count: int = 12) -> Tensor:
    """Images in which a patch of another one shows."""
    random = np.random.default_rng(seed)
    small = torch.from_numpy(random.uniform(0, 255, (count, 3, 12, 12)).astype(np.float32))
    return torch.nn.functional.interpolate(small, (96, 96)).to(torch.uint8)


class _Network:
    """Marks where an image differs from the normal one it was made of."""

    def __init__(self, normal: Tensor, seed: int, background: float) -> None:
        self.normal, self.background = normal, background
        self.random = np.random.default_rng(seed)
        self.seen = 0

    def __call__(self, images: Tensor) -> Tensor:
        self.seen = max(self.seen, len(images))
        apart = (images[:, None].float() - self.normal.float()).abs().amax(2)  # (N, n, H, W)
        own = apart.flatten(2).mean(2).argmin(1)
        changed = (apart[torch.arange(len(images)), own] > 8).float()
        # How bright a normal map is differs from image to image.
        level = self.random.uniform(0, self.background, (len(images), 1, 1))
        return 0.3 * changed + torch.from_numpy(level.astype(np.float32))


def test_the_rule_on_constructed_maps(fresh_seed: int) -> None:
    """Where the level of whole maps varies, the mean loses small anomalies; else it has all."""
    images = pictures(fresh_seed)
    noisy, clean = (_Network(images, fresh_seed, level) for level in (0.2, 0.0))
    assert choose_score(noisy, images, SYNTHESIS, 0) != MEAN
    assert choose_score(clean, images, SYNTHESIS, 0) == MEAN
    assert noisy.seen <= 32


def test_the_smallest_anomalies_are_judged(fresh_seed: int) -> None:
    images = pictures(fresh_seed)
    found = judge(_Network(images, 0, 0.0), images, SYNTHESIS, 3)
    assert found.normal.shape == (12, 5)
    assert found.synthetic.shape == (256, 5)
    assert len(found.source) == 256
    assert set(found.source.tolist()) <= set(range(12))
    assert not found.normal.any()
    # Of 4,104 that are drawn, whose patches have up to 27 % of an image.
    shares = found.synthetic[:, 0] / 0.3
    assert 0 < shares.max() < 0.1
    again = judge(_Network(images, 0, 0.0), images, SYNTHESIS, 3)
    np.testing.assert_array_equal(found.synthetic, again.synthetic)


@pytest.mark.parametrize("count", [1, 3])
def test_versions_of_large_images_are_those_of_whole_passes(fresh_seed: int, count: int) -> None:
    """Where a map depends on its own pixel alone, as if the changed crops were put back."""
    random = np.random.default_rng(fresh_seed)
    sides = random.integers(70, 130, (count, 2)).tolist()
    images = [torch.from_numpy(random.integers(0, 256, (3, *side), np.uint8)) for side in sides]

    def maps(batch: Tensor) -> Tensor:
        return batch.to(torch.float32).mean(1) / 255

    seed, crop = fresh_seed % 1000, (64, 60)
    judged = judge_on_crops(maps, ((one, None) for one in images), count, crop, SYNTHESIS, seed)
    config = ImageConfig(size=crop, center_crop=None, crop=crop)
    each, versions = -(-score_choice._JUDGED // count), []
    for number, image in enumerate(images):
        drawn = score_choice._DRAWN * each
        shapes = np.tile(np.array(image.shape[1:]), (drawn, 1))
        where = draw_crops(config, shapes, derive_seed(seed, SCORE_CHOICE, number, 0))
        crops = torch.stack(
            [
                image[:, top : top + crop[0], left : left + crop[1]]
                for top, left in zip(where.top.tolist(), where.left.tolist(), strict=True)
            ]
        )
        nsa = NSA(SYNTHESIS)
        plan = nsa.plan(crops, derive_seed(seed, SCORE_CHOICE, number, 1))
        changed, labels = nsa.synthesize(crops, plan)
        areas = (labels > 0.5).flatten(1).sum(1)
        order = [row for row in torch.argsort(areas, stable=True).tolist() if areas[row]]
        for row in order[:each]:
            whole = image.clone()
            top, left = int(where.top[row]), int(where.left[row])
            whole[:, top : top + crop[0], left : left + crop[1]] = changed[row]
            versions.append([float(score(maps(whole[None]))[0]) for score in SCORES])
            assert judged.source[len(versions) - 1] == number
    assert len(versions) > each // 2
    np.testing.assert_allclose(judged.synthetic, versions, rtol=0, atol=2e-6)
    for image, normal in zip(images, judged.normal, strict=True):
        expected = [float(score(maps(image[None]))[0]) for score in SCORES]
        np.testing.assert_allclose(normal, expected, rtol=0, atol=1e-6)
