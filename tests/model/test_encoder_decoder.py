"""Size, shape and behaviour of the network."""

import dataclasses
import functools
import itertools
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from nsa._native.layout import space_to_depth
from nsa.errors import InputError
from nsa.model import EncoderDecoder, Forms, encoder_decoder
from nsa.model.encoder_decoder import UpBlock
from nsa.model.resnet import resnet18_encoder

NAMES = [field.name for field in dataclasses.fields(Forms)]
FORMS = [*(Forms(**{name: True}) for name in NAMES), Forms(**dict.fromkeys(NAMES, True))]


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_it_has_the_size_of_the_paper() -> None:
    assert round(count(EncoderDecoder()) / 1e6, 2) == 11.50
    assert round(count(EncoderDecoder(skips=True)) / 1e6, 2) == 11.42


@pytest.mark.parametrize("skips", [False, True])
def test_a_seed_begins_with_the_same_weights_in_every_version(skips: bool, fresh_seed: int) -> None:
    torch.manual_seed(fresh_seed)
    network = EncoderDecoder(skips=skips)
    torch.manual_seed(fresh_seed)
    encoder, widths = resnet18_encoder(), (512, 128) if skips else (512, 256, 128)
    between = [nn.Conv2d(*sides, 1, bias=False) for sides in itertools.pairwise(widths)]
    decoder = [UpBlock(128, 64), UpBlock(64, 32), UpBlock(32, 16)]
    head = nn.ConvTranspose2d(16, 1, 7)
    for layer in (*between, *(block.conv for block in decoder)):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    expected = nn.ModuleList([encoder, *between, *decoder, head])
    for width in (64, 128, 256) if skips else ():  # after all else
        layer = nn.Conv2d(width, width // 4, 1, bias=False)
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        expected.extend([layer, nn.BatchNorm2d(width // 4)])
    nn.init.constant_(head.bias, -4.0)
    pairs = zip(network.parameters(), expected.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    names = {name.partition(".")[0] for name in network.state_dict()}
    assert names == {"encoder", "bottleneck", "decoder", "head", *(["lateral"] if skips else [])}


def test_grey_images_only_change_the_first_convolution() -> None:
    assert count(EncoderDecoder(3)) - count(EncoderDecoder(1)) == 2 * 64 * 7 * 7


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (33, 64), (47, 95), (100, 32), (65, 63)])
@pytest.mark.parametrize(("channels", "skips"), [(1, False), (3, False), (3, True)])
def test_the_output_covers_any_input(size: tuple[int, int], channels: int, skips: bool) -> None:
    model = EncoderDecoder(channels, skips=skips).eval()
    with torch.inference_mode():
        logits = model(torch.rand(2, channels, *size))
    assert logits.shape == (2, 1, *size)
    assert logits.dtype == torch.float32


def test_the_crop_of_odd_sizes_is_aligned_at_the_top_left() -> None:
    """An input that a black border completes to full size gives the same map near the corner."""
    torch.manual_seed(0)
    model = EncoderDecoder().eval()
    image = torch.zeros(1, 3, 320, 320)
    image[..., :64, :64] = torch.randn(3, 64, 64)
    with torch.inference_mode():
        whole, cropped = model(image), model(image[..., :319, :317])
    torch.testing.assert_close(cropped[..., :16, :16], whole[..., :16, :16], atol=0.02, rtol=0.05)


def test_activations() -> None:
    x = torch.rand(1, 3, 32, 32)
    for name, function in (("sigmoid", torch.sigmoid), ("relu", torch.relu)):
        model = EncoderDecoder(activation=name).eval()  # type: ignore[arg-type]
        with torch.inference_mode():
            torch.testing.assert_close(model.predict(x), function(model(x)))


def test_an_untrained_network_calls_few_pixels_anomalous() -> None:
    torch.manual_seed(0)
    with torch.inference_mode():
        assert 0.005 < EncoderDecoder()(torch.randn(4, 3, 64, 64)).sigmoid().mean() < 0.1


@pytest.mark.parametrize("skips", [False, True])
def test_every_parameter_is_trained(skips: bool) -> None:
    model = EncoderDecoder(skips=skips)
    model(torch.randn(2, 3, 64, 64)).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@functools.lru_cache(maxsize=1)  # forms vary first, and their reference is computed once a size
def logits_and_gradients(
    channels: int, skips: bool, size: tuple[int, int], forms: Forms
) -> list[torch.Tensor]:
    """In float64, while training: logits and the gradients of the input and of all parameters."""
    torch.manual_seed(0)
    model = EncoderDecoder(channels, skips=skips).double()
    model.forms = forms
    x = torch.randn(3, channels, *size, dtype=torch.float64, requires_grad=True)
    outer = torch.rand(3, 1, *size, dtype=torch.float64)
    logits = model(x)
    return [logits.detach(), *torch.autograd.grad(logits, [x, *model.parameters()], outer)]


@pytest.mark.parametrize("forms", FORMS, ids=str)
@pytest.mark.parametrize(
    ("channels", "skips", "size"),
    [(1, False, (32, 32)), (3, False, (33, 62)), (3, False, (47, 95)), (1, True, (47, 95))],
)
def test_forms_are_the_same_function(
    forms: Forms, channels: int, skips: bool, size: tuple[int, int]
) -> None:
    actual = logits_and_gradients.__wrapped__(channels, skips, size, forms)
    wanted = logits_and_gradients(channels, skips, size, Forms())
    for one, expected in zip(actual, wanted, strict=True):
        # Gradients of weights before a batch normalisation are sums that nearly cancel.
        atol = 1e-11 * float(expected.abs().max())
        torch.testing.assert_close(one, expected, rtol=0, atol=atol)


@pytest.mark.parametrize(("channels", "skips"), [(1, False), (3, True)])
def test_evaluation_without_gradients_is_the_same_function(channels: int, skips: bool) -> None:
    """It saves memory in the first layers."""
    model = EncoderDecoder(channels, skips=skips).double()
    x = torch.randn(3, channels, 65, 47, dtype=torch.float64)
    model(x)  # statistics of batch normalisation that are none of its initial ones
    expected = model.eval()(x)
    with torch.no_grad():
        torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-12)


def test_forms_keep_the_parameters() -> None:
    model = EncoderDecoder()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.forms = FORMS[-1]
    assert list(model.state_dict()) == list(before)
    EncoderDecoder().load_state_dict(model.state_dict())


def test_the_device_decides_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    model = EncoderDecoder().eval()
    assert model.forms_on(torch.device("cpu")) == Forms()
    assert model.forms_on(torch.device("cuda", 1)) == FORMS[-1]
    model.forms = Forms(head=True)
    for name in ("cpu", "cuda"):
        assert model.forms_on(torch.device(name)) == Forms(head=True)
    model.forms = None
    x = torch.randn(2, 3, 40, 40)
    with torch.inference_mode():
        expected = model(x)
        monkeypatch.setattr(Forms, "for_device", lambda _device: FORMS[-1])
        assert not torch.equal(model(x), expected)  # by rounding
        torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-4)


def test_exported_networks_have_their_layers_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Forms, "for_device", lambda _device: FORMS[-1])
    model = EncoderDecoder().eval()
    program = torch.export.export(model, (torch.zeros(2, 3, 64, 64),))
    called = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert sum("conv_transpose2d" in name for name in called) == 7
    assert any("upsample_bilinear2d" in name for name in called)
    assert not any("matmul" in name or "index_copy" in name for name in called)


