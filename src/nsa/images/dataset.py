"""From what a user names, a folder and perhaps a category, to a list of samples.

The folder's layout is recognised: MVTec AD (also MPDD and others that share it), MVTec LOCO AD,
BTAD, VisA, KolektorSDD2, or lists of files as for the chest X-rays.
"""

from __future__ import annotations

from pathlib import Path

from nsa.errors import InputError
from nsa.images.files import list_folders
from nsa.images.layouts import btad, chest_xray, kolektor, loco, mvtec, visa
from nsa.images.layouts.folder import open_folder
from nsa.images.sample import Dataset


def open_dataset(
    data_root: str | Path | None = None,
    category: str | None = None,
    normal_dir: str | Path | None = None,
) -> Dataset:
    """List the images of one category; none is decoded, apart from KolektorSDD2's masks.

    Args:
        data_root: a folder of categories in the layout of a known dataset, or one such category.
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
    return _open_root(Path(data_root).expanduser(), category)


def list_categories(data_root: str | Path) -> list[str]:
    """The names that :func:`open_dataset` takes for ``category``, in natural order.

    Raises:
        InputError: the folder is missing.
    """
    root = Path(data_root).expanduser()
    if visa.find_root(root) == root:
        return visa.list_categories(root)
    if kolektor.is_root(root) or chest_xray.is_category(root) or _is_folder_of_images(root):
        return [root.resolve().name]
    lists = chest_xray.list_categories(root)
    # A root with lists of X-rays is read as such only.
    return list(lists) or [
        folder.name for folder in list_folders(root) if _is_folder_of_images(folder)
    ]


def _is_folder_of_images(folder: Path) -> bool:
    return mvtec.is_category(folder) or btad.is_category(folder)


def _open_root(root: Path, category: str | None) -> Dataset:
    visa_root = visa.find_root(root)
    if visa_root is not None:
        return visa.open_category(visa_root, category or (None if visa_root == root else root.name))
    if kolektor.is_root(root):
        return kolektor.open_root(root, category or root.resolve().name)
    if chest_xray.is_category(root):
        return chest_xray.open_category(root, category or root.resolve().name, root)
    lists = chest_xray.list_categories(root) if root.is_dir() else {}
    if lists:
        folder = mvtec.choose_category(lists, category, root)
        return chest_xray.open_category(folder, folder.name, root)
    folder = mvtec.find_category(root, category, _is_folder_of_images)
    name = category or folder.resolve().name
    if btad.is_category(folder):
        return btad.open_category(folder, name)
    if loco.is_category(folder):
        return loco.open_category(folder, name)
    return mvtec.open_category(folder, name)
