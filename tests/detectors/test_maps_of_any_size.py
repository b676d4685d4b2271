"""Maps of a network's detector for images of any size, and the memory that they take."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from nsa.detectors.network import detector as module
from nsa.detectors.network.detector import PIXEL_BYTES, NetworkDetector
from nsa.detectors.network.settings import NetworkSettings
from nsa.errors import InputError
from nsa.model import EncoderDecoder
from nsa.model.layers import Window
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig

Passes = list[tuple[int, ...]]
STRIP = 40, 2900  # px; a tile of it is at least 864 px long


def detector() -> NetworkDetector:
    settings = NetworkSettings(
        category="disc", kind="object", synthesis=SynthesisConfig(), training=TrainConfig(),
        images=ImageConfig(size=(64, 64), center_crop=None, crop=(64, 64)),
    )  # fmt: skip
    return NetworkDetector(EncoderDecoder(), settings, torch.device("cpu"))


def images(count: int, size: tuple[int, int]) -> Tensor:
    return torch.randint(256, (count, 3, *size), dtype=torch.uint8)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Passes:
    """Batch, height and width of every pass, and out of memory where the limit says so."""
    made: Passes = []
    plain = NetworkDetector._maps

    def watched(self: NetworkDetector, batch: Tensor, window: Window | None = None) -> Tensor:
        made.append((len(batch), *batch.shape[2:]))
        return plain(self, batch, window)

    monkeypatch.setattr(NetworkDetector, "_maps", watched)
    return made


def give_memory(monkeypatch: pytest.MonkeyPatch, pixels: int) -> None:
    """For so many pixels at a time."""
    free = 2 * pixels * PIXEL_BYTES["cpu"]
    monkeypatch.setattr(module, "available_memory", lambda: free)


def test_memory_decides_about_batches_and_tiles(
    passes: Passes, monkeypatch: pytest.MonkeyPatch, fresh_seed: int
) -> None:
    torch.manual_seed(fresh_seed)
    subject, three = detector(), images(3, STRIP)
    expected = subject.maps(three)
    assert passes == [(3, *STRIP)]
    give_memory(monkeypatch, 2 * 40 * 2900)
    torch.testing.assert_close(subject.maps(three), expected, rtol=0, atol=1e-5)
    assert passes[1:] == [(2, *STRIP), (1, *STRIP)]
    give_memory(monkeypatch, 64 * 1100)
    torch.testing.assert_close(subject.maps(three[:2]), expected[:2], rtol=0, atol=1e-5)
    assert len(passes) > 3 + 2 * 3
    assert all(count == 1 and width <= 1100 for count, _, width in passes[3:])
    give_memory(monkeypatch, 64 * 800)
    with pytest.raises(InputError, match="too little free memory for one image of 40 x 2900 px"):
        subject.maps(three)


def test_a_device_out_of_memory_is_given_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, one = detector(), images(1, STRIP)
    expected = subject.maps(one)
    plain, most, done = NetworkDetector._maps, 1200, []

    def limited(self: NetworkDetector, batch: Tensor, window: Window | None = None) -> Tensor:
        if batch.shape[3] > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        done.append(batch.shape[3])
        return plain(self, batch, window)

    monkeypatch.setattr(NetworkDetector, "_maps", limited)
    torch.testing.assert_close(subject.maps(one), expected, rtol=0, atol=1e-5)
    assert len(done) > 2
    most = 100
    with pytest.raises(InputError, match="too little free memory"):
        subject.maps(one)


def test_any_size_from_32_px(passes: Passes) -> None:
    subject = detector()
    for size in ((32, 32), (33, 95), (4128, 32)):
        assert subject.maps(images(1, size)).shape == (1, *size)
    assert [width for _, width, _ in passes[2:]] == [2368, 2336]  # no side beyond 4,096 px
    for size in ((31, 64), (64, 31), (1, 1)):
        with pytest.raises(InputError, match=f"{size[0]} x {size[1]} px is too small"):
            subject.maps(images(1, size))
    with pytest.raises(InputError, match="uint8 tensor"):
        subject.maps(images(1, (64, 64)).float())
    assert subject.maps(images(0, (40, 50))).shape == (0, 40, 50)


MEASURE = """
import re
from pathlib import Path
import torch
from test_maps_of_any_size import detector, images

def status(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

torch.set_num_threads(1)
subject, given = detector(), images(1, (1024, 1024))
subject.maps(given[..., :64, :64])
before = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the highest from now on
subject.maps(given)
print(status("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's account of memory")
def test_a_pass_takes_the_memory_that_is_counted() -> None:
    """In a process of its own. Processors differ: oneDNN's ways took 51 to 98 bytes a pixel."""
    run = subprocess.run(
        [sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": __file__.rpartition("/")[0], "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    taken = int(run.stdout) / 1024**2
    assert 0.25 * PIXEL_BYTES["cpu"] < taken < PIXEL_BYTES["cpu"]
