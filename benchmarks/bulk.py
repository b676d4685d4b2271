"""Bulk scoring: against the plain loop over files, on a Ray cluster, and its memory.

``python benchmarks/bulk.py`` takes some minutes; ``--select`` picks parts of it. The cluster is one
of this machine, in a network that it should have for itself:
``unshare -n sh -c 'ip link set lo up; exec python benchmarks/bulk.py --select ray'``. A node is
bound to one core, as are the processes beside it, and the driver to another. Where others use the
machine too, the seconds of processors tell more than those on the clock.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Sized
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from common import product_images, significant
from torch import nn

from nsa.detectors.detector import Detector, Judged, Scored
from nsa.detectors.registry import load, open_run
from nsa.images.decode import read_image
from nsa.images.load import worker_count
from nsa.runs.bulk import here, parts, work
from nsa.runs.bulk.files import File, Source
from nsa.runs.bulk.predict import predict_bulk
from nsa.runs.bulk.rows import Opened, outcomes
from nsa.runs.bulk.store import LocalStore
from nsa.runs.judging import judge_files
from nsa.system.device import keep_freed_memory

PARTS = ("pieces", "memory", "loop", "ray")
MEGAPIXEL = 1000


class Brightness(Detector):
    """A stand-in that costs next to nothing."""

    size, channels = (8, 8), 1

    def score(self, images: object, ignored: object = None) -> Scored:
        raise NotImplementedError

    def deployable(self) -> tuple[nn.Module, dict[str, str]]:
        raise NotImplementedError

    def judge(self, images: Sequence[np.ndarray], ignored: object = None) -> list[Judged]:
        del ignored
        maps = [image[:, :, 0].astype(np.float32) for image in images]
        return [Judged(float(one.mean()), one) for one in maps]


class Repeated(Source):
    """One file under many names, which nobody looks for."""

    def __init__(self, path: Path, count: int) -> None:
        super().__init__(str(path))
        self._count = count

    def files(self, told: object) -> Iterator[File]:
        del told
        return (File(f"{self.place}/{number}", 0, "1") for number in range(self._count))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--select", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--images", type=int, default=512, help="of a turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of turns (%(default)s)")
    parser.add_argument("--rows", type=int, default=200_000, help="for memory (%(default)s)")
    return parser.parse_args()


def make_run(folder: Path) -> Path:
    """A Gaussian detector in random features of a ResNet-18 at 224 x 224."""
    for index, image in enumerate(product_images(12)):
        path = folder / "normal" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
    command = ["train", "--method", "gaussian", "--network", "resnet18", "--weights", "random"]
    places = ["--normal-dir", folder / "normal", "--output", folder / "run", "--device", "cpu"]
    subprocess.run([sys.executable, "-m", "nsa", *map(str, [*command, *places])], check=True)
    return folder / "run"


def make_images(folder: Path, count: int) -> Path:
    """Of 512 x 512 pixels."""
    folder.mkdir()
    some = [cv2.resize(image, (512, 512)) for image in product_images(16)]
    for number in range(count):
        cv2.imwrite(str(folder / f"{number}.png"), some[number % len(some)])
    return folder


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock and of processors."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - processor


def loop(folder: Path, run: Path, images: Path, rounds: int) -> None:
    detector, paths = load(run, "cpu"), sorted(images.iterdir())

    def plain() -> None:
        with ThreadPoolExecutor(worker_count()) as pool:
            assert sum(map(len, judge_files(detector, paths, pool))) == len(paths)

    def bulk(number: int) -> None:
        output = str(folder / f"loop{number}")
        assert predict_bulk(open_run(run), detector, [str(images)], output) == len(paths)

    plain()
    took: dict[str, list[tuple[float, float]]] = {"plain": [], "bulk": []}
    for number in range(rounds):
        took["plain"].append(timed(plain))
        took["bulk"].append(timed(functools.partial(bulk, number)))
    for unit, name in enumerate(("clock", "processor")):
        rates = {
            side: len(paths) / statistics.median(one[unit] for one in times)
            for side, times in took.items()
        }
        print(
            f"images/s by the {name}: {rates['plain']:.2f} plain, {rates['bulk']:.2f} bulk, "
            f"{rates['bulk'] / rates['plain']:.1%}"
        )


class Rate(NamedTuple):
    """Images a second on the clock, and in a second of processors."""

    clock: float
    processor: float

    @classmethod
    def of(cls, groups: Sequence[tuple[float, float, int]]) -> Rate:
        """Once all work, which is after the first group.

        Args:
            groups: seconds on the clock and of processors when each was judged, and its images.
        """
        first, *_, last = groups
        steady = sum(count for *_, count in groups[1:])
        return cls(steady / (last[0] - first[0]), steady / (last[1] - first[1]))


@contextlib.contextmanager
def bound_to(core: int) -> Iterator[None]:
    """What is started in the block has one core, all its processes and threads together."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def on_one_core(run: Path, images: Path, *, rows: bool) -> Rate:
    """What a node of a core is to reach: a process that has one, and nothing else to do.

    Args:
        rows: make them as bulk scoring does, with regions and all; else judge the files alone.
    """
    keep_freed_memory()  # as the command and a node do
    torch.set_num_threads(1)
    detector = load(run, "cpu")
    with ThreadPoolExecutor(1) as pool:
        judged: Iterator[Sized] = (
            here.judge_here(detector, None, Source(str(images)).files(print), 1)
            if rows
            else judge_files(detector, sorted(images.iterdir()), pool)
        )
        groups = [(time.time(), time.process_time(), len(group)) for group in judged]
    return Rate.of(groups)


