"""One of several trainings, as a job."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nsa.errors import InputError
from nsa.folder import Metrics
from nsa.jobs.job import Needs
from nsa.runs.train import train_or_resume
from nsa.settings.options import TrainRequest
from nsa.system.console import as_argument
from nsa.system.interrupt import Interrupted


@dataclass(frozen=True)
class Training:
    """The training of one category with one seed.

    Attributes:
        folder: the results folder, which holds the run folder.
        category, seed: which it is; the seed is None where each category is trained once.
        request: what it is asked for.
        needs: of the machine that does it.
    """

    folder: Path
    category: str
    seed: int | None
    request: TrainRequest
    needs: Needs = field(default_factory=Needs)

    @property
    def name(self) -> str:
        """Names the run folder."""
        return self.category if self.seed is None else f"{self.category}-seed{self.seed}"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def metrics(self) -> dict[str, Any] | None:
        """The scores if it has finished: they are written last, then the checkpoint goes."""
        run = self.folder / self.name
        if not (run / "metrics.json").is_file() or (run / "checkpoint.safetensors").is_file():
            return None
        try:
            return dataclasses.asdict(Metrics.read(run))
        except InputError:  # it is judged again, whose log says why
            return None

    def is_finished(self) -> bool:
        return self.metrics() is not None

    def run(self) -> None:
        """Train, or continue the training.

        Raises:
            InputError: it cannot be done.
            Interrupted: a signal stopped it; its state is saved.
        """
        folder = self.folder / self.name
        try:
            train_or_resume(self.request.replace(output=folder))
        except (InputError, Interrupted, KeyboardInterrupt) as stop:
            # It goes on with the others, and as it began.
            own, whole = (f"--resume {as_argument(path)}" for path in (folder, self.folder))
            raise type(stop)(
                str(stop).partition(" (add --epochs ")[0].replace(own, whole)
            ) from stop
