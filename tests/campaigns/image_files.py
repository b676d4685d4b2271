"""Image files of every format that Pillow and OpenCV write, and how they are damaged."""

from __future__ import annotations

import functools
import io
import struct
import warnings
import zlib
from collections.abc import Sequence

import cv2
import hypothesis.strategies as st
import numpy as np
from PIL import Image

Draw = st.DrawFn

_PNG = b"\x89PNG\r\n\x1a\n"
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "I;16", "F")
_CV2 = (
    ".png",
    ".jpg",
    ".tiff",
    ".webp",
    ".bmp",
    ".jp2",
    ".pgm",
    ".ppm",
    ".pam",
    ".ras",
    ".hdr",
    ".avif",
)
_SIZE = (7, 5)
_WORDS = sorted({0, 1, 2, 3, 4, 7, 8, 9, 16, 32, 255, 256, 300, 1000, 20_000, 32767, 32768, 65535,
                 65536, 10**6, 2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1})  # fmt: skip
# Tags of a TIFF file that decide how pixels are read; orientation, and pointers to more tags.
_TIFF_TAGS = (254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 284, 317, 320, 322,
              323, 324, 325, 330, 338, 339, 347, 530, 532, 34675)  # fmt: skip
_EXIF_TAGS = (274, 256, 257, 270, 282, 296, 305, 34665, 34853, 37510, 40965, 41729, 0, 65535)


@functools.cache
def valid_files() -> dict[str, bytes]:
    """Small images by what they are: format and mode, as Pillow and OpenCV write them."""
    random = np.random.default_rng(5)
    pixels = random.integers(0, 256, (*_SIZE[::-1], 4), dtype=np.uint8)
    found = {}
    Image.init()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for mode in _MODES:
            picture = _picture(mode, pixels)
            for kind in sorted(Image.SAVE):
                content = _saved(picture, kind)
                if content:
                    found[f"{kind} {mode}"] = content
        for more in (
            {"compression": "tiff_lzw"}, {"compression": "jpeg"},
            {"compression": "tiff_adobe_deflate"}, {"compression": "group4"},
            {"save_all": True, "append_images": [_picture("L", pixels)] * 2},
        ):  # fmt: skip
            picture = _picture("1" if "group4" in more.values() else "RGB", pixels)
            found[f"TIFF {more}"] = _saved(picture, "TIFF", **more)
        for kind, more in (
            ("GIF", {"save_all": True}), ("PNG", {"save_all": True}),
            ("WEBP", {"save_all": True}), ("JPEG", {"progressive": True}),
            ("JPEG2000", {"irreversible": True}),
        ):  # fmt: skip
            if more.get("save_all"):
                more["append_images"] = [_picture("RGB", 255 - pixels)]
            found[f"{kind} {sorted(more)[-1]}"] = _saved(_picture("RGB", pixels), kind, **more)
    for ending in _CV2:
        for dtype in (np.uint8, np.uint16, np.float32):
            for channels in (1, 3, 4):
                deep = (
                    pixels.astype(np.float64)
                    / 255
                    * (1 if dtype == np.float32 else np.iinfo(dtype).max)
                ).astype(dtype)
                try:
                    done, content = cv2.imencode(ending, deep[..., :channels])
                except cv2.error:
                    continue
                if done:
                    found[f"cv2 {ending} {np.dtype(dtype)} {channels}"] = content.tobytes()
    return {name: content for name, content in found.items() if content}


def _picture(mode: str, pixels: np.ndarray) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    if mode == "P":
        return Image.fromarray(pixels[..., :3].copy()).quantize(8)
    if mode == "LAB":
        return Image.frombytes("LAB", _SIZE, pixels[..., :3].tobytes())
    return Image.fromarray(pixels).convert("RGB" if mode == "CMYK" else "RGBA").convert(mode)


def _saved(picture: Image.Image, kind: str, **more: object) -> bytes:
    file = io.BytesIO()
    try:
        picture.save(file, kind, **more)
    except (OSError, ValueError, KeyError, RuntimeError, NotImplementedError, AttributeError):
        return b""  # there is no such file
    return file.getvalue()


@st.composite
def damaged_files(draw: Draw) -> bytes:
    """A file that was valid once, or that never was an image at all."""
    files = list(valid_files().values())
    start = draw(st.integers(0, 9))
    if start == 0:
        content = tiff(
            draw(st.lists(_entries(_TIFF_TAGS), min_size=1, max_size=18)), draw(st.booleans())
        )
    elif start == 1:
        content = with_exif(_any(draw, files), draw(exif_blocks()))
    elif start == 2:
        content = draw(odd_tiffs())
    else:
        content = _any(draw, files)
    for _ in range(draw(st.integers(0, 3))):
        content = _DAMAGES[draw(st.integers(0, len(_DAMAGES) - 1))](draw, content, files)
    return mended(content) if draw(st.booleans()) else content


@st.composite
def exif_blocks(draw: Draw) -> bytes:
    """EXIF data: an orientation, mostly, among tags of odd types, counts and values."""
    entries = draw(st.lists(_entries(_EXIF_TAGS), max_size=5))
    if draw(st.booleans()):
        entries.append((274, 3, 1, draw(st.integers(0, 9))))
    return tiff(entries, draw(st.booleans()), loop=draw(st.integers(0, 9)) == 0)


