"""Trainings on a cluster of two nodes, by the command line; ``test_cluster_trainings.py`` looks.

The driver is killed, the same is continued and stopped by Ctrl-C, and continued while a node is
killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

FOLDER = Path(sys.argv[1])
OUT = FOLDER / "out"
FOUND: dict[str, Any] = {}
# A GPU that nobody has is reserved for each training, which finds none and takes the CPU.
_SMALL = {
    "num_cpus": 1, "num_gpus": 1, "include_dashboard": False, "object_store_memory": 80 << 20,
}  # fmt: skip


def nsa(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nsa", "train", *map(str, arguments)],
        cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def begun() -> int:
    """How many trainings have come to their steps, or come back to them, so far."""
    logs = [log.read_text() for log in OUT.glob("*.log")]
    return sum(log.count("Training '") for log in logs)


def wait_for_steps(driver: subprocess.Popen[str], before: int) -> None:
    """Until both nodes are at the steps of a training."""
    while begun() < before + 2:
        if driver.poll() is not None:
            raise RuntimeError("".join(driver.communicate()))
        time.sleep(0.05)


def times() -> dict[str, int]:
    """When the weights of those that are finished were written."""
    finished = [path.parent for path in OUT.glob("*/metrics.json")]
    return {run.name: (run / "model.safetensors").stat().st_mtime_ns for run in finished}


def main() -> None:
    cluster = Cluster(initialize_head=True, head_node_args=_SMALL)
    node = cluster.add_node(**_SMALL)
    there = ("--cluster", cluster.address)
    command = (
        "--data-root", "products", "--category", "all", "--config", "o.yaml", "--output", "out",
        *there,
    )  # fmt: skip
    driver = nsa(*command)
    wait_for_steps(driver, 0)
    driver.kill()
    driver.communicate()
    FOUND["after the kill"] = times()

    before = begun()
    driver = nsa(*command)  # as it was
    wait_for_steps(driver, before)
    driver.send_signal(signal.SIGINT)
    FOUND["interrupted"] = [*driver.communicate(), driver.returncode]
    FOUND["saved"] = [path.parent.name for path in OUT.glob("*/checkpoint.safetensors")]
    FOUND["after Ctrl-C"] = times()

    before = begun()
    driver = nsa("--resume", "out", *there)
    wait_for_steps(driver, before)
    cluster.remove_node(node, allow_graceful=False)
    FOUND["finished"] = [*driver.communicate(), driver.returncode]
    FOUND["at the end"] = times()
    FOUND["logs"] = {log.stem: log.read_text() for log in OUT.glob("*.log")}
    (FOLDER / "found.json").write_text(json.dumps(FOUND))
    os._exit(0)  # the cluster ends with the namespace


if __name__ == "__main__":
    main()
