"""The reference itself, against hand-made cases and OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from nsa import reference
from nsa.plan import COLUMNS, Plan
from nsa.settings.config import SynthesisConfig


def one_patch(**values: int) -> dict[str, int]:
    """A row that cuts 20x16 px of image 1 and puts it, twice as high, into image 0."""
    row = dict.fromkeys(COLUMNS, 0)
    row.update(source=1, src_x=3, src_y=5, src_w=16, src_h=20, width=16, height=40)
    row.update(dst_x=30, dst_y=10, roi_x=1, roi_y=1, roi_w=14, roi_h=38, place_x=31, place_y=11)
    row.update(blend_mask=-1, label_mask=-1)
    return row | values


def make_plan(*rows: dict[str, int], factor: float = 1.0, masks: np.ndarray | None = None) -> Plan:
    table = np.array([[row[name] for name in COLUMNS] for row in rows], np.int32)
    empty = np.zeros(0, np.uint8)
    return Plan(table, np.full(len(rows), factor, np.float32), empty if masks is None else masks)


@pytest.fixture
def images() -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = [cv2.GaussianBlur(rng.random((64, 72, 3)), (0, 0), 2) for _ in range(2)]
    return (np.stack(noise) * 1000 - 380).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("mode", ["source", "mixed"])
def test_blends_as_opencv_does_at_the_place(images: np.ndarray, mode: str) -> None:
    patch = cv2.resize(images[1, 5:25, 3:19], (16, 40))
    mask = np.zeros((40, 16), np.uint8)
    mask[1:-1, 1:-1] = 255
    kind = cv2.NORMAL_CLONE if mode == "source" else cv2.MIXED_CLONE
    expected = cv2.seamlessClone(patch, images[0], mask, (31 + 7, 11 + 19), kind)
    result = reference.blend(images, make_plan(one_patch()), mode)
    assert np.array_equal(result[0], expected)
    assert np.array_equal(result[1], images[1])
    assert (result[0, 11:49, 31:45] != images[0, 11:49, 31:45]).any()
    outside = np.ones((64, 72), bool)
    outside[12:48, 32:44] = False  # the rim of the bounding box is the boundary condition
    assert np.array_equal(result[0][outside], images[0][outside])


def test_pastes_and_interpolates_inside_the_mask(images: np.ndarray) -> None:
    patch = cv2.resize(images[1, 5:25, 3:19], (16, 40))
    pasted = images[0].copy()
    pasted[11:49, 31:45] = patch[1:-1, 1:-1]
    assert np.array_equal(reference.blend(images, make_plan(one_patch()), "paste")[0], pasted)
    mixed = np.floor(images[0] - 0.25 * images[0] + 0.25 * pasted).astype(np.uint8)
    plan = make_plan(one_patch(), factor=0.25)
    assert np.array_equal(reference.blend(images, plan, "interpolate")[0], mixed)


def test_a_factor_weakens_the_gradients(images: np.ndarray) -> None:
    change = [
        np.abs(reference.blend(images, make_plan(one_patch(), factor=f))[0].astype(int) - images[0])
        for f in (0.2, 1.0)
    ]
    assert 0 < change[0].sum() < change[1].sum()


def test_clone_keeps_the_mask_and_takes_grey(images: np.ndarray) -> None:
    mask = np.full((20, 16), 255, np.uint8)
    source, target = images[1, :20, :16], images[0]
    colour = reference.seamless_clone(source, target, mask, (30, 30), 1)
    assert (mask == 255).all()
    for channel in range(3):
        grey = reference.seamless_clone(
            source[..., channel], target[..., channel], mask, (30, 30), 1
        )
        assert np.array_equal(grey, colour[..., channel])


def test_later_masks_overwrite_or_unite() -> None:
    masks = np.zeros(16 * 40, np.uint8).reshape(40, 16)
    masks[:20] = 1
    first = one_patch()
    second = one_patch(label_mask=0, round=1)
    plan = make_plan(first, second, masks=masks.ravel())
    released = reference.patch_masks((2, 64, 72), plan, SynthesisConfig())
    paper = reference.patch_masks((2, 64, 72), plan, SynthesisConfig(variant="paper"))
    assert np.array_equal(released[0, 10:50, 30:46], masks)
    assert paper[0, 10:50, 30:46].all()
    assert released.sum() == masks.sum()
    assert paper.sum() == masks.size


def test_labels_of_a_plain_change() -> None:
    image = np.full((40, 40, 3), 100, np.uint8)
    changed = image.copy()
    changed[10:30, 10:30] += 12
    changed[5:8, :] += 1  # one grey level counts in the paper only
    mask = np.ones((40, 40), np.uint8)

    def label(**fields: object) -> np.ndarray:
        return reference.difference_label(image, changed, mask, SynthesisConfig(**fields))

    binary = label(label="binary")
    assert binary[20, 20] == 1
    assert binary[6, 20] == 0
    assert label(label="binary", variant="paper")[6, 20] == 1
    assert label(label="continuous")[20, 20] == 12
    logistic = label(label="logistic", label_midpoint=10, label_steepness=0.5)
    assert logistic[20, 20] == pytest.approx(1 / (1 + np.exp(-1)))
    assert logistic[0, 0] == 0


def test_object_mask_is_what_is_not_background() -> None:
    image = np.full((30, 30, 3), 200, np.uint8)
    image[8:22, 8:22] = (100, 120, 140)
    image[2, 2] = 0  # a speck, which the median removes
    mask = reference.object_mask(image, 200, 60)
    assert mask[15, 15] == 1
    assert mask[2, 2] == 0
    assert set(np.unique(mask)) == {0, 1}
    assert not reference.object_mask(image, 200, 80).any()


def test_synthesizes_a_batch(images: np.ndarray) -> None:
    config = SynthesisConfig(height_bounds=(0.4, 0.8), width_bounds=(0.4, 0.8))
    changed, labels = reference.synthesize(images, config, seed=1)
    again, _ = reference.synthesize(images, config, seed=1)
    assert np.array_equal(changed, again)
    assert (changed != images).any(axis=(1, 2, 3)).all()
    assert labels.shape == (2, 64, 72)
    assert labels.dtype == np.float32
