"""What jobs get on nodes that differ, and how many run at once: worked out by hand."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest
from small_jobs import Small
from tiny import nsa, sentence, write_product

from nsa.errors import InputError
from nsa.jobs.choose import needs_of_training
from nsa.jobs.cluster.executor import ClusterExecutor, _Handed
from nsa.jobs.cluster.room import capacity, check_room, share
from nsa.jobs.executor import LostError
from nsa.jobs.job import Needs

GIB = 2**30


def have(monkeypatch: pytest.MonkeyPatch, *nodes: dict[str, float]) -> None:
    found = [{"Resources": node} for node in nodes]
    monkeypatch.setattr("nsa.jobs.cluster.room.working_nodes", lambda: found)


def test_a_job_gets_what_the_smallest_node_can_give(monkeypatch: pytest.MonkeyPatch) -> None:
    have(monkeypatch, {"CPU": 64}, {"CPU": 9})
    assert share("auto", 1) == share("cpu", 1) == Needs(cores=9)
    assert share("auto", 2) == Needs(cores=4)
    assert share("auto", 12) == Needs(cores=0.75)
    have(monkeypatch, {"CPU": 64, "GPU": 8}, {"CPU": 16, "GPU": 4}, {"CPU": 2})
    assert share("auto", 1) == share("cuda", 1) == Needs(gpus=1, cores=4)
    assert share("auto", 3) == Needs(gpus=1 / 3, cores=1)
    assert share("cpu", 1) == Needs(cores=2)


def test_a_gpu_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    have(monkeypatch, {"CPU": 2}, {"CPU": 2})
    with pytest.raises(InputError, match="none of 2 nodes of the cluster has a GPU; use --device"):
        share("cuda", 1)
    with pytest.raises(InputError, match="device must be 'auto', 'cpu' or 'cuda', got 'tpu'"):
        needs_of_training("tpu", 1, "auto")


def test_how_many_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = ({"CPU": 8, "GPU": 2, "memory": 10 * GIB}, {"CPU": 3, "memory": 4 * GIB})
    have(monkeypatch, *nodes)
    assert capacity(Needs()) == 11
    assert capacity(Needs(cores=0.3)) == 26 + 10
    assert capacity(Needs(gpus=1 / 3, cores=1)) == 6  # thirds, whatever they round to
    assert capacity(Needs(gpus=0.5, cores=4)) == 2
    assert capacity(Needs(memory=4 * GIB)) == 2 + 1
    check_room(Needs(gpus=2, cores=8, memory=10 * GIB))
    for needs, reason in {
        Needs(gpus=4): "needs 4 GPUs fits on no node: of 2 nodes the largest has 2 GPUs",
        Needs(cores=9): "needs 9 cores fits on no node: of 2 nodes the largest has 8 cores",
        Needs(memory=11 * GIB): r"needs 11\.0 GiB fits on no node: of 2 nodes the largest has 10",
    }.items():
        with pytest.raises(InputError, match=reason):
            check_room(needs)
    have(monkeypatch, nodes[1], {"CPU": 1, "GPU": 1})
    with pytest.raises(InputError, match=r"0\.5 GPU and 2 cores fits on no node: none has all"):
        check_room(Needs(gpus=0.5, cores=2))
    have(monkeypatch)
    with pytest.raises(InputError, match="no node that does jobs; add one with ray start"):
        check_room(Needs())


def test_a_cluster_that_is_not_there_leaves_nothing_behind(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    root, output = write_product(tmp_path / "products", train=1), tmp_path / "out"
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    message = sentence(
        nsa("train", "--data-root", root, "--category", "all", "--output", output,
            "--cluster", address)
    )  # fmt: skip
    assert f"No Ray cluster at {address}: Connection refused" in message
    assert not output.exists()
    assert "--cluster is for several" in sentence(
        nsa("train", "--data-root", root, "--output", output, "--cluster", address)
    )


def test_a_head_that_is_lost_while_it_is_asked_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor, answer = ClusterExecutor("auto", tmp_path), threading.Event()

    def silent(_needs: Needs) -> int:
        answer.wait(60)
        return 3

    monkeypatch.setattr("nsa.jobs.cluster.executor.capacity", silent)
    monkeypatch.setattr("nsa.jobs.cluster.executor._SECONDS_TO_COUNT", 0.1)
    monkeypatch.setattr(executor, "_is_there", lambda: True)
    executor._tasks[Needs()] = None
    assert [executor.room, executor.room] == [0, 0]
    assert sum(thread.name.endswith("(_answer)") for thread in threading.enumerate()) == 1
    answer.set()
    monkeypatch.setattr("nsa.jobs.cluster.executor._SECONDS_TO_COUNT", 30.0)
    assert executor.room == 5

    def lost(_needs: Needs) -> int:
        raise LostError("The head is lost.")

    monkeypatch.setattr("nsa.jobs.cluster.executor.capacity", lost)
    executor._looked = 0.0
    with pytest.raises(LostError):
        _ = executor.room


def test_a_job_that_cannot_be_handed_over_again_keeps_nobody_waiting(tmp_path: Path) -> None:
    lost = pytest.importorskip("ray").exceptions.WorkerCrashedError
    executor, handed = ClusterExecutor("auto", tmp_path), _Handed(Small(tmp_path, "good"))
    done: Future[str | None] = Future()
    done.set_exception(lost())
    executor._end(handed, done)  # there is no task for such needs
    assert isinstance(handed.future.exception(timeout=0), KeyError)
