"""What a worker does with a job: its output goes into its log, and a failure becomes a sentence."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import traceback
from pathlib import Path

from nsa.errors import InputError
from nsa.jobs.job import Job
from nsa.system.console import console, standard_output
from nsa.system.interrupt import Interrupted

_LONGEST = 240  # of a reason among others
_instead: dict[str, int] = {}  # descriptors of standard streams that were closed from the start


class Crashed(Exception):  # noqa: N818 - it is one of the job's
    """A job ended by an error that nobody foresaw, so its process is to do no other job.

    Such an error may have left anything behind, a GPU that answers no more for one. The message
    says what it was, as :func:`attempt` would.
    """


def attempt(job: Job) -> str | None:
    """Do a job in this process, all that it prints appended to its log.

    Standard output and standard error stay there, for what is printed below Python too.

    Returns:
        Why it failed, in a sentence or two; None: it did not.

    Raises:
        Crashed: it failed, and this process is to do no other job.
        Interrupted, KeyboardInterrupt: a signal stopped it.
    """
    try:
        print_into(job.log)
    except InputError as error:
        return _with_log(str(error), job)
    try:
        job.run()
        if job.is_finished():
            return None
        raise InputError(f"It ended without a result in {job.folder}.")
    except InputError as error:
        sys.stdout.flush()  # the reason is the last line
        console.print(f"Error: {error}", markup=False, soft_wrap=True)
        return _with_log(str(error), job)
    except Interrupted:
        raise
    except Exception as error:
        sys.stdout.flush()
        traceback.print_exc()
        reason = traceback.format_exception_only(error)[-1].strip()
        raise Crashed(_with_log(reason, job)) from None
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def changed(log: Path) -> tuple[int, int] | None:
    """When a log was changed, and its size: others once a job has begun; None: there is none."""
    try:
        found = log.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def print_into(log: Path) -> None:
    """Append what this process prints from now on to a file, without colours.

    The file counts as changed at once, see :func:`changed`.

    Raises:
        InputError: it cannot be written.
    """
    try:
        file = log.open("ab")
        os.utime(log)
    except OSError as error:
        raise InputError(f"Cannot write {log}: {error.strerror or error}.") from error
    with file:
        for number, name in ((1, "stdout"), (2, "stderr")):
            stream = getattr(sys, name)
            if stream is None:  # closed from the start, and its number may be of another file
                _instead[name] = os.dup(file.fileno())
                own = os.fdopen(_instead[name], "w", buffering=1, closefd=False)
                setattr(sys, name, own)
            else:
                stream.flush()
                os.dup2(file.fileno(), _instead.get(name, number))
    os.environ.pop("FORCE_COLOR", None)  # of the terminal that the driver has
    for one in (console, standard_output):
        one.write_to_file()


def last_line(path: Path) -> str:
    """The last line of a log file; empty without one."""
    return next(iter(last_lines(path)[-1:]), "")


def last_lines(path: Path) -> list[str]:
    """The last lines of a log file, without reading the rest of a long one; none without one."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def in_short(failure: str, log: Path) -> str:
    """The first sentence of why a job failed, not a long one, and where the log is, if any."""
    reason = failure.removesuffix(_all_of_it(log)).partition(". ")[0].rstrip(".")
    short = textwrap.shorten(reason, _LONGEST, placeholder=" ...")
    return short + (_all_of_it(log) if log.is_file() else "")


def how_it_died(exit_code: int | None, job: Job) -> str:
    """Why a worker process is gone that was at a job, in a sentence or two."""
    if exit_code is not None and exit_code < 0:
        names = {number.value: number.name for number in signal.Signals}  # none of real-time ones
        reason = f"the process was ended by {names.get(-exit_code, f'signal {-exit_code}')}"
    else:
        reason = last_line(job.log) or "the process ended and said nothing"
    return _with_log(reason, job)


def _with_log(reason: str, job: Job) -> str:
    return reason + _all_of_it(job.log)


def _all_of_it(log: Path) -> str:
    return f" (all of it: {log})"
