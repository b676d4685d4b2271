"""Apply drawn augmentations to uint8 images, and collect features over many augmented passes."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nsa.errors import InputError
from nsa.gaussian.features import FeatureExtractor, Features, check_images
from nsa.gaussian.map_moments import MapMoments
from nsa.gaussian.pipelines import GEOMETRY, IDENTITY, Parameters, Pipeline, draw


def augment(images: Tensor, parameters: Parameters, *, seed: int, epoch: int = 0) -> Tensor:
    """Apply one drawn set of parameters to each image.

    All geometry is one bilinear resampling, mirrored at the border; values are rounded once, at the
    end. Images whose parameters are all at their identity come back bit for bit.

    Args:
        images: uint8 (N, C, H, W).
        parameters: arrays (N,), see :func:`nsa.gaussian.pipelines.draw`.
        seed, epoch: fix the noise of the pixels.

    Returns:
        uint8, the shape and device of ``images``, channels-last.
    """
    check_images(images)
    values = {name: torch.from_numpy(parameters[name]) for name in IDENTITY}
    x = images.to(torch.float32, memory_format=torch.channels_last) / 255
    x = _resample(x, values)
    x = _blur(x, values["blur"])
    x = _light(x, values)
    x = _noise(x, values, seed, epoch)
    return (x.clamp(0, 1) * 255).round_().to(torch.uint8, memory_format=torch.channels_last)


def augmented_features(
    extractor: FeatureExtractor,
    images: Tensor,
    pipeline: Pipeline,
    *,
    passes: int = 100,
    first: int = 0,
    seed: int = 0,
    moments: MapMoments | None = None,
) -> Features:
    """Features of ``passes`` augmented copies of every image.

    Memory: 4 bytes times passes, images and features of all levels: 240 MB for 100 passes over 209
    images with EfficientNet-B4 (2944 features).

    Args:
        first: number of the first pass: 100 passes are the same as 40, then 60 from ``first=40``.
        moments: count the features of heat maps too.

    Returns:
        One float32 tensor (passes * N, channels) per level, pass by pass.

    Raises:
        InputError: ``passes`` is below 1, or the images are none.
    """
    check_images(images)
    if passes < 1:
        raise InputError(f"passes must be at least 1, got {passes!r}.")
    count = len(images)
    features = [
        torch.empty(passes * count, channels, dtype=torch.float32, device="cpu")
        for channels in extractor.channels
    ]
    for done in extractor.track(range(passes), "Augmented passes"):
        epoch = first + done
        # Noise is drawn for a batch at a time: augmented images are never held all at once.
        parameters = draw(pipeline, count, seed=seed, epoch=epoch)
        for start in range(0, count, extractor.batch_size):
            rows = slice(start, min(start + extractor.batch_size, count))
            part = {name: array[rows] for name, array in parameters.items()}
            batch = images[rows].to(extractor.device)
            batch = augment(batch, part, seed=seed, epoch=epoch * count + start)
            for level, found in zip(features, extractor.batch(batch, moments), strict=True):
                level[done * count + rows.start : done * count + rows.stop] = found
    return features


def _resample(x: Tensor, values: dict[str, Tensor]) -> Tensor:
    changed = torch.zeros(len(x), dtype=torch.bool, device="cpu")
    for name in GEOMETRY:
        changed |= values[name] != IDENTITY[name]
    if not changed.any():
        return x
    v = {name: values[name][changed] for name in GEOMETRY}
    angle = torch.deg2rad(v["rotate"]) + v["quarter_turns"] * (math.pi / 2)
    mirror_x, mirror_y = 1 - 2 * v["flip_horizontal"], 1 - 2 * v["flip_vertical"]
    cosine, sine = torch.cos(angle) / v["zoom"], torch.sin(angle) / v["zoom"]
    aspect = x.shape[2] / x.shape[3]
    # grid_sample asks where in the source each output pixel lies, in coordinates from -1 to 1
    # along each side, so the map is the inverse one and rotations carry the aspect ratio. The y
    # axis points down: counter-clockwise on screen is R(-angle) there, and its inverse R(angle).
    shift_x, shift_y = -2 * v["shift_x"], -2 * v["shift_y"]
    rows = torch.stack(
        [
            torch.stack([mirror_x * cosine, -mirror_x * sine * aspect], -1),
            torch.stack([mirror_y * sine / aspect, mirror_y * cosine], -1),
        ],
        1,
    )
    offset = (rows @ torch.stack([shift_x, shift_y], -1)[..., None]).to(rows.dtype)
    theta = torch.cat([rows, offset], -1).to(x.device)
    where = changed.nonzero()[:, 0].to(x.device)
    part = x[where]
    grid = F.affine_grid(theta, list(part.shape), align_corners=False)
    sampled = F.grid_sample(part, grid, "bilinear", "reflection", align_corners=False)
    return x.index_copy(0, where, sampled)


def _blur(x: Tensor, sigma: Tensor) -> Tensor:
    where = (sigma > 0).nonzero()[:, 0]
    if not len(where):
        return x
    sigma = sigma[where]
    radius = max(1, math.ceil(3 * float(sigma.max())))
    if radius >= min(x.shape[2:]):
        raise InputError(
            f"A blur of {float(sigma.max()):g} px is too wide for {tuple(x.shape[2:])}."
        )
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32, device="cpu")
    kernels = torch.exp(-0.5 * (offsets / sigma[:, None]) ** 2)
    kernels = (kernels / kernels.sum(1, keepdim=True)).to(x.device)
    where = where.to(x.device)
    part = x[where]
    channels = part.shape[1]
    # One group per image and channel, so that every image has its own kernel in one convolution.
    kernels = kernels.repeat_interleave(channels, 0)[:, None]
    flat = part.reshape(1, -1, *part.shape[2:])
    flat = F.pad(flat, (radius, radius, radius, radius), mode="reflect")
    flat = F.conv2d(flat, kernels[:, :, None, :], groups=flat.shape[1])
    flat = F.conv2d(flat, kernels[:, :, :, None], groups=flat.shape[1])
    return x.index_copy(0, where, flat.reshape(part.shape))


def _light(x: Tensor, values: dict[str, Tensor]) -> Tensor:
    contrast, brightness, gamma = (
        values[name].to(x.device).view(-1, 1, 1, 1) for name in ("contrast", "brightness", "gamma")
    )
    # As an addition, so that the identity leaves every bit.
    x = x + (contrast - 1) * (x - x.mean((1, 2, 3), keepdim=True)) + brightness
    return torch.where(gamma == 1, x, x.clamp(0, 1) ** gamma)


def _noise(x: Tensor, values: dict[str, Tensor], seed: int, epoch: int) -> Tensor:
    if not (values["noise"].any() or values["speckle"].any()):
        return x
    # Drawn on the host, so that every device adds the same noise.
    generator = torch.Generator("cpu").manual_seed((seed * 1_000_003 + epoch) % 2**63)
    white = torch.randn(x.shape, generator=generator, dtype=torch.float32, device="cpu").to(
        x.device
    )
    noise, speckle = (values[name].to(x.device).view(-1, 1, 1, 1) for name in ("noise", "speckle"))
    return x + white * (noise + speckle * x)
