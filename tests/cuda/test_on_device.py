"""The kernels on a GPU: the public API on CUDA tensors against the CPU, graphs and streams."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from cuda_cases import (
    EXACT,
    MIXTURE,
    MODES,
    blend_on_cpu,
    largest_difference,
    pictures,
    random_plan,
)
from torch import Tensor

import nsa
from nsa._native.cuda import kernels
from nsa._native.cuda.plan import DevicePlan
from nsa._native.layout import LIGHT, lights_table
from nsa.blend import blend
from nsa.errors import InputError
from nsa.images.augment import apply_augmentation
from nsa.images.network_input import to_network_input
from nsa.label import difference_label, label
from nsa.plan import draw_plan, object_masks
from nsa.plan.augmentation import draw_augmentation
from nsa.plan.bounds import plan_bounds
from nsa.plan.table import ROUND, Plan
from nsa.settings.config import ImageConfig, SynthesisConfig
from nsa.synthesis.on_gpu import capture, sources_of

pytestmark = pytest.mark.needs_cuda


def tensor(pixels: np.ndarray, device: str = "cuda") -> Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("trial", range(12))
def test_blend_agrees_with_the_cpu(mode: str, trial: int) -> None:
    """Up to 96 random patches a trial and mode, over 3,000 cases.

    Both sides start every round from the same pixels: where two gradients are equally strong, one
    grey level of an earlier round makes the mixed mode take the other, which may change more.
    """
    random = np.random.default_rng([trial, MODES.index(mode)])
    channels = int(random.choice([1, 3]))
    size, source_size = random.integers(16, 260, 2), random.integers(16, 200, 2)
    images = pictures(random, 24, *size, channels)
    sources = pictures(random, 24, *source_size, channels)
    plan = random_plan(random, 24, tuple(size), tuple(source_size), rounds=4, masks=trial % 2 == 1)
    exact = mode in EXACT
    before, different, changed = images, 0, 0
    for turn in range(4):
        own = plan.rows[:, ROUND] == turn
        part = Plan(plan.rows[own], plan.factors[own], plan.masks)
        expected = blend_on_cpu(before, sources, part, mode)
        blended = blend(tensor(before), part, mode, sources=tensor(sources))
        after = np.ascontiguousarray(blended.permute(0, 2, 3, 1).cpu().numpy())
        assert largest_difference(after, expected) <= (0 if exact else 1)
        different += (after != expected).sum()
        changed += (expected != before).sum()
        before = after
    assert different <= 0.01 * changed
    actual = blend(tensor(images), plan, mode, sources=tensor(sources))
    np.testing.assert_array_equal(actual.permute(0, 2, 3, 1).cpu().numpy(), before)
    for first, end in ((0, 5), (5, 24)):
        own = (plan.rows[:, 0] >= first) & (plan.rows[:, 0] < end)
        rows = plan.rows[own].copy()
        rows[:, 0] -= first
        part = Plan(rows, plan.factors[own], plan.masks)
        torch.testing.assert_close(
            blend(tensor(images[first:end]), part, mode, sources=tensor(sources)),
            actual[first:end],
            rtol=0,
            atol=0,
        )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [5, 300])  # fewer images than multiprocessors, and more
def test_channels_together_or_apart_give_the_same(mode: str, channels: int, count: int) -> None:
    random = np.random.default_rng([channels, MODES.index(mode), count])
    images = pictures(random, count, 97, 110, channels)
    plan = random_plan(random, count, (97, 110), (97, 110), rounds=3, masks=True)
    pixels = torch.from_numpy(images).cuda()
    shape = kernels.shape_of(pixels)
    results = []
    for together in (0, 1, channels):
        on_device = DevicePlan.of(
            *plan.tensors(), images=shape, sources=shape, mode=mode, device=pixels.device,
            channels_together=together,
        )  # fmt: skip
        results.append(kernels.blend(pixels, pixels, on_device, mode))
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=0)
    torch.testing.assert_close(results[2], results[0], rtol=0, atol=0)
    different = results[0].cpu().numpy() != blend_on_cpu(images, images, plan, mode)
    changed = results[0].cpu().numpy() != images
    assert different.sum() <= (0 if mode in EXACT else 0.02 * changed.sum())


@pytest.mark.parametrize("mode", ["source", "mixed"])
def test_every_size_up_to_254_and_a_few_beyond(mode: str) -> None:
    random = np.random.default_rng(3)
    sizes = [(side, max(1, 255 - side)) for side in range(1, 255)]
    sizes += [(side, side) for side in range(2, 255, 3)] + [(300, 280), (500, 257), (60, 600)]
    for width, height in sizes:
        images = pictures(random, 2, height, width, 1)
        plan = random_plan(random, 1, (height, width), (height, width), size=(width, height))
        expected = blend_on_cpu(images[:1], images[1:], plan, mode)
        actual = blend(tensor(images[:1]), plan, mode, sources=tensor(images[1:]))
        assert largest_difference(actual.permute(0, 2, 3, 1).cpu(), expected) <= 1, plan.rows


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("flags", [1, 2, 3, 9, 10, 11])
def test_seamless_clone(channels: int, flags: int) -> None:
    random = np.random.default_rng(channels)
    sources, images = (tensor(pictures(random, 20, 50, 60, channels), "cpu") for _ in range(2))
    masks = tensor(pictures(random, 20, 50, 60, 1), "cpu").contiguous()
    masks[masks < 100] = 0
    masks[:, :, :10] = 0
    centers = torch.full((20, 2), 30)
    centers[:, 1] = 25
    expected = nsa.seamless_clone(sources, images, masks, centers, flags)
    actual = nsa.seamless_clone(sources.cuda(), images.cuda(), masks.cuda(), centers, flags)
    assert actual.is_cuda
    assert largest_difference(actual.cpu(), expected) <= 1
    with pytest.raises(InputError, match="of item 0 puts the mask's"):
        nsa.seamless_clone(sources.cuda(), images.cuda(), masks.cuda(), centers * 0, flags)


@pytest.mark.parametrize("kind", ["binary", "continuous", "logistic", "factor"])
@pytest.mark.parametrize("variant", ["released", "paper"])
@pytest.mark.parametrize("trial", range(8))
def test_labels_equal_the_cpu(kind: Any, variant: Any, trial: int) -> None:
    random = np.random.default_rng([trial, len(kind), len(variant)])
    channels = int(random.choice([1, 3]))
    height, width = random.integers(3, 300, 2)
    before, after = (pictures(random, 6, height, width, channels) for _ in range(2))
    after = np.where(random.random(after.shape) < 0.2, before, after)
    plan = random_plan(random, 6, (height, width), (8, 8), rounds=3, masks=True)
    config = SynthesisConfig(variant=variant)
    expected = label(tensor(before, "cpu"), tensor(after, "cpu"), plan, config, kind=kind)
    actual = label(tensor(before), tensor(after), plan, config, kind=kind).cpu()
    tolerance = 1e-6 if kind == "logistic" else 0
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)
    mask = torch.from_numpy(random.random((6, 1, height, width)) < 0.8)
    arguments = {"label": kind, "variant": variant}
    expected = difference_label(tensor(before, "cpu"), tensor(after, "cpu"), mask, **arguments)
    actual = difference_label(tensor(before), tensor(after), mask.cuda(), **arguments).cpu()
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("channels", [1, 3])
def test_images(channels: int) -> None:
    random = np.random.default_rng(channels)
    config = ImageConfig(
        channels=channels, size=(128, 120), rotation=20.0, center_crop=None, crop=(99, 101)
    )
    pixels = tensor(pictures(random, 9, 128, 120, channels), "cpu")
    augmentation = draw_augmentation(config, 9, seed=1)
    expected = apply_augmentation(pixels, augmentation)
    actual = apply_augmentation(pixels.cuda(), augmentation)
    torch.testing.assert_close(actual.cpu(), expected, rtol=0, atol=0)
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.bfloat16, 2**-7)):
        for in_blocks in (False, True):
            inputs = to_network_input(actual, config, dtype, in_blocks=in_blocks)
            assert inputs.is_contiguous(memory_format=torch.channels_last)
            wanted = to_network_input(expected, config, in_blocks=in_blocks).to(dtype)
            torch.testing.assert_close(inputs.cpu(), wanted, rtol=tolerance, atol=tolerance)
    masks = object_masks(pixels, 120.0, 20.0)
    torch.testing.assert_close(object_masks(pixels.cuda(), 120.0, 20.0).cpu(), masks)


@pytest.mark.parametrize("preset", ["bottle", "carpet", "rcxr_male"])
@pytest.mark.parametrize("mixture", [{}, MIXTURE])
def test_the_batch_transform(preset: str, mixture: dict[str, float]) -> None:
    transform = nsa.NSA.from_preset(preset, mixture=mixture)
    random = np.random.default_rng(0)
    pixels = pictures(random, 16, 224, 256, 1 if preset == "rcxr_male" else 3)
    cpu, gpu = tensor(pixels, "cpu"), tensor(pixels)
    plan = transform.plan(gpu, 7)
    np.testing.assert_array_equal(plan.rows, transform.plan(cpu, 7).rows)
    images, labels = transform.synthesize(gpu, plan)
    expected, _ = transform.synthesize(cpu, plan)
    # Of two gradients that are equally strong, one grey level of an earlier patch decides.
    several = (images.cpu().int() - expected.int()).abs() > 1
    modes = {member.patch_mode for member in transform.config.members}
    assert several.float().mean() <= (1e-4 if "mixed" in modes else 0)
    torch.testing.assert_close(
        labels.cpu(), label(cpu, images.cpu(), plan, transform.config), rtol=0, atol=1e-6
    )
    torch.testing.assert_close(gpu.cpu(), cpu, rtol=0, atol=0)


def _small_arguments() -> tuple[Tensor, Plan]:
    random = np.random.default_rng(6)
    pixels = torch.from_numpy(pictures(random, 3, 60, 50, 3)).cuda()
    return pixels, random_plan(random, 3, (60, 50), (60, 50), rounds=2, masks=True)


def test_operators_follow_torchs_rules() -> None:
    pixels, plan = _small_arguments()
    table = plan.tensors()
    checks = ("test_schema", "test_faketensor")
    ops = torch.ops.nsa
    torch.library.opcheck(ops.blend.default, (pixels, pixels, *table, 0), test_utils=checks)
    torch.library.opcheck(
        ops.label.default, (pixels, pixels.flip(0), *table, 2, True, 15.0, 0.2), test_utils=checks
    )
    torch.library.opcheck(ops.object_masks.default, (pixels, 90.0, 9.0), test_utils=checks)
    masks = torch.full((3, 60, 50), 255, dtype=torch.uint8, device="cuda")
    centers = torch.tensor([[25, 30]] * 3)
    torch.library.opcheck(
        ops.seamless_clone.default, (pixels, pixels, masks, centers, 2), test_utils=checks
    )


@pytest.mark.parametrize("mixture", [{}, {"altered": 0.3, "cutpaste": 0.3}])
def test_a_captured_graph_blends_the_plan_of_each_replay(mixture: dict[str, float]) -> None:
    config = SynthesisConfig(gradients="mixed", max_patches=3, mixture=mixture)
    random = np.random.default_rng(1)
    images = tensor(pictures(random, 8, 128, 128, 3))
    shape = (8, 128, 128, 3)
    bounds = plan_bounds(config, 128, 128)
    plan = DevicePlan.reserve(
        images=shape,
        sources=sources_of(shape, config.relit),
        mode=config.blend_mode,
        device=images.device,
        rounds=3,
        height=128,
        width=128,
        mask_bytes=8 * bounds.mask_bytes,
    )
    lights = None
    if config.relit:
        lights = torch.zeros(8 * LIGHT.itemsize, dtype=torch.uint8, device=images.device)
    graph, blended, labels = capture(images, plan, config, lights)
    for seed in range(4):
        drawn = draw_plan(config, 8, 128, 128, seed=seed)
        images.copy_(tensor(pictures(random, 8, 128, 128, 3)))
        plan.update(*drawn.tensors())
        if lights is not None:
            assert drawn.lights is not None
            lights.copy_(lights_table(drawn.lights))
        graph.replay()
        expected = blend(images, drawn, config.blend_mode)
        torch.testing.assert_close(blended, expected, rtol=0, atol=0)
        torch.testing.assert_close(labels, label(images, expected, drawn, config))


def test_work_goes_to_the_current_stream() -> None:
    pixels, plan = _small_arguments()
    images = pixels.permute(0, 3, 1, 2)
    expected = blend(images, plan, "source")
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        delayed = torch.zeros_like(images)
        torch.cuda._sleep(20_000_000)
        delayed.copy_(images)
        actual = blend(delayed, plan, "source")
        # Had the kernels not waited for the copy, they would have blended zeros.
        torch.testing.assert_close(actual, expected, rtol=0, atol=0)


def test_nothing_is_allocated_by_a_launch_and_the_sources_stay() -> None:
    pixels, plan = _small_arguments()
    before = pixels.clone()
    shape = kernels.shape_of(pixels)
    device_plan = DevicePlan.of(
        *plan.tensors(), images=shape, sources=shape, mode="source", device=pixels.device
    )
    out = pixels.clone()
    kernels.blend_(out, pixels, device_plan, "source")
    torch.cuda.synchronize()
    allocated = torch.cuda.memory_stats()["allocation.all.allocated"]
    kernels.blend_(out, pixels, device_plan, "source")
    assert torch.cuda.memory_stats()["allocation.all.allocated"] == allocated
    torch.testing.assert_close(pixels, before, rtol=0, atol=0)


def test_a_bad_row_is_named_before_anything_runs() -> None:
    pixels, plan = _small_arguments()
    rows = plan.rows.copy()
    rows[2, 14] = 1000
    with pytest.raises(InputError, match="plan row 2: place_x 1000"):
        blend(pixels.permute(0, 3, 1, 2), dataclasses.replace(plan, rows=rows), "source")


def test_tensors_on_two_devices_are_refused() -> None:
    pixels, plan = _small_arguments()
    images = pixels.permute(0, 3, 1, 2)
    with pytest.raises(InputError, match="move both to one device"):
        blend(images, plan, "source", sources=images.cpu())
