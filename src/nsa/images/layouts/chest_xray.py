"""NIH ChestX-ray14: images in any folders, and lists that say which of them are used.

A list is a text file with one file name a line. A category is a folder with three of them,
``normal_train.txt``, ``normal_test.txt`` and ``abnormal_test.txt``; its images lie anywhere below
it, or anywhere below the folder above it (``<root>/rcxr_male/normal_train.txt``,
``<root>/images_001/images/*.png``).
:func:`write_lists` makes such folders for the paper's rCXR, posteroanterior views of adults by
sex, out of curated lists and the dataset's own ``Data_Entry_2017.csv``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from nsa.errors import InputError
from nsa.images.files import is_image, list_missing
from nsa.images.layout import Layout
from nsa.images.sample import Dataset, Sample
from nsa.system.files import make_folder, write_atomically
from nsa.system.readers import read_csv, read_text

LISTS = ("normal_train.txt", "normal_test.txt", "abnormal_test.txt")
_SEXES = {"male": "M", "female": "F"}
_COLUMNS = ("Image Index", "Patient Age", "Patient Gender", "View Position")
_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 1 / 52, "D": 1 / 365}  # DICOM's units of an age


def is_category(folder: Path) -> bool:
    """Whether a folder holds the list of images to train on."""
    return (folder / LISTS[0]).is_file()


def open_category(folder: Path, name: str) -> Dataset:
    """List the images that the lists of ``folder`` name, which lie below it or the one above.

    Raises:
        InputError: as :func:`open_lists`.
    """
    train, good, bad = (folder / name_of_list for name_of_list in LISTS)
    wanted = {image for path in (train, good, bad) for image in read_list(path)}
    above = Path(os.path.normpath(folder / ".."))
    images = folder if wanted <= _index(folder).keys() else above
    return open_lists(images, train, good, bad, name=name)


def open_lists(
    images: str | Path,
    normal_train: str | Path,
    normal_test: str | Path,
    abnormal_test: str | Path,
    *,
    name: str = "rcxr_male",
) -> Dataset:
    """Make a dataset of lists. It has no masks: only images are scored.

    Args:
        images: a folder; the images lie in it or below it.
        normal_train, normal_test, abnormal_test: lists of file names.
        name: of the dataset; chooses the preset.

    Raises:
        InputError: a list is missing, or it names files that are not there; or none to train on.
    """
    found = _index(Path(images))
    train, good, bad = (
        _find(Path(path), found, Path(images))
        for path in (normal_train, normal_test, abnormal_test)
    )
    if not train:
        raise InputError(f"{normal_train} names no image to train on.")
    test = [Sample(path, "abnormal") for path in bad] + [Sample(path) for path in good]
    return Dataset(name, [Sample(path) for path in train], test)


def write_lists(
    data_entry: str | Path, curated: Mapping[str, str | Path], output: str | Path
) -> list[Path]:
    """Write the lists of ``rcxr_male`` and ``rcxr_female``.

    Args:
        data_entry: ``Data_Entry_2017.csv``.
        curated: for each name in :data:`LISTS`, with or without ``.txt``, a list of the images to
            choose from.
        output: where the two folders are made; the root of the images makes it a data root.

    Returns:
        The two folders.

    Raises:
        InputError: a curated list is missing or unknown, or an input cannot be used.
    """
    given = {Path(name).stem: Path(path) for name, path in curated.items()}
    wanted = {Path(name).stem for name in LISTS}
    if set(given) != wanted:
        raise InputError(
            f"curated must have the lists {', '.join(sorted(wanted))}, got "
            f"{', '.join(sorted(given)) or 'none'}."
        )
    folders = []
    for sex in _SEXES:
        folder = Path(output) / f"rcxr_{sex}"
        make_folder(folder)
        for name, path in given.items():
            lines = "".join(f"{image}\n" for image in select(data_entry, read_list(path), sex=sex))
            write_atomically(folder / f"{name}.txt", lines)
        folders.append(folder)
    return folders


def select(
    data_entry: str | Path,
    names: Sequence[str],
    *,
    sex: str,
    view: str = "PA",
    older_than: float = 18,
) -> list[str]:
    """Those of ``names`` that show patients of one sex and above an age from one side.

    Args:
        data_entry: ``Data_Entry_2017.csv``.
        names: file names of images.
        sex: ``"male"`` or ``"female"``.
        view: ``"PA"`` (posteroanterior) or ``"AP"``.
        older_than: years.

    Raises:
        InputError: the file lacks a column or a name, or ``sex`` is something else.
    """
    if sex not in _SEXES:
        raise InputError(f"sex must be 'male' or 'female', got {sex!r}.")
    path = Path(data_entry)
    chosen: dict[str, bool] = {}
    for row in read_csv(path, _COLUMNS):
        chosen[row["Image Index"]] = (
            row["Patient Gender"] == _SEXES[sex]
            and row["View Position"] == view
            and _years(row["Patient Age"], path) > older_than
        )
    unknown = [name for name in names if name not in chosen]
    if unknown:
        raise InputError(f"{len(unknown)} images are not in {path}: {list_missing(unknown)}.")
    return [name for name in names if chosen[name]]


def read_list(path: Path) -> list[str]:
    """The file names in a list; empty lines do not count.

    Raises:
        InputError: it cannot be read.
    """
    lines = read_text(path).splitlines()
    return [line.strip() for line in lines if line.strip()]


def _years(age: str, path: Path) -> float:
    """``"58"``, ``"058Y"`` or ``"011M"`` in years."""
    digits, unit = (age[:-1], age[-1]) if age[-1:] in _YEARS else (age, "Y")
    if not digits.isdecimal():
        raise InputError(f"{path} has an age {age!r}; a number of years such as 058Y is expected.")
    return int(digits) * _YEARS[unit]


def _index(root: Path) -> dict[str, list[Path]]:
    """Every image below a folder, by file name."""
    if not root.is_dir():
        raise InputError(f"The folder {root} does not exist; check the path.")
    found: dict[str, list[Path]] = {}
    for folder, _, names in os.walk(root, followlinks=True):
        for name in names:
            found.setdefault(name, []).append(Path(folder, name))
    return found


def _find(source: Path, found: dict[str, list[Path]], root: Path) -> list[Path]:
    names = read_list(source)
    missing = [name for name in names if not any(map(is_image, found.get(name, [])))]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(names)} images in {source} are not below {root}: "
            f"{list_missing(missing)}."
        )
    twice = [name for name in names if len(found[name]) > 1]
    if twice:
        first = ", ".join(str(path) for path in found[twice[0]])
        raise InputError(f"{len(twice)} images in {source} are found several times: {first}.")
    return [found[name][0] for name in names]


LAYOUT = Layout(
    ("ChestX-ray14 (by lists of its files)",), is_category, open_category, rank=0, presets=True,
    beside=True,
)  # fmt: skip
