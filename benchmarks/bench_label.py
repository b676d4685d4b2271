"""Labels and object masks against scikit-image, OpenCV and NumPy, one core.

    pytest benchmarks/bench_label.py -o python_files='bench_*.py'

The images differ as Poisson blending leaves them: smoothly where the boundary is matched, plus the
texture of the patch. Each group is one case: ours and the reference on the same batch of 256 px RGB
images, whose patches cover the share that the group names.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from skimage.filters import median
from skimage.morphology import disk

from nsa.label import label
from nsa.plan import Plan, object_masks
from nsa.plan.table import COLUMNS, DST_X, DST_Y, HEIGHT, IMAGE, LABEL_MASK, ROUND, WIDTH
from nsa.settings.config import SynthesisConfig

BATCH, SIDE = 4, 256
MIDPOINT, STEEPNESS = 7.0, 1 / 3  # a texture's, Table 4
PATCHES = {0.10: (81,), 0.25: (90, 75, 55), 0.60: (125, 118, 108)}  # sides, px, by share covered


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    yield
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])


def image_pair():
    rng = np.random.default_rng(0)

    def noise(sigma, deviation):
        field = rng.normal(size=(SIDE, SIDE, 3)).astype(np.float32)
        field = cv2.GaussianBlur(field, (0, 0), sigma)
        return field * (deviation / field.std())

    original = [np.clip(128 + noise(3, 40), 0, 255) for _ in range(BATCH)]
    blended = [np.clip(image + noise(12, 20) + noise(1, 10), 0, 255) for image in original]
    return np.stack(original).astype(np.uint8), np.stack(blended).astype(np.uint8)


def plan_covering(share):
    """Disjoint patches: side by side along the image's diagonal corners."""
    rows = []
    corners = [(0, 0), (SIDE, SIDE), (SIDE, 0)]
    for number, (side, (x, y)) in enumerate(zip(PATCHES[share], corners, strict=False)):
        for image in range(BATCH):
            row = np.zeros(len(COLUMNS), np.int32)
            row[[IMAGE, ROUND, WIDTH, HEIGHT]] = image, number, side, side
            row[[DST_X, DST_Y]] = min(x, SIDE - side), min(y, SIDE - side)
            row[LABEL_MASK] = -1
            rows.append(row)
    return Plan(np.stack(rows), np.ones(len(rows), np.float32), np.zeros(0, np.uint8))


def reference(original, blended, plan, kind):
    labels = np.zeros((BATCH, SIDE, SIDE), np.float32)
    for index in range(BATCH):
        inside = np.zeros((SIDE, SIDE), np.uint8)
        for row in plan.rows[plan.rows[:, IMAGE] == index]:
            x, y = row[DST_X], row[DST_Y]
            inside[y : y + row[HEIGHT], x : x + row[WIDTH]] = 1
        change = cv2.absdiff(original[index], blended[index]).sum(-1, dtype=np.uint16) * inside
        mask = cv2.medianBlur((change > 3).astype(np.uint8), 5)
        if kind == "binary":
            labels[index] = mask
        else:
            smooth = median(change * mask, disk(5)) / 3
            labels[index] = mask / (1 + np.exp(-STEEPNESS * (smooth - MIDPOINT)))
    return labels


@pytest.mark.parametrize("kind", ["binary", "logistic"])
@pytest.mark.parametrize("share", PATCHES)
@pytest.mark.parametrize("path", ["nsa", "scikit-image + cv2"])
def test_label(benchmark, path, share, kind):
    benchmark.group = f"{kind} label, {BATCH} images of {SIDE} px, patches on {share:.0%}"
    original, blended = image_pair()
    plan = plan_covering(share)
    truth = reference(original, blended, plan, kind)
    assert (truth > 0).mean() == pytest.approx(share, abs=0.05)
    config = SynthesisConfig(label_midpoint=MIDPOINT, label_steepness=STEEPNESS)
    before, after = (torch.from_numpy(item).permute(0, 3, 1, 2) for item in (original, blended))
    if path == "nsa":
        ours = benchmark(label, before, after, plan, config, kind=kind)
        np.testing.assert_allclose(ours[:, 0].numpy(), truth, rtol=0, atol=1e-6)
    else:
        benchmark.pedantic(reference, (original, blended, plan, kind), rounds=5, warmup_rounds=1)


def reference_object_masks(images):
    far = np.abs(images.mean(axis=-1) - 200) > 60
    return np.stack([cv2.medianBlur(mask.astype(np.uint8), 7) for mask in far])


@pytest.mark.parametrize("path", ["nsa", "numpy + cv2"])
def test_object_masks(benchmark, path):
    side = 224
    benchmark.group = f"object masks, {BATCH} images of {side} px"
    images = np.ascontiguousarray(image_pair()[0][:, :side, :side])
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    if path == "nsa":
        ours = benchmark(object_masks, tensor, 200, 60)
        np.testing.assert_array_equal(ours[:, 0].numpy(), reference_object_masks(images))
    else:
        benchmark(reference_object_masks, images)
