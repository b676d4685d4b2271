"""MVTec LOCO AD: the folders of MVTec AD, but with several masks an image.

``ground_truth/<kind>/<stem>/000.png``, ``001.png``, ...: one for every part of the defect, each a
place where a logical anomaly may be marked. Their union is the mask. The normal images of
``validation`` are not trained on.
"""

from __future__ import annotations

from pathlib import Path

from nsa.images.files import list_folders
from nsa.images.layout import Layout
from nsa.images.layouts import mvtec
from nsa.images.layouts.mvtec import (
    kind_samples,
    list_training_images,
    list_validation_images,
)
from nsa.images.sample import GOOD, Dataset, Sample


def is_category(folder: Path) -> bool:
    """Whether ``folder`` is laid out as a category of MVTec LOCO AD."""
    truth = folder / "ground_truth"
    kinds = list_folders(truth) if mvtec.is_category(folder) and truth.is_dir() else []
    return any(list_folders(kind) for kind in kinds)


def open_category(folder: Path, name: str) -> Dataset:
    """List one category; a mask is a folder, whose union :func:`nsa.images.load_mask` reads.

    Raises:
        InputError: there is no training image.
    """
    truth = folder / "ground_truth"
    test: list[Sample] = []
    for kind in mvtec.test_kinds(folder / "test", truth):
        marked = truth / kind.name
        masks = {inner.name: inner for inner in list_folders(marked)} if marked.is_dir() else {}
        test += kind_samples(kind, masks)
    train = list_training_images(folder / "train" / GOOD)
    return Dataset(name, train, test, list_validation_images(folder))


LAYOUT = Layout(("MVTec LOCO AD",), is_category, open_category)
