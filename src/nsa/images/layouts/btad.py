"""BTAD: ``train/ok``, ``test/ok``, ``test/ko`` with masks in ``ground_truth/ko``."""

from __future__ import annotations

from pathlib import Path

from nsa.images.layout import Layout
from nsa.images.layouts.mvtec import defect_masks, kind_samples, list_training_images
from nsa.images.sample import Dataset, Sample

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
    for kind in (NORMAL, DEFECTIVE):
        images = folder / "test" / kind
        if images.is_dir():
            masks = defect_masks(folder / "ground_truth" / kind) if kind == DEFECTIVE else {}
            test += kind_samples(images, masks, normal=NORMAL)
    return Dataset(name, list_training_images(folder / "train" / NORMAL), test)


LAYOUT = Layout(("BTAD",), is_category, open_category)
