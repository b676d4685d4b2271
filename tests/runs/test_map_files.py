"""Maps in files: read back by another reader, and tag by tag as the format has it."""

from __future__ import annotations

import logging
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from tiny import nsa, picture, sentence, write

from nsa.errors import InputError
from nsa.runs.map_files import map_ending, write_map

LARGEST = 65504
FIELDS = {3: "H", 4: "I"}  # TIFF's types SHORT and LONG


def read_by_hand(path: Path) -> tuple[npt.NDArray[Any], dict[int, tuple[int, ...]]]:
    """Pixels and tags of a TIFF, from its bytes alone."""
    data = path.read_bytes()
    assert data[:4] == b"II*\0"  # little-endian, version 42
    [directory] = struct.unpack_from("<I", data, 4)
    [count] = struct.unpack_from("<H", data, directory)
    tags: dict[int, tuple[int, ...]] = {}
    for number in range(count):
        entry = directory + 2 + 12 * number
        tag, kind, length = struct.unpack_from("<HHI", data, entry)
        if kind in FIELDS:
            size = length * struct.calcsize(FIELDS[kind])
            [place] = struct.unpack_from("<I", data, entry + 8) if size > 4 else (entry + 8,)
            tags[tag] = struct.unpack_from(f"<{length}{FIELDS[kind]}", data, place)
    assert [*tags] == sorted(tags)
    assert struct.unpack_from("<I", data, directory + 2 + 12 * count) == (0,)  # one page
    strips = zip(tags[273], tags[279], strict=True)
    pixels = b"".join(data[start : start + length] for start, length in strips)
    return np.frombuffer(pixels, "<f2").reshape(tags[257][0], tags[256][0]), tags


@pytest.mark.parametrize("size", [(1, 1), (37, 53), (300, 7), (7, 900)])
def test_tiff_holds_float16_in_one_channel(
    fresh_seed: int, tmp_path: Path, size: tuple[int, int]
) -> None:
    random = np.random.default_rng([fresh_seed, *size])
    pixels = random.normal(scale=10.0 ** random.integers(-6, 5), size=size).astype(np.float32)
    pixels[0, 0] = random.choice([0.0, 6e-8, 1 / 3])
    path = tmp_path / "map.tiff"
    write_map(path, pixels)
    found, tags = read_by_hand(path)
    expected = pixels.clip(-LARGEST, LARGEST).astype(np.float16)
    np.testing.assert_array_equal(found, expected)
    one = {258: 16, 259: 1, 262: 1, 277: 1, 339: 3}  # bits, no compression, black is 0, IEEE float
    assert {tag: tags[tag] for tag in one} == {tag: (value,) for tag, value in one.items()}
    read: Any = tifffile.imread(path)
    assert read.dtype == np.float16
    assert read.ndim == 2
    np.testing.assert_array_equal(read, expected)
    # What is float16 already comes back as it was.
    write_map(path, expected.astype(np.float32))
    np.testing.assert_array_equal(read_by_hand(path)[0], expected)


def test_values_beyond_float16_stay_finite_and_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nsa.images.opening._said", set())
    pixels = np.array([[1e6, -3e38, 65519.0, 1.0]], np.float32)
    with caplog.at_level(logging.WARNING, "nsa"):
        write_map(tmp_path / "a.tiff", pixels)
    assert read_by_hand(tmp_path / "a.tiff")[0].tolist() == [[LARGEST, -LARGEST, LARGEST, 1.0]]
    assert "beyond 65504" in caplog.text


def test_npy_holds_the_map_as_it_is(fresh_seed: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng([fresh_seed, 1]).normal(size=(5, 8)).astype(np.float32)
    write_map(tmp_path / "a.npy", pixels)
    found = np.load(tmp_path / "a.npy")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, pixels)


def test_there_are_two_formats() -> None:
    assert [map_ending(kind) for kind in ("npy", "tiff16")] == [".npy", ".tiff"]
    with pytest.raises(InputError, match="--map-format must be npy or tiff16, got 'png'"):
        map_ending("png")


def test_predict_writes_what_a_server_of_a_benchmark_takes(
    network_run: Path, tmp_path: Path
) -> None:
    """Named by the image alone, of its size, beside maps of the same call in float32."""
    folder = tmp_path / "can" / "test_private"
    for seed in range(2):
        write(folder / f"{seed:03}_regular.png", picture(seed)[0])
    common = ("predict", network_run, folder, "--no-overlays", "--output")
    result = nsa(*common, tmp_path / "tiff", "--save-maps", "--map-format", "tiff16")
    assert result.exit_code == 0, result.output
    assert nsa(*common, tmp_path / "npy", "--save-maps").exit_code == 0
    names = sorted(path.name for path in (tmp_path / "tiff").glob("*.tiff"))
    assert names == ["000_regular.tiff", "001_regular.tiff"]
    for name in names:
        exact = np.load((tmp_path / "npy" / name).with_suffix(".npy"))
        found = read_by_hand(tmp_path / "tiff" / name)[0]
        assert found.shape == exact.shape == (80, 80)
        np.testing.assert_array_equal(found, exact.astype(np.float16))
    message = sentence(nsa(*common, tmp_path / "new", "--map-format", "tiff16"))
    assert "--map-format says how maps are written; add --save-maps." in message
    message = sentence(nsa(*common, tmp_path / "new", "--save-maps", "--map-format", "png"))
    assert "must be npy or tiff16" in message
    assert not (tmp_path / "new").exists()
