"""Named tasks, done by this process or by worker processes, so many at once on every device.

Whoever has tasks says what they are, and what a person sees while they run; the farm says where and
when each of them runs. A worker does one task after the other, so that it loads the package once;
if a task ends its worker, as when memory runs out, the next task gets a new one.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Sequence

from rich.console import RenderableType

from nsa.errors import InputError
from nsa.runs.workers import Task, Worker, worker_environment
from nsa.system.console import LiveView, console
from nsa.system.device import use_own_gpu
from nsa.system.interrupt import Interrupted, ending_signals

_log = logging.getLogger("nsa")

WAITS, RUNS, FINISHED, FAILED = "waits", "runs", "is finished", "failed"
_ELSEWHERE = "is in the hands of another process"
_SECONDS_BETWEEN_LOOKS = 0.5


class Farm:
    """Does all tasks that are not finished; one that fails stops no other.

    Args:
        tasks: in the order in which they begin.
        further: how to continue after a signal, which ends what is said then.

    Attributes:
        states: of every task, by name: :data:`WAITS`, :data:`RUNS`, :data:`FINISHED`,
            :data:`FAILED`, or that another process has it.
        failures: why the failed ones did, by name.
    """

    def __init__(self, tasks: Sequence[Task], further: str) -> None:
        self.tasks, self._further = tasks, further
        self.states = {task.name: FINISHED if task.is_finished() else WAITS for task in tasks}
        self.failures: dict[str, str] = {}
        self._waiting = [task for task in tasks if self.states[task.name] == WAITS]
        self._workers: list[Worker] = []
        self._stopping = False
        self._broken: Exception | None = None
        self._lock = threading.Lock()
        self._changed = threading.Event()

    def left(self) -> int:
        """How many tasks wait or run."""
        return sum(state in (WAITS, RUNS) for state in self.states.values())

    def running(self) -> list[Task]:
        """The tasks that run now."""
        return [task for task in self.tasks if self.states[task.name] == RUNS]

    def work(self) -> None:
        """Do the tasks in this process.

        Raises:
            Interrupted: a signal stopped a task; its state is saved.
        """
        use_own_gpu()
        while (task := self._take()) is not None:
            failure = None
            try:
                task.run()
            except InputError as error:
                failure = str(error)
                _log.warning("%s failed: %s", task.name, error)
            except Interrupted as stop:
                raise Interrupted(
                    f"Stopped during {task.name} and saved, {self.left()} of {len(self.tasks)} "
                    f"left; {self._further}"
                ) from stop
            self._put(task, failure)
            if self._waiting:
                _log.info("%d of %d left.", self.left(), len(self.tasks))

    def spread(self, at_once: int, devices: int, draw: Callable[[], RenderableType]) -> None:
        """Do the tasks in worker processes, and wait for all of them.

        Args:
            at_once: most workers side by side.
            devices: over how many they are spread, see :func:`nsa.runs.workers.count_devices`.
            draw: what a person at a terminal sees; elsewhere the log says what begins and ends.

        Raises:
            Interrupted: a signal came; it was passed on to every worker, and all have ended.
        """
        at_once = min(at_once, self.left())
        slots = [
            # A second Ctrl-C need not wait for them.
            threading.Thread(target=self._tend, args=(slot % devices, at_once), daemon=True)
            for slot in range(at_once)
        ]
        # As in a training, SIGINT too: a shell's background jobs begin with it ignored.
        previous = {
            number: signal.signal(number, signal.default_int_handler) for number in ending_signals()
        }
        told = dict(self.states)
        try:
            with LiveView(draw) as view:
                for slot in slots:
                    slot.start()
                while any(slot.is_alive() for slot in slots):
                    self._changed.wait(_SECONDS_BETWEEN_LOOKS)
                    self._changed.clear()
                    view.update()
                    self._tell(told)
        except BaseException as stop:
            self._stop()
            for slot in slots:
                slot.join()
            if isinstance(stop, KeyboardInterrupt):
                raise Interrupted(f"Stopped and saved; {self._further}") from None
            raise
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        if self._broken is not None:
            raise self._broken

    def _tell(self, told: dict[str, str]) -> None:
        """Log what has begun or ended, where nobody sees a table."""
        for name, state in self.states.items():
            if told[name] != state and not console.is_terminal:
                _log.info("%s %s.", name, state)
            told[name] = state

    def _take(self) -> Task | None:
        """The next task, which others may have finished meanwhile; None where there is none."""
        while True:
            with self._lock:
                if not self._waiting:
                    return None
                task = self._waiting.pop(0)
            if not task.is_finished():
                self._note(task, RUNS)
                return task
            self._note(task, FINISHED)

    def _put(self, task: Task, failure: str | None) -> None:
        """Note how a task has ended."""
        if failure is not None:
            self.failures[task.name] = failure
            self._note(task, FAILED)
        else:
            self._note(task, FINISHED if task.is_finished() else _ELSEWHERE)

    def _note(self, task: Task, state: str) -> None:
        self.states[task.name] = state
        self._changed.set()

    def _tend(self, device: int, at_once: int) -> None:
        """Keep a worker busy, in a thread of its own."""
        try:
            worker: Worker | None = None
            while (task := self._take()) is not None:
                worker = self._worker(worker, task, device, at_once)
                failure = worker.do(task) if worker is not None else None
                if self._stopping:
                    break
                self._put(task, failure)
            if worker is not None:
                worker.end()
        except Exception as error:  # for the thread that waits
            self._broken = error
            self._stop()

    def _worker(
        self, worker: Worker | None, task: Task, device: int, at_once: int
    ) -> Worker | None:
        """The worker of a slot, or a new one where it is gone; None once all are to stop."""
        with self._lock:
            if self._stopping or (worker is not None and not worker.gone):
                return worker
            if worker is not None:
                worker.end()
            worker = Worker(task.log, worker_environment(device, at_once))
            self._workers.append(worker)
        return worker

    def _stop(self) -> None:
        with self._lock:
            self._stopping = True
            for worker in self._workers:
                worker.interrupt()
