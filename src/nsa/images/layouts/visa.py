"""VisA as it is distributed: ``split_csv/1cls.csv`` names the images of every object.

Its other form, which its authors' script writes, has the folders of MVTec AD.
"""

from __future__ import annotations

import csv
from pathlib import Path

from nsa.errors import InputError
from nsa.images.files import list_missing
from nsa.images.layouts.mvtec import choose_category
from nsa.images.sample import Dataset, Sample

_SPLIT = Path("split_csv", "1cls.csv")  # trains on normal images only
_COLUMNS = ("object", "split", "label", "image", "mask")


def find_root(folder: Path) -> Path | None:
    """The dataset's root if ``folder`` is that or one of its objects."""
    for root in (folder, folder.resolve().parent):
        if (root / _SPLIT).is_file() and (root == folder or (folder / "Data").is_dir()):
            return root
    return None


def list_categories(root: Path) -> list[str]:
    """The objects of the dataset.

    Raises:
        InputError: a damaged table.
    """
    return list(dict.fromkeys(row["object"] for row in _read_table(root / _SPLIT)))


def open_category(root: Path, category: str | None) -> Dataset:
    """List the images of one object.

    Raises:
        InputError: no such object, several and none named, a damaged table, or missing files.
    """
    table = root / _SPLIT
    rows = _read_table(table)
    name = choose_category({row["object"]: row["object"] for row in rows}, category, root)
    rows = [row for row in rows if row["object"] == name]
    samples: dict[str, list[Sample]] = {"train": [], "test": []}
    for row in rows:
        sample = Sample(root / row["image"])
        if row["label"] != "normal":
            mask = root / row["mask"] if row["mask"] else None
            sample = Sample(root / row["image"], "anomaly", mask)
        samples.setdefault(row["split"], []).append(sample)
    listed = [path for part in samples.values() for s in part for path in (s.path, s.mask) if path]
    missing = [str(path) for path in listed if not path.is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(listed)} files of {name!r} in {table} do not exist: "
            f"{list_missing(missing)}."
        )
    train = [sample for sample in samples["train"] if sample.is_good]
    if not train:
        raise InputError(f"{table} has no normal training image of {name!r}.")
    return Dataset(name, train, samples["test"])


def _read_table(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if not set(_COLUMNS) <= set(reader.fieldnames or ()):
            raise InputError(f"{table} must have the columns {', '.join(_COLUMNS)}.")
        return list(reader)
