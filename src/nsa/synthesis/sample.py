"""Samples as torchvision's v2 transforms take them: the images in them, and where a mask goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from nsa._native.layout import check_images
from nsa.errors import InputError
from nsa.model._torchvision import torchvision_module

tv_tensors = torchvision_module("tv_tensors")

KEY = "mask"  # of the mask in a dictionary
_NAME = "The sample's images, a batch as after a data loader and before they become float,"


def change_sample(
    inputs: tuple[Any, ...], synthesize: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> Any:
    """A sample with changed images and their labels; all else in it passes through.

    Args:
        inputs: what a transform was called with, see :meth:`nsa.NSA.forward`.
        synthesize: changed images, and labels (N, 1, H, W), of images.

    Raises:
        InputError: there are no images in it, several, or no normal ones; or no place for a mask.
    """
    sample = inputs if len(inputs) > 1 else inputs[0]
    entries, form = tree_flatten(sample)
    which = _images_in(entries)
    images = entries[which]
    check_images(images, _NAME)
    masks = [at for at, entry in enumerate(entries) if isinstance(entry, tv_tensors.Mask)]
    if not masks and isinstance(sample, dict) and KEY in sample:
        raise InputError(
            f"The sample has an entry {KEY!r} that is no torchvision.tv_tensors.Mask; make it "
            "one, or call it otherwise."
        )
    changed, labels = synthesize(images.as_subclass(Tensor))
    is_image = isinstance(images, tv_tensors.Image)
    entries[which] = tv_tensors.wrap(changed, like=images) if is_image else changed
    if masks:
        entries[masks[0]] = _in_place_of([entries[at] for at in masks], labels)
        return tree_unflatten(entries, form)
    mask, result = tv_tensors.Mask(labels), tree_unflatten(entries, form)
    if isinstance(sample, dict):
        return {**result, KEY: mask}
    if isinstance(result, list):
        return [*result, mask]
    return (*result, mask) if type(result) is tuple else (result, mask)


def _images_in(entries: list[Any]) -> int:
    """Which entry holds the images: the Image, else the first plain tensor, as in torchvision."""
    images = [at for at, one in enumerate(entries) if isinstance(one, tv_tensors.Image)]
    if len(images) > 1:
        raise InputError(f"A sample has one batch of images, and this one has {len(images)}.")
    plain = (
        at
        for at, one in enumerate(entries)
        if isinstance(one, Tensor) and not isinstance(one, tv_tensors.TVTensor)
    )
    which = images[0] if images else next(plain, None)
    if which is None:
        raise InputError(
            "The sample holds no images: no torchvision.tv_tensors.Image and no tensor, which "
            "must be a batch, as after a data loader."
        )
    return which


def _in_place_of(masks: list[Tensor], labels: Tensor) -> Tensor:
    """The labels in the shape of the mask that a sample has, which is of normal images."""
    if len(masks) > 1:
        raise InputError(f"A sample has one mask at most, and this one has {len(masks)}.")
    [mask] = masks
    count, _, height, width = labels.shape
    if mask.shape not in ((count, 1, height, width), (count, height, width)):
        raise InputError(
            f"The mask must be of the {count} images of {height} x {width} px, got "
            f"{tuple(mask.shape)}."
        )
    if bool(torch.count_nonzero(mask)):
        raise InputError(
            "Anomalies are made from normal images, and the sample's mask marks some pixels; "
            "leave such images out."
        )
    filled: Tensor = tv_tensors.Mask(labels.reshape(mask.shape))
    return filled
