"""Memory that does not grow with the number of images, but for what is said to be kept of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from forks import Ended
from places import Place
from tiny import GAUSSIAN, picture, write

_FULL = 10  # the effort at which all predictions are made
_NOISE = 80e6  # bytes by which two runs of the same may differ: blocks of 30 MB come and go
_PIXELS = 72 * 72 * 3  # of a training image: held in memory, one byte each


def many(folder: Path, count: int) -> None:
    for index in range(count):
        write(folder / f"{index}.png", picture(1000 + index)[0])


def peak(ended: Ended) -> int:
    assert ended.status == 0, ended.said
    return ended.peak


@pytest.mark.parametrize("run", ["run", "fit"])
def test_predictions(run: str, place: Place, effort: float) -> None:
    """2,000 take what 1,000 take."""
    place.begin()
    count = round(2000 * min(1.0, effort / _FULL))
    peaks = []
    for number in (count // 2, count):
        many(place.path / f"photos{number}", number)
        to = f"new{number}"
        ended = place.server.run(
            place.path, "predict", run, f"photos{number}", "--output", to, "--no-overlays"
        )
        peaks.append(peak(ended))
    assert peaks[1] - peaks[0] < _NOISE, peaks
    print(f"{count} predictions: {peaks[1] / 1e6:.0f} MB, half of them: {peaks[0] / 1e6:.0f} MB")


@pytest.mark.parametrize("method", ["network", "gaussian"])
def test_training_images(method: str, place: Place, effort: float) -> None:
    """5,000 take what half of them take, and their pixels once."""
    if method == "network" and effort < 2:
        pytest.skip("takes a greater --effort")
    place.begin()
    count = round(5000 * min(1.0, effort / _FULL / 2))
    options = ("--config", "gaussian.yaml", *GAUSSIAN) if method == "gaussian" else (
        "--config", "options.yaml", "--epochs", 1,
    )  # fmt: skip
    peaks = []
    for number in (count // 2, count):
        many(place.path / f"good{number}", number)
        ended = place.server.run(
            place.path, "train", "--normal-dir", f"good{number}", "--output", f"new{number}",
            "--threads", 1, *options,  # threads keep blocks of their own
        )  # fmt: skip
        peaks.append(peak(ended))
    kept = (count - count // 2) * _PIXELS
    assert peaks[1] - peaks[0] < _NOISE + 2 * kept, (peaks, kept)
    print(f"{count} images: {peaks[1] / 1e6:.0f} MB, half of them: {peaks[0] / 1e6:.0f} MB")
