"""The run folder of a network's training."""

from __future__ import annotations

import logging
from pathlib import Path

from nsa.detectors.network.settings import NetworkSettings
from nsa.errors import InputError
from nsa.folder import Run
from nsa.model.weights import opened

_log = logging.getLogger("nsa")


class NetworkRun(Run[NetworkSettings]):
    """A run that trains a network on synthetic anomalies."""

    @property
    def model(self) -> Path:
        """The weights; there once the training is complete."""
        return self.path / "model.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The state of an unfinished training; there until the results are written, too."""
        return self.path / "checkpoint.safetensors"

    def need_model(self) -> None:
        """Check that the training has finished.

        Raises:
            InputError: it has not.
        """
        if self.model.is_file():
            return
        if self.checkpoint.is_file():
            raise InputError(
                f"The training in {self.path} is unfinished; continue it with "
                f"'nsa train --resume {self.path}'."
            )
        raise InputError(f"{self.path} holds no model.safetensors; train it again.")


def open_run(path: Path) -> NetworkRun:
    """Open an existing run folder.

    Raises:
        InputError: it is no run folder of this method, or of a format this version does not know.
    """
    return NetworkRun.open(path, NetworkSettings.from_dict)


def find_begun(path: Path) -> NetworkRun | None:
    """The run in a folder, if it can be continued; the log says where it is damaged.

    None also where the folder is missing, or its run had not begun.
    """
    if not (path / "config.yaml").is_file():
        return None
    try:
        run = open_run(path)
        for weights in (run.model, run.checkpoint):
            if weights.is_file():
                with opened(weights):
                    pass
    except InputError as error:
        _log.warning("%s cannot be continued and starts again: %s", path.name, error)
        return None
    return run
