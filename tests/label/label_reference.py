"""Labels by NumPy, OpenCV and scikit-image, straight from the definition, and plans to try."""

from __future__ import annotations

import cv2
import numpy as np
from skimage.filters import median
from skimage.morphology import disk

from nsa.plan.table import COLUMNS, DST_X, DST_Y, HEIGHT, IMAGE, LABEL_MASK, WIDTH, Plan


def patch_mask(plan, row):
    """The label mask (height, width) of one row of a plan."""
    width, height, offset = row[WIDTH], row[HEIGHT], row[LABEL_MASK]
    if offset < 0:
        return np.ones((height, width), bool)
    return plan.masks[offset : offset + height * width].reshape(height, width) > 0


def reference_label(original, blended, plan, kind, variant, midpoint, steepness):
    """float64 (N, H, W) of uint8 (N, H, W, C) images."""
    count, height, width, channels = original.shape
    labels = np.zeros((count, height, width))
    for index in range(count):
        inside = np.zeros((height, width), bool)
        factor = np.zeros((height, width))
        rows = [number for number in range(len(plan)) if plan.rows[number, IMAGE] == index]
        if rows:
            factor[:] = plan.factors[rows[-1]]
        for number in rows:
            row = plan.rows[number]
            box = np.s_[row[DST_Y] : row[DST_Y] + row[HEIGHT], row[DST_X] : row[DST_X] + row[WIDTH]]
            mask = patch_mask(plan, row)
            if variant == "released":
                inside[box] = mask
                factor[box] = plan.factors[number]
            else:
                inside[box] |= mask
                factor[box][mask] = plan.factors[number]
        change = np.abs(original[index].astype(int) - blended[index]).sum(-1) * inside
        changed = change > (channels if variant == "released" else 0)
        mask = cv2.medianBlur(changed.astype(np.uint8), 5).reshape(height, width)
        if kind == "binary":
            labels[index] = mask
        elif kind == "factor":
            labels[index] = mask * factor
        else:
            smooth = median((change * mask).astype(np.uint16), disk(5)) / channels
            if kind == "continuous":
                labels[index] = smooth
            else:
                labels[index] = mask / (1 + np.exp(-steepness * (smooth - midpoint)))
    return labels


def random_images(rng, count, height, width, channels, texture):
    """An image pair uint8 (count, height, width, channels); ``texture`` names the difference."""
    shape = (count, height, width, channels)
    original = rng.integers(0, 256, shape, dtype=np.uint8)
    if texture == "unrelated":
        return original, rng.integers(0, 256, shape, dtype=np.uint8)
    if texture == "extreme":  # differences of 0 and 255 a channel only, spanning 10 bits
        original = rng.choice(np.array([0, 255], np.uint8), shape)
        return original, rng.choice(np.array([0, 255], np.uint8), shape)
    if texture == "ties":
        change = rng.integers(-2, 3, shape)
    elif texture == "steps":
        change = np.where(rng.random((count, height, width, 1)) < 0.5, 3, 90) * np.ones(shape, int)
    else:
        noise = rng.normal(0, 150, shape).astype(np.float32)
        smooth = [cv2.GaussianBlur(item, (0, 0), 3).reshape(shape[1:]) for item in noise]
        change = np.stack(smooth).astype(int)
    return original, np.clip(original + change, 0, 255).astype(np.uint8)


TEXTURES = ("unrelated", "extreme", "ties", "steps", "smooth")


def random_plan(rng, count, height, width, patches):
    """Overlapping boxes anywhere in the images, half of them with a mask."""
    rows = np.zeros((patches, len(COLUMNS)), np.int32)
    masks, offset = [np.zeros(0, np.uint8)], 0
    for row in rows:
        w, h = rng.integers(1, width + 1), rng.integers(1, height + 1)
        row[[IMAGE, WIDTH, HEIGHT]] = rng.integers(count), w, h
        row[[DST_X, DST_Y]] = rng.integers(width - w + 1), rng.integers(height - h + 1)
        row[LABEL_MASK] = -1
        if rng.random() < 0.5:
            mask = rng.random((h, w)).astype(np.float32)
            if rng.random() < 0.7:
                mask = cv2.GaussianBlur(mask, (0, 0), 4).reshape(h, w)
            masks.append((mask > 0.5).astype(np.uint8).ravel())
            row[LABEL_MASK], offset = offset, offset + h * w
    factors = rng.uniform(0.05, 0.95, patches).astype(np.float32)
    return Plan(rows, factors, np.concatenate(masks))
