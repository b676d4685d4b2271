"""One row a file, and few parts: what is left to do when all files are judged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from nsa.runs.bulk.files import Source
from nsa.runs.bulk.keys import Halves, file_halves, key_array
from nsa.runs.bulk.parts import PART_ROWS, Parts
from nsa.runs.bulk.rows import KEY, PATH, anomalous_in

_AT_ONCE = 100_000  # files whose newest rows are looked for in one go through the parts


def drop_older_rows(scores: Parts, suspects: Halves) -> int:
    """Leave the newest row of each file.

    Every part is replaced whole, so a process that is killed here loses nothing, and the next one
    finds what is left to do.

    Args:
        suspects: the files that may have several, see :func:`nsa.runs.bulk.keys.file_halves`.

    Returns:
        How many of the rows that are gone were called anomalous.

    Raises:
        InputError: a part cannot be read or written.
    """
    suspects, anomalous = np.unique(suspects), 0
    for first in range(0, len(suspects), _AT_ONCE):
        older = _older_rows(scores, suspects[first : first + _AT_ONCE])
        for name, numbers in older.items():
            rows = scores.read(name)
            stay = np.ones(rows.num_rows, bool)
            stay[numbers] = False
            anomalous += anomalous_in(rows.filter(pa.array(~stay)))
            _replace(scores, name, rows, stay)
    return anomalous


def _older_rows(scores: Parts, suspects: Halves) -> dict[str, list[int]]:
    """Places of rows that a later one replaces, by the names of their parts."""
    newest: dict[str, tuple[str, int]] = {}  # part and place, by path
    older: dict[str, list[int]] = defaultdict(list)
    for name in scores.names():
        keys = key_array(scores.read(name, [KEY])[KEY])
        numbers = np.flatnonzero(np.isin(file_halves(keys), suspects, kind="sort"))
        if len(numbers):
            paths = scores.read(name, [PATH])[PATH].take(pa.array(numbers)).to_pylist()
            for path, number in zip(paths, numbers.tolist(), strict=True):
                if path in newest:
                    part, place = newest[path]
                    older[part].append(place)
                newest[path] = name, number
    return older


def merge_small(parts: Parts) -> None:
    """Make parts of the usual size of smaller ones.

    A process that is killed here may leave rows twice, the next one drops one of each.

    Raises:
        InputError: a part cannot be read or written.
    """
    small = [name for name in parts.names() if _rows(parts, name) < PART_ROWS // 2]
    group: dict[str, pa.Table] = {}
    for name in small:
        rows = parts.read(name)
        if not parts.fit([*group.values(), rows]):
            _merge(parts, group)
            group = {}
        group[name] = rows
    _merge(parts, group)


def _merge(parts: Parts, group: dict[str, pa.Table]) -> None:
    if len(group) > 1:
        parts.write(pa.concat_tables(group.values()))
        for name in group:
            parts.remove(name)


def drop_tried(unreadable: Parts, earlier: Sequence[str], sources: Sequence[Source]) -> None:
    """Remove what earlier calls said of files that this one has tried again, or found gone.

    Args:
        earlier: names of parts that were there before this call.
        sources: all of whose files it has tried.

    Raises:
        InputError: a part cannot be read or written.
    """
    for name in earlier:
        rows = unreadable.read(name)
        stay = [not any(source.has(path) for source in sources) for path in rows[PATH].to_pylist()]
        _replace(unreadable, name, rows, np.array(stay, bool))


def _replace(parts: Parts, name: str, rows: pa.Table, stay: np.ndarray) -> None:
    """Leave those rows of a part; it stays if there are none, for :func:`merge_small`."""
    if not stay.all():
        parts.write(rows.filter(pa.array(stay)), name)


def _rows(parts: Parts, name: str) -> int:
    if name not in parts.rows:
        parts.read(name, [PATH])
    return parts.rows[name]
