"""Where a network's weights come from: torchvision's registry, a file, a run of ours, or a seed.

No code in a weights file is ever run: files are read as safetensors, or by torch.load with
``weights_only=True``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor

from nsa.errors import InputError
from nsa.model._torchvision import torchvision_models
from nsa.model.backbones import Levels, find_network, network_from_state, random_network
from nsa.model.weights import check_finite, read_tensors

RUN_WEIGHTS = "model.safetensors"
_ENCODER = "encoder."


def load_network(
    name: str = "resnet18", weights: str | Path | None = "default", seed: int = 0
) -> Levels:
    """A network ready to extract features: in eval mode, without gradients.

    Args:
        name: a key of :data:`nsa.model.backbones.NETWORKS`.
        weights: ``"default"`` or another name that torchvision's registry has for this network,
            such as ``"IMAGENET1K_V1"`` (a file in torch.hub's cache is used without a network);
            the path of a state-dict file of torchvision's network (``.safetensors`` or ``.pth``);
            a run folder of ours or its ``model.safetensors``, whose encoder is used (a ResNet-18);
            ``"random"`` or None for initial weights drawn from ``seed``.
        seed: only for random weights.

    Raises:
        InputError: the network or weights are unknown, or the file is missing, cannot be fetched,
            is no safe state dict or belongs to another network.
    """
    network = find_network(name)
    if weights is None or weights == "random":
        return random_network(network.name, seed).requires_grad_(False)
    entry = _registered(network.name, str(weights))
    if entry is not None:
        state = _registry_state(network.name, entry)
        return network_from_state(network.name, state, f"torchvision's {entry.name}")
    path = weights_file(network.name, weights)
    state = _encoder_state(read_state(path), path, network.name)
    return network_from_state(network.name, state, str(path))


def is_weights_file(network: str, weights: str | Path) -> bool:
    """Whether weights are named by a path, not from torchvision's registry or as random."""
    return (
        str(weights) != "random" and _registered(find_network(network).name, str(weights)) is None
    )


def weights_file(network: str, weights: str | Path) -> Path:
    """The file that a path to weights means: itself, or that of a run folder of ours.

    Raises:
        InputError: there is none.
    """
    path = Path(weights).expanduser()
    if path.is_dir():
        path = path / RUN_WEIGHTS
    if not path.is_file():
        names = ", ".join(member.name for member in torchvision_models().get_model_weights(network))
        raise InputError(
            f"The weights {str(weights)!r} are neither a file nor a run folder; give a path, "
            f"'default', 'random' or one of {names}."
        )
    return path


def fetch_weights(networks: Sequence[str], weights: str) -> None:
    """Make sure that several networks' weights of torchvision's registry are on this machine.

    Args:
        networks: keys of :data:`nsa.model.backbones.NETWORKS`.
        weights: their name in the registry, such as ``"default"``.

    Raises:
        InputError: some cannot be fetched; all files that are missing are named.
    """
    entries = [(network, _registered(network, weights)) for network in networks]
    for network, entry in entries:
        if entry is None:
            weights_file(network, weights)  # explains what there is
    missing = [(network, entry) for network, entry in entries if not _cached(entry).is_file()]
    for number, (network, entry) in enumerate(missing):
        try:
            _registry_state(network, entry)
        except InputError as error:
            if len(missing) - number == 1:
                raise
            left = missing[number:]
            files = ", ".join(str(entry.url) for _, entry in left)
            raise InputError(
                f"The weights {entry.name} of {', '.join(name for name, _ in left)} are not on "
                f"this machine and cannot be fetched ({_reason(error.__cause__ or error)}); "
                f"download {files} elsewhere and put them into {_cached(entry).parent}, or give "
                "weights as 'random', or as a file or a run folder with its network."
            ) from error


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a weights file, on the CPU.

    Raises:
        InputError: the file is damaged, or holds anything but tensors by name.
    """
    path = Path(path)
    if path.suffix.lower() == ".safetensors":
        return read_tensors(path)[0]
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or 'it is no file'}.") from error
    except Exception as error:  # whatever the bytes make of a reader of pickles
        raise InputError(
            f"{path} cannot be read as weights: it is damaged, or holds other objects than "
            "tensors; give a state dict saved as safetensors, or by torch.save of tensors alone."
        ) from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise InputError(f"{path} is no state dict: it must map names to tensors.")
    if not all(isinstance(name, str) for name in content):
        raise InputError(f"{path} is no state dict: it must map names to tensors.")
    check_finite(content, path)
    return {name.removeprefix("module."): value for name, value in content.items()}


def _encoder_state(state: Mapping[str, Tensor], path: Path, network: str) -> dict[str, Tensor]:
    """The encoder of one of our checkpoints under torchvision's names; other files as they are."""
    encoder = {
        key.removeprefix(_ENCODER): v for key, v in state.items() if key.startswith(_ENCODER)
    }
    if encoder and network != "resnet18":
        raise InputError(f"{path} holds the encoder of an nsa run, a resnet18, not a {network}.")
    return encoder or dict(state)


def _registered(network: str, weights: str) -> Any:
    """The member of torchvision's weights enum that is meant; None: it is a path."""
    members = torchvision_models().get_model_weights(network)
    if weights.lower() == "default":
        return members.DEFAULT
    return members.__members__.get(weights.upper())


def _cached(entry: Any) -> Path:
    """Where torch.hub keeps the file of a registry's entry."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(entry.url).path).name


def _registry_state(network: str, entry: Any) -> dict[str, Tensor]:
    cached = _cached(entry)
    if cached.is_file():
        return read_state(cached)
    try:
        return dict(entry.get_state_dict(progress=True, check_hash=True, weights_only=True))
    except (OSError, RuntimeError) as error:  # no network, no space, or a file cut short
        raise InputError(
            f"The weights {entry.name} of {network} are not on this machine and cannot be fetched "
            f"({_reason(error)}); download {entry.url} elsewhere and put it at {cached}, or give "
            "weights as a file, a run folder or 'random'."
        ) from error


def _reason(error: BaseException) -> str:
    """Why a download failed, as far as the system knows."""
    reason = getattr(error, "reason", error)  # urllib's own
    text = getattr(reason, "strerror", None) or getattr(error, "reason", None)
    return text if isinstance(text, str) else "the download failed"
