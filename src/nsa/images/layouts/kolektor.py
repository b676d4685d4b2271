"""KolektorSDD2: ``train`` and ``test`` hold ``<number>.png`` beside ``<number>_GT.png``.

Both hold normal and defective images, told apart by whether the mask is empty.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nsa.errors import InputError
from nsa.images.files import list_images, list_missing
from nsa.images.layout import Layout, normal_images
from nsa.images.sample import Dataset, Sample

_MASK = "_GT"


def is_category(folder: Path) -> bool:
    """Whether ``folder`` is laid out as KolektorSDD2."""
    train = folder / "train"
    return train.is_dir() and any(path.stem.endswith(_MASK) for path in train.glob("*.png"))


def open_category(folder: Path, name: str) -> Dataset:
    """List the images; training images with a defect are left out and counted.

    All masks are read, which takes a few seconds.

    Raises:
        InputError: an image has no mask, a mask cannot be read, or no training image is normal.
    """
    train = normal_images(_samples(folder / "train"), folder)
    if not train:
        raise InputError(f"{folder / 'train'} holds no image whose mask is empty.")
    return Dataset(name, train, _samples(folder / "test") if (folder / "test").is_dir() else [])


def _samples(folder: Path) -> list[Sample]:
    from nsa.images.masks import load_mask

    files = list_images(folder)
    masks = {path.stem.removesuffix(_MASK): path for path in files if path.stem.endswith(_MASK)}
    paths = [path for path in files if not path.stem.endswith(_MASK)]
    missing = [path.name for path in paths if path.stem not in masks]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(paths)} images in {folder} have no mask <name>{_MASK}.png: "
            f"{list_missing(missing)}."
        )

    def sample(path: Path) -> Sample:
        mask = masks[path.stem]
        # Only whether anything is set: the smallest defect would be lost in a smaller mask.
        return Sample(path, "defect", mask) if load_mask(mask, None).any() else Sample(path)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(sample, paths))


LAYOUT = Layout(("KolektorSDD2",), is_category, open_category, rank=0, marks=(f"{_MASK}.png",))
