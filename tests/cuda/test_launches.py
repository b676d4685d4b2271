"""The Python side of every launch, with the kernels on the host: plans, devices and failures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from cuda_cases import MIXTURE, MODES, blend_on_cpu, largest_difference, pictures, random_plan
from host_device import HostDevice, blend, guarded
from torch import Tensor

import nsa
from nsa._native.cuda import kernels, operators
from nsa._native.cuda.plan import DevicePlan
from nsa._native.layout import lights_table, views
from nsa.errors import InputError
from nsa.label import label
from nsa.plan import draw_plan
from nsa.plan.augmentation import draw_augmentation
from nsa.plan.light import draw_lights
from nsa.plan.table import Plan
from nsa.settings.config import ImageConfig, SynthesisConfig
from nsa.synthesis import on_gpu

SHAPE = (3, 60, 50, 3)


def scene() -> tuple[Tensor, Plan]:
    random = np.random.default_rng(0)
    plan = random_plan(random, 3, SHAPE[1:3], SHAPE[1:3], rounds=2, masks=True)
    return guarded(pictures(random, *SHAPE)), plan


def test_each_kernel_is_reached_and_named_when_it_cannot_start(device: HostDevice) -> None:
    pixels, plan = scene()
    table = plan.tensors()
    config = ImageConfig(size=SHAPE[1:3], center_crop=None, crop=(40, 44))
    table_of_views = views(draw_augmentation(config, 3, 1), np.arange(3), 3)
    lights = draw_lights(ImageConfig(noise=9.0), 3, 1)
    assert lights is not None
    table_of_lights = lights_table(lights)
    masks = torch.full(SHAPE[:3], 255, dtype=torch.uint8)
    masks[0, :9] = 7
    centers = torch.tensor([[25, 30]] * 3)
    rule = "logistic", "paper", 15.0, 0.2
    launches: dict[str, list[Any]] = {
        "blend_": [
            lambda: operators.blend(pixels, pixels, *table, "source"),
            lambda: operators.seamless_clone(pixels, pixels, masks, centers, 2),
            lambda: on_gpu.synthesize(pixels.permute(0, 3, 1, 2), plan, SynthesisConfig()),
        ],
        "label_tiles": [lambda: operators.label(pixels, pixels, *table, *rule)],
        "object_tiles": [lambda: operators.object_masks(pixels, 90.0, 9.0)],
        "augment_rows": [lambda: kernels.augment(pixels, table_of_views, 40, 44)],
        "relight_rows": [lambda: kernels.relight(pixels, table_of_lights)],
        "normalise": [
            lambda: kernels.normalise(pixels, [1.0] * 3, [0.0] * 3, torch.bfloat16),
            lambda: kernels.normalise(pixels[..., :1].contiguous(), [1.0], [0.0], torch.float32),
        ],
        "normalise_in_blocks": [
            lambda: kernels.normalise_in_blocks(pixels, [1.0] * 3, [0.0] * 3, torch.bfloat16)
        ],
    }
    for kernel, calls in launches.items():
        for call in calls:
            device.arrange(broken=True)
            with pytest.raises(RuntimeError, match=f"^CUDA: the kernel {kernel}.* be started.*: "):
                call()
            device.arrange()
            call()
            assert any(kernel in launch.kernel for launch in device.launches())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_device_does_not_matter(device: HostDevice, mode: str, channels: int) -> None:
    """Few and many multiprocessors; shared memory of a block for all, some and no boxes."""
    random = np.random.default_rng([channels, MODES.index(mode)])
    images, sources = (pictures(random, 5, *size, channels) for size in ((48, 71), (66, 40)))
    plan = random_plan(random, 5, (48, 71), (66, 40), rounds=3, masks=True)
    expected = blend(images, sources, plan, mode)
    assert largest_difference(expected, blend_on_cpu(images, sources, plan, mode)) <= 1
    used = max(launch.shared for launch in device.launches())
    for multiprocessors in (1, 4, 10_000):
        for shared in (used, used - 1, used // 2, 16):
            device.arrange(
                multiprocessors=multiprocessors, shared_memory=shared, seed=multiprocessors
            )
            np.testing.assert_array_equal(blend(images, sources, plan, mode), expected)
            assert all(launch.shared <= shared for launch in device.launches())


@pytest.mark.parametrize("mode", ["source", "paste"])
def test_less_shared_memory_than_a_box_needs_is_noticed(device: HostDevice, mode: str) -> None:
    """The launch of a plan whose box is narrower, with this plan's bytes."""
    images = guarded(pictures(np.random.default_rng(0), 2, 90, 90, 1))

    def plan(width: int, height: int) -> DevicePlan:
        box = [width, height]
        rows = [[0, 1, 0, 0, *box, *box, 0, 0, 0, 0, *box, 0, 0, -1, -1, 0, 0]]
        return DevicePlan.of(
            torch.tensor(rows, dtype=torch.int32),
            torch.ones(1),
            torch.zeros(0, dtype=torch.uint8),
            images=kernels.shape_of(images),
            sources=kernels.shape_of(images),
            mode=mode,
            device=images.device,
        )

    needs, lacks = plan(80, 48), plan(80, 46)
    assert 0 < lacks.native.shared < needs.native.shared
    kernels.blend(images, images, needs, mode)
    needs.native = lacks.native
    with pytest.raises(RuntimeError, match=r"Kernel blend_.*beyond the end of its dynamic shared"):
        kernels.blend(images, images, needs, mode)
    device.arrange()


