"""The batch transform in pipelines of torchvision.transforms.v2."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

import nsa
from nsa.errors import InputError
from nsa.model._torchvision import torchvision_module

tv_tensors, v2 = torchvision_module("tv_tensors"), torchvision_module("transforms.v2")
IMAGES = torch.randint(256, (3, 3, 64, 48), dtype=torch.uint8)


def made() -> tuple[Tensor, Tensor]:
    """What the transform makes of the images after the same seed."""
    torch.manual_seed(4)
    images, labels = nsa.NSA()(IMAGES)
    return images, labels


def check(images: Tensor, mask: Tensor) -> None:
    expected, labels = made()
    assert torch.equal(images, expected)
    assert torch.equal(mask, labels)
    assert not torch.equal(images, IMAGES)
    assert isinstance(mask, tv_tensors.Mask)


def apply(*sample: Any) -> Any:
    torch.manual_seed(4)
    return nsa.NSA()(*sample)


def test_a_plain_batch_gives_plain_tensors() -> None:
    images, labels = made()
    assert type(images) is Tensor
    assert type(labels) is Tensor
    again, _ = apply(torch.nn.Parameter(IMAGES, requires_grad=False))
    assert type(again) is Tensor
    assert torch.equal(again, images)
    torch.manual_seed(4)
    assert torch.equal(nsa.NSA()(images=IMAGES)[0], images)


def test_an_image_comes_back_with_its_mask() -> None:
    images, mask = apply(tv_tensors.Image(IMAGES))
    assert isinstance(images, tv_tensors.Image)
    check(images, mask)


def test_other_entries_pass_through() -> None:
    classes, names = torch.arange(3), ["a", "b", "c"]
    image = tv_tensors.Image(IMAGES)
    images, same, mask = apply(image, classes)
    check(images, mask)
    assert same is classes
    images, same, mask = apply((image, classes))
    check(images, mask)
    listed = apply([classes, image, names])
    assert isinstance(listed, list)
    check(listed[1], listed[3])
    assert (listed[0] is classes, listed[2]) == (True, names)
    sample = {"name": names, "image": image, "about": {"class": classes}}
    result = apply(sample)
    check(result["image"], result["mask"])
    assert list(result) == ["name", "image", "about", "mask"]
    assert result["about"]["class"] is classes
    assert list(sample) == ["name", "image", "about"]


def test_the_first_plain_tensor_is_the_images_where_no_image_is_marked() -> None:
    images, classes, mask = apply(IMAGES, torch.arange(3))
    assert type(images) is Tensor
    check(images, mask)
    assert classes.tolist() == [0, 1, 2]


@pytest.mark.parametrize("shape", [(3, 1, 64, 48), (3, 64, 48)])
def test_the_mask_of_normal_images_is_filled(shape: tuple[int, ...]) -> None:
    empty = tv_tensors.Mask(torch.zeros(shape, dtype=torch.uint8))
    images, mask, number = apply((tv_tensors.Image(IMAGES), empty, 7))
    assert mask.shape == shape
    check(images, mask.view(3, 1, 64, 48).as_subclass(tv_tensors.Mask))
    assert (number, int(empty.max())) == (7, 0)


def test_in_a_pipeline_behind_a_data_loader() -> None:
    pipeline = v2.Compose(
        [
            nsa.NSA(label="binary"),
            v2.RandomHorizontalFlip(1.0),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.25] * 3),
        ]
    )
    data = [{"image": image, "class": number} for number, image in enumerate(IMAGES)]
    [batch] = DataLoader(data, batch_size=3)
    torch.manual_seed(4)
    result = pipeline(batch)
    torch.manual_seed(4)
    images, labels = nsa.NSA(label="binary")(IMAGES)
    assert torch.allclose(result["image"], (images.flip(3) / 255 - 0.5) / 0.25, atol=1e-5)
    assert torch.equal(result["mask"], labels.flip(3))
    assert result["class"].tolist() == [0, 1, 2]
    torch.manual_seed(4)
    images, classes, mask = pipeline(batch["image"], batch["class"])
    assert torch.equal(images, result["image"])
    assert torch.equal(mask, result["mask"])
    assert classes is batch["class"]


def test_as_a_collate_function() -> None:
    def collate(samples: list[Any]) -> Any:
        return nsa.NSA()(*torch.utils.data.default_collate(samples))

    data = [(image, number) for number, image in enumerate(IMAGES)]
    [(images, classes, mask)] = DataLoader(data, batch_size=3, collate_fn=collate)
    assert not torch.equal(images, IMAGES)
    assert mask.shape == (3, 1, 64, 48)
    assert classes.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (tv_tensors.Image(IMAGES[0]), r"batch as after a data loader.*got .*\(3, 64, 48\)"),
        (tv_tensors.Image(IMAGES.float()), "before they become float"),
        ({"image": "a.png"}, "holds no images"),
        ({}, "holds no images"),
        ((tv_tensors.Image(IMAGES), tv_tensors.Image(IMAGES)), "one batch of images.* has 2"),
        ((IMAGES, tv_tensors.Mask(torch.ones(3, 64, 48))), "mask marks some pixels"),
        ((IMAGES, tv_tensors.Mask(torch.zeros(3, 64, 47))), r"\(3, 64, 47\)"),
        ((IMAGES, *(tv_tensors.Mask(torch.zeros(3, 64, 48)),) * 2), "one mask at most"),
        ({"image": IMAGES, "mask": None}, "entry 'mask' that is no"),
    ],
)
def test_wrong_samples_are_refused(sample: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        nsa.NSA()(sample)
