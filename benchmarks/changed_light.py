"""A change of lamp: false alarms and image AUROC on test images under nine other lights.

    python benchmarks/changed_light.py RUN... --data-root DATA --category CATEGORY [--fpr 0.05]

Each run is a trained one with held-out images, whose threshold is set by them, in the light of the
training. The test images are then changed at their own resolution, 8 bits each, before the
detector sees them. Any method's run may be compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

import nsa
from nsa.detectors.detector import Detector
from nsa.images import open_dataset, read_image
from nsa.images.sample import Sample
from nsa.metrics import auroc
from nsa.runs.calibrate import Calibration

Pixels = npt.NDArray[np.uint8]
_TOGETHER = 16  # images that are judged at once


def to_bytes(levels: npt.NDArray[np.floating]) -> Pixels:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def gains(*factors: float) -> Callable[[Pixels], Pixels]:
    """Of red, green and blue; of a grey image their mean."""

    def light(image: Pixels) -> Pixels:
        own = factors if image.shape[2] == 3 else [np.mean(factors)]
        return to_bytes(image * np.float64(own))

    return light


def contrast(factor: float) -> Callable[[Pixels], Pixels]:
    return lambda image: to_bytes((image - 128.0) * factor + 128)


def blurred(image: Pixels) -> Pixels:
    """By a 256th of the height: 1 px where images of 256 px are judged."""
    smooth = cv2.GaussianBlur(image, (0, 0), image.shape[0] / 256)
    return smooth.reshape(image.shape)


def noisy(image: Pixels) -> Pixels:
    random = np.random.default_rng(int(image.sum()))
    return to_bytes(image + random.normal(0, 8, image.shape))


def from_a_side(image: Pixels) -> Pixels:
    return to_bytes(image * np.linspace(0.85, 1.15, image.shape[1])[None, :, None])


LIGHTS: dict[str, Callable[[Pixels], Pixels]] = {
    "as in training": lambda image: image,
    "15 % darker": gains(0.85, 0.85, 0.85),
    "15 % brighter": gains(1.15, 1.15, 1.15),
    "80 % of the contrast": contrast(0.8),
    "120 % of the contrast": contrast(1.2),
    "warmer": gains(1.08, 1.0, 0.92),
    "cooler": gains(0.92, 1.0, 1.08),
    "out of focus": blurred,
    "noise of 8 grey levels": noisy,
    "30 % brighter on one side": from_a_side,
}


def main() -> None:
    options = _options()
    dataset = open_dataset(options.data_root, options.category)
    rows = [["light", *(run.name for run in options.runs)]]
    columns = [_measure(run, dataset.test, options.fpr) for run in options.runs]
    rows += [[light, *(column[light] for column in columns)] for light in LIGHTS]
    rows.insert(1, ["---", *("--:" for _ in columns)])
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print("Percent: normal images that are called anomalous, and image AUROC.")


def _measure(run: Path, test: list[Sample], fpr: float) -> dict[str, str]:
    detector = nsa.load(run)
    threshold = Calibration.read(run).threshold.threshold(fpr)
    defective = np.array([not sample.is_good for sample in test])
    images = [read_image(sample.path, detector.channels, detector.levels) for sample in test]
    found = {}
    for name, change in LIGHTS.items():
        scores = _scores(detector, [change(image) for image in images])
        alarms = np.mean(scores[~defective] > threshold)
        found[name] = f"{100 * alarms:.0f}, {100 * auroc(defective, scores):.1f}"
    return found


def _scores(detector: Detector, images: list[Pixels]) -> npt.NDArray[np.float64]:
    judged = [
        one
        for first in range(0, len(images), _TOGETHER)
        for one in detector.judge(images[first : first + _TOGETHER])
    ]
    return np.array([one.score for one in judged], np.float64)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--category", required=True)
    parser.add_argument("--fpr", type=float, default=0.05)
    return parser.parse_args()


if __name__ == "__main__":
    main()
