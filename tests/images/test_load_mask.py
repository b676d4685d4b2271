"""Masks that keep their meaning: on layers, in lossy files, at smaller sizes, and odd ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.measure import label

from nsa.images import load_images, load_mask, load_test_set, opening
from nsa.images.masks import resize_mask
from nsa.images.sample import Sample


@pytest.fixture(autouse=True)
def _say_everything_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_said", set())


@pytest.mark.parametrize("ink", [(255, 255, 255), (0, 0, 0), (200, 0, 0)])
def test_a_mask_drawn_on_a_transparent_layer(tmp_path: Path, ink: tuple[int, int, int]) -> None:
    expected = np.zeros((8, 8), np.uint8)
    expected[2:4, 3:6] = 1
    layer = np.full((8, 8, 4), (255, 255, 255, 0), np.uint8)  # white below what is transparent
    layer[expected > 0] = (*ink, 255)
    layer[2, 3, 3], layer[6, 6] = 128, (*ink, 127)  # at least half opaque, and less
    Image.fromarray(layer).save(tmp_path / "m.png")
    assert np.array_equal(load_mask(tmp_path / "m.png", None), expected)


def test_a_black_mask_without_transparency_is_empty(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (0, 0, 0, 255)).save(tmp_path / "m.png")
    assert not load_mask(tmp_path / "m.png", None).any()


@pytest.mark.parametrize(("grey", "marked"), [(127, False), (128, True)])
@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_a_lossy_mask_counts_above_half(
    tmp_path: Path, suffix: str, grey: int, marked: bool
) -> None:
    Image.new("L", (8, 8), grey).save(tmp_path / f"m.{suffix}")
    assert (load_mask(tmp_path / f"m.{suffix}", None) == marked).all()


def test_small_regions_stay() -> None:
    mask = np.zeros((1200, 1200), np.uint8)
    seen = ((np.arange(256) + 0.5) * 1200 / 256).astype(int)  # rows that nearest neighbour takes
    row = next(row for row in range(600, 700) if not {row, row + 1} & set(seen.tolist()))
    mask[row : row + 2, row : row + 2] = 1  # a pit
    for offset in range(3):
        np.fill_diagonal(mask[700:, offset:400], 1)  # a scratch of 3 px
    mask[100:400, 100:400] = 1
    small, nearest = (resize_mask(mask, (256, 256), way) for way in ("maximum", "nearest"))
    assert label(small, connectivity=2).max() == 3
    assert small[125:150, 125:150].sum() == 1
    assert not nearest[125:150, 125:150].any()
    assert 0 <= int(small[:90, :90].sum()) - int(nearest[:90, :90].sum()) <= 4 * 65


def test_every_region_stays_in_one_piece() -> None:
    random = np.random.default_rng()
    for _ in range(60):
        shape, size = random.integers(1, 90, 2), tuple(map(int, random.integers(1, 90, 2)))
        mask = (random.random(shape) < 0.05).astype(np.uint8)
        small = resize_mask(mask, size)
        assert small.shape == size
        assert small.dtype == np.uint8
        regions = label(mask, connectivity=2)
        union = np.zeros(size, np.uint8)
        for region in range(1, regions.max() + 1):
            alone = resize_mask((regions == region).astype(np.uint8), size)
            assert label(alone, connectivity=2).max() == 1
            union |= alone
        assert np.array_equal(small, union)
        nearest = Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST)
        assert np.array_equal(resize_mask(mask, size, "nearest"), np.array(nearest))


def test_masks_that_are_probably_wrong(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    masks = np.zeros((7, 64, 64), np.uint8)
    masks[6], masks[6, 8:56, 8:56] = 1, 0  # a frame, of less than half
    masks[1], masks[2] = 1, 1
    masks[2, 3, 3], masks[3, 3, 3], masks[4], masks[5, 8:16, 8:16] = 0, 1, 1, 1
    # It touches the rest by a corner; and it is the background alone that vanishes.
    masks[4, [0, 1, 63], [1, 0, 63]] = 0
    names = ("empty", "full", "inverted", "small", "large", "right", "frame")
    samples = []
    for name, mask in zip(names, masks, strict=True):
        Image.new("RGB", (64, 64)).save(tmp_path / f"{name}.png")
        Image.fromarray(mask * 255).save(tmp_path / f"{name}_mask.png")
        samples.append(Sample(tmp_path / f"{name}.png", "hole", tmp_path / f"{name}_mask.png"))
    loaded = load_test_set(samples, (16, 16), 3, progress=False)
    assert loaded.masks[3].sum() == 1
    assert not loaded.published_masks[3].any()
    assert np.array_equal(loaded.masks[5], loaded.published_masks[5])
    said = [record.getMessage() for record in caplog.records if "mask" in record.getMessage()]
    starts = (
        ("Odd masks, 1 of 7: they mark no defect", "empty"),
        ("Odd masks, 1 of 7: they mark the whole", "full"),
        ("Odd masks, 1 of 7: they mark all but a part", "inverted"),
        ("Nearest neighbour, by which the paper reduces masks, loses 1 region of 1", "small"),
    )  # fmt: skip
    assert len(said) == len(starts)
    for text, (start, name) in zip(said, starts, strict=True):
        assert start in text
        assert f"{name}_mask.png" in text


def test_strong_squeezing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for index, size in enumerate([(96, 64), (512, 64)]):
        Image.new("L", size).save(tmp_path / f"{index}.png")
        load_images([tmp_path / f"{index}.png"], (64, 64), progress=False)
        assert ("Squeezed a lot" in caplog.text) == (index == 1)
    assert "Squeezed a lot: 1 of 1 images, such as from 512 x 64 to 64 x 64" in caplog.text
