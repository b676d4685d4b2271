"""The run folder of NSA and the Gaussian detector together: both, and the ensemble of them."""

from __future__ import annotations

from pathlib import Path

from nsa.detectors.ensemble.folder import is_combined
from nsa.detectors.joint.settings import JointSettings
from nsa.folder import Run


class JointRun(Run[JointSettings]):
    """A run that trains both and combines them."""

    @property
    def is_combined(self) -> bool:
        """Whether there is a detector."""
        return is_combined(self.path)


def open_run(path: Path) -> JointRun:
    """Open an existing run folder.

    Raises:
        InputError: it is no run folder of this method, or of a format this version does not know.
    """
    return JointRun.open(path, JointSettings.from_dict)
