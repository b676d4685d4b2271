"""The folder layout of MVTec AD.

``<category>/train/good``, ``<category>/test/<defect>`` and
``<category>/ground_truth/<defect>/<stem>_mask.png``, where normal test images lie in ``test/good``.
MPDD has the same, and so has VisA after its authors' script, with masks named like their images.
Where there is a folder ``validation/good``, its images are kept to calibrate with.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from nsa.errors import InputError
from nsa.images.files import (
    holds_images,
    list_folders,
    list_images,
    list_missing,
    suffix_list,
)
from nsa.images.layout import Layout
from nsa.images.sample import GOOD, Dataset, Sample
from nsa.system.console import counted

_log = logging.getLogger("nsa")
_LIKE_GOOD = ("good", "goods", "ok", "normal", "normals", "pass", "passed", "golden")


def is_category(folder: Path) -> bool:
    """Whether ``folder`` is laid out as one category, with images in it or not."""
    return (folder / "train" / GOOD).is_dir()


def open_category(folder: Path, name: str) -> Dataset:
    """List one category; see :func:`list_category`."""
    return list_category(folder, name, folder / "test", folder / "ground_truth")


def list_category(folder: Path, name: str, tests: Path, truth: Path) -> Dataset:
    """List one category with its training and validation images in the folders of MVTec AD.

    Defective images without a mask are allowed; their samples have ``mask=None``.

    Args:
        folder: of the category.
        name: of the dataset.
        tests, truth: as for :func:`test_kinds`.

    Raises:
        InputError: there is no training image, or as :func:`test_kinds`.
    """
    others = [one.name for one in list_folders(folder / "train") if one.name != GOOD]
    if others:
        _log.warning(
            "Left out: %s in %s beside %s, since only normal images are trained on (%s).",
            counted(len(others), "folder"), folder / "train", GOOD, list_missing(others),
        )  # fmt: skip
    test: list[Sample] = []
    for kind in test_kinds(tests, truth):
        test += kind_samples(kind, defect_masks(truth / kind.name))
    train = list_training_images(folder / "train" / GOOD)
    return Dataset(name, train, test, list_validation_images(folder))


def test_kinds(tests: Path, truth: Path) -> list[Path]:
    """The folders in ``tests`` that hold images, each of one kind; ``truth`` has their masks.

    The log names images beside them, and masks without such a folder.

    Raises:
        InputError: one looks as if it held normal images, but would count as a kind of defect, or
            the category's folders are spelled in another way.
    """
    for wanted in (tests, truth):
        beside = wanted.parent
        for one in [] if wanted.is_dir() or not beside.is_dir() else list_folders(beside):
            if one.name.casefold().replace("-", "_").replace(" ", "_") == wanted.name:
                raise InputError(f"{one} would not be read; rename it to {wanted}.")
    kinds = list_folders(tests) if tests.is_dir() else []
    kinds = [kind for kind in kinds if kind != truth]
    if tests.is_dir() and holds_images(tests):
        _log.warning(
            "Images directly in %s are left out: put normal ones in %s, others in a folder named "
            "after their kind of defect.",
            tests, tests / GOOD,
        )  # fmt: skip
    for kind in kinds:
        if kind.name != GOOD and kind.name.casefold() in _LIKE_GOOD:
            raise InputError(
                f"{kind} seems to hold normal images, but would count as a kind of defect; rename "
                f"it to {tests / GOOD}."
            )
    names = [kind.name for kind in kinds]
    unknown = [one.name for one in list_folders(truth)] if truth.is_dir() else []
    unknown = [name for name in unknown if name not in names]
    if unknown:
        _log.warning(
            "Left out: %s in %s of which %s has none of the same name (%s).",
            counted(len(unknown), "folder"), truth, tests, list_missing(unknown),
        )  # fmt: skip
    return kinds


def list_training_images(folder: Path) -> list[Sample]:
    """The normal images of ``folder``.

    Raises:
        InputError: there is none.
    """
    train = [Sample(path) for path in list_images(folder)]
    if not train:
        raise InputError(f"{folder} holds no images ({suffix_list()}); put normal images there.")
    return train


def list_validation_images(folder: Path) -> list[Sample]:
    """The normal images of a category that are neither trained nor tested on; perhaps none."""
    validation = folder / "validation" / GOOD
    return [Sample(path) for path in list_images(validation)] if validation.is_dir() else []


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
    stems = {path.stem.removesuffix("_mask") for path in paths}
    unused = sorted({masks[name].name for name in masks if name.removesuffix("_mask") not in stems})
    if unused:
        _log.warning(
            "Left out: %s in %s without an image in %s (%s).",
            counted(len(unused), "mask"), next(iter(masks.values())).parent, images,
            list_missing(unused, 3),
        )  # fmt: skip
    if masks and missing:
        _log.warning(
            "%d of %d images in %s have no mask in %s, the first is %s.",
            len(missing), len(samples), images, next(iter(masks.values())).parent, missing[0],
        )  # fmt: skip
    return samples


LAYOUT = Layout(("MVTec AD", "MPDD"), is_category, open_category, rank=2, presets=True)
