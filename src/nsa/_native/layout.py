"""Checks of images, and the layouts that kernels and the network read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nsa._native.devices import check_devices
from nsa._native.extension import C
from nsa.errors import InputError


def check_images(images: object, name: str = "images", *, channels: Sequence[int] = (1, 3)) -> None:
    """Raise :class:`InputError` unless ``images`` is a uint8 tensor (N, C, H, W).

    Args:
        images: N may be 0, H and W may not.
        name: of the argument.
        channels: what C may be.
    """
    if not isinstance(images, Tensor):
        got = type(images).__name__
    elif (
        images.dtype == torch.uint8
        and images.layout == torch.strided
        and images.ndim == 4
        and images.shape[1] in channels
        and 0 not in images.shape[2:]
    ):
        return
    else:
        got = f"{images.dtype} with shape {tuple(images.shape)}"
        if images.layout != torch.strided:
            got += f" and layout {images.layout}"
    wanted = " or ".join(map(str, channels))
    raise InputError(
        f"{name} must be a uint8 tensor (N, {wanted}, H, W) with at least one pixel and values 0 "
        f"to 255, got {got}."
    )


def interleaved(images: Tensor, name: str) -> Tensor:
    """``images`` uint8 (N, C, H, W) as contiguous (N, H, W, C); no copy if channels-last.

    Raises:
        InputError: as :func:`check_images` does.
    """
    check_images(images, name)
    return images.permute(0, 2, 3, 1).contiguous()


def space_to_depth(x: Tensor) -> Tensor:
    """The network's input in blocks of 2 x 2 pixels, as its first convolution reads them.

    A pixel is given one more channel, of zeros, so that a block has 8 or 16 of them: GPUs multiply
    whole groups of 8. Around the image lie the zeros that the convolution would pad, two blocks
    before and one behind; odd sides are completed by zeros too.

    Args:
        x: (N, C, H, W), C 1 or 3.

    Returns:
        (N, 4 (C + 1), ceil(H / 2) + 3, ceil(W / 2) + 3), channels-last. Channels are ordered by row
        and column in the block, then by the pixel's channel.
    """
    count, channels, height, width = x.shape
    rows, columns = -(-height // 2) + 3, -(-width // 2) + 3
    whole = F.pad(x, (4, 2 * columns - 4 - width, 4, 2 * rows - 4 - height, 0, 1))
    pixels = whole.permute(0, 2, 3, 1).reshape(count, rows, 2, columns, 2, channels + 1)
    blocks = pixels.transpose(2, 3).reshape(count, rows, columns, 4 * (channels + 1))
    return blocks.permute(0, 3, 1, 2)


def image_pair(original: Tensor, blended: Tensor, names: tuple[str, str]) -> tuple[Tensor, Tensor]:
    """Both images of :func:`interleaved`, of one shape.

    Raises:
        InputError: as there, or the shapes or devices differ, or no kernels run there.
    """
    pair = interleaved(original, names[0]), interleaved(blended, names[1])
    if pair[0].shape != pair[1].shape:
        raise InputError(
            f"{names[1]} must have the shape of {names[0]}, {tuple(original.shape)}, got "
            f"{tuple(blended.shape)}."
        )
    check_devices(**dict(zip(names, pair, strict=True)))
    return pair


class Crops(Protocol):
    """How each image of a batch is rotated, cropped and flipped.

    Attributes:
        angle: float32 (N,), degrees. top, left: int32 (N,), px. flip: uint8 (N,).
    """

    @property
    def angle(self) -> npt.NDArray[np.float32]: ...
    @property
    def top(self) -> npt.NDArray[np.int32]: ...
    @property
    def left(self) -> npt.NDArray[np.int32]: ...
    @property
    def flip(self) -> npt.NDArray[np.uint8]: ...


class Lit(Protocol):
    """In which light each image of a batch is seen.

    Attributes:
        blur, noise: float32 (N,). gain, shift: float32 (N, C). key: uint32 (N,).
    """

    @property
    def blur(self) -> npt.NDArray[np.float32]: ...
    @property
    def gain(self) -> npt.NDArray[np.float32]: ...
    @property
    def shift(self) -> npt.NDArray[np.float32]: ...
    @property
    def noise(self) -> npt.NDArray[np.float32]: ...
    @property
    def key(self) -> npt.NDArray[np.uint32]: ...


VIEW: np.dtype[np.void] = C.view  # one image of a batch, as the kernels that augment read it


def views(crops: Crops, image: npt.NDArray[np.int64], stored: int) -> Tensor:
    """An augmentation as kernels read it, uint8 (N * VIEW.itemsize,) on the CPU.

    Args:
        image: (N,) which of the ``stored`` images each set of parameters applies to.

    Raises:
        InputError: there is no such image, or an angle is not finite.
    """
    if not np.isfinite(crops.angle).all():
        raise InputError("angles must be finite numbers of degrees.")
    if len(image) and not 0 <= image.min() <= image.max() < stored:
        raise InputError(f"image numbers must be from 0 to {stored - 1}.")
    packed = np.zeros(len(crops.angle), VIEW)
    radians = np.deg2rad(crops.angle.astype(np.float64))
    packed["cosine"], packed["sine"] = np.cos(radians), np.sin(radians)
    packed["image"], packed["flip"] = image, crops.flip
    packed["top"], packed["left"] = crops.top, crops.left
    return torch.from_numpy(packed.view(np.uint8))


LIGHT: np.dtype[np.void] = C.light  # of one image of a batch, as csrc/image/light.h has it
_MOST_GAIN, _MOST_SHIFT, _MOST_NOISE = 8.0, 512.0, 50.0
_HASH_DEVIATION = math.sqrt(4 * (256**2 - 1) / 12)  # of the sum of a hash's four bytes


def lights_table(lights: Lit) -> Tensor:
    """Lights in the whole numbers of the kernels, uint8 (N * LIGHT.itemsize,) on the CPU.

    Raises:
        InputError: one is no number, or beyond what the kernels compute with.
    """
    for name, values, low, high in (
        ("blur", lights.blur, 0.0, math.inf),
        ("gain", lights.gain, 0.0, _MOST_GAIN),
        ("shift", lights.shift, -_MOST_SHIFT, _MOST_SHIFT),
        ("noise", lights.noise, 0.0, _MOST_NOISE),
    ):
        if not ((values >= low) & (values <= high)).all():  # of NaN both are false
            raise InputError(f"lights must have a {name} from {low:g} to {high:g}.")
    packed = np.zeros(len(lights.blur), LIGHT)
    channels = lights.gain.shape[1]
    packed["gain"][:, :channels] = np.rint(lights.gain * np.float64(2**11))
    packed["shift"][:, :channels] = np.rint(lights.shift * np.float64(2**19))
    packed["noise"] = np.rint(lights.noise * (2**19 / _HASH_DEVIATION))
    packed["key"] = lights.key
    # exp(-d^2 / 2 blur^2) of pixels d = 1 and 2 px away, in 2^-14; the rest is the pixel's.
    with np.errstate(divide="ignore", over="ignore"):
        near = np.exp(-0.5 / np.square(lights.blur.astype(np.float64)))
    far = near**4
    whole = 1 + 2 * (near + far)
    packed["taps"][:, 1] = np.rint(2**14 * near / whole)
    packed["taps"][:, 2] = np.rint(2**14 * far / whole)
    packed["taps"][:, 0] = 2**14 - 2 * packed["taps"][:, 1:].sum(1)
    return torch.from_numpy(packed.view(np.uint8))
