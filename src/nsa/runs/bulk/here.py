"""Files judged in this process: decoded ahead by threads, in groups that fit into memory."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import pyarrow as pa

from nsa.detectors.detector import Detector
from nsa.errors import InputError
from nsa.images.decode import as_array
from nsa.images.load import worker_count
from nsa.images.source import ImageBytes
from nsa.images.stream import groups, map_ahead
from nsa.runs.bulk.files import File, name_of, read
from nsa.runs.bulk.rows import Opened, outcomes
from nsa.runs.decisions import Decisions
from nsa.runs.judging import decode_for, judge_group
from nsa.system.url_errors import NothingThereError, StoreError
from nsa.system.urls import is_url

_READERS = 16  # threads that wait for disks and networks
_IN_A_ROW = 16  # files that a store does not give, which is then no fault of theirs
_Fetched: TypeAlias = tuple[File, bytes | InputError]


def judge_here(
    detector: Detector,
    decisions: Decisions | None,
    files: Iterable[File],
    decoders: int | None = None,
) -> Generator[pa.Table, None, None]:
    """The rows of files in their order, group by group, see :func:`nsa.runs.bulk.rows.outcomes`.

    A file that cannot be read has a row that says why; where a store gives no file at all, rows
    would only hide that.

    Args:
        decoders: threads that decode; None: one a core.

    Raises:
        InputError: a score or a map is not finite, or a store is not reached or refuses.
    """
    count = worker_count() if decoders is None else decoders
    with ThreadPoolExecutor(_READERS) as readers, ThreadPoolExecutor(count) as pool:
        contents = map_ahead(_fetch, files, readers, _READERS)
        fetched = _with_stores_at_fault(contents)
        opened = map_ahead(functools.partial(_open, detector), fetched, pool, count)
        with contextlib.closing(contents), contextlib.closing(opened):
            for group in groups(opened):
                yield _judge(detector, decisions, group)


def _fetch(file: File) -> _Fetched:
    """A file and its content, or why it cannot be read."""
    try:
        return file, read(file.place)
    except InputError as error:
        return file, error


def _with_stores_at_fault(contents: Iterable[_Fetched]) -> Iterator[_Fetched]:
    """What was fetched; of many files that a store does not give, the fault is the store's.

    Its answer is often the same to who may not have this file and to who may have none.
    """
    kept = 0  # one after the other, of files that are there
    for file, content in contents:
        missing = isinstance(content, NothingThereError)
        if isinstance(content, InputError) and is_url(file.place) and not missing:
            kept += 1
            if kept == _IN_A_ROW:
                said = str(content).rstrip(".")
                content = StoreError(f"{said}; nor were the {kept - 1} files before it given.")
        else:
            kept = 0
        yield file, content


def _open(detector: Detector, fetched: _Fetched) -> Opened:
    """Decode what was fetched for a detector.

    Raises:
        StoreError: nor can any other file of its store be read.
    """
    file, content = fetched
    if isinstance(content, StoreError):  # here, after whole groups before it
        raise content
    if isinstance(content, InputError):
        return Opened(file, "", None, str(content))
    digest = hashlib.sha256(content).hexdigest()
    try:
        picture = decode_for(detector, ImageBytes(content, name_of(file.place)))
    except InputError as error:
        return Opened(file, digest, None, str(error))
    return Opened(file, digest, as_array(picture))


def _judge(detector: Detector, decisions: Decisions | None, opened: Sequence[Opened]) -> pa.Table:
    """The rows of files that memory holds.

    Raises:
        InputError: a score or a map is not finite.
    """
    images = [one.image for one in opened if one.image is not None]
    names = [one.file.place for one in opened if one.image is not None]
    return outcomes(opened, judge_group(detector, images, names), decisions)
