"""Augmentation: what is drawn, what is applied, and that a seed fixes both."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from nsa.errors import InputError
from nsa.gaussian import FeatureExtractor
from nsa.gaussian.augmented_images import augment, augmented_features
from nsa.gaussian.pipelines import (
    IDENTITY,
    NOISE,
    PIPELINES,
    Choice,
    Column,
    Parameters,
    Pipeline,
    draw,
    pipeline_for,
    without,
)
from nsa.settings.presets import PRESETS


def only(count: int = 2, **values: float) -> Parameters:
    return {name: np.full(count, values.get(name, v), np.float32) for name, v in IDENTITY.items()}


@pytest.fixture
def images() -> Tensor:
    """uint8 (2, 3, 40, 40), smooth, so that resampling costs little."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3)).astype(np.uint8)
    smooth = np.stack([cv2.GaussianBlur(image, (0, 0), 3) for image in noise])
    return torch.from_numpy(cv2.normalize(smooth, None, 20, 235, cv2.NORM_MINMAX)).permute(
        0, 3, 1, 2
    )


def test_identity_changes_no_bit(images: Tensor) -> None:
    assert torch.equal(augment(images, only(), seed=0), images)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("flip_horizontal", lambda x: x.flip(3)), ("flip_vertical", lambda x: x.flip(2))],
)
def test_flips(images: Tensor, name: str, expected: object) -> None:
    found = augment(images, only(**{name: 1}), seed=0)
    assert torch.equal(found, expected(images))  # type: ignore[operator]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns(images: Tensor, turns: int) -> None:
    found = augment(images, only(quarter_turns=turns), seed=0).int()
    assert (found - torch.rot90(images, turns, (2, 3)).int()).abs().max() <= 1


@pytest.mark.parametrize("shape", [(40, 40), (24, 40)])
def test_rotation_zoom_and_shift_are_opencvs(images: Tensor, shape: tuple[int, int]) -> None:
    height, width = shape
    images = images[:, :, :height]
    values = only(rotate=12.0, zoom=1.1, shift_x=0.1, shift_y=-0.05)
    found = augment(images, values, seed=0).permute(0, 2, 3, 1).numpy()
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 12.0, 1.1)
    matrix[:, 2] += (0.1 * width, -0.05 * height)
    for image, result in zip(images.permute(0, 2, 3, 1).numpy(), found, strict=True):
        image = np.ascontiguousarray(image)
        expected = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
        # OpenCV rounds positions to 1/32 pixel.
        assert np.abs(result.astype(int) - expected).mean() < 0.7


def test_blur_is_opencvs(images: Tensor) -> None:
    values = only()
    values["blur"][:] = (0.8, 0.5)
    found = augment(images, values, seed=0).permute(0, 2, 3, 1).numpy()
    for image, result, sigma in zip(
        images.permute(0, 2, 3, 1).numpy(), found, (0.8, 0.5), strict=True
    ):
        expected = cv2.GaussianBlur(np.ascontiguousarray(image), (7, 7), sigma)
        assert np.abs(result.astype(int) - expected).max() <= 1


def test_light(images: Tensor) -> None:
    x = images.double() / 255
    mean = x.mean((1, 2, 3), keepdim=True)
    for values, expected in (
        ({"brightness": 0.05}, x + 0.05),
        ({"contrast": 0.9}, mean + 0.9 * (x - mean)),
        ({"gamma": 1.1}, x**1.1),
    ):
        found = augment(images, only(**values), seed=0).double() / 255
        assert (found - expected.clamp(0, 1)).abs().max() <= 0.51 / 255


def test_noise_has_the_drawn_deviation_and_is_fixed_by_the_seed() -> None:
    grey = torch.full((2, 1, 200, 200), 128, dtype=torch.uint8)
    values = only(noise=0.05)
    values["noise"][1] = 0
    found = augment(grey, values, seed=0)
    assert torch.equal(found[1], grey[1])
    assert (found[0].double() / 255).std() == pytest.approx(0.05, rel=0.03)
    assert torch.equal(found, augment(grey, values, seed=0))
    assert not torch.equal(found, augment(grey, values, seed=1))
    speckle = augment(grey, only(speckle=0.1), seed=0).double() / 255
    assert speckle.std() == pytest.approx(0.1 * 128 / 255, rel=0.03)


