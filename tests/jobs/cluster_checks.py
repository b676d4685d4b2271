"""A cluster of two nodes, and all that is tried on it at once; ``test_cluster.py`` looks at it."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ray
from cluster_jobs import Counting, Saving
from ray.cluster_utils import Cluster
from small_jobs import small
from tiny import write_product

from nsa.errors import InputError
from nsa.jobs.cluster import connect, nodes
from nsa.jobs.cluster.executor import ClusterExecutor
from nsa.jobs.execute import execute
from nsa.jobs.job import Job, Needs
from nsa.reproduce.gaussian.jobs import plan_jobs
from nsa.reproduce.request import ReproduceRequest
from nsa.reproduce.results import result_path
from nsa.reproduce.runner import prepare_folder, run_jobs
from nsa.system.interrupt import Interrupted

FOLDER = Path(sys.argv[1])
FOUND: dict[str, Any] = {}
_SMALL = {"include_dashboard": False, "object_store_memory": 80 << 20}


def refusal(work: Callable[[], object]) -> list[Any]:
    """What an InputError says, and after how many seconds."""
    begin = time.monotonic()
    try:
        work()
    except InputError as error:
        return [str(error), time.monotonic() - begin]
    return ["nothing was refused", 0]


def do(
    address: str, jobs: Sequence[Job], data: Sequence[Path] = (), results: Path = FOLDER
) -> dict[str, str]:
    return execute(jobs, ClusterExecutor(address, results, data), lambda _: "", "Go on.")


def connect_to(address: str) -> None:
    with connect.connected(address):
        pass


def refused_addresses() -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{silent.getsockname()[1]}"
    before, connect._SECONDS_TO_ANSWER = connect._SECONDS_TO_ANSWER, 4.0
    FOUND["silent"] = refusal(lambda: connect_to(address))
    connect._SECONDS_TO_ANSWER = before
    silent.close()
    FOUND["closed"] = refusal(lambda: connect_to(address))
    for wrong in ("nonsense", "ray://127.0.0.1:1", "127.0.0.1:port"):
        FOUND[wrong] = refusal(lambda wrong=wrong: connect_to(wrong))
    FOUND["auto"] = refusal(lambda: connect_to("auto"))


def failures(address: str) -> None:
    folder = FOLDER / "failures"
    folder.mkdir()
    jobs = small(folder, "one", "bad", "broken", "killed", "stopped", "two")
    FOUND["failures"] = do(address, jobs)
    FOUND["finished"] = [job.name for job in jobs if job.is_finished()]
    FOUND["logs"] = {job.name: job.log.read_text() for job in jobs}


def shares(address: str) -> None:
    """Four jobs with half a GPU each: two at once on the only one."""
    folder = FOLDER / "shares"
    folder.mkdir()
    jobs = [Counting(folder, f"{i}", 8, needs=Needs(gpus=0.5, cores=0.5)) for i in range(4)]
    FOUND["shares failures"] = do(address, jobs)
    FOUND["shares"] = [json.loads(job.result.read_text()) for job in jobs]


def unmet_needs(address: str) -> None:
    for name, needs in {
        "gpus": Needs(gpus=2), "share": Needs(gpus=0.5, cores=2), "cores": Needs(cores=64),
        "memory": Needs(memory=1 << 50),
    }.items():  # fmt: skip
        job = dataclasses.replace(Counting(FOLDER, name, 1), needs=needs)
        FOUND[f"needs {name}"] = refusal(lambda job=job: do(address, [job]))


def other_versions(address: str) -> None:
    real = nodes.version, ray.__version__
    FOUND["version"] = real[0]("nsa")
    nodes.version = lambda _: "0.0.7"
    FOUND["other nsa"] = refusal(lambda: do(address, small(FOLDER, "never")))
    nodes.version, ray.__version__ = real[0], "0.0.7"
    FOUND["other Ray"] = refusal(lambda: do(address, small(FOLDER, "never")))
    ray.__version__ = real[1]


def interrupted(address: str) -> None:
    """Ctrl-C while two jobs run, and one waits for a place."""
    folder = FOLDER / "interrupted"
    folder.mkdir()
    jobs = [Saving(folder, name) for name in ("left", "right", "third")]

    def interrupt() -> None:
        while sum(job.log.is_file() and "Working" in job.log.read_text() for job in jobs) < 2:
            time.sleep(0.05)
        time.sleep(1.0)  # so that it is seen
        os.kill(os.getpid(), signal.SIGINT)

    said = logging.StreamHandler(io.StringIO())
    logging.getLogger("nsa").addHandler(said)
    logging.getLogger("nsa").setLevel("INFO")
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        do(address, jobs)
    except Interrupted as stop:
        FOUND["interrupted"] = str(stop)
    FOUND["said"] = said.stream.getvalue()
    FOUND["saved"] = sorted(path.name for path in folder.glob("*.saved"))


def folds(address: str) -> None:
    """A paper's baseline, whose folds are jobs, and the same here without a cluster."""
    root = write_product(FOLDER / "products", train=6, good=2, defective=2)
    (FOLDER / "small.yaml").write_text("gaussian: {size: [32, 32]}")
    for name, cluster in (("there", address), ("here", None)):
        request = ReproduceRequest(
            data_root=root, output=FOLDER / name, paper="gaussian", methods=("autoencoder",),
            seeds=(0,), categories=("disc",), epochs=1, config=FOLDER / "small.yaml", device="cpu",
        )  # fmt: skip
        jobs = [dataclasses.replace(job, folds=2) for job in plan_jobs(request)]
        prepare_folder(request.output)
        FOUND[f"folds {name} failures"] = run_jobs(jobs, request, 1, cluster)
        values = json.loads(result_path(request.output, jobs[0]).read_text())
        FOUND[f"folds {name}"] = {what: values[what] for what in ("metrics", "curves", "weights")}
        logs = request.output / "logs"
        FOUND[f"folds {name} logs"] = sorted(path.name for path in logs.iterdir())


