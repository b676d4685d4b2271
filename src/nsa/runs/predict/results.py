"""What is written of each image, under which names, and what an earlier call wrote."""

from __future__ import annotations

import csv
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsa.errors import InputError
from nsa.runs.growing import partial_name
from nsa.runs.map_files import ENDINGS
from nsa.runs.regions import COCO, COLUMNS, REGIONS
from nsa.runs.review import REVIEW

SCORES, UNREADABLE = "scores.csv", "unreadable.csv"
GROWING = (SCORES, partial_name(Path(SCORES)).name)
_REGIONS = (REGIONS, partial_name(Path(REGIONS)).name)
TABLES = (*GROWING, *_REGIONS, COCO, UNREADABLE, REVIEW)
REASONS = ("path", "reason")  # of what cannot be read
# Columns that name files.
_FILES = PICTURE, MAP, MAP_SPREAD, MASK = "picture", "map", "map_spread", "mask"
_ENDING = "_spread"  # of the stem of a file with the spread of a map
_MASK_ENDING = "_mask"
_LONGEST_STEM = 250  # bytes: with .tiff, what a file system takes
# How a file of ours begins that no table names.
_MARKS = {
    UNREADABLE: ",".join(REASONS).encode(),
    REGIONS: ",".join(COLUMNS).encode(),
    _REGIONS[1]: ",".join(COLUMNS).encode(),
    COCO: b"[\n",
    REVIEW: b"<!DOCTYPE html>",
}


@dataclass(frozen=True)
class Result:
    """An image and the names of its picture, map, map's spread and mask; empty: it gets none."""

    path: Path
    picture: str
    map: str
    map_spread: str
    mask: str

    @property
    def files(self) -> list[str]:
        """The names it has."""
        named = (self.picture, self.map, self.map_spread, self.mask)
        return [name for name in named if name]


def name_results(
    paths: list[Path], *, pictures: bool, maps: str | None, spreads: str | None, masks: bool
) -> list[Result]:
    """A name for everything that is written of each image.

    Args:
        maps, spreads: what their files end in; None: there are none.
    """
    endings = [_ENDING] * (spreads is not None) + [_MASK_ENDING] * masks
    return [
        Result(
            path,
            f"{stem}.png" if pictures else "",
            "" if maps is None else f"{stem}{maps}",
            "" if spreads is None else f"{stem}{_ENDING}{spreads}",
            f"{stem}{_MASK_ENDING}.png" if masks else "",
        )
        for path, stem in zip(paths, unique_stems(paths, endings), strict=True)
    ]


def results_in(folder: Path) -> set[str]:
    """Names of the files in a folder that an earlier call wrote there, as its tables say.

    Raises:
        InputError: a table cannot be read.
    """
    tables = [folder / name for name in GROWING]
    found = {name for table in tables if table.is_file() for name in _named_by(table)}
    if not found and _begins_as(folder / UNREADABLE):  # of a call that could read nothing
        found.add(UNREADABLE)
    if found:
        found |= {name for name in _MARKS if _begins_as(folder / name)}
    return found


def _begins_as(path: Path) -> bool:
    """Whether a file is there and begins as ours of its name; or is empty, as a kill leaves it."""
    if not path.is_file():
        return False
    mark = _MARKS[path.name].lower()
    with path.open("rb") as file:
        return file.read(len(mark)).lower() in (mark, b"")


def _named_by(table: Path) -> set[str]:
    """The table and the files that it names; nothing, if it is none of ours.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with table.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            lines = csv.DictReader(file)
            if lines.fieldnames is None:  # empty, as a kill leaves it, with nothing to lose
                return {table.name}
            if not {PICTURE, MAP} <= set(lines.fieldnames or ()):
                return set()
            # Of a line that was cut by a kill they are None, or not whole.
            named = [line.get(column) or "" for line in lines for column in _FILES]
    except (OSError, csv.Error) as error:
        raise InputError(f"{table} cannot be read ({error}); choose another --output.") from error
    ours = {
        name for name in named if name.endswith((".png", *ENDINGS.values())) and "/" not in name
    }
    return {table.name, *ours}


def unique_stems(paths: list[Path], endings: Sequence[str] = ()) -> Iterator[str]:
    """A name for each image's results: its stem, with its folder where stems repeat.

    No two are the same for a file system that does not tell capitals from small letters, and none
    is too long for a file's name.

    Args:
        endings: with each of these behind it a name is a further one of the image, for which the
            same holds.
    """
    longest = max(endings, key=len, default="")
    stems = Counter(_folded(path.stem) for path in paths)
    taken: set[str] = set()
    for path in paths:
        alone = stems[_folded(path.stem)] == 1
        base = path.stem if alone else f"{path.resolve().parent.name}_{path.stem}"
        name, number = _cut(base, "", longest), 2
        while not taken.isdisjoint(every := {_folded(name + end) for end in ("", *endings)}):
            name, number = _cut(base, f"_{number}", longest), number + 1
        taken |= every
        yield name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _cut(name: str, ending: str, further: str) -> str:
    """The name with an ending, without as many characters before it as are too many with more."""
    while len(os.fsencode(name + ending + further)) > _LONGEST_STEM:
        name = name[:-1]
    return name + ending
