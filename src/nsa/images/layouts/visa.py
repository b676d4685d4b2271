"""VisA as it is distributed: ``split_csv/1cls.csv`` names the images of every object.

That is its official split for one class; those for two (``2cls_fewshot.csv``,
``2cls_highshot.csv``) train on defects too and are left alone. Its other form, which its authors'
script writes, has the folders of MVTec AD.
"""

from __future__ import annotations

from pathlib import Path

from nsa.errors import InputError, shown
from nsa.images.files import list_missing
from nsa.images.layout import Layout, normal_images
from nsa.images.sample import Dataset, Sample
from nsa.system.readers import read_csv

_SPLIT = Path("split_csv", "1cls.csv")  # trains on normal images only
_COLUMNS = ("object", "split", "label", "image", "mask")


def is_category(folder: Path) -> bool:
    """Whether ``folder`` is one object of VisA: the table lies beside it."""
    return (folder / "Data").is_dir() and (_root(folder) / _SPLIT).is_file()


def open_category(folder: Path, name: str) -> Dataset:
    """List the images of one object.

    Raises:
        InputError: no such object, a damaged table, or missing files.
    """
    root = _root(folder)
    table = root / _SPLIT
    names = (folder.name, folder.resolve().name)
    rows = [row for row in _read_table(table) if row["object"] in names]
    samples: dict[str, list[Sample]] = {"train": [], "test": []}
    for row in rows:
        sample = Sample(root / row["image"])
        if row["label"] != "normal":
            mask = root / row["mask"] if row["mask"] else None
            sample = Sample(root / row["image"], "anomaly", mask)
        if row["split"] not in samples:
            raise InputError(
                f"{table} has a split {shown(row['split'])}; it must be train or test."
            )
        samples[row["split"]].append(sample)
    listed = [path for part in samples.values() for s in part for path in (s.path, s.mask) if path]
    missing = [str(path) for path in listed if not path.is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(listed)} files of {folder.name!r} in {table} do not exist: "
            f"{list_missing(missing)}."
        )
    train = normal_images(samples["train"], folder)
    if not train:
        raise InputError(f"{table} has no normal training image of {folder.name!r}.")
    return Dataset(name, train, samples["test"])


def _root(folder: Path) -> Path:
    """Where the table lies, of whose objects ``folder`` is one, or a link to one."""
    beside = folder.parent
    return beside if (beside / _SPLIT).is_file() else folder.resolve().parent


def _read_table(table: Path) -> list[dict[str, str]]:
    return read_csv(table, _COLUMNS)


LAYOUT = Layout(("VisA",), is_category, open_category, rank=0)
