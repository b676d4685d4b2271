"""The stages of the two calls: what runs beside what, and for how long at most.

To add one: a program of this folder, a line here, and a section in ``report.py``. A call is over
after ``DEADLINE`` seconds: one command on a lent machine often lasts ten minutes at most.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

DEADLINE = 550.0
BUILD_SECONDS = 120.0


@dataclass(frozen=True)
class Stage:
    """A program of this folder in a process of its own.

    Attributes:
        name: also that of its log.
        program: the file, then its arguments.
        limit: seconds after which it is stopped.
        environment: set for it alone.
        needs_data: left out where no data root is named.
        figures: its first argument is the folder for figures.
    """

    name: str
    program: tuple[str, ...]
    limit: float
    environment: dict[str, str] = field(default_factory=dict)
    needs_data: bool = False
    figures: bool = True


Group = tuple[Stage, ...]  # side by side

# Where stages overlap, PyTorch's threads on the host would take each other's cores.
_SHARED = {"OMP_NUM_THREADS": "3"}
# Its processes are killed in the middle of their work, and what they leave is said as a warning.
_UNTIDY = {"PYTHONWARNINGS": "ignore:resource_tracker:UserWarning"}
_BLOCKING = {"CUDA_LAUNCH_BLOCKING": "1", **_SHARED}


def _sanitizer(tool: str) -> Stage:
    return Stage(tool, ("sanitizer.py", tool), 110, _SHARED)


def _tests(name: str, which: str, limit: float) -> Stage:
    return Stage(name, ("device_tests.py", which), limit, _SHARED)


_LIMITS: Group = (Stage("limits", ("limits.py",), 25),)
_SYNTHESIS: Group = (Stage("synthesis", ("synthesis.py",), 45),)
_STEP: Group = (Stage("step", ("step.py",), 75),)

FIRST: tuple[Group, ...] = (
    # numba's cold start costs twenty seconds of one core; the first launch does not need it.
    (Stage("launch", ("launch.py",), 45, _BLOCKING), Stage("warm", ("warm.py",), 50, _SHARED)),
    (_tests("tests", "device", 110), _sanitizer("memcheck"), _sanitizer("racecheck")),
    (_tests("training tests", "training", 110), _sanitizer("initcheck")),
    _LIMITS,
    _SYNTHESIS,
    _STEP,
)

SECOND: tuple[Group, ...] = (
    (_tests("failed tests", "failed", 50), Stage("warm", ("warm.py",), 50, _SHARED)),
    _LIMITS,
    _SYNTHESIS,
    (Stage("peers", ("peers.py",), 25),),
    _STEP,
    (Stage("counters", ("counters.py",), 45),),
    (Stage("trace_step", ("trace_step.py",), 35),),
    (Stage("forms", ("forms.py",), 65),),
    (Stage("bottle", ("bottle.py",), 85, needs_data=True),),
    (_tests("too_large", "too_large", 40),),
    (Stage("loader", ("loader.py",), 60, _UNTIDY),),
)

CALLS = {"first": FIRST, "second": SECOND}


def rehearsed(groups: tuple[Group, ...], before: tuple[Group, ...] = ()) -> tuple[Group, ...]:
    """The same stages where nothing is timed: two groups at a time, and time for a busy machine.

    Args:
        before: what was rehearsed already; the same program is not run a second time.
    """
    known = [stage for group in before for stage in group]
    fresh = [tuple(stage for stage in group if stage not in known) for group in groups]
    patient = [tuple(replace(stage, limit=600) for stage in group) for group in fresh if group]
    return tuple(sum(patient[first : first + 2], ()) for first in range(0, len(patient), 2))


def longest(groups: tuple[Group, ...]) -> float:
    """Seconds that the stages of a call take at most."""
    return sum(max(stage.limit for stage in group) for group in groups)
