"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation, and with ReLU6.

That is what its authors left for processors that lack the rest. The stem, the head and the first
and last stage are the same in every variant, whatever its scale. Weights were trained in
TensorFlow, whose padding and whose epsilon of the batch normalisation they need.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nsa.images.network_input import Scaling

SCALING = Scaling((127 / 255,) * 3, (128 / 255,) * 3)  # pixels of 0 to 255: (x - 127) / 128
_EPSILON = 1e-3
_STEM = 32
_HEAD = 1280
# A row per stage: blocks before scaling, kernel, stride of the first block, expansion.
_STAGES = (
    (1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6), (1, 3, 1, 6)
)  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """What differs between the variants.

    Attributes:
        channels: that the seven stages put out.
        depth: how many times as many blocks the five stages between first and last have.
        size: side in pixels of the images.
    """

    channels: tuple[int, ...]
    depth: float
    size: int

    @property
    def levels(self) -> tuple[int, ...]:
        """Channels of the nine levels: stem, stages and head."""
        return (_STEM, *self.channels, _HEAD)

    @property
    def blocks(self) -> tuple[int, ...]:
        """Blocks of each stage."""
        first, *middle, last = (row[0] for row in _STAGES)
        return (first, *(math.ceil(self.depth * count) for count in middle), last)


VARIANTS: dict[str, Variant] = {
    "efficientnet_lite0": Variant((16, 24, 40, 80, 112, 192, 320), 1.0, 224),
    "efficientnet_lite1": Variant((16, 24, 40, 80, 112, 192, 320), 1.1, 240),
    "efficientnet_lite2": Variant((16, 24, 48, 88, 120, 208, 352), 1.2, 260),
}


class SameConvolution(nn.Conv2d):
    """Without bias, padded as TensorFlow's "SAME" does: the output has 1 / stride of the sides."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x, padding = self.pad(x)
        return F.conv2d(x, self.weight, None, self.stride, padding, 1, self.groups)

    def pad(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """An image and the padding that is left to the convolution: all, unless it is uneven."""
        (top, bottom), (left, right) = (self._padding(side) for side in x.shape[2:])
        if top == bottom and left == right:
            return x, (top, left)
        return F.pad(x, (left, right, top, bottom)), (0, 0)

    def _padding(self, side: int) -> tuple[int, int]:
        """Before and after; one more after where the sum is odd."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
        return total // 2, total - total // 2


def _layer(convolution: SameConvolution, *, active: bool = True) -> nn.Sequential:
    """Convolution, normalisation and, if ``active``, ReLU6."""
    layer = nn.Sequential()
    layer.add_module("convolution", convolution)
    layer.add_module("norm", nn.BatchNorm2d(convolution.out_channels, eps=_EPSILON))
    if active:
        layer.add_module("activation", nn.ReLU6(inplace=True))
    return layer


class _Block(nn.Module):
    """Inverted residual: a 1x1 convolution to more channels, one within each, and back to few."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = _layer(SameConvolution(inputs, wide)) if expansion != 1 else None
        self.depthwise = _layer(SameConvolution(wide, wide, kernel, stride, groups=wide))
        self.project = _layer(SameConvolution(wide, outputs), active=False)
        self.has_shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = x if self.expand is None else self.expand(x)
        residual = self.project(self.depthwise(residual))
        if self.has_shortcut:
            residual += x
        return residual


class EfficientNetLite(nn.Module):
    """The network up to its pooling.

    Args:
        variant: an entry of :data:`VARIANTS`.

    Attributes:
        features: its nine levels, one module each.
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        levels: list[nn.Module] = [_layer(SameConvolution(3, _STEM, 3, stride=2))]
        inputs = _STEM
        for row, outputs, count in zip(_STAGES, variant.channels, variant.blocks, strict=True):
            _, kernel, stride, expansion = row
            blocks = []
            for number in range(count):
                first = number == 0
                blocks.append(_Block(inputs, outputs, kernel, stride if first else 1, expansion))
                inputs = outputs
            levels.append(nn.Sequential(*blocks))
        levels.append(_layer(SameConvolution(inputs, _HEAD)))
        self.features = nn.Sequential(*levels)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 1280, H / 32, W / 32), sides rounded up."""
        features: Tensor = self.features(x)
        return features


_PARTS = {
    "_expand_conv": "expand.convolution", "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.convolution", "_bn1": "depthwise.norm",
    "_project_conv": "project.convolution", "_bn2": "project.norm",
}  # fmt: skip
_ENDS = {
    "_conv_stem": "features.0.convolution", "_bn0": "features.0.norm",
    "_conv_head": "features.8.convolution", "_bn1": "features.8.norm",
}  # fmt: skip
_BLOCK = re.compile(r"_blocks\.(\d+)\.(\w+)\.(\w+)")


def own_names(state: Mapping[str, Tensor], variant: Variant) -> dict[str, Tensor]:
    """A published file's tensors under the names of :class:`EfficientNetLite`.

    Those files count the blocks of all stages in one row. Names that are none of theirs are kept.
    """
    places = [
        f"features.{stage}.{number}"
        for stage, count in enumerate(variant.blocks, 1)
        for number in range(count)
    ]

    def own(name: str) -> str:
        block = _BLOCK.fullmatch(name)
        if block is not None:
            place, part, value = int(block[1]), block[2], block[3]
            known = place < len(places) and part in _PARTS
            return f"{places[place]}.{_PARTS[part]}.{value}" if known else name
        layer, _, value = name.rpartition(".")
        if layer == "_fc":
            return f"classifier.{value}"
        return f"{_ENDS[layer]}.{value}" if layer in _ENDS else name

    return {own(name): value for name, value in state.items()}
