"""Small jobs for executors; a module of their own, which workers can import."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.table import Table

from nsa.errors import InputError
from nsa.jobs.job import Needs
from nsa.system.console import standard_output
from nsa.system.interrupt import Interrupted, StopRequest


@dataclass(frozen=True)
class Small:
    """A job that ends as its name says, and leaves a file about its process if it finishes."""

    folder: Path
    name: str
    needs: Needs = field(default_factory=Needs)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def result(self) -> Path:
        return self.folder / self.name

    def is_finished(self) -> bool:
        return self.result.exists()

    def run(self) -> None:
        print(f"{self.name} begins.")
        os.write(2, b"Below Python.\n")
        if self.name == "warned":
            logging.getLogger("nsa").warning("It is yellow.")
            table = Table("as wide as it is", title="in italics")
            standard_output.print(table)
        if self.name == "bad":
            raise InputError("It cannot be done.")
        if self.name == "broken":
            raise ValueError("no such luck")
        if self.name == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.name == "left":
            os._exit(3)
        if self.name == "stopped":
            raise Interrupted("Saved.")
        if self.name == "endless":
            print("Working.", file=sys.stderr, flush=True)
            time.sleep(600)
        if self.name == "stubborn":
            print("Working.", file=sys.stderr, flush=True)
            with StopRequest() as stop:
                while not stop.made:
                    time.sleep(0.05)
                print("Saving.", file=sys.stderr, flush=True)
                time.sleep(600)
        if self.name != "lost":
            variables = ("LOCAL_RANK", "NSA_PROCESSES", "OMP_NUM_THREADS")
            values = [os.environ.get(name, "") for name in variables]
            numbers = (os.getpid(), os.getsid(0), *values, torch.get_num_threads())
            self.result.write_text(" ".join(map(str, numbers)))


def small(folder: Path, *names: str) -> list[Small]:
    """Jobs by their names."""
    return [Small(folder, name) for name in names]
