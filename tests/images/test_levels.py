"""12 bits in 16 and other deep images: levels found in a set, and pixels scaled by them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from nsa.errors import InputError
from nsa.images import Contents, load_images, opening, read_image
from nsa.images.deep import is_deep
from nsa.images.levels import find_levels
from nsa.settings.config import ImageConfig
from nsa.settings.fields import from_dict


@pytest.fixture(autouse=True)
def _say_everything_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_said", set())


def noise(low: int, high: int, *shape: int) -> npt.NDArray[np.uint16]:
    return np.random.default_rng().integers(low, high + 1, shape, dtype=np.uint16)


def expected(values: npt.NDArray[Any], low: int, high: int) -> npt.NDArray[np.uint8]:
    shares = (values.astype(float) - low) / (high - low)
    return np.floor(255 * shares.clip(0, 1) + 0.5).astype(np.uint8)


def write_all(folder: Path, images: Sequence[npt.NDArray[Any]], suffix: str = "png") -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{index}.{suffix}" for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        assert cv2.imwrite(str(path), image)
    return paths


def write_tiff(path: Path, values: npt.NDArray[np.uint16], bits: int, photometric: int) -> None:
    """A grey TIFF of 12 packed bits, or of 16."""
    height, width = values.shape
    if bits == 12:
        pairs = values.reshape(height, -1, 2).astype(np.uint32)
        joined = (pairs[:, :, 0] << 12) | pairs[:, :, 1]
        data = joined.astype(">u4").view(np.uint8).reshape(height, -1, 4)[:, :, 1:].tobytes()
    else:
        data = values.astype("<u2").tobytes()
    entries = [
        (256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 122),
        (277, 1), (278, height), (279, len(data)),
    ]  # fmt: skip
    head = b"II*\0" + (8).to_bytes(4, "little") + len(entries).to_bytes(2, "little")
    for tag, value in entries:
        head += tag.to_bytes(2, "little") + (4).to_bytes(2, "little") + (1).to_bytes(4, "little")
        head += value.to_bytes(4, "little")
    head += bytes(4)
    assert len(head) == 122
    path.write_bytes(head + data)


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_the_range_of_twelve_bits_in_sixteen(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    images = [noise(100, 4000, 37, 53) for _ in range(5)]
    paths = write_all(tmp_path, images, suffix)
    with caplog.at_level(logging.INFO, "nsa"):
        levels = find_levels(paths)
    assert levels is not None
    low, high = levels
    # The ends of the noise but for a ten-thousandth, and a twentieth of the range beyond.
    assert 0 <= low <= 100
    assert 4000 <= high <= 4400
    assert f"values from {low} to {high} (of 5 images)" in caplog.text
    for path, image in zip(paths, images, strict=True):
        assert np.array_equal(read_image(path, 1, levels)[:, :, 0], expected(image, low, high))
    loaded = load_images(paths, (37, 53), 3, progress=False, levels=levels)
    assert np.array_equal(loaded[2, 1].numpy(), expected(images[2], low, high))
    assert "12 bits" not in caplog.text


def test_hot_pixels_do_not_count_and_are_white(tmp_path: Path) -> None:
    images = [noise(200, 900, 100, 100) for _ in range(4)]
    images[1][7, 9] = images[3][50, 2] = 65535
    paths = write_all(tmp_path, images)
    levels = find_levels(paths)
    assert levels is not None
    assert 900 <= levels[1] <= 940
    assert read_image(paths[1], 1, levels)[7, 9, 0] == 255


def test_all_sixteen_bits_are_found_too(tmp_path: Path) -> None:
    paths = write_all(tmp_path, [noise(0, 65535, 64, 64)])
    assert find_levels(paths) == (0, 65535)


@pytest.mark.parametrize(("least", "most"), [(0, 0), (7, 200), (3000, 3000), (65535, 65535)])
def test_a_narrow_range_is_widened(tmp_path: Path, least: int, most: int) -> None:
    paths = write_all(tmp_path, [noise(least, most, 20, 30) for _ in range(3)])
    levels = find_levels(paths)
    assert levels is not None
    low, high = levels
    assert 0 <= low <= least <= most <= high <= 65535
    assert 255 <= high - low <= 256


def test_colours_keep_their_upper_precision(tmp_path: Path) -> None:
    images = [noise(100, 700, 31, 22, 3) for _ in range(3)]
    for suffix in ("png", "tif"):
        paths = write_all(tmp_path / suffix, images, suffix)
        levels = find_levels(paths)
        assert levels is not None
        pixels = read_image(paths[0], 3, levels)
        assert np.array_equal(pixels, expected(images[0][:, :, ::-1], *levels))
        assert len(np.unique(pixels)) > 200  # the upper bytes alone have three values
        grey = np.asarray(Image.fromarray(pixels).convert("L"))
        assert np.array_equal(read_image(paths[0], 1, levels)[:, :, 0], grey)


def test_deep_transparency_is_composited_on_black(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = noise(1000, 3000, 8, 9, 4)
    image[:, :, 3] = 65535
    image[:4, :, 3] = 0
    (path,) = write_all(tmp_path, [image])
    pixels = read_image(path, 3, (1000, 3000))
    assert (pixels[:4] == 0).all()
    assert np.array_equal(pixels[4:], expected(image[4:, :, 2::-1], 1000, 3000))
    assert "composited on black" in caplog.text


def test_a_deep_picture_is_turned_upright(tmp_path: Path) -> None:
    values = noise(0, 4095, 6, 9)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(values).save(tmp_path / "grey.png", exif=turned)
    pixels = read_image(tmp_path / "grey.png", 1, (0, 4095))[:, :, 0]
    assert np.array_equal(pixels, np.rot90(expected(values, 0, 4095), -1))


def test_where_white_is_zero_values_are_turned_round_first(tmp_path: Path) -> None:
    values, full = noise(1000, 3000, 10, 14), 65535
    write_tiff(tmp_path / "white.tif", values, 16, 0)
    levels = (full - 3100, full - 900)
    white = read_image(tmp_path / "white.tif", 1, levels)[:, :, 0]
    assert np.array_equal(white, expected(full - values.astype(int), *levels))
    found = find_levels([tmp_path / "white.tif"])
    assert found is not None
    assert full - 3300 < found[0] <= full - 2900
    assert full - 1100 <= found[1] < full - 700


def test_twelve_packed_bits_are_taken_as_they_are(tmp_path: Path) -> None:
    values = noise(1000, 3000, 10, 14)
    write_tiff(tmp_path / "a.tif", values, 12, 1)
    pixels = read_image(tmp_path / "a.tif", 1, (900, 3100))[:, :, 0]
    assert np.array_equal(pixels, expected(values, 900, 3100))


def test_a_pgm_says_nothing_of_its_scale(tmp_path: Path) -> None:
    values = noise(50, 900, 5, 8)
    for name, most in (("a", 900), ("b", 65535)):
        header = f"P5\n8 5\n{most}\n".encode()
        (tmp_path / f"{name}.pgm").write_bytes(header + values.astype(">u2").tobytes())
        pixels = read_image(tmp_path / f"{name}.pgm", 1, (50, 900))[:, :, 0]
        assert np.array_equal(pixels, expected(values, 50, 900))


def test_eight_bits_are_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image = noise(0, 255, 20, 21, 3).astype(np.uint8)
    paths = write_all(tmp_path, [image, image[:, :, :1]])
    with caplog.at_level(logging.INFO, "nsa"):
        assert find_levels(paths) is None
    assert not caplog.records
    assert np.array_equal(read_image(paths[0], 3, (3, 700)), image[:, :, ::-1])


def test_mixed_sets_are_pointed_out_by_a_file_of_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deep, shallow = noise(0, 4095, 20, 21), np.zeros((20, 21), np.uint8)
    paths = write_all(tmp_path, [shallow, deep, shallow, deep])
    with caplog.at_level(logging.WARNING, "nsa"):
        assert find_levels(paths) is not None
    assert f"16 bits, such as {paths[1]}" in caplog.text
    assert str(paths[0]) in caplog.text


def test_a_sample_of_many_files_reaches_from_the_first_to_the_last(tmp_path: Path) -> None:
    images = [np.full((4, 4), 1000, np.uint16)] * 150
    images[-2:] = [np.full((4, 4), 3000, np.uint16)] * 2
    levels = find_levels(write_all(tmp_path, images))
    assert levels is not None
    assert levels[0] <= 1000 < 3000 <= levels[1]


def test_unreadable_files_are_left_to_the_loading(tmp_path: Path) -> None:
    paths = write_all(tmp_path, [noise(0, 4095, 20, 21)])
    (tmp_path / "no.png").write_bytes(b"nothing")
    assert find_levels([*paths, tmp_path / "no.png"]) == find_levels(paths)
    assert find_levels([tmp_path / "no.png"]) is None


def test_values_mostly_outside_are_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = np.full((10, 10), 500, np.uint16)
    values[:2] = 3000  # a fifth
    (inside,) = write_all(tmp_path / "a", [values])
    values[2, 0] = 3000
    outside = write_all(tmp_path / "b", [values, values])
    with caplog.at_level(logging.WARNING, "nsa"):
        read_image(inside, 1, (0, 1000))
        assert not caplog.records
        for path in outside:
            read_image(path, 1, (0, 1000))
    assert len(caplog.records) == 1
    assert str(outside[0]) in caplog.text


def test_copies_are_known_among_deep_images(tmp_path: Path) -> None:
    values = [noise(100, 900, 32, 33) for _ in range(2)]
    paths = write_all(tmp_path / "png", values)
    copies = write_all(tmp_path / "tif", values[:1], "tif")
    levels = find_levels(paths)
    contents, others = Contents(paths), Contents(copies)
    for found, of in ((contents, paths), (others, copies)):
        load_images(of, (16, 16), 1, progress=False, warn=False, contents=found, levels=levels)
    assert others.copies_of(contents) == {0: 0}
    assert contents.copies() == {}


def test_a_file_that_lacks_its_upper_bits_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = write_all(tmp_path, [noise(0, 4095, 8, 9, 3)])
    with Image.open(path) as file:
        assert is_deep(file)
    monkeypatch.setattr(cv2, "imread", lambda *_: None)
    with pytest.raises(InputError, match=r"0\.png cannot be read with more than 8 bits"):
        read_image(path, 3, (0, 4095))


@pytest.mark.parametrize("levels", [(5, 5), (9, 3), (-1, 7), (0, 65536)])
def test_levels_out_of_order_are_refused(levels: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="0 <= low < high <= 65535"):
        ImageConfig(levels=levels)
    with pytest.raises(InputError, match="levels must be"):
        from_dict(ImageConfig, {"levels": [1, 2, 3]})
