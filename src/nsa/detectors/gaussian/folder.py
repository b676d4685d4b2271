"""The run folder of a Gaussian detector."""

from __future__ import annotations

from pathlib import Path

from nsa.detectors.gaussian.settings import GaussianSettings
from nsa.folder import Run


class GaussianRun(Run[GaussianSettings]):
    """A run that fits a Gaussian detector."""

    @property
    def is_finished(self) -> bool:
        """Whether the fit and all that follows it are done: the metrics are written last."""
        return (self.path / "metrics.json").is_file()


def open_run(path: Path) -> GaussianRun:
    """Open an existing run folder.

    Raises:
        InputError: it is no run folder of this method, or of a format this version does not know.
    """
    return GaussianRun.open(path, GaussianSettings.from_dict)
