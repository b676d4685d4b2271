"""What runs in a worker process of this machine: one job after the other."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from nsa.errors import InputError
from nsa.jobs.attempt import attempt, print_into
from nsa.jobs.job import Job
from nsa.system.console import console, log_to_console
from nsa.system.interrupt import Interrupted
from nsa.system.streams import outlast_readers

_INTERRUPTED = 130
_busy = threading.Event()
_stop = threading.Event()  # a signal came while there was no job


def begin(environment: dict[str, str], log: Path) -> None:
    """Prepare this process for its jobs.

    Args:
        environment: variables that it has of its own; torch is not imported yet.
        log: for what it prints before its first job.
    """
    signal.signal(signal.SIGINT, _note)
    if sys.platform != "win32":
        os.setsid()  # Ctrl-C reaches the driver alone, which passes it on once
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with contextlib.suppress(InputError):  # which the job itself will say
        print_into(log)
    threading.Thread(target=_end_with_the_driver, daemon=True).start()
    os.environ.update(environment)
    from nsa.system.device import keep_freed_memory, use_own_gpu

    outlast_readers()
    log_to_console()
    use_own_gpu()
    keep_freed_memory()


def do(job: Job) -> str | None:
    """See :func:`nsa.jobs.attempt.attempt`; after it the process goes where its driver is gone."""
    import torch

    _busy.set()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if _stop.is_set() or not _driver_lives():
            _stop.clear()
            raise KeyboardInterrupt
        return attempt(job)
    except (Interrupted, KeyboardInterrupt) as stop:
        console.print(str(stop) or "Interrupted.", markup=False, soft_wrap=True)
        raise
    finally:
        signal.signal(signal.SIGINT, _note)
        _busy.clear()
        if not _driver_lives():
            os._exit(_INTERRUPTED)
        torch.cuda.empty_cache()  # for the workers beside this one


def _note(_number: int, _frame: FrameType | None) -> None:
    _stop.set()


def _end_with_the_driver() -> None:
    """Wait for the driver to end, then end the job that is done as a signal would.

    It may have been killed, and the pool would wait for its next job for ever.
    """
    driver = multiprocessing.parent_process()
    assert driver is not None
    driver.join()
    if sys.platform == "win32" or not _busy.is_set():
        os._exit(_INTERRUPTED)
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)


def _driver_lives() -> bool:
    driver = multiprocessing.parent_process()
    return driver is not None and driver.is_alive()
