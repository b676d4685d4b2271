"""Settings chosen for unknown categories, on scenes drawn for one verdict each."""

from __future__ import annotations

import functools
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch

from nsa.errors import InputError
from nsa.images.demo import brushed, fabric, flange, woodscrew
from nsa.settings.suggestions import suggest


def batch(pictures: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def ellipses(
    background: int, axes: tuple[int, int], colour: tuple[int, int, int], turn: float = 0.0
) -> torch.Tensor:
    """16 ellipses with half ``axes`` = (x, y) on a plain, slightly noisy background."""
    random = np.random.default_rng(0)
    scenes = []
    for _ in range(16):
        scene = np.full((128, 128, 3), background, np.uint8)
        center = tuple(int(64 + shift) for shift in random.integers(-2, 3, 2))
        angle = random.uniform(-turn, turn)
        cv2.ellipse(scene, center, axes, angle, 0, 360, colour, -1)
        scenes.append(np.clip(scene + random.normal(0, 2, scene.shape), 0, 255).astype(np.uint8))
    return batch(scenes)


@pytest.mark.parametrize("background", [10, 128, 240])
def test_object_on_a_plain_background(background: int) -> None:
    suggestion = suggest(ellipses(background, (45, 20), (60, 150, 40)), name="pebble")
    preset = suggestion.preset
    assert (preset.name, preset.kind) == ("pebble", "object")
    assert preset.synthesis.background == pytest.approx(background, abs=2)
    assert 20 <= preset.synthesis.background_threshold <= 40
    assert preset.synthesis.gradients == "source"
    assert (preset.synthesis.label_midpoint, preset.synthesis.label_steepness) == (15, 1 / 6)
    # Nine tenths of 91 / 128 wide and 41 / 128 high, less a little for the corners of its box.
    assert preset.synthesis.width_bounds[1] == pytest.approx(0.62, abs=0.05)
    assert preset.synthesis.height_bounds[1] == pytest.approx(0.28, abs=0.05)
    assert preset.images.rotation == 0
    assert preset.images.channels == 3
    assert f"brightness {preset.synthesis.background}" in suggestion.reason
    assert suggestion.reason.endswith(".")


def test_objects_that_lie_anyhow_are_rotated() -> None:
    preset = suggest(ellipses(200, (50, 12), (30, 40, 20), turn=90)).preset
    assert preset.images.rotation == 5
    assert preset.synthesis.min_object_share == 0.5  # thin in its box


def test_aligned_scene_without_plain_background() -> None:
    random = np.random.default_rng(1)
    scene = cv2.resize(random.integers(0, 256, (8, 8, 3), dtype=np.uint8), (128, 128))
    noisy = [
        np.clip(scene + random.normal(0, 10, scene.shape), 0, 255).astype(np.uint8)
        for _ in range(8)
    ]
    suggestion = suggest(batch(noisy))
    assert suggestion.preset.kind == "object"
    assert suggestion.preset.synthesis.background is None
    assert "without a plain background" in suggestion.reason


def test_uniform_surface_is_a_texture() -> None:
    random = np.random.default_rng(2)
    plastic = [
        np.clip(random.normal(120, 5, (128, 128, 3)), 0, 255).astype(np.uint8) for _ in range(8)
    ]
    preset = suggest(batch(plastic)).preset
    assert preset.kind == "texture"
    assert preset.synthesis.background is None
    assert preset.synthesis.gradients == "mixed"
    assert (preset.synthesis.label_midpoint, preset.synthesis.label_steepness) == (7, 1 / 3)
    assert preset.images.vertical_flip


@pytest.mark.parametrize("as_colour", [False, True])
def test_grey_images_get_one_channel(as_colour: bool) -> None:
    grey = ellipses(128, (40, 40), (250, 250, 250))[:, :1]
    suggestion = suggest(grey.expand(-1, 3, -1, -1) if as_colour else grey)
    assert suggestion.preset.images.channels == 1
    assert suggestion.reason.endswith(", grey.")


@pytest.mark.parametrize("count", [1, 2, 70])
def test_demo_categories_are_told_apart(count: int) -> None:
    for drawer, kind in (
        (flange, "object"), (woodscrew, "object"), (fabric, "texture"), (brushed, "texture"),
    ):  # fmt: skip
        few = [drawer.draw(np.random.default_rng(seed))[0] for seed in range(min(count, 4))]
        images = batch(few).repeat(-(-count // len(few)), 1, 1, 1)[:count]
        preset = suggest(images).preset if count < 70 or kind == "object" else None
        if preset is not None:
            assert preset.kind == kind
            assert (preset.synthesis.background is not None) == (kind == "object")


@functools.cache
def drawn(drawer: ModuleType) -> list[np.ndarray]:
    return [drawer.draw(np.random.default_rng(seed))[0] for seed in range(5)]


def uneven(height: int, width: int, light: str) -> np.ndarray:
    """What a lamp makes of an evenly lit surface, as factors."""
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    surfaces = {
        "dark corners": 1 - 0.35 * (x**2 + y**2),
        "from a side": 0.9 + 0.3 * x,
        "a spot": 0.8 + 0.4 * np.exp(-((x + 0.4) ** 2 + (y - 0.2) ** 2) / 0.3),
    }
    return surfaces[light][..., None]


@pytest.mark.parametrize("light", ["dark corners", "from a side", "a spot"])
@pytest.mark.parametrize("drawer", [brushed, fabric])
def test_uneven_light_makes_no_object_of_a_texture(light: str, drawer: ModuleType) -> None:
    """All pictures of it agree in their light, by 0.87 and less, and in nothing else."""
    pictures = drawn(drawer)
    lamp = uneven(*pictures[0].shape[:2], light)
    lit = [np.clip(picture * lamp, 0, 255).astype(np.uint8) for picture in pictures]
    assert suggest(batch(lit)).preset.kind == "texture"


def test_wrong_input_is_explained() -> None:
    with pytest.raises(InputError, match="no images to choose settings from"):
        suggest(torch.zeros((0, 3, 64, 64), dtype=torch.uint8))
    with pytest.raises(InputError, match="uint8 tensor"):
        suggest(torch.zeros((1, 3, 64, 64)))
