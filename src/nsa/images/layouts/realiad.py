"""Real-IAD: images below ``realiad_1024/<category>``, and JSON files that say how they are split.

The data root is the folder that holds ``realiad_1024`` (or ``realiad_512``, ``realiad_256``,
``realiad_raw``, ``realiad``) beside ``realiad_jsons``; where several sizes lie there it is the
folder of one size, ``<root>/realiad_1024``. A split is ``realiad_jsons/<category>.json`` or
``realiad_jsons/realiad_jsons/<category>.json``: all five views. Another one, such as
``realiad_jsons_sv`` or ``realiad_jsons_fuiad_0.1``, is used where it is the only one there; so
links to the images and to that folder, side by side in a new folder, choose it.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from nsa.errors import InputError
from nsa.images.files import list_folders, list_missing
from nsa.images.layout import Layout, normal_images
from nsa.images.sample import Dataset, Sample
from nsa.system.readers import read_json

_log = logging.getLogger("nsa")

_IMAGES, _SPLITS = "realiad", "realiad_jsons"
_PARTS = ("train", "test")


def is_category(folder: Path) -> bool:
    """Whether ``folder`` is one category of Real-IAD: a split beside its images names it."""
    return bool(_splits(_place(folder)))


def open_category(folder: Path, name: str) -> Dataset:
    """List the images of one category, in the order of its split.

    Raises:
        InputError: several splits could be meant, the split is damaged or names files that are not
            there, or no training image is normal.
    """
    folder = _place(folder)
    split = _choose(_splits(folder))
    content = read_json(split)
    meta = content.get("meta")
    normal = meta.get("normal_class") if isinstance(meta, dict) else None
    if not isinstance(normal, str):
        raise InputError(f"{split} does not say which class is normal; it is damaged.")
    train, test = (_samples(content.get(part), part, normal, folder, split) for part in _PARTS)
    paths = [path for one in (*train, *test) for path in (one.path, one.mask) if path is not None]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(paths)} files in {split} do not exist below {folder}: "
            f"{list_missing(missing)}."
        )
    train = normal_images(train, folder)
    if not train:
        raise InputError(f"{split} has no normal training image.")
    return Dataset(name, train, test)


def category_folders(root: Path) -> list[Path]:
    """The folders of categories, if ``root`` holds those of Real-IAD.

    Raises:
        InputError: its images are there in several sizes.
    """
    named = [one for one in list_folders(root) if one.name.startswith(_IMAGES)]
    sizes = [one for one in named if not one.name.startswith(_SPLITS)]
    if len(sizes) == len(named):  # no split
        return []
    if len(sizes) > 1:
        raise InputError(
            f"{root} has images of Real-IAD in several sizes; name the folder of one as the data "
            f"root: {', '.join(map(str, sizes))}."
        )
    return [folder for size in sizes for folder in list_folders(size)]


def _place(folder: Path) -> Path:
    """The folder as it is called where its split lies: as named, or what a link leads to."""
    named = Path(os.path.abspath(folder))  # noqa: PTH100, which keeps links
    return named if named.parent.name.startswith(_IMAGES) else folder.resolve()


def _splits(folder: Path) -> list[Path]:
    """The files that split a category."""
    images = folder.parent
    if not images.name.startswith(_IMAGES):
        return []
    outer = images.parent.glob(f"{_SPLITS}*")
    holders = [one for part in outer for one in (part, *part.glob(f"{_SPLITS}*"))]
    files = [holder / f"{folder.name}.json" for holder in holders]
    return sorted(file for file in files if file.is_file())


def _choose(splits: list[Path]) -> Path:
    """That of all views, else the only one."""
    usual = [split for split in splits if split.parent.name == _SPLITS]
    chosen = usual or splits
    if len(chosen) > 1:
        raise InputError(
            f"Which split of Real-IAD is meant is not clear, {' or '.join(map(str, chosen))}; keep "
            "one of them beside the images."
        )
    others = [str(split.parent) for split in splits if split not in chosen]
    if others:
        _log.info("Real-IAD is split as %s says, not as %s.", chosen[0], list_missing(others, 3))
    return chosen[0]


def _samples(entries: Any, part: str, normal: str, folder: Path, split: Path) -> list[Sample]:
    """The images of one part of a split."""
    if not isinstance(entries, list):
        raise InputError(f"{split} has no list {part!r}; it is damaged.")
    samples = []
    for number, entry in enumerate(entries, start=1):
        values = entry if isinstance(entry, dict) else {}
        image, kind, mask = (values.get(n) for n in ("image_path", "anomaly_class", "mask_path"))
        if not (isinstance(image, str) and isinstance(kind, str) and isinstance(mask, str | None)):
            raise InputError(
                f"{split} is damaged: entry {number} of {part!r} has no image_path, anomaly_class "
                "and mask_path."
            )
        if kind == normal:
            samples.append(Sample(folder / image))
        else:
            samples.append(Sample(folder / image, kind, folder / mask if mask else None))
    return samples


LAYOUT = Layout(("Real-IAD",), is_category, open_category, rank=0, further=category_folders)
