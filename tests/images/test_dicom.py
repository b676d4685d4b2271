"""DICOM files: windows, levels, signs, colours, and what is said where they cannot be read."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nsa.errors import InputError
from nsa.images import dicom, files, find_images, open_dataset, opening, read_image
from nsa.images.decode import image_size, own_shapes
from nsa.images.levels import find_levels

pydicom = pytest.importorskip("pydicom")


@pytest.fixture(autouse=True)
def _say_everything_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_said", set())


def write_dicom(path: Path, pixels: npt.NDArray[Any], bits: int = 12, **fields: Any) -> Path:
    """A file whose pixels are (H, W), or (H, W, 3), uncompressed unless ``syntax`` says more."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = fields.pop("syntax", ExplicitVRLittleEndian)
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    frames = int(fields.get("NumberOfFrames", 1))
    shape = pixels.shape if frames == 1 else pixels.shape[1:]
    data.Rows, data.Columns = shape[:2]
    data.SamplesPerPixel = 3 if len(shape) == 3 else 1
    if len(shape) == 3:
        data.PlanarConfiguration = 0
    data.PhotometricInterpretation = "RGB" if len(shape) == 3 else "MONOCHROME2"
    data.BitsAllocated = 8 * pixels.dtype.itemsize
    data.BitsStored, data.HighBit = bits, bits - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    for name, value in fields.items():
        setattr(data, name, value)
    data.PixelData = pixels.tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


def noise(low: int, high: int, *shape: int, dtype: Any = np.uint16) -> npt.NDArray[Any]:
    return np.random.default_rng().integers(low, high + 1, shape).astype(dtype)


def expected(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.int64]:
    return np.rint(255 * ((values.astype(float) - low) / (high - low)).clip(0, 1)).astype(np.int64)


def grey(path: Path, levels: tuple[int, int] | None = None) -> npt.NDArray[np.int64]:
    return read_image(path, 1, levels)[:, :, 0].astype(np.int64)


def test_without_window_and_levels_the_bits_of_the_file_count(tmp_path: Path) -> None:
    values = noise(0, 4095, 11, 17)
    path = write_dicom(tmp_path / "a.dcm", values)
    assert np.array_equal(grey(path), expected(values, 0, 4095))
    assert image_size(path) == (17, 11)
    assert own_shapes([path]) == [(11, 17)]
    signed = noise(-2048, 2047, 11, 17, dtype=np.int16)
    path = write_dicom(tmp_path / "b.DICOM", signed)
    assert np.array_equal(grey(path), expected(signed, -2048, 2047))
    eight = noise(0, 255, 11, 17, dtype=np.uint8)
    path = write_dicom(tmp_path / "c.dcm", eight, 8)
    assert np.array_equal(read_image(path, 3, (9, 99)), eight[:, :, None].repeat(3, 2))


@pytest.mark.parametrize("inverted", [False, True])
def test_the_first_window_of_a_file_decides(tmp_path: Path, inverted: bool) -> None:
    values = noise(0, 4095, 23, 31)
    path = write_dicom(
        tmp_path / "ct.dcm", values, RescaleSlope=2, RescaleIntercept=-1024,
        WindowCenter=[40, 1000], WindowWidth=[401, 50],
        PhotometricInterpretation="MONOCHROME1" if inverted else "MONOCHROME2",
    )  # fmt: skip
    # Linear: the centre is at c - 0.5, and w - 1 lie between black and white.
    wanted = expected(2.0 * values - 1024, 39.5 - 200, 39.5 + 200)
    wanted = 255 - wanted if inverted else wanted
    for levels in (None, (0, 4095)):  # which do not concern it
        assert np.abs(grey(path, levels) - wanted).max() <= 1
    assert find_levels([path]) is None


def test_a_lookup_table_comes_before_the_window(tmp_path: Path) -> None:
    from pydicom.dataset import Dataset

    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4, 10, 12], [4095, 3000, 500, 0]
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "US"
    values = np.array([[9, 10, 11], [12, 13, 14]], np.uint16)
    path = write_dicom(
        tmp_path / "x.dcm", values, VOILUTSequence=[table], WindowCenter=5, WindowWidth=5
    )
    wanted = expected(np.array([[4095, 4095, 3000], [500, 0, 0]]), 0, 4095)
    assert np.array_equal(grey(path), wanted)


def test_levels_are_of_what_the_values_mean(tmp_path: Path) -> None:
    hounsfield = noise(-900, 1500, 40, 41, dtype=np.int16)
    one = write_dicom(tmp_path / "1.dcm", hounsfield, 16, RescaleSlope=1, RescaleIntercept=0)
    stored = (hounsfield + 1024).astype(np.uint16)
    two = write_dicom(tmp_path / "2.dcm", stored, RescaleSlope=1, RescaleIntercept=-1024)
    levels = find_levels([one, two])
    assert levels is not None
    low, high = (value - 32768 for value in levels)
    assert -1100 < low <= -890
    assert 1490 <= high < 1700
    assert np.abs(grey(one, levels) - expected(hounsfield, low, high)).max() <= 1
    assert np.array_equal(grey(one, levels), grey(two, levels))


