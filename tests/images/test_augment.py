"""Augmentation against formulas written plainly, Pillow's rotation and the stated distributions."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from PIL import Image

from nsa.errors import InputError
from nsa.images import apply_augmentation, center_crop, to_network_input
from nsa.images.augment import augment
from nsa.plan.augmentation import Augmentation, draw_augmentation
from nsa.settings.config import ImageConfig

CONFIGS = [
    ImageConfig(rotation=5.0),
    ImageConfig(rotation=180.0, size=(64, 48), center_crop=None, crop=(64, 48)),
    ImageConfig(channels=1, rotation=45.0, size=(50, 71), center_crop=(45, 60), crop=(33, 52)),
    ImageConfig(size=(264, 264), center_crop=None, crop=(256, 256), vertical_flip=True),
    ImageConfig(channels=1, size=(40, 40), center_crop=None, crop=(32, 40), vertical_flip=True),
]


def pictures(config: ImageConfig, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    shape = (count, *config.stored_size, config.channels)
    values = torch.randint(1, 256, shape, dtype=torch.uint8, generator=generator)
    return values.permute(0, 3, 1, 2)


def slow(image: np.ndarray, angle: float, top: int, left: int, flip: bool, crop: tuple[int, int]):
    """One image (H, W, C), pixel by pixel; also where rounding could decide otherwise."""
    height, width, channels = image.shape
    result = np.zeros((*crop, channels), np.uint8)
    close = np.zeros(crop, bool)
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    for y in range(crop[0]):
        for x in range(crop[1]):
            from_center_x = left + x + 0.5 - width / 2
            from_center_y = top + y + 0.5 - height / 2
            column = c * from_center_x - s * from_center_y + width / 2
            row = s * from_center_x + c * from_center_y + height / 2
            target = crop[0] - 1 - y if flip else y
            if 0 <= column < width and 0 <= row < height:
                result[target, x] = image[int(row), int(column)]
            to_edge = min(abs(column - round(column)), abs(row - round(row)))
            close[target, x] = to_edge < 1e-3
    return result, close


@pytest.mark.parametrize("config", CONFIGS)
def test_equals_the_plain_formula(config: ImageConfig) -> None:
    images = pictures(config, 4)
    drawn = draw_augmentation(config, 4, seed=5)
    result = apply_augmentation(images, drawn)
    assert result.dtype == torch.uint8
    assert result.shape == (4, config.channels, *config.crop)
    interleaved = result.permute(0, 2, 3, 1)
    assert interleaved.is_contiguous()
    for n in range(4):
        expected, close = slow(
            images[n].permute(1, 2, 0).numpy(),
            float(drawn.angle[n]), int(drawn.top[n]), int(drawn.left[n]), bool(drawn.flip[n]),
            config.crop,
        )  # fmt: skip
        if config.rotation == 0:
            close[:] = False
        same = (interleaved[n].numpy() == expected).all(axis=2)
        assert (same | close).all()
        assert same.mean() > 0.99


def test_rotates_as_pillow_does() -> None:
    config = ImageConfig(rotation=30.0, size=(96, 80), center_crop=None, crop=(96, 80))
    images = pictures(config, 8)
    drawn = draw_augmentation(config, 8, seed=0)
    for n, pixels in enumerate(apply_augmentation(images, drawn).permute(0, 2, 3, 1).numpy()):
        picture = Image.fromarray(images[n].permute(1, 2, 0).numpy())
        expected = np.asarray(picture.rotate(float(drawn.angle[n]), Image.Resampling.NEAREST))
        assert (pixels == expected).all(axis=2).mean() > 0.99
        assert ((pixels == 0) == (expected == 0)).mean() > 0.99


def test_nothing_to_do_is_the_image_itself() -> None:
    config = ImageConfig(size=(32, 32), center_crop=None, crop=(32, 32))
    images = pictures(config, 3)
    assert torch.equal(augment(images, config, seed=9), images)


def test_every_memory_layout_gives_the_same() -> None:
    config = CONFIGS[2]
    images = pictures(config, 5)
    expected = augment(images, config, seed=1)
    assert torch.equal(augment(images.contiguous(), config, seed=1), expected)
    wide = torch.cat([images, images], dim=3)
    assert torch.equal(augment(wide[:, :, :, : config.size[1]], config, seed=1), expected)


def test_the_seed_decides() -> None:
    config = CONFIGS[0]
    images = pictures(config, 3)
    assert torch.equal(augment(images, config, seed=1), augment(images, config, seed=1))
    assert not torch.equal(augment(images, config, seed=1), augment(images, config, seed=2))


def test_center_crop_lies_in_the_middle() -> None:
    config = ImageConfig()
    images = pictures(config, 2)
    cropped = center_crop(images, config)
    assert torch.equal(cropped, images[:, :, 16:240, 16:240])
    assert cropped.permute(0, 2, 3, 1).is_contiguous()
    uneven = ImageConfig(size=(40, 41), center_crop=None, crop=(32, 32))
    images = pictures(uneven, 1)
    assert torch.equal(center_crop(images, uneven), images[:, :, 4:36, 4:36])  # 4.5 rounds to even


def test_network_input() -> None:
    config = ImageConfig(size=(40, 32), center_crop=None, crop=(40, 32))
    images = pictures(config, 2)
    scaled = to_network_input(images, config)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    torch.testing.assert_close(
        scaled, (images / 255 - mean) / deviation, atol=1e-5, rtol=0, check_stride=False
    )
    assert scaled.is_contiguous(memory_format=torch.channels_last)
    grey = dataclasses.replace(config, channels=1)
    torch.testing.assert_close(
        to_network_input(pictures(grey, 2), grey), pictures(grey, 2) / 255, check_stride=False
    )


def test_wrong_input_is_explained() -> None:
    config = ImageConfig()
    images = pictures(config, 2)
    with pytest.raises(InputError, match=r"uint8 tensor .* got torch.float32"):
        augment(images.float(), config, seed=0)
    with pytest.raises(InputError, match=r"uint8 tensor .* shape \(3, 256, 256\)"):
        center_crop(images[0], config)
    with pytest.raises(InputError, match=r"must be \(N, 3, 256, 256\) .* got \(2, 3, 256, 99\)"):
        augment(images[..., :99], config, seed=0)
    with pytest.raises(InputError, match=r"\(N, 3, H, W\) .* \(\d+, 1,"):
        to_network_input(images[:, :1], config)
    with pytest.raises(InputError, match="2 images, but the augmentation was drawn for 3"):
        apply_augmentation(images, draw_augmentation(config, 3, 0))
    one = np.ones(2, np.int32)
    outside = Augmentation(one.astype(np.float32), one * 33, one, one.astype(np.uint8), (224, 224))
    with pytest.raises(InputError, match="crop of 224 x 224 pixels leaves the images"):
        apply_augmentation(images, outside)
    with pytest.raises(InputError, match="for which there are no kernels"):
        apply_augmentation(images.to("meta"), draw_augmentation(config, 2, 0))


def cut(images: torch.Tensor, config: ImageConfig) -> torch.Tensor:
    """What is cut out without a rotation and a shift."""
    zero, count = np.zeros(len(images), np.int32), len(images)
    height, width = config.stored_size
    top, left = (
        (outer - side) // 2 for outer, side in zip((height, width), config.crop, strict=True)
    )
    return apply_augmentation(
        images,
        Augmentation(
            np.zeros(count, np.float32), zero + top, zero + left, np.zeros(count, np.uint8),
            config.crop,
        ),
    )  # fmt: skip


WHOLE = [
    ImageConfig(), ImageConfig(rotation=5), ImageConfig(rotation=180, size=(97, 64),
    center_crop=(80, 60), crop=(70, 50)), ImageConfig(rotation=30, size=(40, 200), center_crop=None,
    crop=(33, 180)), ImageConfig(channels=1, rotation=60, size=(300, 45), center_crop=None,
    crop=(280, 40), vertical_flip=True),
]  # fmt: skip


@pytest.mark.parametrize("config", WHOLE)
def test_whole_images_are_never_cut_and_never_left(config: ImageConfig, fresh_seed: int) -> None:
    whole = config.whole()
    assert whole.crop == whole.size == config.size
    assert whole.whole() == whole
    if whole.reflection < min(whole.size) - 1:  # the most that can be mirrored
        result = augment(pictures(whole, 60), whole, seed=fresh_seed)
        assert result.min() > 0  # outside it would be 0
    # It reaches as far as it must, and a pixel or two more.
    room = [inner - side for inner, side in zip(whole.center_crop or (), whole.crop, strict=True)]
    assert whole.reflection >= max(room) // 2


@pytest.mark.parametrize("config", WHOLE)
def test_the_middle_of_a_reflected_image_is_the_image(config: ImageConfig) -> None:
    whole = config.whole()
    images = pictures(dataclasses.replace(whole, reflection=0, center_crop=None), 2)
    beyond = (whole.reflection, whole.reflection)
    stored = np.pad(images.numpy(), ((0, 0), (0, 0), beyond, beyond), "reflect")
    assert tuple(stored.shape[2:]) == whole.stored_size
    assert torch.equal(cut(torch.from_numpy(stored), whole), images)


def test_whole_images_of_another_size_are_shifted_in_proportion() -> None:
    whole = ImageConfig().whole((128, 512))  # 230 - 224 of 256
    assert (whole.size, whole.center_crop) == ((128, 512), (132, 524))
    assert whole.reflection == 6
