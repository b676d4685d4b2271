"""Where a step's time goes: a clock for its parts, and a trace of a few steps.

Without ``--profile`` the parts are entered through one shared object that does nothing.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from rich.table import Table

from nsa.errors import InputError
from nsa.system.files import atomic_file

WAIT, SYNTHESIS, FORWARD, BACKWARD, OPTIMISER = PARTS = (
    "plan wait", "synthesis", "forward", "backward", "optimiser",
)  # fmt: skip

FILE = "trace.json"
_SKIPPED, _TIMED, _TRACED = 3, 10, 3


class Clock(Protocol):
    """Measures the parts of a step.

    Attributes:
        active: whether it measures the current step, whose parts must then run one by one.
    """

    @property
    def active(self) -> bool: ...

    def part(self, name: str) -> AbstractContextManager[None]:
        """Around the work of one part; a part may come several times in a step."""


class _NoClock:
    active = False

    def __init__(self) -> None:
        self._nothing = contextlib.nullcontext()

    def part(self, name: str) -> AbstractContextManager[None]:  # noqa: ARG002
        return self._nothing


NO_CLOCK: Clock = _NoClock()


@dataclass
class _Step:
    """Start and end of every part of one step: host seconds, or events on the GPU."""

    traced: bool
    marks: list[tuple[str, float | torch.cuda.Event, float | torch.cuda.Event]] = field(
        default_factory=list
    )

    def milliseconds(self) -> dict[str, float]:
        spent = dict.fromkeys(PARTS, 0.0)
        for name, start, end in self.marks:
            if isinstance(start, torch.cuda.Event) and isinstance(end, torch.cuda.Event):
                spent[name] += start.elapsed_time(end)
            elif isinstance(start, float) and isinstance(end, float):
                spent[name] += 1e3 * (end - start)
        return spent


class Profile:
    """Times the parts of some steps of a run, and traces a few more.

    On a GPU these steps run kernel by kernel, because a captured graph cannot be taken apart; the
    kernels are the same. The first steps are left out: they load kernels and choose algorithms.

    Args:
        device: where the network runs.
        steps: of the run; of a short one, fewer are left out, timed and traced.

    Attributes:
        steps: those that were measured.
    """

    def __init__(self, device: torch.device, steps: int) -> None:
        self._on_gpu = device.type == "cuda"
        third = max(1, steps // 3)
        self._skipped, self._traced = min(_SKIPPED, steps // 3), min(_TRACED, third)
        self._last = min(steps, self._skipped + _TIMED + self._traced)  # step that is measured
        self._number = 0  # of the current step, from 1
        self.steps: list[_Step] = []
        self._running: _Step | None = None
        activities = [torch.profiler.ProfilerActivity.CPU]
        if self._on_gpu:
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        self._trace = torch.profiler.profile(activities=activities)
        self._tracing = False
        self._groups = 0  # since the last measured step
        self._seconds, self._images = 0.0, 0

    @property
    def active(self) -> bool:
        """See :class:`Clock`."""
        return self._running is not None

    def begin(self, waited: float) -> None:
        """A step begins, which has waited so many seconds for its plan."""
        self._number += 1
        self._running = None
        if self._number > self._last:
            self.stop()
        elif self._number > self._skipped:
            traced = self._number > self._last - self._traced
            if traced and not self._tracing:
                self._trace.start()
                self._tracing = True
            self._running = _Step(traced, [(WAIT, 0.0, waited)])
            self.steps.append(self._running)

    def read(self, seconds: float, images: int) -> None:
        """Some steps are over, which took so many seconds together."""
        if self._number <= self._last:
            return
        self._groups += 1
        if self._groups > 1:  # the first of them began among the measured steps, or captures
            self._seconds += seconds
            self._images += images

    def stop(self) -> None:
        """The run ends: nothing more is measured."""
        self._running = None
        if self._tracing:
            self._trace.stop()
            self._tracing = False

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """See :meth:`Clock.part`."""
        step = self._running
        if step is None:
            yield
            return
        with torch.profiler.record_function(name):
            start = self._now()
            yield
            step.marks.append((name, start, self._now()))

    def milliseconds(self) -> dict[str, float]:
        """Median over the timed steps of every part, in ms.

        Tracing slows the host down, so traced steps count only where there are no others.
        """
        if self._on_gpu:
            torch.cuda.synchronize()
        steps = [step for step in self.steps if not step.traced] or self.steps
        measured = [step.milliseconds() for step in steps]
        return {name: statistics.median(step[name] for step in measured) for name in PARTS}

    def images_per_second(self) -> float | None:
        """Of the run after the measured steps; None: it ended with them."""
        return self._images / self._seconds if self._seconds else None

    def write_trace(self, path: Path) -> None:
        """Write a trace for Chrome or Perfetto.

        Raises:
            InputError: the file cannot be written.
        """
        try:
            with atomic_file(path) as file:
                self._trace.export_chrome_trace(file.name)
        except RuntimeError as error:
            raise InputError(f"Cannot write {path}: {error}.") from error

    def _now(self) -> float | torch.cuda.Event:
        if not self._on_gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event


def table(profile: Profile, images: int) -> Table:
    """The parts for a terminal.

    Args:
        profile: of a run that is over.
        images: of a full step.
    """
    parts = profile.milliseconds()
    total = sum(parts.values())
    result = Table(title=f"Where a step of {images} images spends its time")
    result.add_column("part")
    result.add_column("ms", justify="right")
    result.add_column("share", justify="right")
    for name, spent in parts.items():
        result.add_row(name, f"{spent:.2f}", f"{spent / total:.1%}")
    result.add_section()
    result.add_row("all parts", f"{total:.2f}", f"{1e3 * images / total:,.1f} images/s")
    speed = profile.images_per_second()
    if speed is not None:
        result.add_row("rest of the run", f"{1e3 * images / speed:.2f}", f"{speed:,.1f} images/s")
    return result
