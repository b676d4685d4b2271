"""Draw how images are rotated, cropped and flipped, once; whoever applies it draws nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsa.settings.config import ImageConfig, middle


@dataclass(frozen=True)
class Augmentation:
    """How each image of a batch is rotated, cropped and flipped.

    Attributes:
        angle: float32 (N,), counter-clockwise rotation about the image's centre, degrees.
        top, left: int32 (N,), position of the final crop in the rotated image, px.
        flip: uint8 (N,), 1 where the crop is turned upside down.
        crop: (height, width) of the result, px.
    """

    angle: npt.NDArray[np.float32]
    top: npt.NDArray[np.int32]
    left: npt.NDArray[np.int32]
    flip: npt.NDArray[np.uint8]
    crop: tuple[int, int]

    def __len__(self) -> int:
        return len(self.angle)

    def of(self, chosen: npt.NDArray[np.int64]) -> Augmentation:
        """The parameters of some images."""
        return Augmentation(
            self.angle[chosen], self.top[chosen], self.left[chosen], self.flip[chosen], self.crop
        )


def draw_augmentation(config: ImageConfig, count: int, seed: int) -> Augmentation:
    """Draw the parameters of ``count`` images; the same seed gives the same parameters.

    The angle is uniform in [-rotation, rotation], the crop's position uniform inside the centre
    crop, the flip has probability 1/2.
    """
    random = np.random.default_rng(seed)
    inner = config.center_crop or config.stored_size
    margin = [outer - side for outer, side in zip(inner, config.crop, strict=True)]
    frame = [middle(outer, side) for outer, side in zip(config.stored_size, inner, strict=True)]
    angle = random.uniform(-config.rotation, config.rotation, count)
    top = frame[0] + random.integers(0, margin[0], count, endpoint=True)
    left = frame[1] + random.integers(0, margin[1], count, endpoint=True)
    flip = random.random(count) < (0.5 if config.vertical_flip else 0.0)
    return Augmentation(
        angle.astype(np.float32),
        top.astype(np.int32),
        left.astype(np.int32),
        flip.astype(np.uint8),
        config.crop,
    )


def draw_crops(config: ImageConfig, shapes: npt.NDArray[np.int64], seed: int) -> Augmentation:
    """Draw places of crops in images of their own sizes, all equally likely, and flips.

    Args:
        shapes: (N, 2), height and width of each, at least those of ``config.crop``.
    """
    random = np.random.default_rng(seed)
    room = shapes - np.array(config.crop)
    place = random.integers(0, room, endpoint=True).astype(np.int32)
    flip = random.random(len(shapes)) < (0.5 if config.vertical_flip else 0.0)
    angle = np.zeros(len(shapes), np.float32)
    return Augmentation(angle, place[:, 0], place[:, 1], flip.astype(np.uint8), config.crop)


def unchanged(count: int, size: tuple[int, int]) -> Augmentation:
    """What leaves images of one (height, width) as they are."""
    zeros = np.zeros(count, np.int32)
    angle, flip = np.zeros(count, np.float32), np.zeros(count, np.uint8)
    return Augmentation(angle, zeros, zeros, flip, size)
