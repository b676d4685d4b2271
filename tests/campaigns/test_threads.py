"""The same results from several processes, several Python threads and several native threads."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from places import Place

import nsa

_THREADS = 4


def _digest(method: str, workers: int) -> str:
    script = Path(__file__).with_name("loading.py")
    done = subprocess.run(
        [sys.executable, script, method, str(workers)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def without_workers() -> str:
    return _digest("none", 0)


@pytest.mark.skipif(sys.platform == "win32", reason="spawn alone")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_a_loader(method: str, without_workers: str, effort: float) -> None:
    if method == "forkserver" and effort < 2:
        pytest.skip("much like spawn: takes a greater --effort")
    assert _digest(method, 1) == without_workers


def _images(seed: int, count: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, 64, 72), dtype=torch.uint8, generator=generator)


def _synthesized(transform: nsa.NSA, seed: int) -> list[torch.Tensor]:
    images = _images(seed)
    return list(transform.synthesize(images, transform.plan(images, seed=seed)))


def _cloned(seed: int) -> list[torch.Tensor]:
    random = np.random.default_rng(seed)
    destination, source = random.integers(0, 256, (2, 60, 70, 3), dtype=np.uint8)
    mask = np.full((20, 30), 255, dtype=np.uint8)
    patch, center = source[:20, :30], (35, 30)
    cloned = nsa.seamless_clone(patch, destination, mask, center, cv2.NORMAL_CLONE)
    return [torch.from_numpy(cloned)]


def _in_threads(work: Callable[[int], list[torch.Tensor]], count: int) -> None:
    """Check that threads at once give what one gives alone."""
    alone = [work(seed) for seed in range(count)]
    with ThreadPoolExecutor(_THREADS) as pool:
        for repetition in range(2):
            for seed, found in enumerate(pool.map(work, range(count))):
                pairs = zip(found, alone[seed], strict=True)
                assert all(torch.equal(one, other) for one, other in pairs), (repetition, seed)


def test_threads_share_a_transform(effort: float) -> None:
    transform = nsa.NSA(max_patches=3)
    _in_threads(lambda seed: _synthesized(transform, seed), max(4, round(20 * effort)))


def test_threads_clone(effort: float) -> None:
    _in_threads(_cloned, max(4, round(60 * effort)))


@pytest.mark.parametrize("run", ["run", "fit"])
def test_threads_share_a_detector(run: str, place: Place, effort: float) -> None:
    place.begin()
    detector = nsa.load(place.path / run)

    def judge(seed: int) -> list[torch.Tensor]:
        maps, scores = detector.predict(_images(seed, 2))
        return [scores] if maps is None else [maps, scores]

    _in_threads(judge, max(4, round(6 * effort)))


def test_any_number_of_native_threads(fresh_seed: int, effort: float) -> None:
    random = np.random.default_rng(fresh_seed)
    transform = nsa.NSA(max_patches=3)
    before = torch.get_num_threads()
    try:
        for seed in random.integers(2**31, size=max(1, round(4 * effort))):
            torch.set_num_threads(1)
            one = _synthesized(transform, int(seed))
            for threads in (2, 3, 8):
                torch.set_num_threads(threads)
                several = _synthesized(transform, int(seed))
                pairs = zip(one, several, strict=True)
                assert all(torch.equal(first, other) for first, other in pairs), (threads, seed)
    finally:
        torch.set_num_threads(before)
