"""A plain folder of normal images: enough to train on, with nothing to test on."""

from __future__ import annotations

from pathlib import Path

from nsa.images.files import find_images
from nsa.images.sample import GOOD, Dataset, Sample


def open_folder(folder: Path, name: str | None = None) -> Dataset:
    """All images directly inside ``folder`` as training images, without a test set.

    Args:
        name: the dataset's name; by default the folder's, or the category's for
            ``<category>/train/good``.

    Raises:
        InputError: the folder does not exist or holds no image.
    """
    paths = find_images(folder)
    return Dataset(name or _name(folder), [Sample(path) for path in paths])


def _name(folder: Path) -> str:
    parts = folder.resolve().parts
    if len(parts) > 3 and parts[-2:] == ("train", GOOD):
        return parts[-3]
    return parts[-1]
