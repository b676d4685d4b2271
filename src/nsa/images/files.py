"""Listing image files and folders in the order a person would number them.

What lies in a folder and is no image is left out; the log says how many and why. Hidden files, and
those that Windows hides, do not count, but hidden images are told.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nsa.errors import InputError
from nsa.images.source import ImageBytes, Source
from nsa.system.console import counted
from nsa.system.mirror import fetch_all

_log = logging.getLogger("nsa")

# Raster images that Pillow reads without other programs; of several frames the first is used.
IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".avif"}
    | {".jp2", ".pbm", ".pgm", ".ppm", ".pnm"}
)
DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})  # where pydicom is installed
PYDICOM = "pip install 'nsa[dicom]'"
_HIDDEN = ("thumbs.db", "desktop.ini")
_said: set[str] = set()
_DIGITS = re.compile(r"(\d+)", re.ASCII)


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """Sort key that puts ``2.png`` before ``10.png``."""
    # re.split with a group alternates text and digits, so like is compared with like.
    parts = _DIGITS.split(path.name.casefold())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], path.name


def is_image(path: Path) -> bool:
    """Whether ``path`` is a visible file with the suffix of an image."""
    return is_named_image(path) and path.is_file()


def is_named_image(path: Path) -> bool:
    """Whether ``path`` is called as a visible image is, whatever is there."""
    return path.suffix.lower() in _suffixes() and not path.name.startswith(".")


def is_dicom(path: Source) -> bool:
    """Whether a file is called as DICOM files are; of bytes, which need no name, what they say."""
    if isinstance(path, ImageBytes):
        return path.content[128:132] == b"DICM"
    return Path(path).suffix.lower() in DICOM_SUFFIXES


@functools.cache
def has_pydicom() -> bool:
    """Whether DICOM files can be read."""
    return importlib.util.find_spec("pydicom") is not None


def list_images(folder: Path) -> list[Path]:
    """Image files directly inside ``folder``, naturally sorted; the log says what is left out.

    Raises:
        InputError: the folder does not exist or cannot be read, or all that it holds is DICOM
            files, and pydicom is not installed.
    """
    images, others = _sort_out(folder)
    if not images and any(is_dicom(entry.path) for entry in others) and not has_pydicom():
        raise InputError(f"{folder} holds DICOM files, which pydicom reads: {PYDICOM}.")
    _report(folder, len(images), others)
    return images


def holds_images(folder: Path) -> bool:
    """Whether image files lie directly inside ``folder``.

    Raises:
        InputError: the folder does not exist or cannot be read.
    """
    return bool(_sort_out(folder)[0])


def list_folders(folder: Path) -> list[Path]:
    """Visible folders directly inside ``folder``, naturally sorted.

    Raises:
        InputError: the folder does not exist or cannot be read.
    """
    inner = (entry for entry in _entries(folder) if entry.is_dir())
    return sorted((Path(entry) for entry in inner if entry.name[0] != "."), key=natural_key)


def find_images(path: str | Path) -> list[Path]:
    """The image files a user means by ``path``: one file, or all directly inside a folder.

    Raises:
        InputError: nothing is there, or no image.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    if path.is_file():
        if is_dicom(path) and not has_pydicom():
            raise InputError(f"{path} is a DICOM file, which pydicom reads: {PYDICOM}.")
        if path.suffix.lower() not in _suffixes():
            raise InputError(f"{path} is not an image file; known are {suffix_list()}.")
        return [path]
    found = list_images(path)
    if not found:
        below = next((inner for inner in list_folders(path) if holds_images(inner)), None)
        hint = f"its folder {below.name} does: name that one" if below else "add some"
        raise InputError(f"{path} holds no images ({suffix_list()}); {hint}.")
    return found


def find_all_images(paths: Sequence[str | Path]) -> list[Path]:
    """The image files a user means by several paths or URLs, see :func:`find_images`.

    Raises:
        InputError: for one of them nothing is there, or no image; or one is named twice.
    """
    found = [image for path in fetch_all(paths) for image in find_images(path)]
    folders = {folder: folder.resolve() for folder in {image.parent for image in found}}
    repeated = len(found) - len({(folders[image.parent], image.name) for image in found})
    if repeated:
        are = "is" if repeated == 1 else "are"
        raise InputError(f"{counted(repeated, 'image')} {are} named twice; name each once.")
    return found


def suffix_list() -> str:
    """The image suffixes for a message, without dots."""
    return ", ".join(sorted(suffix[1:] for suffix in _suffixes()))


def list_missing(names: Sequence[str], shown: int = 20) -> str:
    """Names for a message, the first of them if they are many."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def _suffixes() -> frozenset[str]:
    return IMAGE_SUFFIXES | DICOM_SUFFIXES if has_pydicom() else IMAGE_SUFFIXES


def _sort_out(folder: Path) -> tuple[list[Path], list[os.DirEntry[str]]]:
    """The image files of a folder, and what else a person may think is judged."""
    images, others = [], []
    for entry in _entries(folder):
        if is_named_image(Path(entry)) and entry.is_file():
            images.append(Path(entry))
        elif _is_seen(entry) or _is_hidden_image(entry):
            others.append(entry)
    return sorted(images, key=natural_key), others


def _report(folder: Path, count: int, others: Sequence[os.DirEntry[str]]) -> None:
    """Say once what of a folder is left out."""
    folders = [entry for entry in others if entry.is_dir()]
    broken = [entry for entry in others if entry.is_symlink() and not Path(entry).exists()]
    hidden = [entry for entry in others if _is_hidden_image(entry)]
    told = {entry.path for entry in (*folders, *broken, *hidden)}
    files = [entry for entry in others if entry.path not in told]
    kinds = Counter(Path(entry).suffix.lower() or "without a suffix" for entry in files)
    parts = [
        f"{counted(len(entries), what)}{aside} ({detail})"
        for entries, what, aside, detail in (
            (files, "other file", "", ", ".join(f"{n} {kind}" for kind, n in kinds.items())),
            (folders, "folder", ", not searched", list_missing(_names(folders), 3)),
            (broken, "broken link", "", list_missing(_names(broken), 3)),
            (hidden, "hidden image", "", list_missing(_names(hidden), 3)),
        )
        if entries
    ]
    message = f"{folder}: {counted(count, 'image')}; left out: {', '.join(parts)}."
    if parts and message not in _said:
        _said.add(message)
        _log.warning("%s", message)


def _names(entries: Sequence[os.DirEntry[str]]) -> list[str]:
    return sorted(entry.name for entry in entries)


def _is_seen(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and entry.name.casefold() not in _HIDDEN


def _is_hidden_image(entry: os.DirEntry[str]) -> bool:
    """Whether a dot alone hides an image; macOS puts ``._NAME`` without one beside each NAME."""
    name = entry.name
    if not name.startswith(".") or name.startswith("._"):
        return False
    return Path(name).suffix.lower() in _suffixes() and entry.is_file()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    # They know what they are: asking the file system once more for each is slow over a network.
    if not folder.exists():
        raise InputError(f"The folder {folder} does not exist; check the path.")
    if not folder.is_dir():
        raise InputError(f"{folder} is a file, but a folder of images is needed.")
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be read: {error.strerror}.") from error
