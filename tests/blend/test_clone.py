"""nsa.seamless_clone against cv2.seamlessClone, and its own promises."""

from __future__ import annotations

import blend_cases
import cv2
import numpy as np
import pytest
import torch

from nsa.blend import seamless_clone
from nsa.errors import InputError


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


def compare(cases):
    """Largest difference from OpenCV, and the share of equal values inside the boxes."""
    worst = equal = total = 0
    for case in cases:
        untouched = case.mask.copy()
        ours = seamless_clone(*case.images, case.mask, case.center, case.mixed)
        assert ours.shape == case.destination.shape
        np.testing.assert_array_equal(case.mask, untouched)
        difference = np.abs(ours.astype(int) - case.opencv())
        left, top, width, height = case.box
        inside = difference[top : top + height, left : left + width]
        assert difference.sum() == inside.sum(), "a pixel outside the box changed"
        worst = max(worst, difference.max())
        equal += np.count_nonzero(inside == 0)
        total += inside.size
    return worst, equal / total


# 1,080 cases: most are small, since OpenCV needs milliseconds for the large ones.
@pytest.mark.parametrize("kind", ["full", "ellipse", "grey"])
@pytest.mark.parametrize(("largest", "count"), [(60, 300), (210, 60)])
def test_equals_opencv_within_one_grey_level(kind, largest, count):
    worst, share = compare(blend_cases.clones(largest, count, kind, largest))
    assert worst <= 1
    assert share >= 0.99


@pytest.mark.parametrize(("width", "height"), [(1024, 300), (300, 1030), (513, 518)])
def test_large_boxes_equal_opencv(width, height):
    rng = np.random.default_rng(width)
    source = blend_cases.image(rng, height, width, 3)
    destination = blend_cases.image(rng, height, width, 3)
    full = np.full((height, width), 255, np.uint8)
    case = blend_cases.Clone(
        source, destination, full, (width // 2, height // 2), True, (0, 0, width, height)
    )
    worst, share = compare([case])
    assert worst <= 1
    # OpenCV's own float32 error grows with the box; test_clone_equation bounds ours.
    assert share >= 0.90


def test_mask_of_three_channels_is_converted_as_opencv_does():
    rng = np.random.default_rng(5)
    source, destination = (blend_cases.image(rng, 40, 50, 3) for _ in range(2))
    colour = np.stack([blend_cases.mask(rng, "grey", 40, 50) for _ in range(3)], axis=2)
    ours = seamless_clone(source, destination, colour, (25, 20))
    opencv = cv2.seamlessClone(source, destination, colour.copy(), (25, 20), cv2.NORMAL_CLONE)
    assert np.abs(ours.astype(int) - opencv).max() <= 1


@pytest.mark.parametrize("side", [1, 2, 3, 8])
def test_a_box_below_seven_pixels_changes_nothing(side):
    # A patch of 8 px has a box of 6.
    destination = blend_cases.image(np.random.default_rng(0), 30, 30, 3)
    for shape in ((side, 20), (20, side)):
        source = np.zeros((*shape, 3), np.uint8)
        out = seamless_clone(source, destination, np.full(shape, 255, np.uint8), (15, 15))
        np.testing.assert_array_equal(out, destination)
        assert out is not destination


def test_an_empty_mask_changes_nothing():
    destination = blend_cases.image(np.random.default_rng(0), 30, 30, 1)
    frame_only = np.full((20, 20), 255, np.uint8)
    frame_only[1:-1, 1:-1] = 0
    out = seamless_clone(np.zeros((20, 20), np.uint8), destination, frame_only, (-5, 900))
    np.testing.assert_array_equal(out, destination)


def test_arrays_and_tensors_single_and_batched_agree():
    cases = list(blend_cases.clones(1, 6, "grey", 40))
    for case in cases:
        wanted = seamless_clone(*case.images, case.mask, case.center, case.mixed)
        planes = [torch.from_numpy(np.atleast_3d(x)).permute(2, 0, 1) for x in case.images]
        drawn = torch.from_numpy(case.mask)
        for form in (drawn, drawn[None]):
            out = seamless_clone(*planes, form, case.center, case.mixed)
            np.testing.assert_array_equal(out.permute(1, 2, 0).squeeze(2).numpy(), wanted)
        batches = [torch.stack([plane] * 3) for plane in planes]
        centers = np.array([case.center] * 3)
        out = seamless_clone(*batches, drawn.expand(3, 1, -1, -1), centers, case.mixed)
        assert out.is_contiguous(memory_format=torch.channels_last)
        for item in out:
            np.testing.assert_array_equal(item.permute(1, 2, 0).squeeze(2).numpy(), wanted)


def test_takes_arrays_that_are_not_contiguous():
    rng = np.random.default_rng(2)
    source = blend_cases.image(rng, 60, 80, 3)[::2, ::-2]
    destination = blend_cases.image(rng, 50, 50, 3)[:, ::-1]
    drawn = np.asfortranarray(blend_cases.mask(rng, "ellipse", 30, 40))
    copies = [np.ascontiguousarray(x) for x in (source, destination, drawn)]
    np.testing.assert_array_equal(
        seamless_clone(source, destination, drawn, (25, 25)), seamless_clone(*copies, (25, 25))
    )


def test_errors_name_the_argument():
    image = np.zeros((20, 20, 3), np.uint8)
    full = np.full((20, 20), 255, np.uint8)
    wrong = [
        ((image.astype(np.float32), image, full, (10, 10)), "source must be a uint8 array"),
        ((image, image[..., 0], full, (10, 10)), "same number of channels"),
        ((image, image[..., :2], full, (10, 10)), r"destination must have the shape"),
        ((image, image, full > 0, (10, 10)), "mask must be a uint8 array, got bool"),
        ((image, image, full[:-1], (10, 10)), r"mask must have the height and width of source"),
        ((image, image, full, (10.0, 10)), r"center must be two integers"),
        ((image, image, full, 10), r"center must be two integers"),
        ((image, image, full, (10, 3)), r"center \(10, 3\) puts the mask's 18 x 18 px box outside"),
        ((image, image, full, (12, 10)), r"center \(12, 10\) puts"),
    ]
    for arguments, message in wrong:
        with pytest.raises(InputError, match=message):
            seamless_clone(*arguments)


def test_errors_of_tensors_name_the_argument():
    images = torch.zeros(2, 3, 20, 20, dtype=torch.uint8)
    full = torch.full((2, 1, 20, 20), 255, dtype=torch.uint8)
    centers = torch.full((2, 2), 10)
    off = torch.tensor([[10, 10], [10, 30]])
    wrong = [
        ((images, images.float(), full, centers), "destination must be a uint8 tensor"),
        ((images, images.numpy(), full, centers), "destination must be a uint8 tensor"),
        ((images.float(), images, full, centers), "source must be a uint8 tensor"),
        ((images, images[:1], full, centers), "same number of images"),
        ((images, images, full[:, 0], centers), "mask must have the shape"),
        ((images, images, full, centers.float()), "center must hold integers"),
        ((images, images, full, centers[:1]), "center must have the shape"),
        ((images, images, full, off), r"center \(10, 30\) of item 1 puts"),
    ]
    for arguments, message in wrong:
        with pytest.raises(InputError, match=message):
            seamless_clone(*arguments)
