"""What a job is: a request with what it needs and a folder for its result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Needs:
    """What a job needs of the machine that does it.

    A cluster reserves it: it refuses a job for which no node is large enough, and gives a node no
    more jobs than fit. On this machine nobody asks: how many jobs run at once is said there by
    their number on each device alone.

    Attributes:
        gpus: a share of one GPU, from 0 to 1, or a whole number of them; 0: it runs on the CPU.
        cores: of the CPU, a share or a number.
        memory: bytes that a cluster sets aside for it, which nobody holds it to; 0: none, as of all
            jobs of this package, for which no one knows them beforehand.
    """

    gpus: float = 0.0
    cores: float = 1.0
    memory: int = 0


class Job(Protocol):
    """A piece of work. It is pickled on its way to a worker, so it holds plain values."""

    @property
    def name(self) -> str:
        """What a reader calls it; no other job of a call has the same."""

    @property
    def folder(self) -> Path:
        """Where its result goes, which must be one folder for the driver and all workers."""

    @property
    def log(self) -> Path:
        """What it prints in a worker is appended to this file."""

    @property
    def needs(self) -> Needs:
        """What it needs."""

    def is_finished(self) -> bool:
        """Whether its result is there, so that there is nothing left to do."""

    def run(self) -> None:
        """Do it, or continue what an earlier attempt has begun.

        Raises:
            InputError: it cannot be done.
            Interrupted: a signal stopped it; its state is saved.
        """
