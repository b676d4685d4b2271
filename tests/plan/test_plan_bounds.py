"""What is reserved for plans holds every plan that is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from nsa.plan import draw_plan
from nsa.plan.bounds import plan_bounds
from nsa.plan.table import HEIGHT, IMAGE, ROUND, WIDTH
from nsa.settings.config import SynthesisConfig
from nsa.settings.methods import METHODS


@pytest.mark.parametrize("method", [*METHODS, "mixture"])
@pytest.mark.parametrize("variant", ["released", "paper"])
@pytest.mark.parametrize("background", [None, 90.0])
def test_no_plan_goes_beyond_its_bounds(method: str, variant: str, background: float) -> None:
    mixed = method == "mixture"
    config = SynthesisConfig(
        method="cutpaste" if mixed else method, mixture={"ellipses": 0.5} if mixed else {},
        variant=variant, background=background, max_patches=3,
        width_bounds=(0.1, 0.9), scale_bounds=(0.5, 3.0), min_object_share=0.1, min_overlap=0.1,
    )  # fmt: skip
    height, width, count = 70, 96, 12
    bounds = plan_bounds(config, height, width)
    masks = np.ones((count, height, width), np.uint8)
    masks[:, :9] = 0
    sides = []
    for seed in range(12):
        plan = draw_plan(config, count, height, width, seed=seed, object_masks=masks)
        sides.append(plan.rows[:, [HEIGHT, WIDTH]].max(axis=0))
        assert plan.rows[:, ROUND].max() < bounds.rounds
        masked = mixed or METHODS[method].shapes in ("ellipses", "perlin", "scars")
        if background is not None or masked:
            assert plan.masks.size <= count * bounds.mask_bytes
        assert plan.rows[:, IMAGE].max() < count
    largest = np.max(sides, axis=0)
    assert largest[0] <= bounds.height <= height
    assert largest[1] <= bounds.width <= width
    # Not so generous that it costs: the largest of these few hundred patches come near.
    assert largest[0] >= 0.5 * bounds.height
    assert largest[1] >= 0.5 * bounds.width


@pytest.mark.parametrize("shape", [(9, 40), (26, 24), (80, 300), (256, 256), (1100, 900)])
def test_scars_of_any_image_have_room(shape: tuple[int, int], fresh_seed: int) -> None:
    config = SynthesisConfig(method="scars", max_patches=8)
    bounds = plan_bounds(config, *shape)
    plan = draw_plan(config, 200, *shape, seed=fresh_seed)
    assert (plan.rows[:, [HEIGHT, WIDTH]] <= (bounds.height, bounds.width)).all()
    for image in range(200):
        rows = plan.rows[plan.rows[:, IMAGE] == image]
        assert (rows[:, HEIGHT] * rows[:, WIDTH]).sum() <= bounds.mask_bytes
    assert len(plan) > 200 or min(shape) < 20
    # The longest that lie along a side of the image fill what is reserved.
    longest = plan.rows[:, [HEIGHT, WIDTH]].max(initial=0)
    assert longest >= 0.8 * min(bounds.height, bounds.width) or min(shape) < 20