def on_ray(run: Path, images: Path, output: Path, cores: Sequence[int]) -> Rate:
    """A node on each of these cores, the driver and the head on the machine's last one."""
    # Ray's workers have a niceness of 15 as a rule, with which they would wait for all others here.
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_worker_niceness="0")
    from ray.cluster_utils import Cluster

    usual = {"object_store_memory": 100 << 20, "include_dashboard": False}
    with bound_to(max(os.sched_getaffinity(0))):
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **usual})
        nodes = []
        for core in cores:
            with bound_to(core):
                nodes.append(cluster.add_node(num_cpus=1, **usual))
        cluster.wait_for_nodes()
        raylets = [node.all_processes["raylet"][0].process.pid for node in nodes]
        seen: list[tuple[float, float]] = []
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(0.2):
                seen.append((time.time(), processor_seconds(raylets)))

        start = time.time()
        with ThreadPoolExecutor(1) as looking, contextlib.ExitStack() as stack:
            looking.submit(look)
            stack.callback(ended.set)
            predict_bulk(
                open_run(run), load(run, "cpu"), [str(images)], str(output), cluster=cluster.address
            )
        took = time.time() - start
        cluster.shutdown()
    # What the driver sees comes in spurts, so the rows' own times are taken.
    times = Counter(pq.read_table(output / "scores")["judged_at"].to_pylist())
    moments = [(when.timestamp(), count) for when, count in sorted(times.items())]
    clock, used = np.array(seen).T
    groups = [(when, float(np.interp(when, clock, used)), count) for when, count in moments]
    print(
        f"{len(cores)} Ray nodes of a core: the first rows after {moments[0][0] - start:.1f} s, "
        f"all after {took:.1f} s",
        flush=True,
    )
    return Rate.of(groups[len(cores) - 1 :])


