"""The Python side of every launch, on a machine without a GPU: arguments fit, failures are named.

The bindings get addresses of host memory here, so this must never run where a kernel could start.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from cuda_cases import H200_SHARED, pictures, random_plan

from nsa._cuda import kernels, operators, synthesis
from nsa._cuda import plan as plans
from nsa._layout import plan_tensors
from nsa._native import C
from nsa.config import ImageConfig, SynthesisConfig
from nsa.images.augment import draw_augmentation

pytestmark = pytest.mark.skipif(
    bool(C.cuda_missing) or C.cuda_versions()[1] > 0,
    reason="needs a build with kernels and a machine without an NVIDIA driver",
)
EMPTY = torch.empty


@contextlib.contextmanager
def no_stream(_device: torch.device) -> Iterator[int]:
    yield 0


@pytest.fixture(autouse=True)
def _host_memory_for_device_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def unpinned(*shape: Any, pin_memory: bool = False, **options: Any) -> torch.Tensor:
        del pin_memory
        return EMPTY(*shape, **options)

    for module in (kernels, plans, operators):
        monkeypatch.setattr(module, "check_device", lambda _device: None)
    monkeypatch.setattr(plans, "shared_limit", lambda _device: H200_SHARED)
    monkeypatch.setattr(kernels, "_stream", no_stream)
    monkeypatch.setattr(torch, "empty", unpinned)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)


def scene() -> tuple[torch.Tensor, Any]:
    random = np.random.default_rng(0)
    pixels = torch.from_numpy(pictures(random, 3, 60, 50, 3))
    return pixels, random_plan(random, 3, (60, 50), (60, 50), rounds=2, masks=True)


def test_each_kernel_is_reached_and_named_when_it_cannot_start() -> None:
    pixels, plan = scene()
    table = plan_tensors(plan)
    config = ImageConfig(size=(60, 50), center_crop=None, crop=(40, 44))
    views = kernels.views(draw_augmentation(config, 3, 1), np.arange(3), 3)
    masks = torch.full((3, 60, 50), 255, dtype=torch.uint8)
    masks[0, :9] = 7
    centers = torch.tensor([[25, 30]] * 3)
    launches = {
        "current GPU cannot be read": [
            lambda: operators.blend(pixels, pixels, *table, 0),
            lambda: operators.seamless_clone(pixels, pixels, masks, centers, True),
            lambda: synthesis.synthesize(pixels.permute(0, 3, 1, 2), plan, SynthesisConfig()),
        ],
        "label_tiles": [lambda: operators.label(pixels, pixels, *table, 2, True, 15.0, 0.2)],
        "object_tiles": [lambda: operators.object_masks(pixels, 90.0, 9.0)],
        "augment_rows": [lambda: kernels.augment(pixels, views, 40, 44)],
        "normalise": [
            lambda: kernels.normalise(pixels, [1.0] * 3, [0.0] * 3, torch.bfloat16),
            lambda: kernels.normalise(pixels[..., :1].contiguous(), [1.0], [0.0], torch.float32),
        ],
    }
    for kernel, calls in launches.items():
        for call in calls:
            with pytest.raises(RuntimeError, match=f"^CUDA: the .*{kernel}"):
                call()


def test_a_reserved_plan_is_updated() -> None:
    pixels, plan = scene()
    shape = kernels.shape_of(pixels)
    reserved = plans.DevicePlan.reserve(
        images=shape,
        sources=shape,
        mode=1,
        device=pixels.device,
        rounds=2,
        side=60,
        mask_bytes=plan.masks.size,
    )
    assert not reserved.buffer.any()
    reserved.update(*plan_tensors(plan))
    exact = plans.DevicePlan.of(
        *plan_tensors(plan), images=shape, sources=shape, mode=1, device=pixels.device
    )
    rows = plan.rows.view(np.uint8).reshape(-1)
    np.testing.assert_array_equal(reserved.buffer[: rows.size].numpy(), rows)
    np.testing.assert_array_equal(exact.buffer[: rows.size].numpy(), rows)
