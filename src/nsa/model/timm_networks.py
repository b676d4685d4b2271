"""Networks of timm, the PyTorch image models, by name: ``timm:NAME``.

timm is an optional dependency and is imported when a network of its is named. The levels are what
it puts out as ``features_only``.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nsa.errors import InputError, hint, shown
from nsa.images.network_input import Scaling
from nsa.model._torchvision import torchvision_models
from nsa.model.named import WAYS, NamedWeights, reason
from nsa.model.network import Network
from nsa.model.weights import check_state
from nsa.system.device import float32_weights

_PREFIX = "timm:"
_OLDEST = (1, 0, 27)


def is_timm(network: str) -> bool:
    """Whether a name is that of one of timm's networks."""
    return network.startswith(_PREFIX)


@functools.cache
def timm_network(name: str) -> Network:
    """The facts of a network; its name gets the tag of its weights, which decides about them.

    Args:
        name: with ``timm:``.

    Raises:
        InputError: timm is not installed, has no such network or knows no stages of it.
    """
    with torch.random.fork_rng(devices=[]):
        body = timm_body(name)
    config: Any = body.pretrained_cfg
    levels: Any = body.feature_info
    channels, height, width = config["input_size"]
    if channels != 3 or height != width:
        raise InputError(
            f"{name} takes images of {height} x {width} pixels and {channels} channels; name a "
            "network of square colour images."
        )
    tag = f".{config['tag']}" if config.get("tag") else ""
    return Network(
        f"{_PREFIX}{config['architecture']}{tag}", tuple(levels.channels()),
        tuple(levels.reduction()), height, Scaling(tuple(config["mean"]), tuple(config["std"])),
        bool(config.get("fixed_input_size")),
    )  # fmt: skip


@float32_weights()
def timm_body(name: str, **options: Any) -> nn.Module:
    """A network of timm without its classifier, with initial weights.

    It is on the CPU: what some of them compute for themselves is in no file.

    Args:
        name: with ``timm:``.
        options: further arguments of ``timm.create_model``.

    Raises:
        InputError: timm is not installed, has no such network or knows no stages of it.
    """
    timm = _timm()
    plain = name.removeprefix(_PREFIX)
    _check_name(timm, plain)
    try:
        body: nn.Module = timm.create_model(plain, features_only=True, **options)
    except (RuntimeError, AssertionError, AttributeError, TypeError) as error:
        raise InputError(
            f"timm gives no features of the stages of {shown(plain)}; name another of its networks."
        ) from error
    return body


def timm_outputs(body: nn.Module, x: Tensor) -> list[Tensor]:
    """What every level puts out, (N, channels, h, w)."""
    outputs: list[Tensor] = body(x)
    if str(getattr(body, "output_fmt", "NCHW")).endswith("NHWC"):
        return [output.permute(0, 3, 1, 2) for output in outputs]
    return outputs


def load_timm(body: nn.Module, state: Mapping[str, Tensor], network: Network, source: str) -> None:
    """Give a body its weights.

    Args:
        body: of :func:`timm_body`.
        state: the body's own, or that of the whole network as timm names it; its classifier is
            ignored.
        network: what the body is.
        source: where the weights come from, in words.

    Raises:
        InputError: weights are missing, unknown or of another shape.
    """
    own = body.state_dict()
    if state.keys() != own.keys():
        whole = _timm().create_model(network.name.removeprefix(_PREFIX))
        classifiers = whole.pretrained_cfg.get("classifier") or ()
        classifiers = (classifiers,) if isinstance(classifiers, str) else classifiers
        ignored = tuple(f"{classifier}." for classifier in classifiers)
        kept, wanted = (
            {key: value for key, value in values.items() if not key.startswith(ignored)}
            for values in (state, whole.state_dict())
        )
        check_state(wanted, kept, network.name, source)
        # timm cuts a network that has its weights, and knows which of them it keeps.
        cut = timm_body(network.name, pretrained=True, pretrained_cfg_overlay={"state_dict": kept})
        state = cut.state_dict()
    check_state(own, state, network.name, source)
    body.load_state_dict(state)


class TimmWeights(NamedWeights):
    """timm's own weights of a network, from its cache or fetched."""

    @property
    def title(self) -> str:
        """See :class:`NamedWeights`."""
        return f"timm's {self.network.removeprefix(_PREFIX)}"

    def file(self) -> Path | None:
        """See :meth:`NamedWeights.file`; where it lies is timm's business."""
        return None

    def state(self) -> Mapping[str, Tensor]:
        """See :meth:`NamedWeights.state`."""
        plain = self.network.removeprefix(_PREFIX)
        timm = _timm()
        if not timm.is_model_pretrained(plain):
            raise InputError(
                f"timm has no weights of {plain}; give a file, 'random', or another network."
            )
        try:
            with torch.random.fork_rng(devices=[]), float32_weights():
                body = timm.create_model(plain, features_only=True, pretrained=True)
        except (OSError, RuntimeError, ValueError) as error:  # no network, no space, a damaged file
            raise InputError(
                f"timm's weights of {plain} are not on this machine and cannot be fetched "
                f"({reason(error)}); where there is a network, timm.create_model({plain!r}, "
                f"pretrained=True) puts them into its cache, and other ways to weights are {WAYS}."
            ) from error
        state: Mapping[str, Tensor] = body.state_dict()
        return state


def _timm() -> Any:
    torchvision_models()  # which mends torchvision's import, if need be, before timm imports it
    try:
        timm = importlib.import_module("timm")
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise InputError(
            "Networks named timm:NAME need the package timm; pip install 'nsa[timm]'."
        ) from error
    if tuple(int(part) for part in timm.__version__.split(".")[:3]) < _OLDEST:
        raise InputError(
            f"timm {timm.__version__} would run code that files of weights may hold; "
            "pip install --upgrade 'nsa[timm]' brings a newer one."
        )
    return timm


def _check_name(timm: Any, name: str) -> None:
    """Before timm itself looks: it would take some names for addresses."""
    architecture = name.partition(".")[0]
    known = timm.list_models()
    if ":" not in name and timm.is_model(architecture):
        try:
            timm.get_pretrained_cfg(name)
            return
        except RuntimeError:  # no such tag
            known = timm.list_pretrained(f"{architecture}.*")
    ending = "timm.list_models() and timm.list_pretrained() name all there are."
    raise InputError(f"timm has no network {shown(name)}; {hint(name[:80], known, ending)}")
