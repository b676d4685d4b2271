"""Every kernel on small inputs, in the order of dependence: the first launch on a new GPU.

launch.py FOLDER            each once: what fails first is named
launch.py FOLDER --all      each in all its modes, for compute-sanitizer to watch
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from device import DEVICE, DevicePlan, kernels, synchronise, write
from torch import Tensor

import nsa
from nsa.blend import blend
from nsa.images.augment import apply_augmentation
from nsa.images.light import relight
from nsa.images.network_input import to_network_input
from nsa.label import label
from nsa.plan import Plan, object_masks
from nsa.plan.augmentation import draw_augmentation
from nsa.plan.light import draw_lights
from nsa.settings.config import ImageConfig, SynthesisConfig
from nsa.settings.fields import replace
from nsa.settings.methods import BlendMode

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "cuda"))

from cuda_cases import pictures, random_plan

LAST_LINE = "every kernel ran"
HEIGHT, WIDTH = 90, 130


def on_device(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).to(DEVICE)


def blend_together(images: Tensor, plan: Plan, mode: str) -> Tensor:
    """:func:`nsa.blend.blend` with one block for all channels of an image."""
    pixels = images.permute(0, 2, 3, 1).contiguous()
    shape = kernels.shape_of(pixels)
    there = DevicePlan.of(
        *plan.tensors(), images=shape, sources=shape, mode=mode, device=DEVICE,
        channels_together=shape[3],
    )  # fmt: skip
    return kernels.blend(pixels, pixels, there, mode)


def launches(channels: int, *, every: bool) -> Iterator[tuple[str, Callable[[], object]]]:
    """What to call, by name; each may use what the ones before have made.

    Args:
        every: all modes, label kinds and types, else one of each kernel.
    """
    random = np.random.default_rng(0)
    pixels = pictures(random, 4, HEIGHT, WIDTH, channels)
    images = on_device(pixels)
    config = ImageConfig(
        channels=channels, size=(HEIGHT, WIDTH), rotation=9.0, center_crop=None, crop=(64, 70)
    )
    colours = f"{channels} channel{'s' * (channels > 1)}"
    for dtype in (torch.bfloat16, torch.float32) if every else (torch.bfloat16,):
        name = str(dtype).removeprefix("torch.")
        yield (
            f"normalise to {name}, {colours}",
            lambda dtype=dtype: to_network_input(images, config, dtype),
        )
        yield (
            f"normalise to {name} in blocks, {colours}",
            lambda dtype=dtype: to_network_input(images, config, dtype, in_blocks=True),
        )
    augmentation = draw_augmentation(config, 4, seed=0)
    yield f"augment, {colours}", lambda: apply_augmentation(images, augmentation)
    lit = replace(config, brightness=0.2, contrast=0.2, white_balance=0.2, blur=0.8, noise=5.0)
    lights = draw_lights(lit, 4, seed=0)
    assert lights is not None
    yield f"another light, {colours}", lambda: relight(images, lights)
    yield f"object masks, {colours}", lambda: object_masks(images, 120.0, 20.0)
    plan = random_plan(random, 4, (HEIGHT, WIDTH), (HEIGHT, WIDTH), rounds=2, masks=True)
    for mode in get_args(BlendMode) if every else ("source",):
        yield f"blend, {mode}, {colours}", lambda mode=mode: blend(images, plan, mode)
        if channels > 1:  # batches of many images take it by themselves
            yield (
                f"blend, {mode}, {colours} together",
                lambda mode=mode: blend_together(images, plan, mode),
            )
    # Copied from the host: a sanitizer that watches only these kernels takes what others write
    # for uninitialised.
    blended = on_device(pixels[::-1].copy())
    for kind in ("binary", "continuous", "logistic", "factor") if every else ("logistic",):
        yield (
            f"label, {kind}, {colours}",
            lambda kind=kind: label(images, blended, plan, SynthesisConfig(), kind=kind),
        )
    if channels == 1:  # needs more shared memory than a block may have
        picture = pictures(random, 1, 262, 270, 1)
        large, upside_down = on_device(picture), on_device(picture[:, ::-1].copy())
        mask = torch.full((1, 1, 262, 270), 255, dtype=torch.uint8, device=DEVICE)
        center = torch.tensor([[135, 131]])
        yield (
            "blend, a box beyond shared memory",
            lambda: nsa.seamless_clone(upside_down, large, mask, center, 1),  # cv2.NORMAL_CLONE
        )


def main(folder: str, *options: str) -> None:
    every = "--all" in options
    ran: list[str] = []
    if not every:
        write(folder, "launch", {"ran": ran, "begun": "the first use of the GPU"})
    for channels in (3, 1):
        for name, call in launches(channels, every=every):
            print(f"{name} ...", flush=True)
            if not every:
                write(folder, "launch", {"ran": ran, "begun": name})
            call()
            synchronise()
            ran.append(name)
    if not every:
        write(folder, "launch", {"ran": ran, "begun": None})
    print(LAST_LINE)


if __name__ == "__main__":
    main(*sys.argv[1:])
