"""What a job of the Gaussian detector's paper is; how it is run is in ``work``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsa.reproduce.gaussian.systems import System
from nsa.reproduce.job import Job


@dataclass(frozen=True, kw_only=True)
class GaussianJob(Job):
    """One system on one category, over all folds.

    ``epochs`` are those of a trained baseline, augmented passes over the images where features are
    augmented, and 0 where the images are looked at once.

    Attributes:
        weights: their name (torchvision's, or of a package), ``"random"`` or a file; None: the
            system has none.
        digest: of the content of a file, also a package's, which says what it is wherever it lies;
            else None.
        size: (height, width) of the images.
        folds: number of folds.
    """

    paper = "gaussian"
    system: System
    weights: str | None
    digest: str | None
    size: tuple[int, int]
    folds: int = 5

    def settings_dict(self) -> dict[str, Any]:
        """See :meth:`Job.settings_dict`."""
        return {
            "category": self.category,
            "system": self.system.task,
            "network": self.system.network,
            "weights": weights_name(self.weights, self.digest),
            "digest": self.digest,
            "size": list(self.size),
            "training": {"seed": self.seed, "folds": self.folds, "epochs": self.epochs},
        }


def weights_name(weights: str | None, digest: str | None) -> str | None:
    """Weights as results name them: a file by its name and folder, on every machine the same."""
    return weights if weights is None or digest is None else "/".join(Path(weights).parts[-2:])
