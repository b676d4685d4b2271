"""Files judged by the machines of a Ray cluster, with Ray Data.

The driver lists files and writes rows. In between they go through in windows, each of which is one
data set of Ray: its blocks are names of files, which one actor a GPU, or one a core where none is
used, reads, decodes and judges as :mod:`nsa.runs.bulk.here` does. So images pass neither through
the driver nor through Ray's object store. An actor loads the run once a window. What a machine had
that is lost, Ray does again elsewhere; each file's row is taken once.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from nsa.detectors.registry import ONNXRUNTIME
from nsa.errors import InputError
from nsa.images.ignored import Ignored
from nsa.jobs.cluster.connect import connected, interrupted_without_head
from nsa.jobs.cluster.nodes import Versions, check_nodes, working_nodes
from nsa.runs.bulk.files import File, name_of
from nsa.runs.bulk.here import judge_here
from nsa.runs.bulk.keys import as_keys, key_array, key_of
from nsa.runs.bulk.rows import KEY, OUTCOMES
from nsa.runs.decisions import Decisions

# Files of a window: the first is soon listed, the last so large that loading costs little.
_FIRST, _GROWTH, _LARGEST = 1 << 13, 8, 1 << 18
_SMALLEST_BLOCK, _LARGEST_BLOCK = 16, 512  # files
_BLOCKS = 8  # of an actor, of each window, so that all end at about the same time
_LONGEST = 300  # characters of what Ray says
_STYLE = re.compile(r"\x1b\[[0-9;]*m")  # of a terminal
_FILES = pa.schema([("place", pa.binary()), ("size", pa.int64()), ("version", pa.string())])


class Loading(NamedTuple):
    """How a detector is loaded on a machine of the cluster, see :func:`nsa.load`.

    Attributes:
        run: the run folder, which all machines see.
        ignored: what it ignores of all images; None: nothing.
    """

    run: Path
    device: str
    engine: str
    ignored: Ignored | None


class ClusterJudge:
    """Judges files on the Ray cluster that this process is connected to.

    Args:
        decisions: what is decided; None: nothing.
    """

    def __init__(self, loading: Loading, decisions: Decisions | None) -> None:
        loading = loading._replace(run=loading.run.resolve())
        self._asked = (loading, decisions, Versions.here())

    def __call__(self, files: Iterable[File]) -> Generator[pa.Table, None, None]:
        """The rows of files, in any order.

        Raises:
            InputError: the detector cannot be loaded or its scores are not finite, or the cluster
                is lost.
        """
        stop = threading.Event()
        with ThreadPoolExecutor(1) as lister:
            windows = _windows(files, stop)
            coming: Future[list[File]] = lister.submit(next, windows, [])
            try:
                while window := coming.result():
                    coming = lister.submit(next, windows, [])
                    yield from self._judge(window)
            finally:
                stop.set()

    def _judge(self, window: list[File]) -> Generator[pa.Table, None, None]:
        import ray
        import ray.data

        actors = _actors(self._asked[0])
        size = math.ceil(len(window) / (_BLOCKS * actors.number))
        size = min(_LARGEST_BLOCK, max(_SMALLEST_BLOCK, size))
        tables = [_as_table(window[at : at + size]) for at in range(0, len(window), size)]
        rows = ray.data.from_arrow(tables).map_batches(
            _Actor, batch_size=size, batch_format="pyarrow",
            fn_constructor_args=(*self._asked, max(1, actors.cores)),
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors.number),
            num_cpus=actors.cores, num_gpus=actors.gpus,
        )  # fmt: skip
        due = _Due(window)
        try:
            for table in rows.iter_batches(batch_size=None, batch_format="pyarrow"):
                yield table.filter(pa.array(due.take(table[KEY]))).cast(OUTCOMES)
        except (ray.exceptions.RayError, ray.data.exceptions.SystemException) as error:
            raise InputError(_sentence(error)) from error
        due.check()


class _Actors(NamedTuple):
    """How many there may be, and what each takes."""

    number: int
    cores: int
    gpus: int


def _actors(loading: Loading) -> _Actors:
    """One a GPU, with its share of the machine's cores to decode by; else one a core.

    Args:
        loading: whose device and engine say whether GPUs are used, where there are some.
    """
    nodes = [node["Resources"] for node in working_nodes()]
    with_gpus = [(int(one["GPU"]), int(one.get("CPU", 0))) for one in nodes if one.get("GPU")]
    if with_gpus and loading.device != "cpu" and loading.engine != ONNXRUNTIME:
        cores = min(cores // gpus for gpus, cores in with_gpus)
        return _Actors(sum(gpus for gpus, _ in with_gpus), cores, 1)
    return _Actors(max(1, sum(int(one.get("CPU", 0)) for one in nodes)), 1, 0)


class _Actor:
    """A detector on one of the machines."""

    def __init__(
        self, loading: Loading, decisions: Decisions | None, expected: Versions, decoders: int
    ) -> None:
        from nsa.detectors.registry import load
        from nsa.system.device import keep_freed_memory

        different = expected.difference(Versions.here())
        if different is not None:  # of a machine that has joined since all were checked
            raise InputError(f"A node {different}; install the same versions everywhere.")
        keep_freed_memory()
        self._detector = load(loading.run, loading.device, engine=loading.engine)
        self._detector.ignore(loading.ignored)
        self._decisions, self._decoders = decisions, decoders

    def __call__(self, files: pa.Table) -> Iterator[pa.Table]:
        yield from judge_here(self._detector, self._decisions, _files_of(files), self._decoders)


class _Due:
    """Files whose rows are to come, each once."""

    def __init__(self, files: Iterable[File]) -> None:
        self._keys = as_keys(b"".join(map(_key, files))).copy()
        self._keys.sort()
        self._came = np.zeros(len(self._keys), bool)

    def take(self, keys: pa.ChunkedArray) -> np.ndarray:
        """Which of these have not come before."""
        places = np.searchsorted(self._keys, key_array(keys))
        first = ~self._came[places]
        self._came[places] = True
        return first

    def check(self) -> None:
        """Check that all have come.

        Raises:
            InputError: some have not.
        """
        if not self._came.all():
            raise InputError(
                f"{int((~self._came).sum())} files came back from the cluster without a row; give "
                "the same command again, which judges them."
            )


def _windows(files: Iterable[File], stop: threading.Event) -> Iterator[list[File]]:
    """Files in lists, the first short, until all are listed or nobody wants more."""
    window: list[File] = []
    size = _FIRST
    for file in files:
        window.append(file)
        if stop.is_set():
            return
        if len(window) == size:
            yield window
            window, size = [], min(size * _GROWTH, _LARGEST)
    if window:
        yield window


def _key(file: File) -> bytes:
    return key_of(name_of(file.place), file.size, file.version)


def _as_table(files: list[File]) -> pa.Table:
    places = [os.fsencode(file.place) for file in files]
    rest = [[file.size for file in files], [file.version for file in files]]
    return pa.table([places, *rest], schema=_FILES)


def _files_of(table: pa.Table) -> Iterator[File]:
    for row in table.to_pylist():
        yield File(os.fsdecode(row["place"]), row["size"], row["version"])


@contextlib.contextmanager
def cluster_judge(
    address: str, loading: Loading, decisions: Decisions | None, images: Sequence[Path]
) -> Iterator[ClusterJudge]:
    """What judges files on the cluster at an address, while the block lasts.

    Args:
        images: local folders and files that the machines of the cluster must see, as the run.

    Raises:
        InputError: there is no such cluster, or a machine is not fit for it.
    """
    # Of every actor Ray would print that it has arguments, which are kept as long as they are used.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    with connected(address):
        check_nodes(data=[loading.run, *images])
        import ray.data

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what it says, we say
        with interrupted_without_head():
            yield ClusterJudge(loading, decisions)


def _sentence(error: BaseException) -> str:
    """What went wrong on a machine of the cluster, as it said it there.

    Of some errors Ray hands over the text of a traceback alone.
    """
    told = _STYLE.sub("", str(error))
    kinds: list[type[InputError]] = [InputError, *InputError.__subclasses__()]
    names = "|".join(kind.__name__ for kind in kinds)
    said: list[str] = re.findall(rf"\b(?:{names}): (.+)", told)
    return said[-1] if said else f"The cluster cannot judge: {' '.join(told.split())[:_LONGEST]}"
