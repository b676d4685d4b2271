"""What a logger must offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

Plain = str | int | float | bool
End = Literal["finished", "interrupted", "failed"]


class Writer(ABC):
    """One log, open to be written; any of its methods may fail in any way.

    All are called from one thread, which is not that of the training.
    """

    @abstractmethod
    def begin(self, settings: Mapping[str, Plain], about: Mapping[str, str]) -> None:
        """Say what is trained; of a run that goes on once more.

        Args:
            settings: by name.
            about: other facts, such as where the run lies.
        """

    def go_on(self, step: int) -> None:
        """Say that training goes on at a step, where an earlier sitting may have been further."""
        del step

    @abstractmethod
    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Add values measured at a step of the training."""

    @abstractmethod
    def results(
        self, values: Mapping[str, float], settings: Mapping[str, Plain], step: int
    ) -> None:
        """Add what is final, beside the settings that it comes from."""

    @abstractmethod
    def picture(self, path: Path, step: int) -> None:
        """Add a PNG file."""

    @abstractmethod
    def close(self, end: End) -> None:
        """Write what is left of a training that ended so."""
