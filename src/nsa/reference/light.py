"""Another light on an image, in floating point: what the whole numbers of the kernels stand for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsa.plan.light import Lights

Images = npt.NDArray[np.uint8]

_HASHED = 4 * (256**2 - 1) / 12  # variance of the sum of four equally likely bytes


def relight(images: Images, lights: Lights) -> Images:
    """Blur, light and make noisy, see :func:`nsa.images.light.relight`.

    Args:
        images: uint8 (N, H, W, C).
        lights: of N images.

    Returns:
        uint8 (N, H, W, C), a new array. The kernels' grey levels differ by at most 1.
    """
    result = np.empty_like(images)
    for number, image in enumerate(images):
        levels = _blurred(image.astype(np.float64), float(lights.blur[number]))
        levels = levels * lights.gain[number] + lights.shift[number]
        levels += lights.noise[number] * _noise(int(lights.key[number]), image.shape)
        result[number] = np.clip(np.floor(levels + 0.5), 0, 255).astype(np.uint8)
    return result


def _blurred(levels: npt.NDArray[np.float64], deviation: float) -> npt.NDArray[np.float64]:
    if deviation == 0:
        return levels
    weights = np.exp(-(np.arange(-2, 3) ** 2) / (2 * deviation**2))
    weights /= weights.sum()
    for axis in (0, 1):
        reach = [(2, 2) if axis == which else (0, 0) for which in range(3)]
        padded = np.pad(levels, reach, mode="edge")
        side = levels.shape[axis]
        levels = np.sum(
            [w * padded.take(range(i, i + side), axis) for i, w in enumerate(weights)], axis=0
        )
    return levels


def _noise(key: int, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Nearly normal noise of deviation 1: the sum of the bytes of a hash of key and place."""
    noise = np.empty(shape, np.float64)
    for place in range(noise.size):
        hashed = (place * 0x9E3779B9 + key) % 2**32
        hashed = ((hashed ^ hashed >> 16) * 0x85EBCA6B) % 2**32
        hashed = ((hashed ^ hashed >> 13) * 0xC2B2AE35) % 2**32
        hashed ^= hashed >> 16
        noise.flat[place] = sum(hashed.to_bytes(4, "little")) - 2 * 255
    noise /= np.sqrt(_HASHED)
    return noise
