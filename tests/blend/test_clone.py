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
        ours = seamless_clone(*case.images, case.mask, case.center, case.flags)
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
        source, destination, full, (width // 2, height // 2), cv2.MIXED_CLONE, (0, 0, width, height)
    )
    worst, share = compare([case])
    assert worst <= 1
    # OpenCV's own float32 error grows with the box; test_clone_equation bounds ours.
    assert share >= 0.90


@pytest.mark.parametrize("flags", blend_cases.FLAGS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_of_the_mask_are_taken_as_opencv_takes_them(flags, channels):
    rng = np.random.default_rng([channels, flags])
    source, destination = (blend_cases.image(rng, 40, 50, 3) for _ in range(2))
    drawn = np.stack([blend_cases.mask(rng, "grey", 40, 50) for _ in range(channels)], axis=2)
    opencv = cv2.seamlessClone(source, destination, drawn.copy(), (25, 20), flags)
    ours = seamless_clone(source, destination, drawn, (25, 20), flags)
    assert np.abs(ours.astype(int) - opencv).max() <= 1
    assert (ours != destination).any()
    planes = [torch.from_numpy(x).permute(2, 0, 1) for x in (source, destination, drawn)]
    single = seamless_clone(*planes, (25, 20), flags)
    np.testing.assert_array_equal(single.permute(1, 2, 0).numpy(), ours)
    batch = seamless_clone(*(plane[None] for plane in planes), [[25, 20]], flags)
    np.testing.assert_array_equal(batch[0].permute(1, 2, 0).numpy(), ours)


@pytest.mark.parametrize("flags", blend_cases.FLAGS)
def test_no_mask_is_all_of_the_source(flags):
    rng = np.random.default_rng(flags)
    source, destination = blend_cases.image(rng, 30, 41, 3), blend_cases.image(rng, 50, 52, 3)
    opencv = cv2.seamlessClone(source, destination, None, (26, 25), flags)
    for mask in (None, np.zeros((0, 0), np.uint8)):
        ours = seamless_clone(source, destination, mask, (26, 25), flags)
        assert np.abs(ours.astype(int) - opencv).max() <= 1
    planes = [torch.from_numpy(x).permute(2, 0, 1)[None] for x in (source, destination)]
    batch = seamless_clone(*planes, None, torch.tensor([[26, 25]]), flags)
    np.testing.assert_array_equal(batch[0].permute(1, 2, 0).numpy(), ours)


@pytest.mark.parametrize("flags", blend_cases.FLAGS)
def test_a_grey_source_stands_for_every_channel(flags):
    rng = np.random.default_rng(flags)
    grey, destination = blend_cases.image(rng, 33, 40, 1), blend_cases.image(rng, 50, 52, 3)
    drawn = blend_cases.mask(rng, "ellipse", 33, 40)
    opencv = cv2.seamlessClone(
        np.repeat(grey[..., None], 3, 2), destination, drawn.copy(), (26, 25), flags
    )
    for source in (grey, grey[..., None]):
        ours = seamless_clone(source, destination, drawn, (26, 25), flags)
        assert np.abs(ours.astype(int) - opencv).max() <= 1
        assert (ours != destination).any()
    planes = torch.from_numpy(grey)[None], torch.from_numpy(destination).permute(2, 0, 1)
    single = seamless_clone(*planes, torch.from_numpy(drawn), (26, 25), flags)
    np.testing.assert_array_equal(single.permute(1, 2, 0).numpy(), ours)


@pytest.mark.parametrize("flags", blend_cases.FLAGS)
@pytest.mark.parametrize("alphas", [(True, False), (False, True), (True, True)])
def test_alpha_is_not_read_and_stays(flags, alphas):
    """OpenCV itself takes four channels for three in most cases, and crashes in some."""
    rng = np.random.default_rng(flags)
    plain = [blend_cases.image(rng, 33, 40, 3), blend_cases.image(rng, 50, 52, 3)]
    drawn = blend_cases.mask(rng, "ellipse", 33, 40)
    images = [
        np.dstack([image, blend_cases.image(rng, *image.shape[:2], 1)]) if alpha else image
        for image, alpha in zip(plain, alphas, strict=True)
    ]
    wanted = images[1].copy()
    wanted[..., :3] = seamless_clone(*plain, drawn, (26, 25), flags)
    ours = seamless_clone(*images, drawn, (26, 25), flags)
    np.testing.assert_array_equal(ours, wanted)
    if alphas == (True, False) and flags == cv2.MONOCHROME_TRANSFER:  # where OpenCV is right
        opencv = cv2.seamlessClone(*images, drawn.copy(), (26, 25), flags)
        assert np.abs(ours.astype(int) - opencv).max() <= 1
    planes = [torch.from_numpy(x).permute(2, 0, 1)[None].expand(2, -1, -1, -1) for x in images]
    masks = torch.from_numpy(drawn).expand(2, 1, -1, -1)
    batch = seamless_clone(*planes, masks, [[26, 25]] * 2, flags)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    for item in batch:
        np.testing.assert_array_equal(item.permute(1, 2, 0).numpy(), wanted)


@pytest.mark.parametrize("flags", blend_cases.FLAGS)
def test_boxes_leave_where_opencv_says_so(flags):
    rng = np.random.default_rng(flags)
    source, destination = blend_cases.image(rng, 24, 30, 3), blend_cases.image(rng, 40, 50, 3)
    drawn = np.zeros((24, 30), np.uint8)
    drawn[3:15, 8:29] = 255
    back_x, back_y, width, height = blend_cases.box_of(drawn, (0, 0), flags)
    first, last = (-back_x, -back_y), (50 - width - back_x, 40 - height - back_y)
    for center in (first, last):
        ours = seamless_clone(source, destination, drawn, center, flags)
        opencv = cv2.seamlessClone(source, destination, drawn.copy(), center, flags)
        assert np.abs(ours.astype(int) - opencv).max() <= 1
    for (x, y), by in ((first, -1), (last, 1)):
        for center in ((x + by, y), (x, y + by)):
            with pytest.raises(InputError, match="puts the mask's 21 x 12 px box outside"):
                seamless_clone(source, destination, drawn, center, flags)
            with pytest.raises(cv2.error):
                cv2.seamlessClone(source, destination, drawn.copy(), center, flags)


def test_centres_may_be_floats_that_are_whole():
    rng = np.random.default_rng(0)
    source, destination = (blend_cases.image(rng, 30, 40, 3) for _ in range(2))
    drawn = blend_cases.mask(rng, "ellipse", 30, 40)
    wanted = seamless_clone(source, destination, drawn, (20, 15), 1)
    for center in ((20.0, 15.0), np.array([20.0, 15.0], np.float32), torch.tensor([20.0, 15.0])):
        np.testing.assert_array_equal(seamless_clone(source, destination, drawn, center, 1), wanted)
    planes = [torch.from_numpy(x).permute(2, 0, 1)[None] for x in (source, destination)]
    masks = torch.from_numpy(drawn)[None, None]
    batch = seamless_clone(*planes, masks, torch.tensor([[20.0, 15.0]]), 1)
    np.testing.assert_array_equal(batch[0].permute(1, 2, 0).numpy(), wanted)


@pytest.mark.parametrize("side", [1, 2, 3, 8])
def test_a_box_below_seven_pixels_changes_nothing(side):
    # A patch of 8 px has a box of 6.
    destination = blend_cases.image(np.random.default_rng(0), 30, 30, 3)
    for shape in ((side, 20), (20, side)):
        source = np.zeros((*shape, 3), np.uint8)
        out = seamless_clone(source, destination, np.full(shape, 255, np.uint8), (15, 15), 1)
        np.testing.assert_array_equal(out, destination)
        assert out is not destination


def test_an_empty_mask_changes_nothing():
    destination = blend_cases.image(np.random.default_rng(0), 30, 30, 1)
    frame_only = np.full((20, 20), 255, np.uint8)
    frame_only[1:-1, 1:-1] = 0
    out = seamless_clone(np.zeros((20, 20), np.uint8), destination, frame_only, (-5, 900), 1)
    np.testing.assert_array_equal(out, destination)


def test_arrays_and_tensors_single_and_batched_agree():
    cases = list(blend_cases.clones(1, 6, "grey", 40))
    for case in cases:
        wanted = seamless_clone(*case.images, case.mask, case.center, case.flags)
        planes = [torch.from_numpy(np.atleast_3d(x)).permute(2, 0, 1) for x in case.images]
        drawn = torch.from_numpy(case.mask)
        for form in (drawn, drawn[None]):
            out = seamless_clone(*planes, form, case.center, case.flags)
            np.testing.assert_array_equal(out.permute(1, 2, 0).squeeze(2).numpy(), wanted)
        batches = [torch.stack([plane] * 3) for plane in planes]
        centers = np.array([case.center] * 3)
        out = seamless_clone(*batches, drawn.expand(3, 1, -1, -1), centers, case.flags)
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
        seamless_clone(source, destination, drawn, (25, 25), 2),
        seamless_clone(*copies, (25, 25), 2),
    )