def processor_seconds(processes: Sequence[int]) -> float:
    """Of processes that run and all that they have started which run."""
    parents, seconds = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(fields[1])
            seconds[int(path.parent.name)] = int(fields[11]) + int(fields[12])
    family = set(processes)
    while more := {one for one, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(seconds[one] for one in family) / os.sysconf("SC_CLK_TCK")


def ray(folder: Path, run: Path, images: Path, rounds: int) -> None:
    """Processes and a node by turns on the same core; then a node on each of two."""
    core, *others = sorted(os.sched_getaffinity(0))
    if not others:
        raise SystemExit("The part ray needs two cores: one for a node, one for all else.")
    rates: dict[str, list[Rate]] = {"the plain loop": [], "bulk scoring": [], "a Ray node": []}
    plain, bulk, node = rates.values()
    for number in range(rounds):
        for rows, found in ((False, plain), (True, bulk)):
            # A process of its own, since this one has threads from before, on other cores.
            with bound_to(core), ProcessPoolExecutor(1, get_context("spawn")) as process:
                found.append(process.submit(on_one_core, run, images, rows=rows).result())
        node.append(on_ray(run, images, folder / f"node{number}", [core]))
    for unit in Rate._fields:
        taken = {
            name: np.array([getattr(one, unit) for one in some]) for name, some in rates.items()
        }
        middle = (f"{np.median(some):.2f} by {name}" for name, some in taken.items())
        print(f"images/s of a core by the {unit}: {', '.join(middle)}")
        for name in [*taken][:2]:
            low, half, high = np.percentile(taken["a Ray node"] / taken[name], (25, 50, 75))
            print(f"a Ray node beside {name}: {half:.1%}, quartiles {low:.1%} and {high:.1%}")
    two = on_ray(run, images, folder / "two", [core, others[-1]])
    print(f"images/s of two nodes by the clock: {two.clock:.2f}")


def memory(folder: Path, count: int) -> None:
    path = folder / "one.png"
    cv2.imwrite(str(path), np.full((64, 64), 99, np.uint8))
    store = LocalStore(folder / "memory")
    job = work.Work(store, [Repeated(path, count)], {"nsa_version": "benchmark"}, "images")
    take, shown, start = job._take, 0, time.perf_counter()

    def noted(rows: pa.Table) -> None:
        nonlocal shown
        take(rows)
        if job.standing.judged >= shown:
            status = Path("/proc/self/status").read_text()
            resident = next(line.split()[1] for line in status.splitlines() if "VmRSS" in line)
            print(f"{job.standing.judged} rows: {int(resident) >> 10} MiB", flush=True)
            shown += count // 20

    content = path.read_bytes()

    def read(_place: str) -> bytes:  # no Mock, which would remember every call
        return content

    with mock.patch.object(job, "_take", noted), mock.patch.object(here, "read", read):
        job.run(functools.partial(here.judge_here, Brightness(), None))
    took = time.perf_counter() - start
    print(f"{count / took:.0f} rows/s", flush=True)


def pieces(folder: Path) -> None:
    (image,) = product_images(1, MEGAPIXEL)
    for name, options in (("png", []), ("jpg", [cv2.IMWRITE_JPEG_QUALITY, 90])):
        path = folder / f"piece.{name}"
        cv2.imwrite(str(path), image, options)
        took = min(timed(lambda path=path: read_image(path))[1] for _ in range(7))
        size = path.stat().st_size
        print(f"decoding 1 MP of {name}, {size / 1e6:.2f} MB: {significant(1e3 * took)} ms")
    (many := folder / "many").mkdir()
    for number in range(20_000):
        (many / f"{number}.png").touch()
    took = min(
        timed(lambda: sum(1 for _ in Source(str(many)).files(lambda *_: None)))[1] for _ in range(3)
    )
    print(f"listing: {20_000 / took:.0f} files/s")
    table = parts.Parts(LocalStore(folder / "written"), "scores", outcomes([], [], None).schema)
    rng, groups = np.random.default_rng(0), 300

    def rows() -> pa.Table:
        """Of a group of images with a spot each, whose names and contents are all others."""
        opened, judged = [], []
        for number in rng.integers(1 << 40, size=64).tolist():
            place = f"/data/plant/line-{number % 9}/2026-11-29/{number:013d}.png"
            file = File(place, 1_000_000 + number % 999_983, str(number * 1_400_000))
            opened.append(Opened(file, rng.bytes(32).hex(), np.zeros((40, 40, 3), np.uint8)))
            found = np.zeros((40, 40), np.float32)
            found[8:12, 20:24] = rng.random((4, 4))
            judged.append(Judged(float(rng.random()), found))
        return outcomes(opened, judged, None)

    def write() -> None:
        for _ in range(groups):
            table.add(rows())
        table.flush()

    took, count = timed(write)[1], groups * 64
    size = sum(one.stat().st_size for one in (folder / "written").rglob("*.parquet"))
    print(f"rows made and written: {count / took:.0f} rows/s, {size / count:.0f} bytes a row")


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "pieces" in options.select:
            pieces(folder)
        if "memory" in options.select:
            memory(folder, options.rows)
        if {"loop", "ray"} & {*options.select}:
            run, images = make_run(folder), make_images(folder / "images", options.images)
            if "loop" in options.select:
                loop(folder, run, images, options.rounds)
            if "ray" in options.select:
                ray(folder, run, images, options.rounds)


if __name__ == "__main__":
    main()