def test_monochrome1_is_turned_round_before_levels(tmp_path: Path) -> None:
    values = noise(500, 2500, 12, 15)
    one = write_dicom(tmp_path / "1.dcm", values)
    inverse = (4095 - values).astype(np.uint16)
    two = write_dicom(tmp_path / "2.dcm", inverse, PhotometricInterpretation="MONOCHROME1")
    levels = find_levels([one, two])
    assert levels is not None
    assert levels[1] < 2700
    assert np.array_equal(grey(one, levels), grey(two, levels))
    assert np.array_equal(grey(two), expected(values, 0, 4095))


def test_windows_and_levels_in_one_set_are_pointed_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = noise(500, 2500, 12, 15)
    one = write_dicom(tmp_path / "1.dcm", values, WindowCenter=1000, WindowWidth=2000)
    two = write_dicom(tmp_path / "2.dcm", values)
    with caplog.at_level(logging.WARNING, "nsa"):
        assert find_levels([one, two]) is not None
    assert f"16 bits, such as {two}" in caplog.text
    assert str(one) in caplog.text


def test_colours_and_palettes(tmp_path: Path) -> None:
    colours = noise(0, 255, 9, 13, 3, dtype=np.uint8)
    path = write_dicom(tmp_path / "rgb.dcm", colours, 8)
    assert np.array_equal(read_image(path), colours)
    index = np.array([[0, 1, 2]], np.uint8)
    tables = {}
    for name, row in (("Red", [0, 65535, 257]), ("Green", [257, 0, 0]), ("Blue", [0, 514, 0])):
        tables[f"{name}PaletteColorLookupTableDescriptor"] = [3, 0, 16]
        tables[f"{name}PaletteColorLookupTableData"] = np.array(row, "<u2").tobytes()
    path = write_dicom(
        tmp_path / "p.dcm", index, 8, PhotometricInterpretation="PALETTE COLOR", **tables
    )
    assert read_image(path)[0].tolist() == [[0, 1, 0], [255, 0, 2], [1, 0, 0]]


def test_the_first_frame_is_read_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    values = noise(0, 4095, 2, 10, 12)
    path = write_dicom(tmp_path / "cine.dcm", values, NumberOfFrames=2)
    with caplog.at_level(logging.WARNING, "nsa"):
        assert np.array_equal(grey(path), expected(values[0], 0, 4095))
    assert "the first is used" in caplog.text


def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path: Path) -> None:
    from pydicom.encaps import encapsulate
    from pydicom.uid import MPEG2MPML

    values = noise(0, 4095, 10, 12)
    path = write_dicom(tmp_path / "video.dcm", values)
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = MPEG2MPML
    data.PixelData = encapsulate([values.tobytes()])
    data.save_as(path)
    with pytest.raises(InputError, match=r"video\.dcm is compressed in a way \(MPEG2.*pylibjpeg"):
        read_image(path)
    (tmp_path / "text.dcm").write_text("no image at all")
    with pytest.raises(InputError, match=r"text\.dcm cannot be read: it is not DICOM"):
        read_image(tmp_path / "text.dcm")
    with pytest.raises(InputError, match=r"gone\.dcm does not exist"):
        read_image(tmp_path / "gone.dcm")
    path = write_dicom(tmp_path / "short.dcm", values)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match=r"short\.dcm cannot be read"):
        read_image(path)
    data = pydicom.dcmread(write_dicom(tmp_path / "report.dcm", values))
    del data.Rows, data.PixelData
    data.save_as(tmp_path / "report.dcm")
    with pytest.raises(InputError, match=r"report\.dcm holds no image"):
        read_image(tmp_path / "report.dcm")


def test_folders_of_dicom_files_need_pydicom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [write_dicom(tmp_path / name, noise(0, 9, 8, 9)) for name in ("1.dcm", "2.DICOM")]
    assert find_images(tmp_path) == paths
    assert [sample.path for sample in open_dataset(None, None, tmp_path).train] == paths
    missing = files.has_pydicom.__wrapped__
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    for module in (files, dicom):
        monkeypatch.setattr(module, "has_pydicom", missing)
    remedy = r"holds DICOM files, which pydicom reads: pip install 'nsa\[dicom\]'"
    for path in (tmp_path, paths[0]):
        with pytest.raises(InputError, match=r"pip install 'nsa\[dicom\]'\.$"):
            find_images(path)
    with pytest.raises(InputError, match=remedy):
        open_dataset(None, None, tmp_path)
    with pytest.raises(InputError, match=r"1\.dcm is a DICOM file, which pydicom reads"):
        read_image(paths[0])