def lost_node(cluster: Cluster, address: str) -> None:
    """The second node is killed while it is at a job."""
    folder = FOLDER / "lost"
    folder.mkdir()
    jobs = [Counting(folder, name, 30) for name in ("left", "right", "third")]
    node = cluster.add_node(num_cpus=1, object_store_memory=80 << 20)

    def kill() -> None:
        while not all(job.done() > 3 for job in jobs[:2]):
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)

    threading.Thread(target=kill, daemon=True).start()
    FOUND["lost failures"] = do(address, jobs)
    FOUND["lost notes"] = {job.name: job.notes.read_text().splitlines() for job in jobs}


def unshared(address: str) -> None:
    """A node for which the results folder, or that of the images, is another one."""
    images = FOLDER / "images"
    images.mkdir()
    (images / "first.png").touch()
    results = FOLDER / "failures"
    command = (
        f"mount -t tmpfs none {results} && mount -t tmpfs none {images} && "
        f"exec ray start --address={address} --num-cpus=1 --object-store-memory=80000000 --block"
    )
    before = {node["NodeID"] for node in nodes.working_nodes()}
    subprocess.Popen(["unshare", "--mount", "sh", "-c", command])
    while {node["NodeID"] for node in nodes.working_nodes()} <= before:
        time.sleep(0.1)
    FOUND["unshared results"] = refusal(lambda: do(address, small(results, "never"), (), results))
    FOUND["unshared data"] = refusal(lambda: do(address, small(FOLDER, "never"), [images]))
    FOUND["left over"] = [path.name for path in FOLDER.rglob(".*")]


def lost_head(cluster: Cluster, address: str) -> None:
    """What leads the cluster is killed while two jobs run, and a third has finished."""
    folder = FOLDER / "head"
    folder.mkdir()
    jobs = [Counting(folder, name, steps) for name, steps in (("x", 1), ("y", 900), ("z", 900))]
    connect._SECONDS_WITHOUT_HEAD = 3.0

    def kill() -> None:
        while not (jobs[0].is_finished() and jobs[1].done()):
            time.sleep(0.05)
        cluster.head_node.kill_gcs_server(check_alive=False)

    threading.Thread(target=kill, daemon=True).start()
    FOUND["lost head"] = refusal(lambda: do(address, jobs))


def main() -> None:
    refused_addresses()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 1, **_SMALL})
    address = cluster.address
    other_versions(address)
    with connect.connected(address):  # which the rest goes on with
        for part in (unmet_needs, failures, shares, interrupted, folds):
            part(address)
        lost_node(cluster, address)
        unshared(address)
    lost_head(cluster, address)
    (FOLDER / "found.json").write_text(json.dumps(FOUND))
    os._exit(0)  # the cluster ends with the namespace


if __name__ == "__main__":
    main()
