"""Images in another light: the kernels against floating point, and what is drawn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from nsa._native.extension import C
from nsa._native.layout import LIGHT, lights_table
from nsa.errors import InputError
from nsa.images.light import relight
from nsa.plan.light import Lights, draw_lights
from nsa.reference.light import relight as reference
from nsa.settings.config import ImageConfig

EVERYTHING = {"brightness": 1.0, "contrast": 1.0, "white_balance": 1.0, "blur": 1.5, "noise": 50.0}
SIZES = [(1, 1), (1, 7), (5, 1), (2, 3), (3, 2), (31, 33), (64, 17)]


def lights(count: int, channels: int, seed: int = 0, **most: float) -> Lights:
    drawn = draw_lights(ImageConfig(channels=channels, **most), count, seed)
    assert drawn is not None
    return drawn


def apply(images: np.ndarray, drawn: Lights) -> np.ndarray:
    return relight(torch.from_numpy(images).permute(0, 3, 1, 2), drawn).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "most",
    [*({name: value} for name, value in EVERYTHING.items()), EVERYTHING],
    ids=[*EVERYTHING, "everything"],
)
def test_equals_floating_point(
    channels: int, size: tuple[int, int], most: dict[str, float], fresh_seed: int
) -> None:
    if channels == 1 and list(most) == ["white_balance"]:
        most = {"contrast": 0.5}
    random = np.random.default_rng(fresh_seed)
    images = random.integers(0, 256, (5, *size, channels), dtype=np.uint8)
    drawn = lights(5, channels, fresh_seed, **most)
    result = apply(images, drawn).astype(int)
    difference = np.abs(result - reference(images, drawn))
    assert difference.max() <= 1
    assert images.size < 1000 or difference.mean() < 0.05


def test_a_light_is_what_it_says() -> None:
    """Gain and shift of each channel by themselves, the middle of contrast, and the noise."""
    images = np.full((1, 200, 200, 3), (10, 100, 200), np.uint8)
    zero, one = np.zeros(1, np.float32), np.ones((1, 3), np.float32)
    key = np.array([7], np.uint32)
    plain = Lights(zero, one, 0 * one, zero, key)
    np.testing.assert_array_equal(apply(images, plain), images)
    lit = dataclasses.replace(
        plain, gain=np.array([[2, 1, 0.5]], np.float32), shift=np.array([[1, -3, 9]], np.float32)
    )
    assert apply(images, lit)[0, 0, 0].tolist() == [21, 97, 109]
    noisy = apply(images, dataclasses.replace(plain, noise=zero + 8)).astype(float) - images
    for channel in (1, 2):
        values = noisy[..., channel]
        assert abs(values.mean()) < 0.2
        assert abs(values.std() - 8) < 0.2
        assert abs(np.corrcoef(values[0, :, :-1].flat, values[0, :, 1:].flat)[0, 1]) < 0.02
    assert abs(np.corrcoef(noisy[..., 1].flat, noisy[..., 2].flat)[0, 1]) < 0.02
    blurred = apply(images, dataclasses.replace(plain, blur=zero + 1))
    np.testing.assert_array_equal(blurred, images)  # weights add up to one, at borders too


def test_threads_and_memory_do_not_matter() -> None:
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (6, 40, 31, 3), dtype=np.uint8)
    drawn = lights(6, 3, **EVERYTHING)
    expected = apply(images, drawn)
    table = lights_table(drawn).numpy()
    for threads in (1, 2, 9):
        out = np.full_like(images, 99)
        C.relight_cpu(images, table, out, threads)
        np.testing.assert_array_equal(out, expected)
    planar = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    result = relight(planar, drawn)
    assert result.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(result.permute(0, 2, 3, 1).numpy(), expected)
    for one in range(6):
        alone = apply(images[one : one + 1], drawn.of(slice(one, one + 1)))
        np.testing.assert_array_equal(alone[0], expected[one])
    none = apply(images[:0], drawn.of(slice(0, 0)))
    assert none.shape == (0, 40, 31, 3)


def test_lights_are_drawn_within_their_bounds() -> None:
    assert draw_lights(ImageConfig(), 4, 0) is None
    drawn = lights(4000, 3, brightness=0.5, contrast=0.2, white_balance=0.1, blur=0.8, noise=6.0)
    again = lights(4000, 3, brightness=0.5, contrast=0.2, white_balance=0.1, blur=0.8, noise=6.0)
    for name, values in vars(drawn).items():
        np.testing.assert_array_equal(values, getattr(again, name))
        assert len(np.unique(values)) > 3900
    # What mid-grey becomes does not depend on contrast.
    middle = (128 * drawn.gain + drawn.shift) / 128
    most = 1.5 * 1.1
    assert 1 / most <= middle.min() < 0.68
    assert 1.47 < middle.max() <= most * (1 + 1e-5)
    balance = middle / middle.prod(1, keepdims=True) ** (1 / 3)
    assert balance.max() <= 1.1**2
    contrast = drawn.gain / middle
    assert 1 / 1.2 <= contrast.min() < 0.84
    assert 1.19 < contrast.max() <= 1.2 * (1 + 1e-5)
    assert abs(np.log(contrast).mean()) < 0.01
    for values, limit in ((drawn.blur, 0.8), (drawn.noise, 6.0)):
        assert 0 <= values.min() < 0.01 * limit
        assert 0.99 * limit < values.max() <= limit


def test_what_cannot_be_is_refused() -> None:
    images = torch.zeros((2, 3, 8, 8), dtype=torch.uint8)
    drawn = lights(2, 3, **EVERYTHING)
    with pytest.raises(InputError, match="lights must be of 2 images of 3 channels, got 1 of 3"):
        relight(images, drawn.of(slice(0, 1)))
    with pytest.raises(InputError, match="got 2 of 3"):
        relight(images[:, :1], drawn)
    for name, value in (("blur", -1), ("gain", 9), ("shift", -600), ("noise", np.nan)):
        wrong = dataclasses.replace(drawn, **{name: np.full_like(getattr(drawn, name), value)})
        with pytest.raises(InputError, match=f"lights must have a {name} from"):
            relight(images, wrong)
    assert draw_lights(ImageConfig(channels=1, white_balance=0.1), 4, 0) is None
    for name in EVERYTHING:
        with pytest.raises(InputError, match=f"{name} must be a number from 0 to"):
            ImageConfig(**{name: 51.0})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gain", (8 << 11) + 1), ("gain", -1), ("shift", (512 << 19) + 1), ("noise", 200_001),
        ("noise", -1), ("taps", 0), ("taps", 2**31 - 1),
    ],
)  # fmt: skip
def test_the_kernel_itself_takes_no_light_that_it_cannot_compute(field: str, value: int) -> None:
    images = np.zeros((1, 4, 4, 3), np.uint8)
    table = np.zeros(1, LIGHT)
    table["taps"][0, 0] = 1 << 14
    C.relight_cpu(images, table.view(np.uint8), images.copy(), 1)
    table[field] = value
    with pytest.raises(InputError, match="a light is out of range"):
        C.relight_cpu(images, table.view(np.uint8), images.copy(), 1)
