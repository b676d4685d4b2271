"""Bulk scoring on a cluster of this machine, which loses a node meanwhile.

``python bulk_on_ray.py FOLDER``: of FOLDER/images with FOLDER/run. What is found goes to
FOLDER/cores and FOLDER/gpu, and what is said to FOLDER/found.json.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import ray
from ray.cluster_utils import Cluster

from nsa.detectors.registry import load, open_run
from nsa.errors import InputError
from nsa.jobs.cluster import connect
from nsa.runs.bulk import cluster as judging
from nsa.runs.bulk import parts
from nsa.runs.bulk.predict import predict_bulk

STORE = 76 << 20  # bytes, of which Ray wants 75 MiB at least
PIECE = 4 << 20


def main(folder: Path) -> None:
    parts._SECONDS = 0.0  # each block is seen when it is there
    usual = {"object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **usual})
    second = cluster.add_node(num_cpus=1, object_store_memory=STORE)
    cluster.wait_for_nodes()

    def lose() -> None:
        while len([*folder.glob("cores/scores/*.parquet")]) < 2:  # the first has no rows
            time.sleep(0.01)
        cluster.remove_node(second, allow_graceful=False)

    def score(name: str, device: str = "auto") -> str:
        """What is said, as one of the images cannot be read."""
        run, images, place = folder / "run", str(folder / "images"), str(folder / name)
        try:
            predict_bulk(
                open_run(run), load(run, "cpu"), [images], place, cluster=cluster.address,
                device=device,
            )  # fmt: skip
        except InputError as error:
            return str(error)
        raise AssertionError("nothing was refused")

    said = {"nothing": score("nothing", device="abacus")}
    losing = threading.Thread(target=lose)
    losing.start()
    said["cores"] = score("cores")
    losing.join()
    # Nobody has such a GPU: the detector takes the CPU.
    cluster.add_node(num_cpus=2, num_gpus=1, object_store_memory=STORE)
    cluster.wait_for_nodes()
    # While the head's object store is full of what others keep.
    ray.init(cluster.address, log_to_driver=False)
    kept = [ray.put(np.zeros(PIECE, np.uint8)) for _ in range(STORE // PIECE)]
    said["gpu"] = score("gpu")
    del kept
    ray.shutdown()

    def lose_head() -> None:
        while len([*folder.glob("lost/scores/*.parquet")]) < 2:
            time.sleep(0.01)
        cluster.head_node.kill_gcs_server(check_alive=False)

    connect._SECONDS_WITHOUT_HEAD = 3.0
    judging._SMALLEST_BLOCK, judging._BLOCKS = 1, 100  # of which some are left
    threading.Thread(target=lose_head).start()
    said["lost head"] = score("lost")
    (folder / "found.json").write_text(json.dumps(said))
    os._exit(0)  # the cluster ends with the namespace


if __name__ == "__main__":
    main(Path(sys.argv[1]))
