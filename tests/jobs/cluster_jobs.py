"""Jobs for a cluster; a module of their own, which its nodes can import."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from nsa.jobs.job import Needs
from nsa.system.interrupt import Interrupted, StopRequest


@dataclass(frozen=True)
class Counting:
    """Counts in steps, each of them saved, and goes on where an earlier attempt has ended."""

    folder: Path
    name: str
    steps: int
    seconds: float = 0.1
    needs: Needs = field(default_factory=Needs)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def notes(self) -> Path:
        """What was done: a line a step, with the node's process, and one at every beginning."""
        return self.folder / f"{self.name}.notes"

    @property
    def result(self) -> Path:
        return self.folder / f"{self.name}.json"

    def is_finished(self) -> bool:
        return self.result.is_file()

    def run(self) -> None:
        names = ("CUDA_VISIBLE_DEVICES", "NSA_PROCESSES", "OMP_NUM_THREADS")
        found = {
            "process": os.getpid(), "node": os.getppid(), "begin": time.time(),
            **{name: os.environ.get(name) for name in names},
        }  # fmt: skip
        with self.notes.open("a", buffering=1) as notes:
            notes.write(f"begins {os.getpid()}\n")
            for step in range(self.done(), self.steps):
                time.sleep(self.seconds)
                notes.write(f"step {step}\n")
        self.result.write_text(json.dumps({**found, "end": time.time()}))

    def done(self) -> int:
        """Steps that are done."""
        text = self.notes.read_text() if self.notes.is_file() else ""
        return sum(line.startswith("step") for line in text.splitlines())


@dataclass(frozen=True)
class Saving:
    """Works until a signal comes, then takes a second to save."""

    folder: Path
    name: str
    needs: Needs = field(default_factory=lambda: Needs(cores=0.5))

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def is_finished(self) -> bool:
        return False

    def run(self) -> None:
        with StopRequest() as stop:
            print("Working.", flush=True)
            while not stop.made:
                time.sleep(0.05)
            time.sleep(1.0)
            (self.folder / f"{self.name}.saved").touch()
        raise Interrupted("Saved.")
