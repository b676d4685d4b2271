"""What is drawn about rotation, crop and flip: the stated distributions, and by seed."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pytest
from scipy import stats

from nsa.plan import draw_augmentation
from nsa.settings.config import ImageConfig


def test_distributions() -> None:
    config = ImageConfig(rotation=7.0, vertical_flip=True)  # 256, centre 230, crop 224
    drawn = draw_augmentation(config, 20_000, seed=3)
    assert len(drawn) == 20_000
    assert stats.kstest(drawn.angle, stats.uniform(-7, 14).cdf).pvalue > 1e-3
    for offset in (drawn.top, drawn.left):
        assert (offset.min(), offset.max()) == (13, 19)
        assert stats.chisquare(np.bincount(offset)[13:]).pvalue > 1e-3
    assert np.corrcoef(drawn.top, drawn.left)[0, 1] == pytest.approx(0, abs=0.03)
    assert stats.binomtest(int(drawn.flip.sum()), 20_000).pvalue > 1e-3
    still = draw_augmentation(dataclasses.replace(config, vertical_flip=False, rotation=0.0), 99, 0)
    assert not still.flip.any()
    assert not still.angle.any()


def test_the_crop_keeps_inside_an_uneven_frame() -> None:
    config = ImageConfig(size=(50, 71), center_crop=(45, 60), crop=(33, 52))
    drawn = draw_augmentation(config, 5_000, seed=1)
    assert (drawn.top.min(), drawn.top.max()) == (2, 2 + 12)  # 2.5 rounds to even
    assert (drawn.left.min(), drawn.left.max()) == (6, 6 + 8)  # 5.5 too
    whole = draw_augmentation(dataclasses.replace(config, center_crop=None), 5_000, seed=1)
    assert (whole.top.min(), whole.top.max()) == (0, 17)
    assert (whole.left.min(), whole.left.max()) == (0, 19)
    assert drawn.crop == whole.crop == (33, 52)


def test_a_seed_gives_the_same_parameters_for_ever() -> None:
    """Runs that were begun with an earlier version continue to the same weights."""
    drawn = draw_augmentation(ImageConfig(rotation=5.0, vertical_flip=True), 64, seed=7)
    parts = (drawn.angle, drawn.top, drawn.left, drawn.flip)
    assert [part.dtype for part in parts] == [np.float32, np.int32, np.int32, np.uint8]
    digest = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
    assert digest[:16] == "203239d658ee7ab5"


def test_some_of_the_images_keep_their_parameters() -> None:
    drawn = draw_augmentation(ImageConfig(rotation=5.0, vertical_flip=True), 9, seed=2)
    chosen = np.array([7, 0, 7])
    some = drawn.of(chosen)
    assert len(some) == 3
    assert some.crop == drawn.crop
    for name in ("angle", "top", "left", "flip"):
        assert np.array_equal(getattr(some, name), getattr(drawn, name)[chosen])
