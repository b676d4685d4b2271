"""Save a fitted detector in a folder and load it again, with nothing else needed.

``gaussian.safetensors`` holds the network, the distributions and the held-out distances,
``gaussian.yaml`` what they are. The network's own weights are saved too, so that a detector scores
the same where its pretrained weights cannot be fetched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import yaml
from safetensors import SafetensorError
from torch import Tensor

from nsa.errors import InputError
from nsa.gaussian.detector import GaussianDetector
from nsa.gaussian.distributions import DISTRIBUTIONS, Distribution, DistributionName
from nsa.gaussian.features import FeatureExtractor, Precision
from nsa.model.backbones import NETWORKS, network_from_state
from nsa.model.weights import write_tensors
from nsa.system.files import make_folder, write_atomically

WEIGHTS_FILE = "gaussian.safetensors"
SETTINGS_FILE = "gaussian.yaml"
FORMAT = 2
# Names that distributions had in format 1, where they are others now.
FORMER_NAMES: dict[str, DistributionName] = {
    "mahalanobis": "full", "pca-95": "pca95", "pca-99": "pca99",
    "npca-1": "npca1", "npca-0.1": "npca01", "npca-0.01": "npca001",
}  # fmt: skip


def save(detector: GaussianDetector, folder: str | Path) -> None:
    """Write a fitted detector; each file appears complete or not at all.

    Raises:
        InputError: the detector is not fitted, or the folder cannot be written.
    """
    if not detector.levels:
        raise InputError("The detector is not fitted, so there is nothing to save; call fit first.")
    tensors: dict[str, Tensor] = {}
    settings: dict[str, Any] = {
        "format": FORMAT,
        "distribution": detector.distribution,
        "shrinkage": detector.shrinkage,
        "levels": len(detector.levels),
        "network": None,
    }
    for number, level in enumerate(detector.levels, 1):
        tensors |= {f"level{number}.{name}": value for name, value in level.tensors().items()}
    if detector.calibration is not None:
        tensors["calibration"] = detector.calibration
    if detector.extractor is not None:
        extractor = detector.extractor
        settings["network"] = extractor.network.entry.name
        settings["weights"] = extractor.network.source
        settings["size"] = None if extractor.size is None else list(extractor.size)
        settings["precision"] = extractor.precision
        state = extractor.network.body.state_dict()
        tensors |= {f"network.{name}": value for name, value in state.items()}
    folder = Path(folder)
    make_folder(folder)
    write_tensors(folder / WEIGHTS_FILE, tensors)
    write_atomically(folder / SETTINGS_FILE, yaml.safe_dump(settings, sort_keys=False))


def load(
    folder: str | Path, *, device: str | torch.device = "cpu", batch_size: int = 32
) -> GaussianDetector:
    """Read a detector that :func:`save` wrote, also in the format of earlier versions.

    Args:
        folder: where it was saved.
        device, batch_size: see :class:`nsa.gaussian.features.FeatureExtractor`.

    Raises:
        InputError: a file is missing, damaged or of another version.
    """
    folder = Path(folder)
    settings = _read_settings(folder / SETTINGS_FILE)
    path = folder / WEIGHTS_FILE
    try:
        tensors = safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read ({error}); fit the detector again.") from error
    detector = GaussianDetector(
        distribution=settings["distribution"], shrinkage=settings["shrinkage"]
    )
    try:
        for number in range(1, settings["levels"] + 1):
            detector.levels.append(
                Distribution.from_tensors(detector.distribution, _below(tensors, f"level{number}."))
            )
    except KeyError as error:
        raise InputError(
            f"{path} lacks {error} of level {number}; fit the detector again."
        ) from error
    detector.calibration = tensors.get("calibration")
    if settings["network"] is not None:
        precision: Precision = settings["precision"]
        network = network_from_state(settings["network"], _below(tensors, "network."), str(path))
        network.source = settings["weights"]
        detector.extractor = FeatureExtractor(
            network,
            size=None if settings["size"] is None else tuple(settings["size"]),
            batch_size=batch_size,
            device=device,
            precision=precision,
        )
    return detector


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read ({reason}); name a saved detector.") from error
    found = settings.get("format") if isinstance(settings, dict) else None
    if not isinstance(settings, dict) or found not in (1, FORMAT):
        raise InputError(
            f"{path} has the format {found!r}, but this version of nsa reads 1 and {FORMAT}; fit "
            "the detector again."
        )
    if found == 1:
        former = settings.pop("kind", None)
        settings["distribution"] = FORMER_NAMES.get(str(former), former)
    network = settings.get("network")
    valid = (
        settings.get("distribution") in DISTRIBUTIONS
        and isinstance(settings.get("levels"), int)
        and "shrinkage" in settings
        and (
            network is None
            or (network in NETWORKS and {"weights", "size", "precision"} <= set(settings))
        )
    )
    if not valid:
        raise InputError(f"{path} is not as it was saved; fit the detector again.")
    return settings