HUGE = (2**63 - 1, 2**63, -(2**63), 2**64, 2**31, -(2**31), 1e300, -1e300)
NO_CENTERS = [(value, 10) for value in (*HUGE, float("nan"), float("inf"), 10.5, True, "10", None)]


@pytest.mark.parametrize("center", [*NO_CENTERS, None, (10,), (10, 10, 10), "ab"])
def test_what_is_no_centre_is_refused(center):
    image = np.zeros((20, 20, 3), np.uint8)
    full = np.full((20, 20), 255, np.uint8)
    with pytest.raises(InputError, match=r"center must be two whole numbers"):
        seamless_clone(image, image, full, center, 1)
    planes = torch.zeros(1, 3, 20, 20, dtype=torch.uint8)
    if center != (True, 10):  # a number to torch, among numbers
        with pytest.raises(
            InputError, match=r"center (must|\(-?\d+, 10\) of item|\(-?\d+, 10\) puts)"
        ):
            seamless_clone(planes, planes, None, [center], 1)


@pytest.mark.parametrize("x", [2**31 - 1, 1 - 2**31, 20, -1])
@pytest.mark.parametrize("flags", blend_cases.FLAGS)
def test_a_centre_anywhere_writes_nowhere_else(x, flags):
    image = np.zeros((20, 20, 3), np.uint8)
    for center in ((x, 10), (10, x), (x, x)):
        with pytest.raises(InputError, match=r"puts the mask's 18 x 18 px box outside"):
            seamless_clone(image, image, None, center, flags)