def test_exporters_that_ask_of_pooling_know_all_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_decoder, "_POOLING_ASKS", True)
    model, dim = EncoderDecoder().eval(), torch.export.Dim
    sides = {2: dim("rows", min=33), 3: dim("columns", min=33)}
    with torch.no_grad():
        program = torch.export.export(model, (torch.rand(2, 3, 90, 170),), dynamic_shapes=(sides,))
        for rows, columns in ((33, 35), (90, 97), (64, 170), (66, 37)):
            image = torch.rand(2, 3, rows, columns)
            found = program.module()(image)
            torch.testing.assert_close(found, model(image), rtol=1e-4, atol=1e-4)


def test_input_in_blocks_has_the_size_of_its_images() -> None:
    torch.manual_seed(0)
    model = EncoderDecoder(1).eval()
    model.forms = Forms(stem=True)
    x = torch.rand(2, 1, 47, 64)
    with torch.inference_mode():
        assert torch.equal(model(space_to_depth(x), (47, 64)), model(x))


@pytest.mark.parametrize(("name", "value"), [("channels", 4), ("activation", "tanh")])
def test_bad_arguments_are_named(name: str, value: object) -> None:
    with pytest.raises(InputError, match=name):
        EncoderDecoder(**{name: value})  # type: ignore[arg-type]


def test_an_export_with_forms_leaves_nothing_behind() -> None:
    """What a compiler traces with must not be kept for later calls. In a process of its own, where
    nothing has been kept yet."""
    program = """
import torch
from nsa.model import EncoderDecoder, Forms
from nsa.model.encoder_decoder import UpBlock
from nsa.model.resnet import resnet18_encoder

model, image = EncoderDecoder().eval(), torch.rand(1, 3, 40, 48)
expected = model(image)
model.forms = Forms(True, True, True, True)
torch.export.export(model, (image,))
torch.testing.assert_close(model(image), expected, rtol=1e-4, atol=1e-4)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=300)


def test_a_weight_may_be_computed_from_others() -> None:
    """As pruning and weight normalisation do, which leave no parameter of its name."""
    model = EncoderDecoder().eval()
    image = torch.rand(1, 3, 32, 32)
    prune.l1_unstructured(model.encoder[0], "weight", 0.3)
    expected = model(image)
    model.forms = FORMS[-1]
    torch.testing.assert_close(model(image), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_input_in_blocks_is_taken_as_such_whatever_the_forms(channels: int) -> None:
    """A step packs its input outside of what may be compiled, where forms are others."""
    model = EncoderDecoder(channels).eval()
    image = torch.rand(2, channels, 35, 50)
    expected = model(image)
    for forms in (Forms(), Forms(stem=True)):
        model.forms = forms
        torch.testing.assert_close(
            model(space_to_depth(image), (35, 50)), expected, rtol=1e-4, atol=1e-4
        )
