"""The folder of a watch: what is judged already, and where the rest is written to.

watch.json       which run, folder and decision it belongs to
scores.csv       a line per judged image, in the order of judging
regions.csv      where these images are anomalous
unreadable.csv   files that cannot be read
status.json      how it goes, for other programs
000001_NAME.png  the picture of the image in the first line of scores.csv
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nsa.detectors.detector import Detector
from nsa.errors import InputError, shown
from nsa.report.pixels import png
from nsa.runs.decisions import DECIDED, PREDICTED, RAW, Decisions, decided, pixel_threshold
from nsa.runs.judging import JudgedFile
from nsa.runs.located import Located, draw, locate
from nsa.runs.regions import COLUMNS, REGIONS
from nsa.runs.watch.changes import Version
from nsa.runs.watch.table import LastingTable
from nsa.settings.fields import reading
from nsa.system.files import remove, write_atomically, write_csv
from nsa.system.readers import parse_number, read_csv

if TYPE_CHECKING:
    from typing_extensions import Self

SCORES, UNREADABLE = "scores.csv", "unreadable.csv"
_VERSION = ("time", "bytes", "mtime_ns")
_IMAGE = "image_id"  # of a region: the image's line in scores.csv, from 1
_REMEDY = "put back a copy of it, or choose another --output"
_REASONS = ("path", "reason", *_VERSION)
_LONGEST_STEM = 240  # bytes: with .png, what a file system takes
_PICTURE = re.compile(r"(\d{6,})_.*\.png", re.DOTALL)


class Line(NamedTuple):
    """What ``scores.csv`` says of an image, as far as others ask.

    Attributes:
        path: of the image.
        raw: its raw score.
        label: ``"normal"`` or ``"anomalous"``; empty: the run is not calibrated.
        time: when it was judged, in ISO 8601.
    """

    path: str
    raw: float
    label: str
    time: str


class Results:
    """Judged images, kept so that a kill loses none and a restart judges none again.

    Pictures come first, then the regions, then the line of an image in ``scores.csv``: with it the
    image is done. It is used by a ``with`` block, in which the folder is locked.

    Args:
        folder: of the results.
        told: gets each line of ``scores.csv``, those of earlier calls first.
        overlays: write the pictures.

    Attributes:
        lines: how many images are judged.
        unreadable: paths of files that cannot be read.

    Raises:
        InputError: what is there cannot be read or written, or is damaged.
    """

    def __init__(
        self,
        folder: Path,
        detector: Detector,
        decisions: Decisions | None,
        told: Callable[[Line], None],
        *,
        overlays: bool = True,
    ) -> None:
        self._folder, self._detector, self._decisions = folder, detector, decisions
        self._path = folder / SCORES
        self._told, self._overlays = told, overlays
        self._marks = pixel_threshold(decisions) is not None
        self._seen: set[bytes] = set()
        self.lines = 0
        self.unreadable = self._read_unreadable()
        columns = (
            "path", *DECIDED, *(("spread",) if detector.has_spread else ()), "defect_share",
            "picture", *_VERSION,
        )  # fmt: skip
        self._scores = LastingTable(self._path, columns, self._take)
        try:
            self._regions = LastingTable(folder / REGIONS, (*COLUMNS, _IMAGE), self._is_done)
        except BaseException:
            self._scores.__exit__()
            raise
        for entry in folder.iterdir():
            named = _PICTURE.fullmatch(entry.name)
            if named and int(named[1]) > self.lines:  # of an image that was not done
                remove(entry)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._scores.__exit__()
        self._regions.__exit__()

    def knows(self, path: Path, version: Version) -> bool:
        """Whether a version of a file is judged, or known to be unreadable."""
        return _key(str(path), *version) in self._seen

    def write(
        self, files: Sequence[tuple[JudgedFile, Path, Version]], pool: ThreadPoolExecutor
    ) -> None:
        """Write all that belongs to judged images; when this returns it outlasts the process.

        Args:
            files: each with its path and the version that was judged.
            pool: draws.

        Raises:
            InputError: something cannot be written; these images are not done then.
        """
        if not files:
            return
        time = _now()
        numbers = range(self.lines + 1, self.lines + 1 + len(files))
        names = [
            _picture_name(number, path) if self._overlays else ""
            for number, (_, path, _) in zip(numbers, files, strict=True)
        ]
        waiting = [
            pool.submit(self._draw, file, name)
            for (file, _, _), name in zip(files, names, strict=True)
        ]
        located = [future.result() for future in waiting]
        self._regions.add(
            (path, index, *region, number)
            for number, (_, path, _), one in zip(numbers, files, located, strict=True)
            for index, region in enumerate(one.regions, 1)
        )
        rows, lines = [], []
        for (file, path, version), one, name in zip(files, located, names, strict=True):
            raw = file.judged.score
            said = decided(self._decisions, [raw])
            row: list[object] = [path, *(said[column][0] for column in DECIDED)]
            if self._detector.has_spread:
                row.append(file.judged.spread)
            row.append(float(one.mask.mean()) if self._marks else "")
            rows.append([*row, name, time, *version])
            lines.append(Line(str(path), raw, said[PREDICTED][0], time))
        self._scores.add(rows)
        for line, (_, _, version) in zip(lines, files, strict=True):
            self._count(line, version)
        self._repaired({line.path for line in lines})

    def fail(self, failures: Sequence[tuple[Path, Version, str]]) -> None:
        """Note files that cannot be read, each with the reason; until they change they are done.

        Raises:
            InputError: the list of them cannot be written.
        """
        for path, version, reason in failures:
            self.unreadable[str(path)] = (reason, _now(), *map(str, version))
            self._seen.add(_key(str(path), *version))
        self._write_unreadable()

    def _take(self, line: dict[str, str]) -> bool:
        """One of an earlier call."""
        with reading(self._path, _REMEDY):
            raw = parse_number(line[RAW], RAW)
            version = Version(*(_whole(line[name], name) for name in _VERSION[1:]))
        self._count(Line(line["path"], raw, line[PREDICTED], line["time"]), version)
        before = self.unreadable.get(line["path"])
        if before is not None and before[1] < line["time"]:  # killed before it was taken off
            self._repaired({line["path"]})
        return True

    def _is_done(self, region: dict[str, str]) -> bool:
        """Whether the image of an earlier call's region is in ``scores.csv``, too."""
        with reading(self._folder / REGIONS, _REMEDY):
            return _whole(region[_IMAGE], _IMAGE) <= self.lines

    def _count(self, line: Line, version: Version) -> None:
        self.lines += 1
        self._seen.add(_key(line.path, *version))
        self._told(line)

    def _draw(self, file: JudgedFile, name: str) -> Located:
        """Write the picture of an image, if it has a name, and find its regions."""
        found = file.judged.map
        located = locate(found, self._decisions)
        if name:
            drawn = draw(file.image, found, self._detector, located)
            write_atomically(self._folder / name, png(drawn))
        return located

    def _read_unreadable(self) -> dict[str, tuple[str, ...]]:
        path = self._folder / UNREADABLE
        if not path.is_file():
            return {}
        lines = read_csv(path, _REASONS)
        for line in lines:
            self._seen.add(_key(line["path"], line["bytes"], line["mtime_ns"]))
        return {line["path"]: tuple(line[name] for name in _REASONS[1:]) for line in lines}

    def _repaired(self, paths: set[str]) -> None:
        """Take files off the list of unreadable ones."""
        if not paths.isdisjoint(self.unreadable):
            for path in paths:
                self.unreadable.pop(path, None)
            self._write_unreadable()

    def _write_unreadable(self) -> None:
        lines = [(path, *values) for path, values in self.unreadable.items()]
        write_csv(self._folder / UNREADABLE, _REASONS, lines)


def _key(path: str, size: object, mtime: object) -> bytes:
    """Of a version of a file; digests, as there may be millions."""
    named = f"{size} {mtime} {path}"
    return hashlib.blake2b(named.encode(errors="surrogateescape"), digest_size=16).digest()


def _whole(text: str, name: str) -> int:
    if not text.isdecimal():
        raise InputError(f"{name} must be a whole number, got {shown(text)}")
    return int(text)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _picture_name(number: int, path: Path) -> str:
    """Begins with the image's line in ``scores.csv``, so that no two are the same."""
    name = f"{number:06d}_{path.stem}"
    while len(os.fsencode(name)) > _LONGEST_STEM:
        name = name[:-1]
    return f"{name}.png"
