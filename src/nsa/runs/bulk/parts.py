"""A table in many Parquet files, each of which is there whole or not at all."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nsa.errors import InputError
from nsa.runs.bulk.store import Store
from nsa.system.readers import read_parquet

_SUFFIX = ".parquet"
_NAME = re.compile(rf"[^/]+/part-(\d+)-[0-9a-f]+{re.escape(_SUFFIX)}")
_REMEDY = "put back a copy of it, or remove it, and its images are judged again"
PART_ROWS = 50_000
_PART_BYTES = 64 << 20  # in memory, which regions may fill sooner
_SECONDS = 120.0  # of work that a kill may cost


class Parts:
    """A table that grows: rows wait in memory, for two minutes at most, until they make a file.

    The files' names are in the order of their writing, so the later of two rows of a file is the
    newer one, whatever clocks say. No two calls write a file of the same name.

    Args:
        store: where.
        folder: of the files, in the store.
        schema: of the table; its metadata goes into every file.

    Attributes:
        schema: of the table.
        rows: how many each file has that was read or written, by its name.
        waiting: how many rows are in memory.
    """

    def __init__(self, store: Store, folder: str, schema: pa.Schema) -> None:
        self.schema = schema
        self.rows: dict[str, int] = {}
        self._store, self._folder = store, folder
        self._waiting: list[pa.Table] = []
        self.waiting = self._size = 0  # rows and bytes of these
        self._since = time.monotonic()
        self._last = 0

    def names(self) -> list[str]:
        """Of the files that are there, in the order of their writing."""
        names = self._store.names(self._folder, _SUFFIX)
        numbers = [int(found[1]) for found in map(_NAME.fullmatch, names) if found]
        self._last = max([self._last, *numbers])
        return names

    def read(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Columns of a file; None: all.

        Raises:
            InputError: it cannot be read or is damaged.
        """
        asked = self.schema.names if columns is None else columns
        content, called = self._store.content(name), f"{self._store}/{name}"
        table = read_parquet(content, called, asked, _REMEDY).select(asked)
        expected = pa.schema([self.schema.field(one) for one in asked])
        if not table.schema.equals(expected):
            raise InputError(f"{called} has columns of other types than nsa writes; {_REMEDY}.")
        self.rows[name] = table.num_rows
        return table

    def each(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Columns of every file, one after the other."""
        for name in self.names():
            yield self.read(name, columns)

    def begin(self) -> None:
        """Write a file without rows if there is none, as a query fails that finds no file.

        Raises:
            InputError: it cannot be written.
        """
        if not self.names():
            self.write(self.schema.empty_table())

    def add(self, rows: pa.Table) -> None:
        """Take rows, and write those that wait if they are many or have waited for long.

        Raises:
            InputError: they cannot be written; they wait on.
        """
        if not self._waiting:
            self._since = time.monotonic()
        if rows.num_rows:
            self._waiting.append(rows)
            self.waiting += rows.num_rows
            self._size += rows.nbytes
        long = time.monotonic() - self._since >= _SECONDS
        if long or self.waiting >= PART_ROWS or self._size >= _PART_BYTES:
            self.flush()

    def fit(self, tables: Sequence[pa.Table]) -> bool:
        """Whether tables make a file of the usual size, and no larger one."""
        rows: int = sum(one.num_rows for one in tables)
        size: int = sum(one.nbytes for one in tables)
        return rows <= PART_ROWS and size <= _PART_BYTES

    def flush(self) -> None:
        """Write the rows that wait, if there are any.

        Raises:
            InputError: they cannot be written; they wait on.
        """
        if self._waiting:
            self.write(pa.concat_tables(self._waiting))
            self._waiting.clear()
            self.waiting = self._size = 0

    def write(self, rows: pa.Table, name: str | None = None) -> None:
        """Write a file.

        Args:
            name: of the file that it replaces; None: it is a new one.

        Raises:
            InputError: it cannot be written.
        """
        name = self._new_name() if name is None else name
        stream = pa.BufferOutputStream()
        pq.write_table(rows.cast(self.schema), stream, compression="zstd", write_page_checksum=True)
        self._store.write(name, stream.getvalue().to_pybytes())
        self.rows[name] = rows.num_rows

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._store.remove(name)
        self.rows.pop(name, None)

    def _new_name(self) -> str:
        if not self._last:
            self.names()
        self._last += 1
        return f"{self._folder}/part-{self._last:08d}-{secrets.token_hex(4)}{_SUFFIX}"


def with_metadata(schema: pa.Schema, values: dict[str, Any]) -> pa.Schema:
    """A schema that says something of its table."""
    return schema.with_metadata({name: str(value) for name, value in values.items()})
