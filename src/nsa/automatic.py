"""Settings for a category without a preset, estimated from its images."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from nsa.images import Dataset, load_images, suggest
from nsa.presets import Preset

_log = logging.getLogger("nsa")

_SAMPLE = 32
_SIDE = 256


def suggest_settings(dataset: Dataset, kind: str | None = None) -> Preset:
    """Look at some training images and choose; the choice and its reason go to the log.

    Args:
        dataset: whose training images to look at.
        kind: ``"object"`` or ``"texture"`` where the user knows; None: estimated too.
    """
    paths = [sample.path for sample in dataset.train]
    chosen = paths[:: max(1, len(paths) // _SAMPLE)][:_SAMPLE]
    images = load_images(chosen, (_SIDE, _SIDE), channels=3, progress=False)
    if is_grey(images):
        _log.info("All images are grey: the network gets one channel.")
        images = images[:, :1].contiguous(memory_format=torch.channels_last)
    return suggest(images, name=dataset.name, kind=kind)


def is_grey(images: Tensor) -> bool:
    """Whether RGB images (N, 3, H, W) hold no colour."""
    return torch.equal(images[:, :1].expand_as(images), images)
