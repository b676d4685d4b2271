"""All logs of one training: told from its thread, written by threads of their own."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from nsa.loggers.writer import End, Plain, Writer
from nsa.system.interrupt import Interrupted
from nsa.system.places import named

_log = logging.getLogger("nsa")

_SECONDS_BETWEEN_STEPS = 1.0
_PATIENCE = 60.0  # seconds in the end for a store that does not answer
_Call = Callable[[Writer], None]


class TrainingLog:
    """Tells every logger what a training measures; by default there is none.

    No call waits for a logger or fails by it.

    Args:
        channels: one a logger.
        settings: of the run, by name.
        about: other facts about it.
    """

    def __init__(
        self,
        channels: Sequence[_Channel] = (),
        settings: Mapping[str, Plain] | None = None,
        about: Mapping[str, str] | None = None,
    ) -> None:
        self._channels, self._settings = channels, dict(settings or {})
        self._step, self._seen, self._loss, self._rate = 0, 0, 0.0, 0.0
        self._told = time.monotonic()
        facts = dict(about or {})
        self._tell(lambda writer: writer.begin(self._settings, facts))

    def go_on(self, step: int) -> None:
        """Training begins, or goes on, at a step, counted from 0 over all epochs."""
        self._step, self._told = step, time.monotonic()
        if step:
            self._tell(lambda writer: writer.go_on(step))

    def step(self, step: int, loss: float, count: int, learning_rate: float) -> None:
        """Steps were done, of ``count`` images; ``step`` is the next one.

        Once a second what was measured since is told: mean loss, images per second and the
        learning rate.
        """
        if not self._channels:
            return
        self._step, self._seen, self._loss = step, self._seen + count, self._loss + loss * count
        self._rate = learning_rate
        if time.monotonic() - self._told >= _SECONDS_BETWEEN_STEPS:
            self._tell_steps()

    def scalars(self, values: Mapping[str, float]) -> None:
        """Values measured at the step that the training stands at."""
        kept, step = dict(values), self._step
        self._tell(lambda writer: writer.scalars(kept, step))

    def results(self, values: Mapping[str, float]) -> None:
        """What is final."""
        self._tell_steps()
        kept, step = dict(values), self._step
        self._tell(lambda writer: writer.results(kept, self._settings, step))

    def picture(self, path: Path) -> None:
        """A PNG file, which stays as it is."""
        step = self._step
        self._tell(lambda writer: writer.picture(path, step))

    def close(self, end: End) -> None:
        """Wait until all is written, or cannot be."""
        self._tell_steps()
        self._tell(lambda writer: writer.close(end))
        for channel in self._channels:
            channel.close()

    def _tell_steps(self) -> None:
        """Tell what steps have measured since the last time, if there were any."""
        if not self._seen:
            return
        spent = max(time.monotonic() - self._told, 1e-9)
        values = {
            "training/loss": self._loss / self._seen,
            "training/learning_rate": self._rate,
            "training/images_per_second": self._seen / spent,
        }
        self._seen, self._loss, self._told = 0, 0.0, time.monotonic()
        self.scalars(values)

    def _tell(self, call: _Call) -> None:
        for channel in self._channels:
            channel.tell(call)


SILENT = TrainingLog()


class _Channel:
    """One logger and its thread, which ends at its first failure."""

    def __init__(self, name: str, open_writer: Callable[[], Writer]) -> None:
        self._name, self._open = name, open_writer
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        # A store that never answers is not to keep a finished process.
        self._thread = threading.Thread(target=self._work, daemon=True, name=f"nsa-log-{name}")
        self._thread.start()

    def tell(self, call: _Call) -> None:
        if self._thread.is_alive():
            self._calls.put(call)

    def close(self) -> None:
        self._calls.put(None)
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            _log.warning(
                "%s has not taken everything within %d s; what is left is not logged.",
                self._name, _PATIENCE,
            )  # fmt: skip

    def _work(self) -> None:
        writer = None
        try:
            writer = self._open()
            for call in iter(self._calls.get, None):
                call(writer)
        except Exception as error:  # of whatever kind: no training is to end by it
            if writer is not None:
                with contextlib.suppress(Exception):  # the first failure is what is said
                    writer.close("failed")
            _log.warning(
                "Logging to %s ends here, the training goes on: %s: %s",
                self._name, type(error).__name__, str(error).strip().partition("\n")[0],
            )  # fmt: skip


@contextlib.contextmanager
def open_log(
    names: Sequence[str], folder: Path, title: str, settings: Mapping[str, Any]
) -> Iterator[TrainingLog]:
    """The log of a run while a block trains and judges it.

    Args:
        names: of the loggers.
        folder: of the run.
        title: of the run, where many are listed.
        settings: plain values by name, with sections.
    """
    opened = [_Channel(name, lambda name=name: _open(name, folder, title)) for name in names]  # type: ignore[misc]
    log = TrainingLog(opened, flat(settings), {"run_folder": named(folder.absolute())})
    end: End = "failed"
    try:
        yield log
        end = "finished"
    except (Interrupted, KeyboardInterrupt):
        end = "interrupted"
        raise
    finally:
        log.close(end)


def _open(name: str, folder: Path, title: str) -> Writer:
    """The writer of a name, whose packages are imported only here."""
    if name == "tensorboard":
        from nsa.loggers.tensorboard import TensorBoardWriter

        return TensorBoardWriter(folder)
    from nsa.loggers.mlflow import MlflowWriter

    return MlflowWriter(folder, title)


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Plain]:
    """Values of sections by names such as ``training.epochs``; lists as text, without nulls."""
    found: dict[str, Plain] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{name}.")
        elif value is not None:
            kept = isinstance(value, str | int | float | bool)
            found[f"{before}{name}"] = value if kept else str(value)
    return found
