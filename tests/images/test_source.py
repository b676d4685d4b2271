"""Images in memory are decoded as those in files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from nsa.errors import InputError
from nsa.images.decode import image_size, read_image
from nsa.images.source import ImageBytes

_RANDOM = np.random.default_rng(0)
_DEEP = _RANDOM.integers(0, 60_000, (20, 30, 3)).astype(np.uint16)


def _deep_grey(path: Path) -> None:
    cv2.imwrite(str(path), _DEEP[:, :, 0])


def _deep_colours(path: Path) -> None:
    cv2.imwrite(str(path), _DEEP)


def _turned(path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray((_DEEP >> 8).astype(np.uint8)).save(path, exif=exif)


def _dicom(path: Path, *, deflated: bool = False) -> None:
    pydicom = pytest.importorskip("pydicom")
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = (
        DeflatedExplicitVRLittleEndian if deflated else ExplicitVRLittleEndian
    )
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3"
    data.Rows, data.Columns, data.SamplesPerPixel = 20, 30, 1
    data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelData = _DEEP[:, :, 0].tobytes()
    data.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize("levels", [None, (100, 50_000)])
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("grey.png", _deep_grey), ("grey.tif", _deep_grey), ("grey.pgm", _deep_grey),
        ("colour.png", _deep_colours), ("colour.tiff", _deep_colours), ("turned.jpg", _turned),
        ("slice.dcm", _dicom),
    ],
)  # fmt: skip
def test_bytes_are_read_as_the_file(tmp_path, name, write, levels):
    path = tmp_path / name
    write(path)
    held = ImageBytes(path.read_bytes())
    for channels in (1, 3):
        expected = read_image(path, channels, levels)
        assert expected.std() > 10
        assert np.array_equal(read_image(held, channels, levels), expected)
    assert image_size(held) == image_size(path) == expected.shape[1::-1]


def test_messages_name_them_and_hold_none_of_them():
    with pytest.raises(InputError, match=r"^The image cannot be read: it is not an image"):
        read_image(ImageBytes(b"nothing"))
    named = ImageBytes(b"II*\0\x08\0\0\0\0\0nothing", "part.tif")
    assert "nothing" not in repr(named)
    with pytest.raises(InputError, match=r"^part\.tif cannot be read: "):
        read_image(named)


def test_deflated_dicom_is_not_inflated(tmp_path):
    path = tmp_path / "slice.dcm"
    _dicom(path, deflated=True)
    assert read_image(path).shape == (20, 30, 3)
    for read in (read_image, image_size):
        with pytest.raises(InputError, match=r"deflated DICOM"):
            read(ImageBytes(path.read_bytes()))
