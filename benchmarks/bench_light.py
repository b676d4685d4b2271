"""Training images in another light: brightness, contrast and colours, then blur and noise, too."""

import cv2
import numpy as np
import pytest
import torch
from common import product_images

from nsa.images.light import relight
from nsa.plan.light import draw_lights
from nsa.settings.config import ImageConfig

BATCH, SIDE = 16, 224
LIGHT = {"brightness": 0.2, "contrast": 0.2, "white_balance": 0.1}
CAMERA = {**LIGHT, "blur": 0.8, "noise": 5.0}


def by_opencv(images: np.ndarray, lights, random: np.random.Generator) -> np.ndarray:
    """Image by image, in float32 after the blur, as a data set would do it."""
    result = np.empty_like(images)
    for number, image in enumerate(images):
        if lights.blur[number]:
            image = cv2.GaussianBlur(
                image, (5, 5), float(lights.blur[number]), borderType=cv2.BORDER_REPLICATE
            )
        levels = image * lights.gain[number] + lights.shift[number]
        if lights.noise[number]:
            levels += lights.noise[number] * random.standard_normal(levels.shape, np.float32)
        np.clip(np.rint(levels), 0, 255, out=levels)
        result[number] = levels
    return result


@pytest.mark.parametrize("peer", ["nsa", "OpenCV and NumPy"])
@pytest.mark.parametrize("light", ["light", "light, blur and noise"])
def test_light(benchmark, peer, light):
    benchmark.group = f"{light} of {BATCH} images of {SIDE} px, RGB"
    benchmark.extra_info.update(peer=peer, images=BATCH)
    pixels = product_images(BATCH, SIDE)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    random = np.random.default_rng(0)
    for most in ({**CAMERA, "noise": 0.0}, LIGHT if light == "light" else CAMERA):
        lights = draw_lights(ImageConfig(**most), BATCH, seed=1)
        if not lights.noise.any():  # else each has its own noise
            found = relight(images, lights).permute(0, 2, 3, 1).numpy().astype(int)
            assert np.abs(found - by_opencv(pixels, lights, random)).max() <= 2
    if peer == "nsa":
        benchmark(lambda: relight(images, lights))
    else:
        benchmark(lambda: by_opencv(pixels, lights, random))
