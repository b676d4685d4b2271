"""The classification networks and where their levels end (Section IV and Table VI of the paper).

A *level* is a stage of the network as its authors' tables count them, and its features are what
the stage puts out. EfficientNet and EfficientNet-Lite have nine: the stem, seven stages of inverted
residual blocks and the 1x1 convolution before pooling. ResNet has five: the stem (convolution,
normalisation and ReLU; the max pooling opens the second stage in the ResNet paper's table) and four
stages of residual blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nsa.errors import InputError, hint, shown
from nsa.images.network_input import scaling_of
from nsa.model import lite
from nsa.model._torchvision import torchvision_models
from nsa.model.network import Network
from nsa.model.timm_networks import is_timm, load_timm, timm_body, timm_network, timm_outputs
from nsa.model.weights import check_state
from nsa.system.device import float32_weights

_EFFICIENTNET_STRIDES = (2, 2, 4, 8, 16, 16, 32, 32, 32)


def _resnet(depth: int, *channels: int) -> Network:
    return Network(f"resnet{depth}", channels, (2, 4, 8, 16, 32), 224)


def _efficientnet(variant: int, size: int, *channels: int) -> Network:
    return Network(f"efficientnet_b{variant}", channels, _EFFICIENTNET_STRIDES, size)


def _lite(name: str, variant: lite.Variant) -> Network:
    return Network(name, variant.levels, _EFFICIENTNET_STRIDES, variant.size, lite.SCALING)


NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        _resnet(18, 64, 64, 128, 256, 512),
        _resnet(34, 64, 64, 128, 256, 512),
        _resnet(50, 64, 256, 512, 1024, 2048),
        _efficientnet(0, 224, 32, 16, 24, 40, 80, 112, 192, 320, 1280),
        _efficientnet(1, 240, 32, 16, 24, 40, 80, 112, 192, 320, 1280),
        _efficientnet(2, 260, 32, 16, 24, 48, 88, 120, 208, 352, 1408),
        _efficientnet(3, 300, 40, 24, 32, 48, 96, 136, 232, 384, 1536),
        _efficientnet(4, 380, 48, 24, 32, 56, 112, 160, 272, 448, 1792),
        _efficientnet(5, 456, 48, 24, 40, 64, 128, 176, 304, 512, 2048),
        _efficientnet(6, 528, 56, 32, 40, 72, 144, 200, 344, 576, 2304),
        _efficientnet(7, 600, 64, 32, 48, 80, 160, 224, 384, 640, 2560),
        *(_lite(*variant) for variant in lite.VARIANTS.items()),
    )
}


def find_network(name: str) -> Network:
    """A network by its name: an entry of :data:`NETWORKS`, or one of timm's.

    Raises:
        InputError: no such network, and the nearest one is suggested; or timm is not installed.
    """
    if isinstance(name, str) and is_timm(name):
        return timm_network(name)
    found = NETWORKS.get(name.lower().replace("-", "_")) if isinstance(name, str) else None
    if found is None:
        raise InputError(f"There is no network {shown(name)}; {hint(str(name)[:80], NETWORKS)}")
    return found


class Levels(nn.Module):
    """A classification network without its classifier, cut into its levels.

    Args:
        name: as :func:`find_network` takes it.
        channels: 3 for colour, 1 for a network trained on grey images.

    Attributes:
        entry: what is fixed about the network.
        scaling: how images of these channels are taken.
        source: where the weights come from, in words, so that scores of random weights are never
            taken for those of pretrained ones.
    """

    @float32_weights(None)
    def __init__(self, name: str, channels: int = 3) -> None:
        super().__init__()
        self.entry = find_network(name)
        self.channels = channels
        self.scaling = self.entry.scaling if channels == 3 else scaling_of(channels)
        self.source = "initial weights"
        self.body: Any = _body(self.entry.name)
        self._is_resnet = self.entry.name.startswith("resnet")
        if channels != 3:
            self._replace_first_convolution(channels)

    def _replace_first_convolution(self, channels: int) -> None:
        if not self._is_resnet:
            raise InputError(f"Only a ResNet can take {channels} channel; name one.")
        self.body.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)

    def stages(self) -> list[list[nn.Module]]:
        """The modules of each level, in the order in which they run; not of timm's networks."""
        body = self.body
        if self._is_resnet:
            return [
                [body.conv1, body.bn1, body.relu],
                [body.maxpool, body.layer1],
                [body.layer2],
                [body.layer3],
                [body.layer4],
            ]
        return [[stage] for stage in body.features]

    def activations(self, x: Tensor) -> list[Tensor]:
        """What every level puts out.

        Args:
            x: (N, channels, H, W), scaled by :attr:`scaling`, any floating dtype.

        Returns:
            One tensor (N, features, H / stride, W / stride) per level, sides rounded up, of the
            dtype that the network computes in.
        """
        return list(self.outputs(x))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of every level, averaged over the image plane.

        Args:
            x: as in :meth:`activations`.

        Returns:
            One float32 tensor (N, features) per level.
        """
        # Under autocast activations may be bfloat16; the mean of thousands must not be.
        return [output.mean((2, 3), dtype=torch.float32) for output in self.outputs(x)]

    def outputs(self, x: Tensor) -> Iterator[Tensor]:
        """One level after the other, so that none is held longer than it is needed."""
        entry = self.entry
        if entry.is_fixed and tuple(x.shape[2:]) != (entry.size, entry.size):
            raise InputError(
                f"{entry.name} takes images of {entry.size} x {entry.size} pixels only, but these "
                f"have {x.shape[2]} x {x.shape[3]}; leave out their size."
            )
        if is_timm(entry.name):
            yield from timm_outputs(self.body, x)
            return
        for stage in self.stages():
            for module in stage:
                x = module(x)
            yield x


def _body(name: str) -> nn.Module:
    """A network with initial weights, without its classifier."""
    if name in lite.VARIANTS:
        return lite.EfficientNetLite(lite.VARIANTS[name])
    if is_timm(name):
        return timm_body(name)
    body: nn.Module = torchvision_models().get_model(name, weights=None)
    body.register_module("fc" if name.startswith("resnet") else "classifier", nn.Identity())
    return body


def random_network(name: str, seed: int, channels: int = 3) -> Levels:
    """A network with initial weights, drawn from ``seed``; global state is kept."""
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.manual_seed(seed)
        levels = Levels(name, channels).eval()
    levels.source = f"random weights (seed {seed})"
    return levels


def network_from_state(name: str, state: Mapping[str, Tensor], source: str) -> Levels:
    """A network with given weights.

    Args:
        name: as :func:`find_network` takes it.
        state: its own names and shapes (torchvision's, timm's; of an EfficientNet-Lite also
            those of the published files); the classifier's entries are ignored.
        source: where the weights come from, in words.

    Raises:
        InputError: weights are missing, unknown or of another shape.
    """
    if is_timm(name):
        with torch.random.fork_rng(devices=[]):  # where a network is loaded, nothing is drawn
            levels = Levels(name)
            load_timm(levels.body, state, levels.entry, source)
        levels.source = source
        return levels.requires_grad_(False).eval()
    if name in lite.VARIANTS:
        state = lite.own_names(state, lite.VARIANTS[name])
    kept = {
        key: value for key, value in state.items() if not key.startswith(("fc.", "classifier."))
    }
    first = kept.get("conv1.weight")
    channels = 1 if first is not None and first.ndim == 4 and first.shape[1] == 1 else 3
    # On the meta device nothing is allocated or drawn, which for a large network takes seconds.
    with torch.device("meta"):
        levels = Levels(name, channels)
    levels.source = source
    wanted = levels.body.state_dict()
    check_state(wanted, kept, name, source)
    kept = {key: value.to(wanted[key].dtype) for key, value in kept.items()}  # from half, say
    levels.body.load_state_dict(kept, strict=False, assign=True)
    # Files saved before torch counted batches lack these; a network in eval mode never reads them.
    for module in levels.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.num_batches_tracked = torch.zeros((), dtype=torch.long, device="cpu")
    return levels.requires_grad_(False).eval()
