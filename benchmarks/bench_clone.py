"""Cloning one square RGB patch into a 256 px image, full mask."""

import cv2
import numpy as np
import pytest

import nsa.blend

SIDES = (32, 66, 100, 150, 205)
SWEEPS = 100  # of fpie's Jacobi iteration: far from converged, so a lower bound of its time


@pytest.fixture(scope="module")
def images():
    """A smooth, noisy source and destination, uint8 (256, 256, 3)."""
    rng = np.random.default_rng(0)
    pair = []
    for _ in range(2):
        coarse = rng.normal(size=(34, 34, 3)).astype(np.float32)
        smooth = cv2.resize(coarse, (256, 256), interpolation=cv2.INTER_CUBIC) * 50 + 120
        pair.append(np.clip(smooth + rng.normal(0, 5, smooth.shape), 0, 255).astype(np.uint8))
    return pair


@pytest.mark.parametrize("peer", ["nsa", "cv2", "fpie"])
@pytest.mark.parametrize("gradients", ["source", "mixed"])
@pytest.mark.parametrize("side", SIDES)
def test_clone(benchmark, images, side, gradients, peer):
    benchmark.group = f"clone {side} px, RGB, {gradients} gradients"
    benchmark.extra_info |= {"peer": peer, "images": 1}
    source, destination = np.ascontiguousarray(images[0][:side, :side]), images[1]
    mask = np.full((side, side), 255, np.uint8)
    mixed = gradients == "mixed"
    arguments = (source, destination, mask, (128, 128))
    if peer == "fpie":
        clone_by_jacobi(benchmark, *arguments, mixed)
        return
    flag = cv2.MIXED_CLONE if mixed else cv2.NORMAL_CLONE
    opencv = cv2.seamlessClone(source, destination, mask.copy(), (128, 128), flag)
    if peer == "cv2":
        # OpenCV overwrites its mask, but only the frame that it ignores.
        benchmark(cv2.seamlessClone, *arguments, flag)
        return
    ours = benchmark(nsa.blend.seamless_clone, *arguments, flag)
    difference = np.abs(ours.astype(int) - opencv)
    assert difference.max() <= 1
    inside = (slice(128 - side // 2, 128 + side // 2),) * 2
    benchmark.extra_info["identical to cv2"] = float(np.mean(difference[inside] == 0))


def clone_by_jacobi(benchmark, source, destination, mask, center, mixed):
    """fpie solves only the masked part and iterates, so its pixels differ."""
    numba = pytest.importorskip("numba")
    process = pytest.importorskip("fpie.process")
    numba.set_num_threads(1)
    solver = process.GridProcessor("max" if mixed else "src", "numba", 1)
    corner = center[1] - mask.shape[0] // 2, center[0] - mask.shape[1] // 2

    def clone():
        solver.reset(source, mask, destination, (0, 0), corner)
        return solver.step(SWEEPS)

    benchmark.extra_info["sweeps"] = SWEEPS
    benchmark.pedantic(clone, rounds=3, warmup_rounds=1)
