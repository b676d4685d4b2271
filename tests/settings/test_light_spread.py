"""How far the light of training images varies, told from them alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nsa.errors import InputError
from nsa.plan.light import draw_lights
from nsa.settings.config import ImageConfig
from nsa.settings.light import LightSpread, light_spread

LEAST = LightSpread(brightness=0.2, contrast=0.2, white_balance=0.1)


def products(count: int, channels: int = 3) -> np.ndarray:
    """The same scene, with its own noise in every picture."""
    random = np.random.default_rng(count)
    scene = random.uniform(40, 200, (32, 40, channels))
    return scene + random.normal(0, 3, (count, 32, 40, channels))


def images(levels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.clip(levels, 0, 255).astype(np.uint8)).permute(0, 3, 1, 2)


def test_images_in_one_light_are_varied_by_what_a_lamp_drifts() -> None:
    assert light_spread(images(products(20))) == LEAST
    assert light_spread(images(products(1))) == LEAST
    assert light_spread(images(products(20, 1))) == LEAST
    for level in (0, 255):  # no light, or nothing but light
        assert light_spread(torch.full((5, 3, 8, 8), level, dtype=torch.uint8)) == LEAST
    assert light_spread(torch.zeros((0, 3, 8, 8), dtype=torch.uint8)) == LEAST


@pytest.mark.parametrize("what", ["brightness", "contrast", "white_balance"])
def test_what_varies_more_is_varied_as_far(what: str) -> None:
    random = np.random.default_rng(3)
    levels = products(200)
    # Deviations of 0.1 of a logarithm, three of which are a factor of 1.35.
    factors = np.exp(random.normal(0, 0.1, (200, 1, 1, 1)))
    if what == "brightness":
        levels = levels * factors
    elif what == "contrast":
        levels = (levels - 120) * factors + 120
    else:
        levels = levels * [1, 1, 0.5] * (1 - [0, 0, 1] * (1 - factors))
    spread = light_spread(images(levels))
    assert 0.25 < getattr(spread, what) < 0.45
    others = {"contrast": ("white_balance",), "white_balance": ("brightness",)}
    for other in others.get(what, ("white_balance",)):
        assert getattr(spread, other) == getattr(LEAST, other)


def test_a_few_odd_pictures_change_nothing_and_no_spread_is_boundless() -> None:
    levels = products(30)
    levels[:4] *= 0.3
    assert light_spread(images(levels)) == LEAST
    wild = products(30) * np.linspace(0.05, 1.2, 30)[:, None, None, None]
    assert light_spread(images(wild)).brightness == 0.5


def test_the_spread_is_settings_of_images() -> None:
    config = ImageConfig(**vars(LEAST))
    lights = draw_lights(config, 5, seed=0)
    assert lights is not None
    assert not lights.blur.any()
    assert not lights.noise.any()
    with pytest.raises(InputError, match="images must be a uint8 tensor"):
        light_spread(torch.zeros((2, 3, 8, 8)))