def test_draw_follows_probabilities_and_weights() -> None:
    pipeline: Pipeline = (
        Column(0.6, (Choice("rotate", -10, 20, weight=3), Choice("quarter_turns", 1, 3))),
        Column(0.2, (Choice("gamma", 0.5, 0.9),)),
    )
    drawn = draw(pipeline, 40_000, seed=0)
    rotated, turned = drawn["rotate"] != 0, drawn["quarter_turns"] != 0
    assert not (rotated & turned).any()
    assert rotated.mean() == pytest.approx(0.45, abs=0.01)
    assert turned.mean() == pytest.approx(0.15, abs=0.01)
    assert (drawn["gamma"] != 1).mean() == pytest.approx(0.2, abs=0.01)
    np.testing.assert_allclose(np.bincount(drawn["quarter_turns"].astype(int))[1:], 2000, atol=180)
    angles = drawn["rotate"][rotated]
    assert angles.mean() == pytest.approx(5, abs=0.3)
    assert angles.min() >= -10
    assert angles.max() <= 20
    unused = set(IDENTITY) - {"rotate", "quarter_turns", "gamma"}
    assert all((drawn[name] == IDENTITY[name]).all() for name in unused)


def test_draw_is_fixed_by_seed_and_epoch() -> None:
    pipeline = pipeline_for("bottle")
    first = draw(pipeline, 20, seed=1, epoch=2)
    for seed, epoch, same in ((1, 2, True), (1, 3, False), (2, 2, False)):
        other = draw(pipeline, 20, seed=seed, epoch=epoch)
        assert all(np.array_equal(first[name], other[name]) for name in IDENTITY) == same


def test_every_category_has_a_pipeline() -> None:
    assert set(PIPELINES) == {name for name in PRESETS if not name.startswith("rcxr")}
    assert pipeline_for("Metal Nut") is PIPELINES["metal_nut"]
    assert not _operations(pipeline_for("metal_nut")) & {"flip_horizontal", "flip_vertical"}
    assert not _operations(pipeline_for("something else")) & {"rotate", "flip_horizontal"}


def _operations(pipeline: Pipeline) -> set[str]:
    return {choice.operation for column in pipeline for choice in column.choices}


def test_without_noise_the_rest_is_as_likely() -> None:
    pipeline = pipeline_for("bottle")
    quiet = without(pipeline, NOISE)
    assert _operations(quiet) == _operations(pipeline) - set(NOISE)
    before = draw(pipeline, 30_000, seed=0)["blur"] > 0
    after = draw(quiet, 30_000, seed=0)["blur"] > 0
    assert after.mean() == pytest.approx(before.mean(), abs=0.01)
    assert without((Column(1, (Choice("noise", 0, 1),)),), NOISE) == ()


def test_augmented_features_pass_by_pass(
    extractor: FeatureExtractor, normal_images: Tensor
) -> None:
    images, pipeline = normal_images[:10], pipeline_for("tile")
    features = augmented_features(extractor, images, pipeline, passes=2, seed=4)
    assert [tuple(level.shape) for level in features] == [(20, c) for c in extractor.channels]
    rows = slice(0, extractor.batch_size)
    parameters = {k: v[rows] for k, v in draw(pipeline, 10, seed=4, epoch=1).items()}
    batch = augment(images[rows], parameters, seed=4, epoch=10)
    for level, expected in zip(features, extractor(batch), strict=True):
        torch.testing.assert_close(level[10 : 10 + extractor.batch_size], expected)
    later = augmented_features(extractor, images, pipeline, passes=1, first=1, seed=4)
    assert all(torch.equal(a[10:], b) for a, b in zip(features, later, strict=True))


def test_wrong_arguments(extractor: FeatureExtractor, normal_images: Tensor) -> None:
    with pytest.raises(InputError, match="no augmentation 'rotation'"):
        Choice("rotation", 0, 1)
    with pytest.raises(InputError, match="low <= high"):
        Choice("rotate", 1, 0)
    with pytest.raises(InputError, match="probability from 0 to 1"):
        Column(1.5, (Choice("rotate", 0, 1),))
    with pytest.raises(InputError, match="passes must be"):
        augmented_features(extractor, normal_images, (), passes=0)
    with pytest.raises(InputError, match="too wide"):
        augment(normal_images[:1, :, :8, :8], only(1, blur=5.0), seed=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_gpu_augments_alike(images: Tensor) -> None:
    images = images.repeat(8, 1, 1, 1)
    parameters = draw(pipeline_for("bottle"), len(images), seed=0)
    on_cpu = augment(images, parameters, seed=0).int()
    on_gpu = augment(images.cuda(), parameters, seed=0).cpu().int()
    assert (on_cpu - on_gpu).abs().max() <= 1
