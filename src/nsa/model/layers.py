"""Layers of the network in other forms: the same functions of the same parameters.

A convolution with a stride of two reads even and odd pixels with different taps, and a transposed
one writes them so. Taken apart into *phases*, by the parity of row and column, either is an
ordinary convolution of a smaller kernel with four times the channels, without the zeros or the gaps
between pixels. A few taps beside the kernel's edge are zero instead. Weights are rearranged from
the layer's own parameter in every call, so that gradients reach it.

Everything is laid out channels-last.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nsa._native.layout import space_to_depth

Margin = tuple[int, int]
"""Pixels that a convolution needs before the first and after the last row and column."""

Place = tuple[tuple[int, int], tuple[int, int]]
"""Of rows, then of columns: the first one, and how many there are in the whole."""

_CHANNELS = 16  # that :func:`stem_by_parts` computes at a time: the width of a vector register


class Window(NamedTuple):
    """Where in an image the tile lies that a network is given in place of the whole.

    Attributes:
        top, left: of the tile in px, multiples of 32.
        height, width: of the image in px.
    """

    top: int
    left: int
    height: int
    width: int


def stem(x: Tensor, weight: Tensor) -> Tensor:
    """A convolution of 7 x 7 with stride 2 and padding 3.

    Args:
        x: (N, C, H, W), or already :func:`nsa._native.layout.space_to_depth` of that.
        weight: (outputs, C, 7, 7).

    Returns:
        (N, outputs, ceil(H / 2), ceil(W / 2)).
    """
    blocks = space_to_depth(x) if x.shape[1] == weight.shape[1] else x
    return F.conv2d(blocks, _rearranged(weight, _stem_weight, x.dtype))


def stem_by_parts(x: Tensor, weight: Tensor, norm: nn.BatchNorm2d, finish: nn.Module) -> Tensor:
    """:func:`stem` and what follows it in evaluation mode, some channels at a time.

    The same as one layer after another, but the output of the first convolution, the widest of all,
    is never there as a whole.

    Args:
        x: (N, C, H, W).
        weight: (outputs, C, 7, 7).
        norm: of the outputs.
        finish: ReLU, and pooling that halves height and width.

    Returns:
        (N, outputs, ceil(H / 4), ceil(W / 4)).
    """
    count, _, height, width = x.shape
    # Made before what is needed for a while, so that no part of it keeps that memory in pieces.
    result = x.new_empty((count, len(weight), -(-height // 4), -(-width // 4)))
    of_channels = cast(
        tuple[Tensor, ...], (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    for first in range(0, len(weight), _CHANNELS):
        part = slice(first, first + _CHANNELS)
        values = F.conv2d(x, weight[part], stride=2, padding=3)
        mean, variance, scale, shift = (statistics[part] for statistics in of_channels)
        result[:, part] = finish(F.batch_norm(values, mean, variance, scale, shift, eps=norm.eps))
    return result


def transposed_convolution(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A transposed convolution of 7 x 7 that doubles height and width (stride 2, padding 3).

    Args:
        x: (N, inputs, H + 3, W + 3), with a margin of :data:`HEAD_MARGIN` zeros.
        weight: (inputs, outputs, 7, 7).
        bias: (outputs), or None.

    Returns:
        (N, outputs, 2 H, 2 W).
    """
    bias = None if bias is None else bias.repeat(4)
    return _depth_to_space(F.conv2d(x, _rearranged(weight, _phase_weight, x.dtype), bias))


HEAD_MARGIN: Margin = (1, 2)


def as_convolution(weight: Tensor) -> Tensor:
    """What :func:`transposed_convolution` makes of its weight, for those who keep it.

    Args:
        weight: (inputs, outputs, 7, 7).

    Returns:
        (4 outputs, inputs, 4, 4), phase by phase.
    """
    return _phase_weight(weight).permute(0, 3, 1, 2).contiguous()


def up_and_shortcut(x: Tensor, up: Tensor, shortcut: Tensor) -> tuple[Tensor, Tensor]:
    """Two transposed convolutions that double height and width: of 3 x 3 (padding 1), and of 1 x 1.

    One convolution of 2 x 2 computes both. Its zero taps are 7 of 16 for the first and 3 of 4 for
    the second, fewer multiplications than the launches of five exact convolutions would cost.

    Args:
        x: (N, inputs, H, W).
        up: (inputs, outputs, 3, 3).
        shortcut: (inputs, outputs, 1, 1).

    Returns:
        Both (N, outputs, 2 H, 2 W). The second is zero but for even rows and columns.
    """
    outputs = up.shape[1]
    rules = (up, _phase_weight), (shortcut, _corner_weight)
    weight = torch.cat([_rearranged(part, rule, x.dtype) for part, rule in rules])
    both = F.conv2d(F.pad(x, (0, 1, 0, 1)), weight)
    phases, even = torch.split(both, [4 * outputs, outputs], 1)
    return _depth_to_space(phases), _with_zeros_between(even)


