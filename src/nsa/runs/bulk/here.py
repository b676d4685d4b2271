"""Files judged in this process: decoded ahead by threads, in groups that fit into memory."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import time
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
from nsa.system.url_errors import NothingThereError, NotReachedError, StoreError
from nsa.system.urls import is_url

_READERS = 16  # threads that wait for disks and networks
_IN_A_ROW = 16  # files that a store does not give, which is then no fault of theirs
_WAITS = (1.0, 3.0)  # seconds before the further tries of a file whose connection was lost
_Fetched: TypeAlias = tuple[File, bytes | InputError]


def judge_here(
    detector: Detector,
    decisions: Decisions | None,
    files: Iterable[File],
    decoders: int | None = None,
) -> Generator[pa.Table, None, None]:
    """The rows of files in their order, group by group, see :func:`nsa.runs.bulk.rows.outcomes`.

    A file that cannot be read has a row that says why; where a store gives no file at all, rows
    would only hide that. What came before is judged first.

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
        lost: list[StoreError] = []
        with contextlib.closing(contents), contextlib.closing(opened):
            for group in groups(_until_lost(opened, lost)):
                yield _judge(detector, decisions, group)
        if lost:
            raise lost[0]


def _fetch(file: File) -> _Fetched:
    """A file and its content, or why it cannot be read."""
    try:
        return file, _read_patiently(file.place)
    except InputError as error:
        return file, error


def _read_patiently(place: str) -> bytes:
    """The content of a file, which is tried again where a connection is lost: it may be just that.

    Raises:
        InputError: it cannot be read.
    """
    for seconds in _WAITS:
        with contextlib.suppress(NotReachedError):
            return read(place)
        time.sleep(seconds)
    return read(place)


def _with_stores_at_fault(contents: Iterable[_Fetched]) -> Iterator[_Fetched]:
    """What was fetched; of many files that a store does not give, the fault is the store's.

    Its answer is often the same to who may not have this file and to who may have none.
    """
    for _, of_store in itertools.groupby(contents, _store_of):
        yield from _with_store_at_fault(of_store)


def _store_of(fetched: _Fetched) -> list[str]:
    """What the URL of a file begins with, such as s3://bucket, in parts."""
    return fetched[0].place.split("/", 3)[:3]


def _with_store_at_fault(contents: Iterable[_Fetched]) -> Iterator[_Fetched]:
    """The same of one store, whose failures are held back until what follows shows their cause."""
    held: list[_Fetched] = []  # one after the other, of files that are there
    answered: File | None = None  # the last before them
    for file, content in contents:
        answers = isinstance(content, bytes | NothingThereError)
        if isinstance(content, StoreError):
            yield file, content
        elif is_url(file.place) and not answers:
            held.append((file, content))
            if len(held) == _IN_A_ROW:
                said, before = str(content).rstrip("."), len(held) - 1
                yield file, StoreError(f"{said}; nor were the {before} files before it given.")
        else:
            yield from held
            held.clear()
            answered = file
            yield file, content
    if held and isinstance(held[-1][1], NotReachedError):
        # Nothing follows, so that the file before is asked for once more.
        file, content = held[-1]
        if answered is None or isinstance(_fetch(answered)[1], NotReachedError):
            yield file, StoreError(str(content))
    yield from held


def _until_lost(opened: Iterable[Opened], lost: list[StoreError]) -> Iterator[Opened]:
    """What was opened before a store is lost, which the list then gets."""
    try:
        yield from opened
    except StoreError as error:
        lost.append(error)


def _open(detector: Detector, fetched: _Fetched) -> Opened:
    """Decode what was fetched for a detector.

    Raises:
        StoreError: nor can any other file of its store be read.
    """
    file, content = fetched
    if isinstance(content, StoreError):  # here, after all files before it
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
