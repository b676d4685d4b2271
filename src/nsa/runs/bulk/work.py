"""From listed files to rows in parts: what is left to do, and what is done with what comes back."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from nsa.errors import InputError
from nsa.runs.bulk.compact import drop_older_rows, drop_tried, merge_small
from nsa.runs.bulk.files import File, Source, name_of
from nsa.runs.bulk.keys import KnownKeys, as_keys, chunked, key_bytes, key_of
from nsa.runs.bulk.parts import Parts, with_metadata
from nsa.runs.bulk.rows import KEY, REASON, SCORES, UNREADABLE, unreadable
from nsa.runs.bulk.standing import Standing
from nsa.runs.bulk.store import Store
from nsa.system.console import counted
from nsa.system.interrupt import Interrupted

_CHUNK = 1024  # files whose keys are looked up at once

# Takes files and gives their rows, see nsa.runs.bulk.rows.OUTCOMES, in any order.
Judge: TypeAlias = Callable[[Iterable[File]], Generator[pa.Table, None, None]]


class Work:
    """One call, in a folder that is locked.

    Args:
        store: of the results.
        sources: whose files are judged.
        about: what the parts say of themselves.

    Attributes:
        standing: what is done.
        first_reason: why a file cannot be read.

    Raises:
        InputError: a source has no images.
    """

    def __init__(self, store: Store, sources: Sequence[Source], about: dict[str, Any]) -> None:
        self._store, self._sources = store, sources
        self._scores = Parts(store, "scores", with_metadata(SCORES, about))
        self._unreadable = Parts(store, "unreadable", with_metadata(UNREADABLE, about))
        self._keys = bytearray()  # of all rows
        self._told: deque[pa.Table] = deque()
        self.standing, self.first_reason = Standing(), ""
        # Each looks for its first image now.
        streams = [source.files(self._tell) for source in sources]
        self._files = itertools.chain.from_iterable(streams)

    def forget(self) -> None:
        """Remove the parts of earlier calls, and nothing else.

        Raises:
            InputError: one cannot be removed.
        """
        for parts in (self._scores, self._unreadable):
            for name in parts.names():
                parts.remove(name)

    def run(self, judge: Judge) -> None:
        """Judge what has no row, then leave one row a file and few parts.

        Raises:
            InputError: something cannot be read or written.
            Interrupted: Ctrl-C; what was judged is written.
        """
        tried_before = self._unreadable.names()
        known = self._known()
        if len(known.repeated):  # since a kill: a row that was replaced is none
            drop_older_rows(self._scores, known.repeated)
            known = self._known()
        left = self._unknown(self._files, known)
        with self._keeping():
            with self.standing, contextlib.closing(judge(left)) as tables:
                for table in tables:
                    self._take(table)
                self._take_told()
            self._flush()
            drop_older_rows(self._scores, KnownKeys(bytes(self._keys)).repeated)
            merge_small(self._scores)
            drop_tried(self._unreadable, tried_before, self._sources)
            merge_small(self._unreadable)

    def _known(self) -> KnownKeys:
        """The keys of the rows that are there."""
        self._keys = bytearray()
        for column in self._scores.column(KEY):
            self._keys += key_bytes(column)
        return KnownKeys(bytes(self._keys))

    def _unknown(self, files: Iterable[File], known: KnownKeys) -> Iterator[File]:
        """Those of files that have no row."""
        for chunk in chunked(files, _CHUNK):
            keys = b"".join(key_of(name_of(one.place), one.size, one.version) for one in chunk)
            there = known.know(as_keys(keys)).tolist()
            self.standing.known += sum(there)
            yield from (file for file, has_row in zip(chunk, there, strict=True) if not has_row)

    def _tell(self, place: str, reason: str) -> None:
        self._told.append(unreadable(name_of(place), reason))

    def _take_told(self) -> None:
        while self._told:
            self._take(self._told.popleft())

    def _take(self, rows: pa.Table) -> None:
        """Keep rows of either table."""
        judged = pc.is_null(rows[REASON])
        scored = rows.filter(judged).select(SCORES.names)
        failed = rows.filter(pc.invert(judged)).select(UNREADABLE.names)
        if failed.num_rows and not self.first_reason:
            self.first_reason = failed[REASON][0].as_py()
        self._keys += key_bytes(scored[KEY])
        self.standing.add(scored, failed.num_rows)
        self._scores.add(scored)
        self._unreadable.add(failed)

    def _flush(self) -> None:
        self._scores.flush()
        self._unreadable.flush()

    @contextlib.contextmanager
    def _keeping(self) -> Iterator[None]:
        """Write what was judged before an interruption or an error, and say so."""
        try:
            yield
        except (KeyboardInterrupt, InputError) as stop:
            with contextlib.suppress(InputError):  # a full disk, say, of which the first tells
                self._flush()
            kept = self.standing.judged - self._scores.waiting
            said = f"{counted(kept, 'image')} of this call scored in {self._store}"
            if isinstance(stop, KeyboardInterrupt):
                raise Interrupted(f"Interrupted; {said}; the same command continues.") from None
            raise InputError(f"{str(stop).rstrip('.')}; {said}.") from stop