@st.composite
def odd_tiffs(draw: Draw) -> bytes:
    """A TIFF file that says where its pixels are, with some tags that may not fit them."""
    bits = draw(st.sampled_from([1, 2, 4, 8, 12, 16, 24, 32, 64]))
    samples = draw(st.sampled_from([1, 2, 3, 4, 5]))
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    size = -(-width * bits * samples // 8) * height
    entries = {
        256: width, 257: height, 258: bits, 259: draw(st.sampled_from([1, 1, 1, 5, 8, 32773])),
        262: draw(st.integers(0, 6)), 273: 8, 277: samples, 278: height, 279: size,
        284: draw(st.sampled_from([1, 1, 2])), 339: draw(st.integers(0, 6)),
    }  # fmt: skip
    if draw(st.booleans()):
        entries[274] = draw(st.integers(0, 9))
    if draw(st.booleans()):
        entries[338] = draw(st.integers(0, 3))
    listed = [(tag, 4 if tag in (273, 279) else 3, 1, value) for tag, value in entries.items()]
    if draw(st.booleans()):
        tag, kind, count, value = draw(_entries(_TIFF_TAGS))
        listed = [entry for entry in listed if entry[0] != tag] + [(tag, kind, count, value)]
    return tiff(
        listed,
        draw(st.booleans()),
        pixels=bytes(range(256)) * (size // 256) + bytes(range(size % 256)),
    )


def _entries(tags: Sequence[int]) -> st.SearchStrategy[tuple[int, int, int, int]]:
    """A tag, its type, its count, and its value or where that lies."""
    known = st.sampled_from(tags)
    return st.tuples(
        st.one_of(known, known, st.integers(0, 65535)),
        st.integers(0, 14),
        st.sampled_from([0, 1, 1, 1, 2, 3, 4, 1000, 2**16, 2**31, 2**32 - 1]),
        st.sampled_from(_WORDS),
    )


def tiff(
    entries: Sequence[tuple[int, int, int, int]],
    little: bool,
    *,
    pixels: bytes = b"",
    loop: bool = False,
) -> bytes:
    """A TIFF file of one directory, which may name itself as the next one."""
    order = "<" if little else ">"
    start = 8 + len(pixels)
    head = (b"II*\0" if little else b"MM\0*") + struct.pack(f"{order}I", start) + pixels
    made = head + struct.pack(f"{order}H", len(entries))
    for tag, kind, count, value in sorted(entries):
        short = kind == 3 and count == 1 and value < 65536
        made += struct.pack(f"{order}HHI", tag, kind, count)
        made += struct.pack(f"{order}HH", value, 0) if short else struct.pack(f"{order}I", value)
    return made + struct.pack(f"{order}I", start if loop else 0)


def with_exif(content: bytes, block: bytes) -> bytes:
    """A JPEG or PNG file with EXIF data in it; of any other file its picture as JPEG."""
    if content.startswith(_PNG):
        return content[:33] + _chunk(b"eXIf", block) + content[33:]
    if not content.startswith(b"\xff\xd8"):
        content = valid_files()["JPEG RGB"]
    body = b"Exif\0\0" + block
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + content[2:]


def mended(content: bytes) -> bytes:
    """A PNG file with the checksums of what is in it now, so that more than they is read."""
    if not content.startswith(_PNG):
        return content
    at, made = len(_PNG), [_PNG]
    while at + 12 <= len(content):
        length, name = struct.unpack(">I4s", content[at : at + 8])
        body = content[at + 8 : at + 8 + length]
        if len(body) < length:
            break
        made.append(_chunk(name, body))
        at += length + 12
    return b"".join(made) + content[at:]


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _any(draw: Draw, files: Sequence[bytes]) -> bytes:
    return files[draw(st.integers(0, len(files) - 1))]


def _place(draw: Draw, content: bytes) -> int:
    """Mostly near the beginning, where the headers are."""
    most = len(content)
    return min(draw(st.one_of(st.integers(0, 40), st.integers(0, max(most, 1)))), most)


def _other_bytes(draw: Draw, content: bytes, _files: Sequence[bytes]) -> bytes:
    at = _place(draw, content)
    new = draw(st.binary(min_size=1, max_size=4))
    return content[:at] + new + content[at + len(new) :]


def _other_word(draw: Draw, content: bytes, _files: Sequence[bytes]) -> bytes:
    at, value = _place(draw, content), draw(st.sampled_from(_WORDS))
    form = draw(st.sampled_from(["<I", ">I", "<H", ">H"]))
    new = struct.pack(form, value & (2**32 - 1 if form[1] == "I" else 2**16 - 1))
    return content[:at] + new + content[at + len(new) :]


def _cut(draw: Draw, content: bytes, _files: Sequence[bytes]) -> bytes:
    return content[: draw(st.integers(0, len(content)))]


def _without(draw: Draw, content: bytes, _files: Sequence[bytes]) -> bytes:
    at = _place(draw, content)
    return content[:at] + content[at + draw(st.integers(1, 30)) :]


def _twice(draw: Draw, content: bytes, _files: Sequence[bytes]) -> bytes:
    at, length = _place(draw, content), draw(st.integers(1, 200))
    return content[: at + length] + content[at:]


def _spliced(draw: Draw, content: bytes, files: Sequence[bytes]) -> bytes:
    other = _any(draw, files)
    return content[: _place(draw, content)] + other[_place(draw, other) :]


def _followed(draw: Draw, content: bytes, files: Sequence[bytes]) -> bytes:
    return content + _any(draw, files)


_DAMAGES = (
    _other_bytes,
    _other_bytes,
    _other_word,
    _other_word,
    _cut,
    _without,
    _twice,
    _spliced,
    _followed,
)
