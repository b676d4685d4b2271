"""What the nodes of a cluster have room for."""

from __future__ import annotations

from collections.abc import Mapping

from nsa.errors import InputError
from nsa.jobs.cluster.nodes import working_nodes
from nsa.jobs.job import Needs
from nsa.system.console import counted


def share(device: str, per_device: int) -> Needs:
    """What a job needs, so many of which run at once on every GPU, or on the CPU of every node.

    The nodes may differ: a job gets as many cores as it can have wherever it is done.

    Args:
        device: ``"cpu"``, ``"cuda"``, or ``"auto"``: a GPU where the cluster has one.

    Raises:
        InputError: there is no GPU, or no node that does jobs.
    """
    nodes = [node["Resources"] for node in working_nodes()]
    with_gpus = [node for node in nodes if node.get("GPU", 0) > 0]
    if device == "cuda" and not with_gpus:
        raise InputError(
            f"device 'cuda' was asked for, but none of {counted(len(nodes), 'node')} of the "
            "cluster has a GPU; use --device cpu."
        )
    if device == "cpu" or not with_gpus:
        return Needs(cores=_part(min((node["CPU"] for node in nodes), default=1), per_device))
    cores = min(node["CPU"] / node["GPU"] for node in with_gpus)
    return Needs(gpus=1 / per_device, cores=_part(cores, per_device))


def _part(cores: float, jobs: int) -> float:
    """The cores of each of so many jobs: whole ones, if there are enough."""
    part = cores / jobs
    return float(int(part)) if part >= 1 else part


def capacity(needs: Needs) -> int:
    """How many jobs with such needs the cluster does at once now, were it free."""
    return sum(_places(node["Resources"], needs) for node in working_nodes())


def check_room(needs: Needs) -> None:
    """Refuse needs that no node can meet.

    Raises:
        InputError: it says what is asked for, and what the nodes have.
    """
    if capacity(needs):
        return
    nodes = [node["Resources"] for node in working_nodes()]
    if not nodes:
        raise InputError(
            "The cluster has no node that does jobs; add one with ray start --address HOST:PORT."
        )
    for name, wanted in _wanted(needs).items():
        most = max(node.get(name, 0) for node in nodes)
        if most < wanted:
            raise InputError(
                f"A job that needs {_amount(name, wanted)} fits on no node: of "
                f"{counted(len(nodes), 'node')} the largest has {_amount(name, most)}."
            )
    both = " and ".join(_amount(name, wanted) for name, wanted in _wanted(needs).items())
    raise InputError(f"A job that needs {both} fits on no node: none has all of that.")


def _places(resources: Mapping[str, float], needs: Needs) -> int:
    return min(
        (int(resources.get(name, 0) / wanted + 1e-9) for name, wanted in _wanted(needs).items()),
        default=1,
    )


def _wanted(needs: Needs) -> dict[str, float]:
    """What is needed at all, by Ray's name of it."""
    amounts = {"GPU": needs.gpus, "CPU": needs.cores, "memory": needs.memory}
    return {name: amount for name, amount in amounts.items() if amount > 0}


def _amount(name: str, number: float) -> str:
    """``"0.5 GPU"``, ``"2 cores"``, ``"1.5 GiB"``."""
    if name == "memory":
        return f"{number / 2**30:.1f} GiB"
    return f"{number:g} {'GPU' if name == 'GPU' else 'core'}{'' if 0 < number <= 1 else 's'}"
