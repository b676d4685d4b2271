"""Size, shape and behaviour of the network."""

import pytest
import torch

from nsa.errors import InputError
from nsa.model import EncoderDecoder


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_it_has_the_size_of_the_paper() -> None:
    assert round(count(EncoderDecoder()) / 1e6, 2) == 11.50


def test_grey_images_only_change_the_first_convolution() -> None:
    assert count(EncoderDecoder(3)) - count(EncoderDecoder(1)) == 2 * 64 * 7 * 7


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (33, 64), (47, 95), (100, 32), (65, 63)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_output_covers_any_input(size: tuple[int, int], channels: int) -> None:
    model = EncoderDecoder(channels).eval()
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


def test_every_parameter_is_trained() -> None:
    model = EncoderDecoder()
    model(torch.randn(2, 3, 64, 64)).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("name", "value"), [("channels", 4), ("activation", "tanh")])
def test_bad_arguments_are_named(name: str, value: object) -> None:
    with pytest.raises(InputError, match=name):
        EncoderDecoder(**{name: value})  # type: ignore[arg-type]
