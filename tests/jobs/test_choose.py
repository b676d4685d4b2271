"""Which executor a command has, and what its jobs need."""

from __future__ import annotations

import pytest
import torch

from nsa.errors import InputError
from nsa.jobs.choose import needs_of_training, open_executor
from nsa.jobs.inline import InlineExecutor
from nsa.jobs.job import Needs
from nsa.jobs.local import LocalExecutor


def test_no_more_workers_than_jobs() -> None:
    executor = open_executor(None, "cpu", 4, 3)
    assert isinstance(executor, LocalExecutor)
    assert executor.room == 3
    assert open_executor(None, "cpu", 2, 3).room == 2
    assert open_executor(None, "cpu", 2, 0).room == 1


def test_one_at_a_time_may_be_done_here() -> None:
    assert isinstance(open_executor(None, "cpu", 1, 5), LocalExecutor)
    assert isinstance(open_executor(None, "cpu", 1, 5, apart=False), InlineExecutor)
    assert isinstance(open_executor(None, "cpu", 5, 1, apart=False), InlineExecutor)
    assert isinstance(open_executor(None, "cpu", 2, 2, apart=False), LocalExecutor)


def test_every_gpu_has_its_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nsa.jobs.choose.choose_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert open_executor(None, "auto", 2, 100).room == 6
    assert needs_of_training("auto", 2) == Needs(gpus=0.5)


def test_jobs_on_a_cpu_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nsa.jobs.choose.usable_cores", lambda: 9)
    assert needs_of_training("cpu", 2) == Needs(cores=4)
    assert needs_of_training("cpu", 64) == Needs(cores=1)


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(InputError, match="device must be"):
        open_executor(None, "gpu", 1, 1)