@pytest.mark.parametrize("preset", ["bottle", "carpet", "rcxr_male"])
@pytest.mark.parametrize("mixture", [{}, MIXTURE])
def test_the_batch_transform(device: HostDevice, preset: str, mixture: dict[str, float]) -> None:
    transform = nsa.NSA.from_preset(preset, mixture=mixture)
    random = np.random.default_rng(0)
    pixels = pictures(random, 12 if mixture else 4, 224, 256, 1 if preset == "rcxr_male" else 3)
    cpu = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    plan = transform.plan(cpu, 7)
    expected, _ = transform.synthesize(cpu, plan)
    device.arrange(seed=9)
    images, labels = on_gpu.synthesize(guarded(pixels).permute(0, 3, 1, 2), plan, transform.config)
    assert largest_difference(images, expected) <= 1
    torch.testing.assert_close(
        labels, label(cpu, images.contiguous(), plan, transform.config), rtol=0, atol=1e-6
    )


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("flags", [1, 2, 3, 9, 10, 11])
def test_seamless_clone(channels: int, flags: int) -> None:
    random = np.random.default_rng(channels)
    sources, images = (pictures(random, 20, 50, 60, channels) for _ in range(2))
    masks = pictures(random, 20, 50, 60, 1)[..., 0]
    masks[masks < 100] = 0
    masks[:, :, :10] = 0
    centers = torch.full((20, 2), 30)
    centers[:, 1] = 25
    public = [torch.from_numpy(part).permute(0, 3, 1, 2) for part in (sources, images)]
    expected = nsa.seamless_clone(*public, torch.from_numpy(masks)[:, None], centers, flags)
    arguments = guarded(sources), guarded(images), guarded(masks)
    actual = operators.seamless_clone(*arguments, centers, flags)
    assert largest_difference(actual.permute(0, 3, 1, 2), expected) <= 1
    assert (actual.numpy() != images).any(axis=(1, 2, 3)).sum() > 10
    with pytest.raises(InputError, match="of item 0 puts the mask's"):
        operators.seamless_clone(*arguments, centers * 0, flags)


class OnDevice(Tensor):
    """Says that it is not host memory."""

    is_cuda = True


@pytest.mark.usefixtures("device")
def test_masks_may_be_on_the_device_already() -> None:
    pixels, plan = scene()
    rows, factors, masks = plan.tensors()
    there = guarded(plan.masks).as_subclass(OnDevice)
    blended = operators.blend(pixels, pixels, rows, factors, masks, "source")
    assert (operators.blend(pixels, pixels, rows, factors, there, "source") == blended).all()
    rule = "logistic", "released", 15.0, 1 / 6
    labels = operators.label(pixels, blended, rows, factors, masks, *rule)
    assert (operators.label(pixels, blended, rows, factors, there, *rule) == labels).all()
    assert (labels > 0).any()


@pytest.mark.usefixtures("device")
def test_a_reserved_plan_is_updated() -> None:
    pixels, plan = scene()
    reserved = DevicePlan.reserve(
        images=SHAPE,
        sources=SHAPE,
        mode="mixed",
        device=pixels.device,
        rounds=2,
        height=60,
        width=50,
        mask_bytes=plan.masks.size,
    )
    assert not reserved.buffer.any()
    reserved.update(*plan.tensors())
    exact = DevicePlan.of(
        *plan.tensors(), images=SHAPE, sources=SHAPE, mode="mixed", device=pixels.device
    )
    rows = plan.rows.view(np.uint8).reshape(-1)
    np.testing.assert_array_equal(reserved.buffer[: rows.size].numpy(), rows)
    np.testing.assert_array_equal(exact.buffer[: rows.size].numpy(), rows)


@pytest.mark.parametrize("shared_memory", [232_448, 20_000])
def test_launches_of_a_reserved_plan_blend_each_plan(
    device: HostDevice, shared_memory: int
) -> None:
    """As those of a captured graph do, which stay while the buffer changes."""
    config = SynthesisConfig(gradients="mixed", max_patches=3)
    shape, mode = (4, 96, 100, 3), "mixed"
    device.arrange(shared_memory=shared_memory)
    reserved = DevicePlan.reserve(
        images=shape,
        sources=shape,
        mode=mode,
        device=torch.device("cpu"),
        rounds=3,
        height=96,
        width=100,
    )
    for seed in range(4):
        device.arrange(shared_memory=shared_memory, seed=seed)
        pixels = guarded(pictures(np.random.default_rng(seed), *shape))
        drawn = draw_plan(config, 4, *shape[1:3], seed=seed)
        reserved.update(*drawn.tensors())
        images, labels = on_gpu.blend_and_label(pixels, reserved, config)
        expected, wanted = on_gpu.synthesize(pixels.permute(0, 3, 1, 2), drawn, config)
        assert torch.equal(images, expected)
        assert torch.equal(labels, wanted)
        assert (labels > 0).any()
