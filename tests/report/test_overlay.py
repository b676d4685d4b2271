import tracemalloc

import matplotlib
import numpy as np
import pytest
import torch

from nsa.errors import InputError
from nsa.report import overlay as module
from nsa.report.overlay import COLOURS, overlay, shared_limit


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def test_normal_pixels_keep_their_colour_and_defects_glow(image):
    scores = np.zeros((40, 60), np.float32)
    scores[10:20, 30:40] = 0.8
    drawn = overlay(image, scores)
    assert drawn.dtype == np.uint8
    assert drawn.shape == image.shape
    normal = scores == 0
    assert np.array_equal(drawn[normal], image[normal])
    before = image[~normal].mean(axis=0, dtype=float)
    after = drawn[~normal].mean(axis=0, dtype=float)
    assert after[0] > before[0] + 50  # the top of the scale is a light yellow
    texture = drawn[~normal].std(axis=0) / image[~normal].std(axis=0)
    assert ((texture > 0.2) & (texture < 0.3)).all()  # the product shows through


def test_a_shared_limit_makes_equal_scores_equal_in_colour():
    grey = np.full((8, 8), 128, np.uint8)
    low, high = np.zeros((8, 8)), np.zeros((8, 8))
    low[2, 2] = high[2, 2] = 0.2
    high[5, 5] = 1.0
    assert not np.array_equal(overlay(grey, low)[2, 2], overlay(grey, high)[2, 2])
    assert np.array_equal(overlay(grey, low, 1.0)[2, 2], overlay(grey, high, 1.0)[2, 2])
    assert np.array_equal(overlay(grey, low, 0.1)[2, 2], overlay(grey, low, 0.2)[2, 2])  # clipped


def test_tensors_grey_images_and_small_maps(image):
    scores = np.linspace(0, 1, 10 * 15, dtype=np.float32).reshape(10, 15)
    expected = overlay(image, scores)
    assert expected.shape == (40, 60, 3)
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    logits = torch.from_numpy(scores)[None].requires_grad_()
    assert np.array_equal(overlay(tensor, logits), expected)
    grey = image[..., :1]
    drawn = overlay(grey, scores)
    assert np.array_equal(drawn, overlay(np.repeat(grey, 3, axis=2), scores))
    assert np.array_equal(drawn, overlay(grey[..., 0], scores))


def test_a_map_of_zeros_changes_nothing(image):
    assert np.array_equal(overlay(image, np.zeros((4, 4))), image)
    assert np.array_equal(overlay(image, np.zeros((4, 4)), 0.5), image)


def test_the_shared_limit_follows_the_most_anomalous_map():
    quiet, loud = np.full((100, 100), 0.1), np.full((100, 100), 0.1)
    loud[:10, :10] = 0.9
    loud[50, 50] = 40.0  # one outlier
    assert shared_limit([quiet, loud]) == pytest.approx(0.9, rel=1e-5)
    assert shared_limit([np.zeros((4, 4))]) == 1.0


@pytest.mark.parametrize(
    ("picture", "scores", "limit", "message"),
    [
        (np.zeros((4, 4, 3)), np.zeros((4, 4)), None, "uint8 .* got float64"),
        (np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4)), None, r"got uint8 of shape \(4, 4, 4\)"),
        (torch.zeros(4, 4, 3, dtype=torch.uint8), np.zeros((4, 4)), None, r"shape \(4, 4, 3\)"),
        (np.zeros((4, 4), np.uint8), np.zeros((2, 4, 4)), None, r"\(H, W\), got \(2, 4, 4\)"),
        (np.zeros((4, 4), np.uint8), np.full((4, 4), np.nan), None, "NaN"),
        (np.zeros((4, 4), np.uint8), np.zeros((4, 4)), 0.0, "limit must be above 0"),
    ],
)
def test_bad_input(picture, scores, limit, message):
    with pytest.raises(InputError, match=message):
        overlay(picture, scores, limit)


def test_the_colours_are_those_of_the_figures():
    inferno = matplotlib.colormaps["inferno"](np.linspace(0.2, 1, 256))[:, :3]
    assert np.array_equal(COLOURS, (255 * inferno).round())


@pytest.mark.parametrize("shape", [(1, 1), (3, 70_001), (300, 700), (1000, 131)])
def test_strips_do_not_show(shape, monkeypatch):
    """The whole picture at once, and in strips of one row, of several, and of what is left."""
    random = np.random.default_rng(shape)
    image = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
    scores = random.random((7, 5), dtype=np.float32)
    monkeypatch.setattr(module, "_STRIP", 1 << 30)
    whole = overlay(image, scores)
    for strip in (1, 10_000, 1 << 16):
        monkeypatch.setattr(module, "_STRIP", strip)
        assert np.array_equal(overlay(image, scores), whole)


def test_colouring_takes_no_memory_for_the_whole_image():
    image, scores = np.zeros((1500, 2000, 3), np.uint8), np.ones((1500, 2000), np.float32)
    tracemalloc.start()
    try:
        overlay(image, scores, 2.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 9_000_000 + 6_000_000  # the picture, and a mask of finite scores or a strip
