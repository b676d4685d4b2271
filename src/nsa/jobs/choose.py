"""Where jobs are done: in this process, in others of this machine, or on a cluster."""

from __future__ import annotations

import os

import torch

from nsa.errors import InputError
from nsa.jobs.executor import Executor
from nsa.jobs.inline import InlineExecutor
from nsa.jobs.job import Needs
from nsa.jobs.local import LocalExecutor
from nsa.system.cores import usable_cores
from nsa.system.device import choose_device


def open_executor(
    cluster: str | None, device: str, per_device: int, most: int, *, apart: bool = True
) -> Executor:
    """The executor that does the jobs of a command.

    Args:
        cluster: ``"auto"`` or the ``HOST:PORT`` of a Ray cluster; None: this machine.
        device: where the jobs run, see :func:`nsa.system.device.choose_device`.
        per_device: jobs at once on every GPU, or on the CPU.
        most: how many jobs are left to do.
        apart: in processes of their own, also where one at a time is done.

    Raises:
        InputError: there is no such device or cluster.
    """
    if cluster is not None:
        raise InputError("--cluster is not there yet; leave it out.")
    # Under torchrun every process already has a device of its own.
    on_gpus = choose_device(device).type == "cuda" and "LOCAL_RANK" not in os.environ
    devices = torch.cuda.device_count() if on_gpus else 1
    at_once = max(1, min(devices * per_device, most))
    return LocalExecutor(devices, at_once) if apart or at_once > 1 else InlineExecutor()


def needs_of_training(device: str, per_device: int) -> Needs:
    """What a training needs, so many of which run at once on every GPU, or on the CPU.

    Raises:
        InputError: there is no such device.
    """
    if choose_device(device).type == "cuda":
        return Needs(gpus=1 / per_device)
    return Needs(cores=max(1, usable_cores() // per_device))
