"""The run folder of a network's training."""

from __future__ import annotations

from pathlib import Path

from nsa.detectors.network.settings import NetworkSettings
from nsa.errors import InputError
from nsa.folder import SYNTHESIS, Run
from nsa.model.weights import read_metadata
from nsa.system.console import as_argument


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

    @property
    def synthesis(self) -> Path:
        """The picture of what a training of more than moments begins with."""
        return self.path / SYNTHESIS

    @property
    def log(self) -> Path:
        """Loss and learning rate of every epoch; there before the weights are."""
        return self.path / "log.csv"

    @property
    def loss_curve(self) -> Path:
        """The picture of them."""
        return self.path / "loss.png"

    def need_model(self) -> None:
        """Check that the training has finished.

        Raises:
            InputError: it has not.
        """
        if self.model.is_file():
            return
        if self.checkpoint.is_file():
            raise InputError(
                f"The training in {self.path} is unfinished; nsa train --resume "
                f"{as_argument(self.path)} continues it."
            )
        raise InputError(f"{self.path} holds no model.safetensors; train it again.")


def open_run(path: Path) -> NetworkRun:
    """Open an existing run folder.

    Raises:
        InputError: it is no run folder of this method, or of a format this version does not know.
    """
    return NetworkRun.open(path, NetworkSettings.from_dict)


def check_files(run: NetworkRun) -> None:
    """Check the headers of weights and checkpoint, which know the lengths of their files.

    Raises:
        InputError: one is damaged.
    """
    for weights in (run.model, run.checkpoint):
        if weights.is_file():
            read_metadata(weights)
