"""One image at a time: `detector.predict` beside ONNX Runtime with the exported file.

    python benchmarks/one_image.py                    # NSA's network, 256 px, on all cores
    python benchmarks/one_image.py --threads 1 --busy 1 --run runs/bottle-001

Both judge the same image in turns, so that both meet the same machine, with a pause, since threads
that have just worked wait in a loop for more, on the other's core. What is told is the median of
the ratios of each pair. Needs onnx, onnxscript and onnxruntime.
"""

from __future__ import annotations

import argparse
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
from nsa.model import EncoderDecoder
from nsa.runs.export.formats import to_onnx, traced
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.system.cores import usable_cores

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


def pairs(detector: Detector, threads: int, count: int) -> np.ndarray:
    """Seconds of both, float64 (count, 2)."""
    judge, outputs = detector.deployable()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    content = to_onnx(traced(judge, detector, None), {}, [*outputs])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detector.onnx"
        path.write_bytes(content)
        session = onnxruntime.InferenceSession(path, options)
    generator = torch.Generator().manual_seed(0)
    shape = 1, detector.channels, *detector.size
    image = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
    given, times = {"images": image.numpy()}, []
    for _ in range(count + 8):
        both = []
        for judge_one in (lambda: detector.predict(image), lambda: session.run(None, given)):
            time.sleep(_PAUSE)
            begin = time.perf_counter()
            judge_one()
            both.append(time.perf_counter() - begin)
        times.append(both)
    return np.array(times[8:])  # before, the number of threads is found out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, help="a run folder; else an untrained network")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--busy", type=int, default=0, help="processes that compute beside it")
    parser.add_argument("--pairs", type=int, default=100)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    detector = untrained() if given.run is None else nsa.load(given.run, "cpu")
    others = [subprocess.Popen([sys.executable, "-c", _SPIN]) for _ in range(given.busy)]
    try:
        times = pairs(detector, given.threads, given.pairs)
    finally:
        for other in others:
            other.kill()
            other.wait()
    ours, theirs = 1000 * np.median(times, axis=0)
    low, ratio, high = np.percentile(times[:, 0] / times[:, 1], (25, 50, 75))
    print(
        f"{given.threads} threads, {given.busy} busy processes beside: nsa {ours:.1f} ms, ONNX "
        f"Runtime {theirs:.1f} ms; ratio {ratio:.2f} (quartiles {low:.2f} to {high:.2f}); least "
        f"{1000 * times[:, 0].min():.1f} and {1000 * times[:, 1].min():.1f} ms"
    )


if __name__ == "__main__":
    main()
