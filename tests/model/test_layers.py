"""The layers in other forms against torch's own, in float64: forward and every gradient."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nsa._native.layout import space_to_depth
from nsa.model import layers

TOLERANCE = 1e-12  # of the largest value; sums of up to a few thousand products
SIZES = [(16, 16), (7, 7), (1, 9), (12, 5), (31, 18), (2, 1)]
LAYOUTS = [torch.contiguous_format, torch.channels_last]

Function = Callable[..., Tensor]


def assert_equal(actual: Tensor, expected: Tensor) -> None:
    atol = TOLERANCE * float(expected.detach().abs().max())
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


def assert_same_function(actual: Function, expected: Function, *inputs: Tensor) -> None:
    """Values, and gradients of a random combination of them with respect to every input."""
    inputs = tuple(values.requires_grad_() for values in inputs)
    values, wanted = actual(*inputs), expected(*inputs)
    assert_equal(values, wanted)
    outer = torch.randn_like(wanted)
    found = torch.autograd.grad(values, inputs, outer)
    for one, other in zip(found, torch.autograd.grad(wanted, inputs, outer), strict=True):
        assert_equal(one, other)


def random(*shape: int, layout: torch.memory_format = torch.contiguous_format) -> Tensor:
    return torch.randn(shape, dtype=torch.float64).contiguous(memory_format=layout)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("size", [*SIZES, (32, 32), (33, 47), (45, 32), (224, 223)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_stem(size: tuple[int, int], channels: int, layout: torch.memory_format) -> None:
    x, weight = random(2, channels, *size, layout=layout), random(5, channels, 7, 7, layout=layout)
    assert_same_function(layers.stem, lambda x, w: F.conv2d(x, w, stride=2, padding=3), x, weight)
    blocks = space_to_depth(x).detach()
    assert torch.equal(layers.stem(blocks, weight), layers.stem(x, weight))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_blocks_hold_the_image_and_zeros(size: tuple[int, int], channels: int) -> None:
    height, width = size
    x = 1 + torch.rand(2, channels, height, width)
    blocks = space_to_depth(x)
    rows, columns = (height + 1) // 2 + 3, (width + 1) // 2 + 3
    assert blocks.shape == (2, 4 * (channels + 1), rows, columns)
    assert blocks.permute(0, 2, 3, 1).is_contiguous()
    for y, x0 in ((0, 0), (height - 1, width - 1), (height // 2, width // 3)):
        first = (channels + 1) * (2 * (y % 2) + x0 % 2)
        pixel = blocks[:, first : first + channels, y // 2 + 2, x0 // 2 + 2]
        assert torch.equal(pixel, x[:, :, y, x0])
    assert torch.count_nonzero(blocks) == x.numel()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bias", [True, False])
def test_head(size: tuple[int, int], layout: torch.memory_format, bias: bool) -> None:
    before, after = layers.HEAD_MARGIN
    inputs = [random(3, 6, *size, layout=layout), random(6, 2, 7, 7, layout=layout)]

    def actual(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        padded = F.pad(x, (before, after, before, after))
        return layers.transposed_convolution(padded, weight, bias)

    def expected(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return F.conv_transpose2d(x, weight, bias, stride=2, padding=3, output_padding=1)

    assert_same_function(actual, expected, *inputs, *([random(2)] if bias else []))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_up_and_shortcut(size: tuple[int, int], layout: torch.memory_format) -> None:
    x, up, shortcut = (
        random(3, 6, *size, layout=layout), random(6, 4, 3, 3, layout=layout), random(6, 4, 1, 1)
    )  # fmt: skip

    def expected(x: Tensor, up: Tensor, shortcut: Tensor) -> Tensor:
        first = F.conv_transpose2d(x, up, stride=2, padding=1, output_padding=1)
        second = F.conv_transpose2d(x, shortcut, stride=2, output_padding=1)
        return torch.cat([first, second])

    assert_same_function(
        lambda *inputs: torch.cat(layers.up_and_shortcut(*inputs)), expected, x, up, shortcut
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_upsample(size: tuple[int, int], layout: torch.memory_format) -> None:
    def expected(x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)

    x = random(3, 5, *size, layout=layout)
    assert_same_function(layers.upsample, expected, x)
    assert_same_function(
        lambda x: layers.upsample(x, (1, 2)), lambda x: F.pad(expected(x), (1, 2, 1, 2)), x
    )


@pytest.mark.parametrize("margin", [(0, 0), (1, 2)])
def test_a_part_of_an_upsampling(margin: layers.Margin) -> None:
    x = random(2, 3, 40, 57)
    whole = F.pad(layers.upsample(x), (4, 4, 4, 4))
    before, after = margin
    for top, left, height, width in ((0, 0, 16, 24), (8, 16, 24, 40), (24, 0, 16, 57)):
        part = x[..., top : top + height, left : left + width]
        found = layers.upsample(part, margin, ((top, 40), (left, 57)))
        assert found.shape[2:] == (2 * height + before + after, 2 * width + before + after)
        inner = found[..., before : before + 2 * height, before : before + 2 * width]
        expected = whole[..., 4 + 2 * top :, 4 + 2 * left :][..., : 2 * height, : 2 * width]
        # Rows beside an inner border lack what lies behind it.
        keep = [slice(2 * (first > 0), length - 2) for first, length in
                ((top, 2 * height), (left, 2 * width))]  # fmt: skip
        assert_equal(inner[..., keep[0], keep[1]], expected[..., keep[0], keep[1]])


@pytest.mark.parametrize("size", [7, 28, 56])
def test_bfloat16_is_as_exact_as_its_digits(size: int) -> None:
    x = torch.randn(2, 16, size, size)
    expected = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)
    actual = layers.upsample(x.to(torch.bfloat16)).float()
    # Half a unit of the last place for x, for the weights and for each product.
    torch.testing.assert_close(actual, expected, rtol=0, atol=4 * 2**-9 * float(x.abs().max()))


def test_what_is_kept_can_be_trained_with() -> None:
    """Constants that are first needed for a prediction serve a training later."""
    size, weight = (9, 1013), random(2, 2, 7, 7)
    x = random(1, 2, *size)
    with torch.inference_mode():
        layers.upsample(x), layers.transposed_convolution(x, weight, None)
    layers.upsample(x.requires_grad_()).sum().backward()
    layers.transposed_convolution(x, weight.requires_grad_(), None).sum().backward()
    assert weight.grad is not None


def test_no_image_gives_no_result() -> None:
    """With several processes one may have no image of a batch."""
    x = torch.empty(0, 6, 5, 7, requires_grad=True)
    up, shortcut = layers.up_and_shortcut(x, torch.zeros(6, 4, 3, 3), torch.zeros(6, 4, 1, 1))
    assert up.shape == shortcut.shape == (0, 4, 10, 14)
    head = layers.transposed_convolution(layers.upsample(x, (1, 2)), torch.zeros(6, 1, 7, 7), None)
    assert head.shape == (0, 1, 20, 28)
    assert layers.stem(torch.empty(0, 3, 33, 32), torch.zeros(8, 3, 7, 7)).shape == (0, 8, 17, 16)
    head.sum().backward()
    assert x.grad is not None
