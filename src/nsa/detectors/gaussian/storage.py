"""Save a fitted detector in a folder and load it again, with nothing else needed.

``gaussian.safetensors`` holds the network, the distributions, the model of the heat maps and the
held-out distances, ``gaussian.yaml`` what they are. The network's own weights are saved too, so
that a detector scores the same where its pretrained weights cannot be fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nsa.detectors.gaussian.map_storage import pack, unpack
from nsa.errors import InputError, shown
from nsa.gaussian.detector import GaussianDetector
from nsa.gaussian.distributions import Distribution, DistributionName, Shrinkage
from nsa.gaussian.features import FeatureExtractor, Precision
from nsa.model.backbones import find_network, network_from_state
from nsa.model.timm_networks import is_timm
from nsa.model.weights import read_tensors, write_tensors
from nsa.settings.fields import Checked, check_number, from_dict, reading
from nsa.system.console import as_argument
from nsa.system.files import make_folder, to_yaml, write_atomically
from nsa.system.readers import read_yaml

WEIGHTS_FILE = "gaussian.safetensors"
SETTINGS_FILE = "gaussian.yaml"
FORMAT = 3


def save(detector: GaussianDetector, folder: str | Path) -> None:
    """Write a fitted detector; each file appears complete or not at all.

    Raises:
        InputError: the detector is not fitted, or the folder cannot be written.
    """
    if not detector.levels:
        raise InputError("The detector is not fitted, so there is nothing to save; call fit first.")
    tensors, settings = packed(detector)
    if detector.calibration is not None:
        tensors["calibration"] = detector.calibration
    folder = Path(folder)
    make_folder(folder)
    write_tensors(folder / WEIGHTS_FILE, tensors)
    write_atomically(folder / SETTINGS_FILE, to_yaml(settings))


def packed(detector: GaussianDetector) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A fitted detector as tensors by name and plain values, without its calibration."""
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
    if detector.extractor is not None:
        extractor = detector.extractor
        settings["network"] = extractor.network.entry.name
        settings["weights"] = extractor.network.source
        settings["size"] = None if extractor.size is None else list(extractor.size)
        settings["precision"] = extractor.precision
        state = extractor.network.body.state_dict()
        tensors |= {f"network.{name}": value for name, value in state.items()}
    if detector.heat_map is not None:
        values, described = pack(detector.heat_map)
        settings["heat_map"] = described
        tensors |= {f"heat_map.{name}": value for name, value in values.items()}
    return tensors, settings


def load(
    folder: str | Path, *, device: str | torch.device = "cpu", batch_size: int | None = None
) -> GaussianDetector:
    """Read a detector that :func:`save` wrote.

    Args:
        folder: where it was saved.
        device, batch_size: see :class:`nsa.gaussian.features.FeatureExtractor`.

    Raises:
        InputError: a file is missing, damaged or of another version.
    """
    folder = Path(folder)
    settings = _read_settings(folder / SETTINGS_FILE)
    path = folder / WEIGHTS_FILE
    tensors = read_tensors(path)[0]
    detector = GaussianDetector(distribution=settings.distribution, shrinkage=settings.shrinkage)
    with reading(path, "fit the detector again"):
        for number in range(1, settings.levels + 1):
            level = _below(tensors, f"level{number}.")
            detector.levels.append(Distribution.from_tensors(settings.distribution, level))
        if _below(tensors, f"level{settings.levels + 1}."):
            raise InputError(f"it has more levels than the {settings.levels} of {SETTINGS_FILE}.")
        detector.calibration = tensors.get("calibration")
        _check_calibration(detector)
    if settings.network is not None:
        network = network_from_state(settings.network, _below(tensors, "network."), str(path))
        network.source = settings.weights
        if [len(level.mean) for level in detector.levels] != list(network.entry.channels):
            raise InputError(
                f"{path} is damaged: its levels are not those of {settings.network}; fit the "
                "detector again."
            )
        detector.extractor = FeatureExtractor(
            network,
            size=settings.size,
            batch_size=batch_size,
            device=device,
            precision=settings.precision,
        )
    if settings.heat_map is not None:
        with reading(path, "fit the detector again"):
            detector.heat_map = unpack(_below(tensors, "heat_map."), settings.heat_map)
            if not detector.heat_map.grid.fits([len(level.mean) for level in detector.levels]):
                raise InputError("the heat map has features that the network has not.")
    return detector


@dataclass(frozen=True, kw_only=True)
class _Settings(Checked):
    """What the settings file says; without a network the detector takes features."""

    distribution: DistributionName
    shrinkage: Shrinkage
    levels: int
    network: str | None
    weights: str = ""
    size: tuple[int, int] | None = None
    precision: Precision = "float32"
    heat_map: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "levels", 1, 1000)
        if self.shrinkage != "ledoit-wolf":
            check_number(self, "shrinkage", 0, 1)
        if self.size is not None and not all(1 <= side <= 8192 for side in self.size):
            raise InputError(f"size must be two numbers from 1 to 8192, got {shown(self.size)}.")
        # Whether timm is there says nothing about the file.
        if self.network is not None and not is_timm(self.network):
            find_network(self.network)


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _check_calibration(detector: GaussianDetector) -> None:
    distances = detector.calibration
    if distances is None:
        return
    wanted = (torch.float64, 2, len(detector.levels))
    if (distances.dtype, distances.ndim, distances.shape[-1] if distances.ndim else 0) != wanted:
        raise InputError("the calibration is not of its levels.")


def _read_settings(path: Path) -> _Settings:
    if not path.is_file():
        raise InputError(
            f"The fit in {path.parent} has not finished, there is no {path.name}; train it again."
        )
    values = read_yaml(path)
    found = values.pop("format", None)
    if found in (1, 2):
        raise InputError(
            f"The detector in {path.parent} was fitted before the method gave heat maps; fit it "
            f"again with nsa train --config {as_argument(path.with_name('config.yaml'))}."
        )
    if found != FORMAT:
        raise InputError(
            f"{path} has the format {shown(found)}, but this version of nsa reads {FORMAT}; fit "
            "the detector again."
        )
    with reading(path, "fit the detector again"):
        return from_dict(_Settings, values)
