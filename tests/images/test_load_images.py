"""Loading many files into one tensor."""

from __future__ import annotations

import csv
import logging
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nsa.errors import InputError
from nsa.images import decode, load, load_images, read_image, resize


def write(folder: Path, count: int, size: tuple[int, int] = (40, 30)) -> list[Path]:
    """``count`` random pictures of ``size`` = (width, height)."""
    random = np.random.default_rng(count)
    paths = [folder / f"{index}.png" for index in range(count)]
    for path in paths:
        pixels = random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return paths


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(30, 40), (17, 13)])
@pytest.mark.parametrize("count", [1, 9])
def test_equals_reading_one_by_one(
    tmp_path: Path, count: int, size: tuple[int, int], channels: int
) -> None:
    paths = write(tmp_path, count)
    images = load_images(paths, size, channels, progress=False)
    assert images.dtype == torch.uint8
    assert images.shape == (count, channels, *size)
    interleaved = images.permute(0, 2, 3, 1)
    assert interleaved.is_contiguous()
    for pixels, path in zip(interleaved.numpy(), paths, strict=True):
        assert np.array_equal(pixels, resize(read_image(path, channels), size))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("reflection", [1, 5, 12])
def test_images_continue_mirrored_beyond_their_sides(
    tmp_path: Path, channels: int, reflection: int
) -> None:
    paths = write(tmp_path, 3)
    plain = load_images(paths, (13, 17), channels, progress=False)
    images = load_images(paths, (13, 17), channels, progress=False, reflection=reflection)
    assert images.permute(0, 2, 3, 1).is_contiguous()
    around = ((0, 0), (0, 0), (reflection, reflection), (reflection, reflection))
    assert np.array_equal(images, np.pad(plain, around, "reflect"))


def test_mixed_sizes_are_stretched_and_pointed_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wide, tall = tmp_path / "wide", tmp_path / "tall"
    wide.mkdir()
    tall.mkdir()
    paths = write(wide, 2, (80, 40)) + write(tall, 1, (20, 30))
    with caplog.at_level(logging.WARNING, "nsa"):
        assert load_images(paths, (32, 32), progress=False).shape == (3, 3, 32, 32)
    assert "1 of 3 images are smaller than 32 x 32" in caplog.text
    assert "width / height from 0.67 to 2.00" in caplog.text


def test_images_that_fit_cause_no_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING, "nsa"):
        load_images(write(tmp_path, 3), (30, 40), progress=False)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_one_bad_file_is_named(tmp_path: Path) -> None:
    paths = write(tmp_path, 3)
    paths[1].write_bytes(paths[1].read_bytes()[:200])
    with pytest.raises(
        InputError, match=r"1\.png cannot be read.*; replace or remove this file\.$"
    ):
        load_images(paths, (16, 16))


def test_many_bad_files_are_counted_and_ten_named_in_order(tmp_path: Path) -> None:
    paths = write(tmp_path, 15)
    for path in paths[2:]:
        path.write_text("damaged")
    with pytest.raises(InputError) as caught:
        load_images(paths, (16, 16), progress=False)
    message = str(caught.value)
    assert message.startswith("13 of 15 images cannot be used")
    assert "; and 3 more. All are listed in " in message
    named = [message.find(f"{index}.png") for index in range(2, 12)]
    assert -1 not in named
    assert named == sorted(named)
    assert "12.png" not in message


def test_nothing_to_load() -> None:
    with pytest.raises(InputError, match="no images to load"):
        load_images([], (16, 16))
    with pytest.raises(InputError, match=r"^channels must be 1 \(grey\) or 3 \(RGB\), got 4\.$"):
        load_images(["any.png"], (16, 16), channels=4)


def test_full_size_images_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[weakref.ref[Image.Image]] = []
    most = 0

    def watched(path: Path, channels: int, levels: None) -> Image.Image:
        nonlocal most
        picture = decode.decode(path, channels, levels)
        seen.append(weakref.ref(picture))
        most = max(most, sum(reference() is not None for reference in seen))
        return picture

    monkeypatch.setattr(load, "decode", watched)
    monkeypatch.setattr(load, "worker_count", lambda: 2)
    load_images(write(tmp_path, 20), (8, 8), progress=False)
    assert 1 <= most <= 3  # one a thread, and one that is just being let go


def test_more_unreadable_files_than_are_named_are_listed(tmp_path):
    paths = [tmp_path / f"{index}\udcff.png" for index in range(11)]
    for count in (10, 11):
        with pytest.raises(InputError) as raised:
            load_images(paths[:count], (8, 8), progress=False)
        _, _, listed = str(raised.value).partition(" All are listed in ")
        assert bool(listed) == (count > 10)
    with Path(listed.removesuffix(".")).open(newline="", errors="surrogateescape") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [str(path) for path in paths]
    Path(listed.removesuffix(".")).unlink()
