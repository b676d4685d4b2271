"""Start the processes of a data-parallel training by hand, so that a test knows their ids."""

import os
import socket
import subprocess
import sys
from typing import Any

LOCAL = {
    "OMP_NUM_THREADS": "1",
    "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
}


def start_ranks(count: int, *arguments: object) -> list["subprocess.Popen[str]"]:
    """One Python process a rank, with the variables that torchrun sets."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ranks = []
    for number in range(count):
        environment = {
            **os.environ, **LOCAL, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            "WORLD_SIZE": str(count), "RANK": str(number), "LOCAL_RANK": str(number),
        }  # fmt: skip
        ranks.append(start(arguments, environment))
    return ranks


def start(arguments: Any, environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *(str(argument) for argument in arguments)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for_training(process: "subprocess.Popen[str]") -> None:
    """Read what a leader says, up to its last line before the first step."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("Training "):
            return
    raise AssertionError("".join(said))


def finish(ranks: list["subprocess.Popen[str]"]) -> list[str]:
    """What each rank says on standard error up to its end."""
    return [process.communicate(timeout=300)[1] for process in ranks]
