"""Pixels that keep their meaning, in files of every kind and fault."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from nsa.errors import InputError
from nsa.images import load_mask, opening, read_image


@pytest.fixture(autouse=True)
def _say_everything_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_said", set())


def tiff(path: Path, pixels: np.ndarray, photometric: int, bits: int, form: int = 1) -> Path:
    """A grey or RGB TIFF, written tag by tag."""
    samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    data = pixels.tobytes()
    where = 8 + 2 + 11 * 12 + 4
    tags = [
        (256, 4, 1, pixels.shape[1]), (257, 4, 1, pixels.shape[0]),
        (258, 3, samples, bits if samples == 1 else where),
        (259, 3, 1, 1), (262, 3, 1, photometric), (273, 4, 1, where + 16), (277, 3, 1, samples),
        (278, 4, 1, pixels.shape[0]), (279, 4, 1, len(data)), (284, 3, 1, 1),
        (339, 3, samples, form if samples == 1 else where + 8),
    ]  # fmt: skip
    directory = struct.pack("<H", 11) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    extra = struct.pack("<8H", *[bits] * 4, *[form] * 4)
    path.write_bytes(struct.pack("<2sHI", b"II", 42, 8) + directory + bytes(4) + extra + data)
    return path


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("photometric", [0, 1])
def test_white_is_zero(tmp_path: Path, bits: int, photometric: int) -> None:
    top = 2**bits - 1
    values = np.array([[0, top // 3, top]], np.uint8 if bits == 8 else np.uint16)
    path = tiff(tmp_path / "a.tif", values, photometric, bits)
    expected = [255, 170, 0] if photometric == 0 else [0, 85, 255]
    assert read_image(path, 1)[0, :, 0].tolist() == expected
    assert load_mask(path, None)[0].tolist() == [int(value > 0) for value in expected]


def test_declared_twelve_bits_have_their_own_scale(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    packed = np.array([[0xFF, 0xF0, 0x00]], np.uint8)  # 4095 and 0, in 12 bits each
    path = tiff(tmp_path / "a.tif", packed, 1, 12)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 10 + 8, 2)  # the width
    path.write_bytes(data)
    assert read_image(path, 1)[0, :, 0].tolist() == [255, 0]
    assert caplog.records == []


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_small_values_are_never_black_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, colour: bool, suffix: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    shape = (3, 4, 3) if colour else (3, 4)
    assert cv2.imwrite(str(path), np.full(shape, 4095, np.uint16))
    assert abs(int(read_image(path).max()) - 15.5) < 1
    assert "12 bits or fewer and lose most of their grey levels" in caplog.text
    for largest in (1, 200, 255):
        assert cv2.imwrite(str(path), np.full(shape, largest, np.uint16))
        with pytest.raises(InputError, match=rf"none is above {largest}, so it would come out"):
            read_image(path)
    assert cv2.imwrite(str(path), np.zeros(shape, np.uint16))
    assert not read_image(path).any()  # really black


def test_small_values_of_an_opaque_layer_are_refused_too(tmp_path: Path) -> None:
    pixels = np.full((3, 4, 4), 200, np.uint16)
    pixels[:, :, 3] = 65535
    assert cv2.imwrite(str(tmp_path / "a.png"), pixels)
    with pytest.raises(InputError, match="none is above 200, so it would come out black"):
        read_image(tmp_path / "a.png")


def test_small_values_are_judged_as_they_come_out(tmp_path: Path) -> None:
    for values, nothing in ((200, "white"), (65535 - 200, "black")):
        path = tiff(tmp_path / "a.tif", np.full((3, 4), values, np.uint16), 0, 16)
        with pytest.raises(InputError, match=f"none is above 200, so it would come out {nothing}"):
            read_image(path)


@pytest.mark.parametrize("kind", [np.int32, np.uint32, np.float32])
def test_pixels_of_32_bits_have_no_range(tmp_path: Path, kind: type) -> None:
    form = {np.int32: 2, np.uint32: 1, np.float32: 3}[kind]
    path = tiff(tmp_path / "a.tif", np.full((3, 4), 200, kind), 1, 32, form)
    with pytest.raises(InputError, match="32-bit or signed pixels, whose range is not fixed"):
        read_image(path)


def test_negative_values_are_refused(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", np.full((3, 4), -5, np.int16), 1, 16, 2)
    with pytest.raises(InputError, match="32-bit or signed pixels"):
        read_image(path)


def test_unusual_pixels_are_not_called_damaged_only(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", np.ones((3, 4, 3), np.float32), 2, 32, 3)
    for _ in range(2):
        with pytest.raises(InputError, match=r"unusual kind, such as floating-point colour; save"):
            read_image(path)
        path.write_bytes(b"MM\0*" + bytes(20))  # of the other byte order


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_of_a_damaged_second_page_the_first_is_read(tmp_path: Path) -> None:
    # Its white is zero, which the tags of the first page say alone.
    path = tiff(tmp_path / "a.tif", np.full((3, 4), 65535 - 77 * 257, np.uint16), 0, 16)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 8 + 2 + 11 * 12, len(data))  # where the second page is: nothing
    path.write_bytes(data + b"\x00\x00")
    assert (read_image(path, 1) == 77).all()


def test_other_formats_under_an_images_name_are_refused(tmp_path: Path) -> None:
    for kind in ("EPS", "DDS", "PDF", "ICO"):
        Image.new("RGB", (16, 16)).save(tmp_path / "a.png", kind)
        with pytest.raises(InputError, match=r"a\.png cannot be read: it is not an image"):
            read_image(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_only_the_orientation_counts(tmp_path: Path, suffix: str, turn: int) -> None:
    pixels = np.zeros((16, 32), np.uint8)
    pixels[:8, :16] = 255
    picture = Image.fromarray(pixels).convert("RGB")
    exif = picture.getexif()
    exif[0x0112] = turn
    path = tmp_path / f"a.{suffix}"
    picture.save(path, exif=exif)
    found = read_image(path, 1)[:, :, 0] > 127
    turned = {1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1], 5: pixels.T,
              6: np.rot90(pixels, -1), 7: pixels[::-1, ::-1].T, 8: np.rot90(pixels)}  # fmt: skip
    assert np.array_equal(found, turned[turn] > 0)
    assert opening.upright_size(path) == found.shape[::-1]
    if suffix != "jpg":  # as a mask, and as one on a transparent layer
        assert np.array_equal(load_mask(path, None), turned[turn] > 0)
        black = Image.new("L", picture.size)
        layer = Image.merge("RGBA", (black, black, black, Image.fromarray(pixels)))
        layer.save(path, exif=exif)
        assert np.array_equal(load_mask(path, None), turned[turn] > 0)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "I;16"])
def test_a_tiff_is_turned_whatever_its_pixels(
    tmp_path: Path, mode: str, compression: str | None
) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (5, 9), dtype=np.uint8)
    grey = Image.fromarray(pixels)
    deep = Image.fromarray(pixels.astype(np.uint16) * 257)
    picture = deep if mode == "I;16" else grey if mode == "L" else grey.convert("RGB").convert(mode)
    path = tmp_path / "a.tif"
    turned = {1: pixels, 3: pixels[::-1, ::-1], 5: pixels.T, 6: np.rot90(pixels, -1)}
    for turn, expected in turned.items():
        exif = Image.Exif()
        exif[0x0112] = turn
        picture.save(path, exif=exif, compression=compression)
        assert np.array_equal(read_image(path, 1)[:, :, 0], expected)
        assert np.array_equal(load_mask(path, None), expected > 0)
        assert opening.upright_size(path) == expected.shape[::-1]


def test_an_odd_tag_beside_the_orientation(tmp_path: Path) -> None:
    """One whose text is no text: Pillow cannot write it again."""
    entries = struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<HHII", 0x0132, 3, 2, 0x00070007)
    exif = b"Exif\0\0" + struct.pack("<2sHIH", b"II", 42, 8, 2) + entries + bytes(4)
    Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (8, 4, 3)


def test_an_orientation_that_is_no_number_does_not_count(tmp_path: Path) -> None:
    entry = struct.pack("<HHI4s", 0x0112, 2, 2, b"6")
    exif = b"Exif\0\0" + struct.pack("<2sHIH", b"II", 42, 8, 1) + entry + bytes(4)
    Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (4, 8, 3)
    assert opening.upright_size(tmp_path / "a.jpg") == (8, 4)


@pytest.mark.parametrize("error", [TypeError, NotImplementedError, RuntimeError, RecursionError])
def test_whatever_a_decoder_raises_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    Image.new("RGB", (8, 4)).save(tmp_path / "a.png")

    def fail(*_: object) -> None:
        raise error("odd")

    monkeypatch.setattr(Image.Image, "load", fail)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    reads: list[Callable[[Path], object]] = [read_image, lambda path: load_mask(path, None)]
    for read in reads:
        with pytest.raises(InputError, match=r"a\.png cannot be read: odd"):
            read(tmp_path / "a.png")


def test_an_interruption_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (8, 4)).save(tmp_path / "a.png")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    with pytest.raises(KeyboardInterrupt):
        read_image(tmp_path / "a.png")


def test_line_scans_beyond_pillows_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scan.png"
    picture = Image.new("1", (20_000, 15_000))
    picture.save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert opening.upright_size(path) == (20_000, 15_000)
    assert Image.MAX_IMAGE_PIXELS == 1000  # other users of Pillow keep their limit
    monkeypatch.setattr(opening, "available_memory", lambda: 4_000_000_000)
    with pytest.raises(InputError, match=r"300 million pixels, which need 4.8 GB.*4.0 GB are free"):
        read_image(path)
    # Read as one of its size is, though this is a smaller one.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setattr(opening, "_LARGE", 200)
    Image.new("L", (40, 30), 9).save(path)
    assert (read_image(path, 1) == 9).all()
    Image.new("L", (40, 30), 255).save(tmp_path / "mask.png")
    Image.new("L", (20, 15)).save(tmp_path / "image.png")
    with pytest.raises(InputError, match="must be of one size"):
        load_mask(tmp_path / "mask.png", None, path.with_name("image.png"))


def _saved(picture: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    "kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM", "JPEG2000", "AVIF"]
)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of damaged files
def test_damaged_files_give_pixels_or_a_sentence(tmp_path: Path, kind: str) -> None:
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip("Pillow has AVIF since 11.3")
    random = np.random.default_rng()
    whole = _saved(Image.fromarray(random.integers(0, 256, (9, 8, 3), dtype=np.uint8)), kind)
    path = tmp_path / "a.png"
    for _ in range(60):
        data = np.frombuffer(whole, np.uint8).copy()
        where = random.integers(0, min(len(data), 300), random.integers(1, 6))
        data[where] = random.integers(0, 256, len(where))
        path.write_bytes(data.tobytes()[: random.integers(len(data) // 2, len(data) + 1)])
        reads: list[Callable[[Path], object]] = [read_image, lambda path: load_mask(path, None)]
        for read in reads:
            with contextlib.suppress(InputError):
                assert isinstance(read(path), np.ndarray)
