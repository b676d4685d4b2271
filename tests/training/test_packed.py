"""A step as a block of bytes: room for every plan, and nothing lost on the way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from device_block import unpack
from test_loop import pictures

from nsa._native.extension import C
from nsa._native.layout import VIEW, lights_table
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.settings.methods import METHODS
from nsa.training.draw import StepDrawer
from nsa.training.packed import PackedStep

IMAGES = ImageConfig(size=(72, 72), center_crop=(68, 68), crop=(64, 60), rotation=5)
SHARED = 227 * 1024  # of an H100


@pytest.mark.parametrize("method", [*METHODS, "mixture"])
@pytest.mark.parametrize("background", [None, 128.0])
@pytest.mark.parametrize("shared", [SHARED, 4096])  # all boxes fit, or hardly any
def test_every_plan_fits_and_comes_out_again(method: str, background: float, shared: int) -> None:
    mixed = method == "mixture"
    synthesis = SynthesisConfig(
        method="nsa" if mixed else method, background=background, min_object_share=0.1,
        min_overlap=0.1, mixture={"altered": 0.3, "cutpaste": 0.3} if mixed else {},
    )  # fmt: skip
    training = TrainConfig(epochs=6, batch_size=4)
    draw = StepDrawer(pictures(), synthesis, IMAGES, training, threads=1)
    limits = C.DeviceLimits(shared, 4)  # batches of four blend all channels together
    layouts = {n: PackedStep(n, 10, synthesis, IMAGES, limits) for n in (4, 3)}
    patches = 0
    for epoch in range(6):
        for step, count in enumerate(draw.sizes(epoch)):
            drawn, layout = draw(epoch, step), layouts[count]
            block = torch.full((layout.bytes,), 255, dtype=torch.uint8)
            layout.pack(drawn, drawn.image, block)
            plan, views = unpack(block, layout, synthesis, IMAGES)
            np.testing.assert_array_equal(plan.rows, drawn.plan.rows)
            np.testing.assert_array_equal(plan.factors, drawn.plan.factors)
            used = drawn.plan.masks.size
            np.testing.assert_array_equal(plan.masks[:used], drawn.plan.masks)
            assert views["image"].tolist() == drawn.image.tolist()
            assert views["top"].tolist() == drawn.augmentation.top.tolist()
            patches += len(plan)
            assert layout.views_of(block).numel() == count * VIEW.itemsize
            lights = layout.patch_lights_of(block)
            assert (lights is None) == (drawn.plan.lights is None)
            if drawn.plan.lights is not None:
                assert torch.equal(lights, lights_table(drawn.plan.lights))
    assert patches > 20