def upsample(
    x: Tensor,
    margin: Margin = (0, 0),
    place: Place | None = None,
    positions: torch.dtype = torch.float64,
) -> Tensor:
    """Twofold bilinear interpolation with aligned corners, and a margin of zeros.

    Args:
        x: (N, C, H, W).
        margin: zeros before and after rows and columns, which cost nothing here.
        place: of ``x`` in something larger, of whose interpolation this is the part at (2 first
            row, 2 first column). The last row and column may need a next one, which is zero here.
        positions: dtype in which positions in that larger one are computed. Torch's own
            interpolation takes that of ``x``: in float32, 5e-5 of a row wrong after a thousand.

    Returns:
        (N, C, 2 H + margin, 2 W + margin).
    """
    count, channels, height, width = x.shape
    if place is None:
        down = _interpolation(height, margin, x.dtype, x.device)
        across = _interpolation(width, margin, x.dtype, x.device)
    else:  # not kept: places are many
        (top, rows), (left, columns) = place
        down = part_of_interpolation(top, height, rows, margin, positions).to(x)
        across = part_of_interpolation(left, width, columns, margin, positions).to(x)
    wide = across @ x.permute(0, 2, 3, 1)
    wide = down @ wide.reshape(count, height, len(across) * channels)
    return wide.view(count, len(down), len(across), channels).permute(0, 3, 1, 2)


def _depth_to_space(phases: Tensor) -> Tensor:
    """(N, 4 C, H, W), phase by phase, -> (N, C, 2 H, 2 W)."""
    count, channels, height, width = phases.shape
    channels //= 4
    apart = phases.permute(0, 2, 3, 1).reshape(count, height, width, 2, 2, channels)
    whole = apart.transpose(2, 3).reshape(count, 2 * height, 2 * width, channels)
    return whole.permute(0, 3, 1, 2)


def _with_zeros_between(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, 2 H, 2 W), zero in odd rows and columns."""
    count, channels, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1)[:, :, None, :, None]
    spread = F.pad(pixels, (0, 0, 0, 1, 0, 0, 0, 1))
    return spread.reshape(count, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


def _stem_weight(weight: Tensor) -> Tensor:
    """(outputs, C, 7, 7) -> (outputs, 4, 4, 4 (C + 1)), the last as `space_to_depth` orders it."""
    outputs, channels = weight.shape[:2]
    # Row 2 m - 3 + k of the image is in block m + d with 2 d + phase = k - 3, so d starts at -2.
    padded = F.pad(weight, (1, 0, 1, 0, 0, 1))
    taps = padded.view(outputs, channels + 1, 4, 2, 4, 2).permute(0, 2, 4, 3, 5, 1)
    return taps.reshape(outputs, 4, 4, -1)


def _phase_weight(weight: Tensor) -> Tensor:
    """(inputs, outputs, k, k), k 3 or 7, -> (4 outputs, taps, taps, inputs), phase by phase."""
    inputs, outputs, side, _ = weight.shape
    taps = (side + 1) // 2
    # Input m + d reaches output 2 m + phase through tap k = phase + (side - 1) / 2 - 2 d: larger d
    # means smaller k.
    padded = F.pad(weight, (1, 0, 1, 0)).view(inputs, outputs, taps, 2, taps, 2)
    return padded.flip(2, 4).permute(3, 5, 1, 2, 4, 0).reshape(4 * outputs, taps, taps, inputs)


def _corner_weight(weight: Tensor) -> Tensor:
    """(inputs, outputs, 1, 1) -> (outputs, 2, 2, inputs), all but the first tap zero."""
    return F.pad(weight, (0, 1, 0, 1)).permute(1, 2, 3, 0)


def _rearranged(weight: Tensor, rule: Callable[[Tensor], Tensor], dtype: torch.dtype) -> Tensor:
    """``rule(weight)`` as a convolution's weight: one kernel, and one for its gradient."""
    target, shape = _targets(rule, weight.shape, weight.device)
    values = weight.to(dtype).permute(0, 2, 3, 1).flatten()  # a view where it is channels-last
    made = values.new_zeros(shape.numel()).index_copy_(0, target, values)
    return made.view(shape).permute(0, 3, 1, 2)


# What follows is made once, outside of any graph that may be captured, and is kept to the end of
# the process, because captured graphs go on reading it: a few kilobytes for every size.


@functools.cache
@torch.inference_mode(False)
def _targets(
    rule: Callable[[Tensor], Tensor], shape: torch.Size, device: torch.device
) -> tuple[Tensor, torch.Size]:
    """Where ``rule`` puts a weight's elements, in channels-last order, and its result's shape."""
    numbers = torch.arange(1, shape.numel() + 1, device="cpu")
    outputs, inputs, rows, columns = shape
    made = rule(numbers.view(outputs, rows, columns, inputs).permute(0, 3, 1, 2))
    target = torch.empty_like(numbers)
    (places,) = made.flatten().nonzero(as_tuple=True)
    target[made.flatten()[places] - 1] = places
    return target.to(device), made.shape


@functools.cache
@torch.inference_mode(False)
def _interpolation(size: int, margin: Margin, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The matrix (2 size + margin, size) of linear interpolation with aligned corners."""
    return part_of_interpolation(0, size, size, margin, torch.float64).to(device, dtype)


def part_of_interpolation(
    first: int | Tensor,
    size: int,
    whole: int | Tensor,
    margin: Margin = (0, 0),
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Of the matrix (2 whole, whole) the part (2 size + margin, size) of positions from ``first``.

    ``dtype``, on the CPU. Of tensors, float scalars, it can be exported.
    """
    step = torch.as_tensor((whole - 1) / (2 * whole - 1), dtype=dtype, device="cpu")
    place = (torch.arange(2 * size, dtype=dtype, device="cpu") + 2 * first) * step
    distance = (place[:, None] - (torch.arange(size, dtype=dtype, device="cpu") + first)).abs()
    return F.pad((1 - distance).clamp(min=0), (0, 0, *margin))
