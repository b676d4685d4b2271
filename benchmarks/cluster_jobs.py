"""What a job on a Ray cluster costs beyond its own work, on one node and on two of this machine.

``python benchmarks/cluster_jobs.py`` takes some minutes. The nodes are real ones of Ray that share
this machine, and the jobs stand-ins: each sleeps for a known time and writes a file, so that many
can run side by side on few cores. The driver's memory is read at equal distances of finished jobs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from nsa.jobs.cluster.connect import connected
from nsa.jobs.cluster.executor import ClusterExecutor
from nsa.jobs.execute import execute
from nsa.jobs.job import Job, Needs

_STORE = 80 << 20


@dataclass(frozen=True)
class StandIn:
    """A job of known cost."""

    folder: Path
    number: int
    seconds: float
    needs: Needs = field(default_factory=Needs)

    @property
    def name(self) -> str:
        return f"{self.number:06}"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.number % 100}.log"

    def is_finished(self) -> bool:
        return (self.folder / self.name).exists()

    def run(self) -> None:
        time.sleep(self.seconds)
        (self.folder / self.name).touch()


class Watched(ClusterExecutor):
    """Notes this process's memory at equal distances of jobs that have begun."""

    def __init__(self, address: str, folder: Path, distance: int) -> None:
        super().__init__(address, folder)
        self.memory: dict[int, float] = {}
        self._distance, self._begun = distance, 0

    def start(self, job: Job) -> Future[str | None]:
        if self._begun % self._distance == 0:
            self.memory[self._begun] = resident()
        self._begun += 1
        return super().start(job)


def resident() -> float:
    """MB of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2], help="(%(default)s)")
    parser.add_argument("--places", type=int, default=4, help="for jobs on a node (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2000, help="of each run (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.1, help="of a job (%(default)s)")
    return parser.parse_args()


def timed(executor: Watched, count: int, seconds: float, folder: Path) -> float:
    """How many seconds so many jobs took."""
    folder.mkdir()
    jobs = [StandIn(folder, number, seconds) for number in range(count)]
    begin = time.perf_counter()
    failures = execute(jobs, executor, lambda _: "", "")
    assert not failures, failures
    assert all(job.is_finished() for job in jobs)
    return time.perf_counter() - begin


def measure(address: str, nodes: int, asked: argparse.Namespace, folder: Path) -> None:
    places, distance = nodes * asked.places, max(1, asked.jobs // 5)
    begin = time.perf_counter()
    with connected(address):
        connecting = time.perf_counter() - begin
        # Ray starts a process a place, and each of them imports this package.
        first = timed(Watched(address, folder, distance), 2 * places, 0.0, folder / "first")
        executor = Watched(address, folder, distance)
        took = timed(executor, asked.jobs, asked.seconds, folder / "all")
    overhead = took * places / asked.jobs - asked.seconds
    print(
        f"| {nodes} | {places} | {asked.jobs} | {asked.seconds:g} | {connecting:.1f} | {first:.1f} "
        f"| {took:.1f} | {1000 * overhead:.0f} |"
    )
    print(f"driver, MB by jobs begun: {executor.memory}", file=sys.stderr)


def main() -> None:
    from ray.cluster_utils import Cluster

    asked = arguments()
    print(
        "| nodes | places | jobs | s of each | connect s | first jobs s | all s | ms more a job |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for count in asked.nodes:
        settings = {
            "num_cpus": asked.places, "include_dashboard": False, "object_store_memory": _STORE,
        }  # fmt: skip
        cluster = Cluster(initialize_head=True, head_node_args=settings)
        for _ in range(count - 1):
            cluster.add_node(**settings)
        with tempfile.TemporaryDirectory() as folder:
            measure(cluster.address, count, asked, Path(folder))
        cluster.shutdown()


if __name__ == "__main__":
    main()
