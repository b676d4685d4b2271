"""From what a user names, a folder and perhaps a category, to a list of samples.

The layout of a folder is recognised; the known ones are the modules of :mod:`nsa.images.layouts`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from nsa.errors import InputError, nearest
from nsa.images.files import (
    DICOM_SUFFIXES,
    IMAGE_SUFFIXES,
    find_images,
    holds_images,
    list_folders,
)
from nsa.images.layout import Layout
from nsa.images.layouts import all_layouts, dataset_names
from nsa.images.sample import GOOD, Dataset, Sample
from nsa.system.mirror import fetch, fetch_all
from nsa.system.places import as_path

_TABLES, _IMAGES = (".csv", ".json", ".txt"), (*IMAGE_SUFFIXES, *DICOM_SUFFIXES)


def open_dataset(
    data_root: str | Path | None = None,
    category: str | None = None,
    normal_dir: str | Path | Sequence[str | Path] | None = None,
) -> Dataset:
    """List the images of one category; none is decoded, apart from KolektorSDD2's masks.

    Of folders at a URL there are copies then, of the category's files alone.

    Args:
        data_root: a folder of categories in the layout of a known dataset, or one such category;
            or its URL.
        category: folder name below ``data_root``; may be left out where there is only one. Where
            ``data_root`` or ``normal_dir`` is the category itself, this only names it, which
            chooses its preset unless the layout is that of another data set than the presets'.
        normal_dir: instead of ``data_root``, a plain folder of normal images, or several, whose
            first gives the name: no test set.

    Returns:
        The dataset, with at least one training image, in natural order.

    Raises:
        InputError: a folder is missing or empty, or named twice, the category is unknown or not
            named, or both or neither of ``data_root`` and ``normal_dir`` are given.
    """
    if (data_root is None) == (normal_dir is None):
        raise InputError(
            "Give exactly one of data_root (--data-root, the layout of MVTec AD) and normal_dir "
            "(--normal-dir, a plain folder of normal images)."
        )
    if normal_dir is not None:
        folders = [normal_dir] if isinstance(normal_dir, str | Path) else normal_dir
        return _open_plain(fetch_all(folders), category)
    assert data_root is not None
    return _open_root(_fetch_outline(as_path(data_root)), category)


def list_categories(data_root: str | Path) -> list[str]:
    """The names that :func:`open_dataset` takes for ``category``, in natural order.

    Raises:
        InputError: the folder is missing.
    """
    root = _fetch_outline(as_path(data_root))
    if _layout(root, all_layouts()) is not None:
        return [root.resolve().name]
    return list(_categories(root))


def _open_root(root: Path, category: str | None) -> Dataset:
    known = _categories(root)
    if category not in known:
        layout = _layout(root, all_layouts())
        if layout is not None:
            return _open(layout, _fetch_images(root), category or root.resolve().name)
        category = _choose(root, list(known), category)
    layout, folder = known[category]
    _fetch_images(root if layout.beside else folder)
    return _open(layout, folder, category)


def _fetch_outline(root: Path) -> Path:
    """Of a copy the folders and tables, and else what layouts are recognised by."""
    marks = tuple(ending for layout in all_layouts() for ending in layout.marks)
    return fetch(root, lambda name: not name or name.endswith((*_TABLES, *marks)))


def _fetch_images(folder: Path) -> Path:
    """Of a copy what a data set is made of; archives may lie beside that."""
    return fetch(folder, lambda name: name.lower().endswith((*_TABLES, *_IMAGES)))


def _open(layout: Layout, folder: Path, name: str) -> Dataset:
    return dataclasses.replace(layout.open_category(folder, name), presets=layout.presets)


def _categories(root: Path) -> dict[str, tuple[Layout, Path]]:
    """Folders in ``root``, or where a layout has them, by name, that are categories of one."""
    layouts = all_layouts()
    inside = list_folders(root)
    inside += [folder for layout in layouts for folder in layout.further(root)]
    folders = ((_layout(folder, layouts), folder) for folder in inside)
    return {folder.name: (layout, folder) for layout, folder in folders if layout is not None}


def _layout(folder: Path, layouts: Iterable[Layout]) -> Layout | None:
    """The first layout of which ``folder`` is a category."""
    return next((layout for layout in layouts if layout.is_category(folder)), None)


def _choose(root: Path, known: list[str], category: str | None) -> str:
    """The only category where none is named; all else is a mistake, which is explained."""
    if category is not None and category in (folder.name for folder in list_folders(root)):
        raise InputError(
            f"Category {category!r} has no images to train on: the folder "
            f"{root / category / 'train' / GOOD} does not exist."
        )
    if not known:
        raise InputError(_nothing_in(root))
    listed = ", ".join(known)
    if category is not None:
        near = nearest(category, known)
        meant = f"did you mean {near!r}? It" if near else "it"
        raise InputError(f"{root} has no category {category!r}; {meant} has {listed}.")
    if len(known) > 1:
        raise InputError(
            f"{root} has several categories, name one of them: {listed} (nsa train takes several "
            "too: --category all)."
        )
    return known[0]


def _nothing_in(root: Path) -> str:
    expected = f"{root}/<category>/train/good or {root}/train/good"
    if holds_images(root):
        return (
            f"{root} holds images itself, but the data root needs {expected}; a plain folder "
            "of normal images is given as normal_dir (--normal-dir)."
        )
    return (
        f"{root} holds no category: images are expected in {expected}, or in the layout of "
        f"{dataset_names()}."
    )


def _open_plain(folders: Sequence[Path], name: str | None) -> Dataset:
    """All images directly inside some folders to train on, with nothing to test on.

    Unless it gets a name it has the first folder's, or the category's for
    ``<category>/train/good``.
    """
    places = [folder.resolve() for folder in folders]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise InputError(f"The folder {folders[number]} is named twice; name each once.")
    parts = places[0].parts
    of_category = len(parts) > 3 and parts[-2:] == ("train", GOOD)
    samples = [Sample(path) for folder in folders for path in find_images(folder)]
    return Dataset(name or parts[-3 if of_category else -1], samples)
