"""Every kind of file becomes the right 8-bit pixels, and damaged ones are named."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsa.errors import InputError
from nsa.images import load_mask, opening, read_image, resize

RAMP = np.arange(12 * 10 * 3, dtype=np.uint8).reshape(12, 10, 3)


@pytest.fixture(autouse=True)
def _say_everything_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_said", set())


def test_colour_and_grey(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "rgb.png")
    assert np.array_equal(read_image(tmp_path / "rgb.png"), RAMP)
    grey = read_image(tmp_path / "rgb.png", channels=1)
    assert grey.shape == (12, 10, 1)
    weighted = RAMP @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey[:, :, 0] - weighted).max() <= 1

    Image.fromarray(RAMP[:, :, 0]).save(tmp_path / "grey.png")
    assert np.array_equal(read_image(tmp_path / "grey.png", 3), RAMP[:, :, :1].repeat(3, 2))
    assert np.array_equal(read_image(tmp_path / "grey.png", 1), RAMP[:, :, :1])


def test_palette_and_one_bit(tmp_path: Path) -> None:
    flat = np.zeros((4, 6, 3), np.uint8)
    flat[:, 3:] = (200, 10, 30)
    Image.fromarray(flat).quantize(4).save(tmp_path / "palette.png")
    assert np.array_equal(read_image(tmp_path / "palette.png"), flat)
    Image.fromarray(flat[:, :, 0] > 0).save(tmp_path / "bits.png")
    assert np.array_equal(read_image(tmp_path / "bits.png", 1)[:, :, 0], 255 * (flat[:, :, 0] > 0))


def test_opaque_alpha_is_dropped_silently(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    opaque = np.dstack([RAMP, np.full((12, 10), 255, np.uint8)])
    Image.fromarray(opaque).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), RAMP)
    assert caplog.records == []


def test_transparency_is_composited_on_black_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = np.full((4, 4, 4), 200, np.uint8)
    image[:, 0, 3], image[:, 1, 3], image[:, 2:, 3] = 0, 128, 255
    Image.fromarray(image).save(tmp_path / "a.png")
    palette = Image.new("P", (2, 1))
    palette.putpalette([50, 60, 70, 80, 90, 100])
    palette.putdata([0, 1])
    palette.save(tmp_path / "b.png", transparency=0)
    with caplog.at_level(logging.WARNING, "nsa"):
        pixels = read_image(tmp_path / "a.png")
        pixels_of_palette = read_image(tmp_path / "b.png")
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert np.abs(pixels[0, 1].astype(int) - 100).max() <= 1
    assert pixels[0, 2].tolist() == [200, 200, 200]
    assert pixels_of_palette.tolist() == [[[0, 0, 0], [80, 90, 100]]]
    assert caplog.text.count("composited on black") == 1
    assert "a.png" in caplog.text


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_have_one_scale_for_all_files(tmp_path: Path, suffix: str) -> None:
    deep = np.array([[0, 257, 32768, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / f"deep.{suffix}")
    assert read_image(tmp_path / f"deep.{suffix}", 1)[0, :, 0].tolist() == [0, 1, 128, 255]
    assert read_image(tmp_path / f"deep.{suffix}", 3)[0, 2].tolist() == [128, 128, 128]


def test_twelve_bits_in_sixteen_are_pointed_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Image.fromarray(np.array([[4095]], np.uint16)).save(tmp_path / "dark.png")
    with caplog.at_level(logging.WARNING, "nsa"):
        assert read_image(tmp_path / "dark.png", 1).item() == 16
    assert "12 bits" in caplog.text


def test_cmyk(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "print.jpg", quality=100)
    red = read_image(tmp_path / "print.jpg")
    assert red.shape == (16, 16, 3)
    assert np.abs(red.astype(int) - [255, 0, 0]).max() <= 3


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    turned = Image.fromarray(RAMP).getexif()
    turned[0x0112] = 6  # to be turned clockwise by 90 degrees
    Image.fromarray(RAMP).save(tmp_path / "phone.png", exif=turned)
    assert np.array_equal(read_image(tmp_path / "phone.png"), np.rot90(RAMP, -1))


def test_first_page_of_several(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = (Image.new("L", (3, 3), value) for value in (10, 20))
    first.save(tmp_path / "pages.tif", save_all=True, append_images=[second])
    with caplog.at_level(logging.WARNING, "nsa"):
        assert (read_image(tmp_path / "pages.tif", 1) == 10).all()
    assert "several pages" in caplog.text


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for suffix in ("png", "jpg", "bmp", "webp"):
        path = tmp_path / f"half.{suffix}"
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(InputError, match=rf"half\.{suffix} cannot be read"):
            read_image(path)
    (tmp_path / "text.png").write_text("this is no image")
    with pytest.raises(InputError, match=r"text\.png cannot be read: it is not an image"):
        read_image(tmp_path / "text.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(InputError, match=r"empty\.png cannot be read"):
        read_image(tmp_path / "empty.png")
    with pytest.raises(InputError, match=r"gone\.png does not exist"):
        read_image(tmp_path / "gone.png")
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(InputError, match=r"float\.tif has 32-bit or signed pixels"):
        read_image(tmp_path / "float.tif")
    with pytest.raises(InputError, match="channels must be 1"):
        read_image(tmp_path / "float.tif", channels=2)


def test_resize_is_antialiased_and_keeps_the_mean() -> None:
    stripes = np.zeros((64, 64, 1), np.uint8)
    stripes[:, ::2] = 200
    small = resize(stripes, (16, 8))
    assert small.shape == (16, 8, 1)
    assert np.abs(small.astype(int) - 100).max() <= 13  # a plain bilinear lookup gives 0 or 200
    assert resize(stripes, (64, 64)) is stripes


@pytest.mark.parametrize("kind", ["0-1", "0-255", "bits", "rgb", "palette", "sixteen", "lossy"])
def test_masks_of_any_kind(tmp_path: Path, kind: str) -> None:
    expected = np.zeros((40, 24), np.uint8)
    expected[8:32, 4:16] = 1
    path = tmp_path / ("mask.jpg" if kind == "lossy" else "mask.png")
    if kind == "0-1":
        picture = Image.fromarray(expected)
    elif kind == "bits":
        picture = Image.fromarray(expected > 0)
    elif kind == "rgb":
        picture = Image.fromarray(expected[:, :, None] * np.array([0, 0, 1], np.uint8))
    elif kind == "palette":
        picture = Image.fromarray(expected).convert("P")
        picture.putpalette([0, 0, 0, 0, 0, 128])
    elif kind == "sixteen":
        picture = Image.fromarray(expected.astype(np.uint16) * 300)
    else:
        picture = Image.fromarray(expected * 255)
    picture.save(path)
    assert np.array_equal(load_mask(path, (40, 24)), expected)
    assert np.array_equal(load_mask(path, (20, 12)), expected[1::2, 1::2])


def test_a_mask_must_fit_its_image(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "image.png")
    Image.new("L", (30, 20), 255).save(tmp_path / "fits.png")
    Image.new("L", (20, 30)).save(tmp_path / "other.png")
    assert load_mask(tmp_path / "fits.png", (5, 6), tmp_path / "image.png").all()
    with pytest.raises(InputError, match=r"other\.png is 20 x 30.*image\.png is 30 x 20"):
        load_mask(tmp_path / "other.png", (5, 6), tmp_path / "image.png")
