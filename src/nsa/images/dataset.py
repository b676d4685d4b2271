"""From what a user names, a folder and perhaps a category, to a list of samples."""

from __future__ import annotations

from pathlib import Path

from nsa.errors import InputError
from nsa.images.folder import open_folder
from nsa.images.mvtec import find_category, open_category
from nsa.images.sample import Dataset


def open_dataset(
    data_root: str | Path | None = None,
    category: str | None = None,
    normal_dir: str | Path | None = None,
) -> Dataset:
    """List the images of one category; nothing is decoded.

    Args:
        data_root: a folder of categories in the layout of MVTec AD, or one such category.
        category: folder name below ``data_root``; may be left out where there is only one. Where
            ``data_root`` or ``normal_dir`` is the category itself, this only names it, which
            chooses its preset.
        normal_dir: instead of ``data_root``, a plain folder of normal images: no test set.

    Returns:
        The dataset, with at least one training image, in natural order.

    Raises:
        InputError: a folder is missing or empty, the category is unknown or not named, or both or
            neither of ``data_root`` and ``normal_dir`` are given.
    """
    if (data_root is None) == (normal_dir is None):
        raise InputError(
            "Give exactly one of data_root (--data-root, the layout of MVTec AD) and normal_dir "
            "(--normal-dir, a plain folder of normal images)."
        )
    if normal_dir is not None:
        return open_folder(Path(normal_dir).expanduser(), category)
    assert data_root is not None
    folder = find_category(Path(data_root).expanduser(), category)
    return open_category(folder, category or folder.resolve().name)
