"""The test images of a category and their masks, all in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsa.images.contents import Contents
from nsa.images.decode import load_mask
from nsa.images.load import load_images
from nsa.images.sample import Sample


@dataclass(frozen=True)
class LoadedTest:
    """A test set as arrays.

    Attributes:
        images: uint8 (N, channels, H, W), in the order of the samples.
        masks: uint8 (N, H, W), 1 on defects; 0 throughout where a sample has no mask.
        contents: what the images hold.
    """

    images: Tensor
    masks: npt.NDArray[np.uint8]
    contents: Contents


def load_test_set(
    samples: list[Sample], size: tuple[int, int], channels: int, progress: bool = True
) -> LoadedTest:
    """Decode and resize the images and the masks of a test set, which may be empty.

    Args:
        samples: N of them.
        size: (height, width) of the result.
        channels: 3 for RGB, 1 for grey.
        progress: show a progress bar on standard error.

    Raises:
        InputError: an image or a mask cannot be read, or a mask does not fit its image.
    """
    images = torch.empty((0, channels, *size), dtype=torch.uint8, device="cpu")
    paths = [sample.path for sample in samples]
    contents = Contents(paths)
    if samples:
        images = load_images(paths, size, channels, progress, contents=contents)
    masks = np.zeros((len(samples), *size), dtype=np.uint8)
    for index, sample in enumerate(samples):
        if sample.mask is not None:
            masks[index] = load_mask(sample.mask, size, sample.path)
    return LoadedTest(images, masks, contents)
