"""One image: `detector.predict` by both engines beside ONNX Runtime with the exported file.

    python benchmarks/one_image.py                    # NSA's network, 256 px, on all cores
    python benchmarks/one_image.py --threads 1 --busy 1 --run runs/bottle-001

All judge the same image, of the detector's size, in turns, so that they meet the same machine, and
in another order each time. A turn is some images in a row, of which the first does not count: it
finds the caches as another has left them. Before it is a pause: threads that have just worked wait
in a loop for more, on the other's core. What is told of each engine is the median of its ratios to
the exported file. Needs nsa[export].
"""

from __future__ import annotations

import argparse
import functools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import nsa
from nsa.detectors.detector import Detector
from nsa.detectors.network.detector import NetworkDetector
from nsa.detectors.network.settings import NetworkSettings
from nsa.detectors.registry import ENGINES
from nsa.model import EncoderDecoder
from nsa.runs.export.formats import to_onnx, traced
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.system.cores import usable_cores

_IMAGES = 4  # of a turn
_SPIN = "while True: pass"
_PAUSE = 0.03  # seconds, after which the threads of the one before have stopped waiting in a loop


def untrained() -> NetworkDetector:
    """NSA's network with initial weights for whole images of 256 px, which take as long."""
    images = ImageConfig(crop=(256, 256), center_crop=(256, 256))
    settings = NetworkSettings(
        category="texture", kind="texture", synthesis=SynthesisConfig(), images=images,
        training=TrainConfig(),
    )  # fmt: skip
    return NetworkDetector(EncoderDecoder(), settings, torch.device("cpu"))


def exported(detector: Detector, threads: int) -> onnxruntime.InferenceSession:
    """The exported file as somebody opens it who wants so many threads."""
    judge, outputs = detector.deployable()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    content = to_onnx(traced(judge, detector, None), {}, [*outputs])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detector.onnx"
        path.write_bytes(content)
        return onnxruntime.InferenceSession(path, options)


def turns(engines: list[Detector], threads: int, count: int) -> np.ndarray:
    """Seconds of each engine and of the exported file, float64 (count, engines + 1)."""
    session = exported(engines[0], threads)
    generator = torch.Generator().manual_seed(0)
    shape = 1, engines[0].channels, *engines[0].size
    image = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
    given = {"images": image.numpy()}
    judges = [functools.partial(detector.predict, image) for detector in engines]
    judges.append(lambda: session.run(None, given))
    random, times = np.random.default_rng(0), np.empty((count + 8, len(judges)))
    for turn in times:
        for number in random.permutation(len(judges)):
            time.sleep(_PAUSE)
            judges[number]()
            begin = time.perf_counter()
            for _ in range(_IMAGES):
                judges[number]()
            turn[number] = (time.perf_counter() - begin) / _IMAGES
    return times[8:]  # before, the number of threads is found out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, help="a run folder; else an untrained network")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--busy", type=int, default=0, help="processes that compute beside it")
    parser.add_argument("--turns", type=int, default=60)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        if given.run is None:
            engines = [untrained() for _ in ENGINES]
            engines[1].network.load_state_dict(engines[0].network.state_dict())
            engines[1].use_onnxruntime(Path(folder))
        else:
            engines = [nsa.load(given.run, "cpu", engine=engine) for engine in ENGINES]
    others = [subprocess.Popen([sys.executable, "-c", _SPIN]) for _ in range(given.busy)]
    try:
        times = turns(engines, given.threads, given.turns)
    finally:
        for other in others:
            other.kill()
            other.wait()
    print(f"{given.threads} threads, {given.busy} busy processes beside, ms an image")
    for name, seconds in zip((*ENGINES, "exported file"), times.T, strict=True):
        low, ratio, high = np.percentile(seconds / times[:, -1], (25, 50, 75))
        print(
            f"{name:13}: median {1000 * np.median(seconds):.1f}, least {1000 * seconds.min():.1f}; "
            f"to the exported file {ratio:.3f} (quartiles {low:.2f} to {high:.2f})"
        )


if __name__ == "__main__":
    main()
