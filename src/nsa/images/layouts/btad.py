"""BTAD: ``train/ok``, ``test/ok``, ``test/ko`` with masks in ``ground_truth/ko``."""

from __future__ import annotations

import logging
from pathlib import Path

from nsa.images.files import list_folders, list_missing
from nsa.images.layout import Layout
from nsa.images.layouts.mvtec import defect_masks, kind_samples, list_training_images
from nsa.images.sample import Dataset, Sample
from nsa.system.console import counted

_log = logging.getLogger("nsa")

NORMAL, DEFECTIVE = "ok", "ko"


def is_category(folder: Path) -> bool:
    """Whether ``folder`` is laid out as a product of BTAD."""
    return (folder / "train" / NORMAL).is_dir()


def open_category(folder: Path, name: str) -> Dataset:
    """List one product; defective images without a mask are allowed.

    Raises:
        InputError: there is no training image.
    """
    test: list[Sample] = []
    tests = folder / "test"
    others = [one.name for one in list_folders(tests)] if tests.is_dir() else []
    others = [name for name in others if name not in (NORMAL, DEFECTIVE)]
    if others:
        _log.warning(
            "Left out: %s in %s that is neither %s nor %s (%s).",
            counted(len(others), "folder"), tests, NORMAL, DEFECTIVE, list_missing(others),
        )  # fmt: skip
    for kind in (NORMAL, DEFECTIVE):
        images = tests / kind
        if images.is_dir():
            masks = defect_masks(folder / "ground_truth" / kind)
            test += kind_samples(images, masks, normal=NORMAL)
    return Dataset(name, list_training_images(folder / "train" / NORMAL), test)


LAYOUT = Layout(("BTAD",), is_category, open_category)
