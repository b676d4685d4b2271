"""The folder layout of MVTec AD.

``<category>/train/good``, ``<category>/test/<defect>`` and
``<category>/ground_truth/<defect>/<stem>_mask.png``, where normal test images lie in ``test/good``.
MPDD has the same, and so has VisA after its authors' script, with masks named like their images.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from nsa.errors import InputError, nearest
from nsa.images.files import list_folders, list_images, suffix_list
from nsa.images.sample import GOOD, Dataset, Sample

_log = logging.getLogger("nsa")

Item = TypeVar("Item")


def is_category(folder: Path) -> bool:
    """Whether ``folder`` is laid out as one category, with images in it or not."""
    return (folder / "train" / GOOD).is_dir()


def find_category(
    data_root: Path, category: str | None, is_layout: Callable[[Path], bool] = is_category
) -> Path:
    """The folder of ``category`` below ``data_root``, or ``data_root`` if it is a category itself.

    A root that is a category itself is taken whatever ``category`` says: the name then only
    chooses the preset. ``is_layout`` tells a category from another folder.

    Raises:
        InputError: no such category, several and none named, or none at all.
    """
    folders = {folder.name: folder for folder in list_folders(data_root)}
    known = {name: folder for name, folder in folders.items() if is_layout(folder)}
    if category in known:
        return known[category]
    if is_layout(data_root):
        return data_root
    if category in folders:
        raise InputError(
            f"Category {category!r} has no images to train on: the folder "
            f"{folders[category] / 'train' / GOOD} does not exist."
        )
    if not known:
        raise InputError(_nothing_here(data_root))
    return choose_category(known, category, data_root)


def choose_category(known: Mapping[str, Item], category: str | None, data_root: Path) -> Item:
    """The category that is meant.

    Raises:
        InputError: no such category (the nearest one is suggested), or several and none named.
    """
    if category is not None and category in known:
        return known[category]
    listed = ", ".join(known)
    if category is not None:
        near = nearest(category, known)
        meant = f"did you mean {near!r}? It" if near else "it"
        raise InputError(f"{data_root} has no category {category!r}; {meant} has {listed}.")
    if len(known) > 1:
        raise InputError(f"{data_root} has several categories, name one of them: {listed}.")
    return next(iter(known.values()))


def open_category(folder: Path, name: str) -> Dataset:
    """List one category.

    Defective images without a mask are allowed; their samples have ``mask=None``.

    Raises:
        InputError: there is no training image.
    """
    tests = folder / "test"
    test: list[Sample] = []
    for kind in list_folders(tests) if tests.is_dir() else []:
        test += kind_samples(kind, defect_masks(folder / "ground_truth" / kind.name))
    return Dataset(name, list_training_images(folder / "train" / GOOD), test)


def list_training_images(folder: Path) -> list[Sample]:
    """The normal images of ``folder``.

    Raises:
        InputError: there is none.
    """
    train = [Sample(path) for path in list_images(folder)]
    if not train:
        raise InputError(f"{folder} holds no images ({suffix_list()}); put normal images there.")
    return train


def defect_masks(folder: Path) -> dict[str, Path]:
    """Masks by the stem of their image, with or without ``_mask``; none if there is no folder."""
    masks = list_images(folder) if folder.is_dir() else []
    named = {path.stem: path for path in masks}
    return named | {path.stem.removesuffix("_mask"): path for path in masks}


def kind_samples(images: Path, masks: Mapping[str, Path], normal: str = GOOD) -> list[Sample]:
    """Test images of one kind, the folder's name, each with its mask where there is one."""
    paths = list_images(images)
    if images.name == normal:
        return [Sample(path) for path in paths]
    samples = [Sample(path, images.name, masks.get(path.stem)) for path in paths]
    missing = [sample.path.name for sample in samples if sample.mask is None]
    if masks and missing:
        _log.warning(
            "%d of %d images in %s have no mask in %s, the first is %s.",
            len(missing), len(samples), images, next(iter(masks.values())).parent, missing[0],
        )  # fmt: skip
    return samples


def _nothing_here(data_root: Path) -> str:
    expected = f"{data_root}/<category>/train/good or {data_root}/train/good"
    if list_images(data_root):
        return (
            f"{data_root} holds images itself, but the data root needs {expected}; a plain folder "
            "of normal images is given as normal_dir (--normal-dir)."
        )
    return (
        f"{data_root} holds no category: images are expected in {expected}, or in the layout of "
        "MVTec LOCO AD, BTAD, VisA or KolektorSDD2, or named by lists."
    )