@pytest.mark.parametrize("flags", [0, 4, 8, 12, 16, -1, 2**31, 2**80, True, False, 1.0, "1", None])
def test_what_is_no_flag_is_refused(flags):
    image = np.zeros((20, 20, 3), np.uint8)
    planes = torch.zeros(3, 20, 20, dtype=torch.uint8)
    for kind in (image, planes):
        with pytest.raises(InputError, match="flags must be"):
            seamless_clone(kind, kind, None, (10, 10), flags)


def test_errors_name_the_argument():
    image = np.zeros((20, 20, 3), np.uint8)
    full = np.full((20, 20), 255, np.uint8)
    wrong = [
        ((image.astype(np.float32), image, full, (10, 10)), "src must be a uint8 array"),
        ((image, image[..., 0], full, (10, 10)), "same number of channels"),
        ((image, image[..., :2], full, (10, 10)), r"dst must have the shape"),
        ((image, image, full > 0, (10, 10)), "mask must be a uint8 array, got bool"),
        ((image, image, full[:-1], (10, 10)), r"mask must have the height and width of src"),
        ((image, image, full, (10, 3)), r"center \(10, 3\) puts the mask's 18 x 18 px box outside"),
        ((image, image, full, (12, 10)), r"center \(12, 10\) puts"),
    ]
    for arguments, message in wrong:
        with pytest.raises(InputError, match=message):
            seamless_clone(*arguments, cv2.NORMAL_CLONE)


def test_errors_of_tensors_name_the_argument():
    images = torch.zeros(2, 3, 20, 20, dtype=torch.uint8)
    full = torch.full((2, 1, 20, 20), 255, dtype=torch.uint8)
    centers = torch.full((2, 2), 10)
    off = torch.tensor([[10, 10], [10, 30]])
    wrong = [
        ((images, images.float(), full, centers), "dst must be a uint8 tensor"),
        ((images, images.numpy(), full, centers), "dst must be a uint8 tensor"),
        ((images.float(), images, full, centers), "src must be a uint8 tensor"),
        ((images, images[:1], full, centers), "same number of images"),
        ((images, images, full[:, 0], centers), "mask must have the shape"),
        ((images, images, full, centers + 0.5), "center must be one"),
        ((images, images, full, centers[:1]), "center must have the shape"),
        ((images, images, full, off), r"center \(10, 30\) of item 1 puts"),
    ]
    for arguments, message in wrong:
        with pytest.raises(InputError, match=message):
            seamless_clone(*arguments, cv2.NORMAL_CLONE)
