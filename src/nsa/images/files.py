"""Listing image files and folders in the order a person would number them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from nsa.errors import InputError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
_DIGITS = re.compile(r"(\d+)", re.ASCII)


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """Sort key that puts ``2.png`` before ``10.png``."""
    # re.split with a group alternates text and digits, so like is compared with like.
    parts = _DIGITS.split(path.name.casefold())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], path.name


def is_image(path: Path) -> bool:
    """Whether ``path`` is a visible file with the suffix of an image."""
    return _is_named_image(path) and path.is_file()


def list_images(folder: Path) -> list[Path]:
    """Image files directly inside ``folder``, naturally sorted; hidden files are ignored.

    Raises:
        InputError: the folder does not exist or cannot be read.
    """
    found = (Path(entry) for entry in _entries(folder) if entry.is_file())
    return sorted((path for path in found if _is_named_image(path)), key=natural_key)


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
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise InputError(f"{path} is not an image file; known are {suffix_list()}.")
        return [path]
    found = list_images(path)
    if not found:
        below = next((inner for inner in list_folders(path) if list_images(inner)), None)
        hint = f"its folder {below.name} does: name that one" if below else "add some"
        raise InputError(f"{path} holds no images ({suffix_list()}); {hint}.")
    return found


def suffix_list() -> str:
    """The image suffixes for a message, without dots."""
    return ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))


def list_missing(names: Sequence[str], shown: int = 20) -> str:
    """Names for a message, the first of them if they are many."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def _is_named_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


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
