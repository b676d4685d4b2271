"""Convolutions for judging on a CPU: with their normalisation and ReLU in one pass.

In evaluation mode a batch normalisation multiplies and shifts each channel by constants, which go
into the weights and a bias of the convolution before it: the same function, but for rounding. In
float32 on x86-64 the weights are also kept in the order in which torch's library (oneDNN) reads
them; it would bring them there in every call, which for one image takes as long as a third of the
convolutions. Torch has that by the operators that its compiler uses, which are not documented:
where they are missing, or on other processors, the same is computed by ``conv2d``.
"""

from __future__ import annotations

import platform
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

Activation = Literal["relu", "relu6"]

_OPERATORS = torch.ops.mkldnn
_DILATION = (1, 1)
# How those operators call an activation, and its limits.
_FUSED: dict[Activation | None, tuple[str, tuple[float, ...]]] = {
    None: ("none", ()), "relu": ("relu", ()), "relu6": ("hardtanh", (0.0, 6.0)),
}  # fmt: skip


def fuses(weight: Tensor) -> bool:
    """Whether there are operators for a convolution with its activation, of these weights."""
    return (
        weight.dtype == torch.float32
        and weight.device.type == "cpu"
        and platform.machine().lower() in ("x86_64", "amd64")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(_OPERATORS, "_convolution_pointwise_")
        and hasattr(_OPERATORS, "_reorder_convolution_weight")
    )


def packs(weight: Tensor) -> bool:
    """Whether it pays to keep weights in the order in which they are read.

    Not those of 1 x 1, whose order depends on the image: in that of another size they took a
    hundred times as long. Nor those of one channel each, which are few.
    """
    return min(weight.shape[1:]) > 1


def folded(
    weight: Tensor, bias: Tensor | None, norm: nn.BatchNorm2d | None, axis: int = 0
) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a convolution and the normalisation after it, computed in float64.

    Args:
        weight: its output channels are along ``axis``: 0, or 1 where the convolution is transposed.
        bias: (outputs,), or None.
        norm: of its outputs, as in evaluation mode; None: there is none.

    Returns:
        Both of the dtype of ``weight``, channels-last.
    """
    if norm is not None:
        mean, variance, scale, shift = (
            cast(Tensor, values).double()
            for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        )
        factor = scale / (variance + norm.eps).sqrt()
        bias = shift - (mean if bias is None else mean - bias) * factor
        shape = [1] * weight.ndim
        shape[axis] = -1
        weight, bias = (weight * factor.view(shape)).to(weight.dtype), bias.to(weight.dtype)
    weight = weight.detach().contiguous(memory_format=torch.channels_last)
    return weight, None if bias is None else bias.detach()


class FoldedConvolution(nn.Module):
    """A convolution, the normalisation after it and an activation.

    It keeps no parameters: what it holds follows from those that it was made of.

    Args:
        weight: (outputs, inputs / groups, k, k), as :func:`folded` returns it.
        bias: (outputs,), or None.
        stride, padding: along both axes.
        groups: of channels.
        activation: of the result.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] = (0, 0),
        groups: int = 1,
        activation: Activation | None = None,
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.groups = stride, padding, groups
        self.activation = activation
        self._fused = fuses(weight)
        if self._fused and packs(weight):
            # Without a size of the input the order is the same for all.
            weight = _OPERATORS._reorder_convolution_weight(
                weight, padding, stride, _DILATION, groups
            )
        self._weight, self._bias = weight, bias

    @classmethod
    def of(
        cls,
        convolution: nn.Conv2d,
        norm: nn.BatchNorm2d | None = None,
        activation: Activation | None = None,
    ) -> FoldedConvolution:
        """That of layers in evaluation mode; the padding is of zeros, in numbers."""
        weight, bias = folded(convolution.weight, convolution.bias, norm)
        stride, padding = convolution.stride, convolution.padding
        assert not isinstance(padding, str)
        assert convolution.dilation == _DILATION
        return cls(
            weight, bias, cast(tuple[int, int], stride), cast(tuple[int, int], padding),
            convolution.groups, activation,
        )  # fmt: skip

    def forward(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
        """(N, inputs, H, W), channels-last -> (N, outputs, rows, columns), channels-last.

        Args:
            shortcut: of the result's shape, channels-last; added before the activation, and
                overwritten.
        """
        return self.padded(x, self.padding, shortcut)

    def padded(self, x: Tensor, padding: tuple[int, int], shortcut: Tensor | None = None) -> Tensor:
        """:meth:`forward` with another padding."""
        name, limits = _FUSED[self.activation]
        if not self._fused:
            values = F.conv2d(x, self._weight, self._bias, self.stride, padding, 1, self.groups)
            if shortcut is not None:
                values = shortcut.add_(values)
            return _activate(values, self.activation)
        given = x, self._weight, self._bias, padding, self.stride, _DILATION, self.groups
        if shortcut is None:
            result: Tensor = _OPERATORS._convolution_pointwise(*given, name, limits, "")
            return result
        # The operator adds and takes the ReLU in the convolution's own pass, in place.
        fused = self.activation == "relu"
        added: Tensor = _OPERATORS._convolution_pointwise_.binary(
            shortcut, *given, "add", 1.0, "relu" if fused else None, [], None
        )
        return added if fused else _activate(added, self.activation)


def _activate(values: Tensor, activation: Activation | None) -> Tensor:
    if activation == "relu":
        return values.relu_()
    return values if activation is None else values.clamp_(0, 6)
