"""Run a detector over any images, one at a time. ``python -m nsa.predict --help``."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from nsa.console import console
from nsa.detector import Detector
from nsa.errors import InputError
from nsa.files import make_folder
from nsa.images import find_images, read_image
from nsa.methods import is_unbounded
from nsa.report import overlay


def predict(
    detector: Detector,
    inputs: list[Path],
    output: Path,
    *,
    save_maps: bool = False,
    overlays: bool = True,
) -> int:
    """Score images and write ``scores.csv`` and one heat map overlay each.

    Images stream through one by one: memory holds one image, however many there are. Each line of
    the CSV is written as soon as it is known, so an interruption loses nothing.

    Args:
        inputs: image files and folders of images.
        output: folder to write to; it may exist and hold files of an earlier call.
        save_maps: also write each raw map, float32 (H, W), as NPY.
        overlays: write the pictures.

    Returns:
        Number of images.

    Raises:
        InputError: an input or the output cannot be used; images before it are done.
    """
    paths = [path for entry in inputs for path in find_images(entry)]
    make_folder(output)
    channels = detector.settings.images.channels
    # One fixed scale, so that pictures of different images and calls can be compared: continuous
    # maps are in grey levels, of which y0 counts half in the logistic label; all others end at 1.
    synthesis = detector.settings.synthesis
    limit = 2 * synthesis.label_midpoint if is_unbounded(synthesis) else 1.0
    names = _unique_names(paths)
    try:
        with (output / "scores.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["path", "score"])
            for path, name in zip(paths, names, strict=True):
                image = read_image(path, channels)
                maps, scores = detector.predict(torch.from_numpy(image).permute(2, 0, 1)[None])
                anomaly_map = maps[0, 0].numpy()
                writer.writerow([path, repr(float(scores[0]))])
                file.flush()
                if overlays:
                    picture = overlay(image, anomaly_map, limit)
                    _write_png(output / f"{name}.png", picture)
                if save_maps:
                    np.save(output / f"{name}.npy", anomaly_map)
    except OSError as error:
        raise InputError(f"Cannot write to {output}: {error.strerror or error}.") from error
    console.print(f"{len(paths)} images scored; results in {output}.", markup=False)
    return len(paths)


def _write_png(path: Path, picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    path.write_bytes(encoded.tobytes())


def _unique_names(paths: list[Path]) -> Iterator[str]:
    """A file name for each image's results: its stem, with its folder where stems repeat."""
    stems: dict[str, int] = {}
    for path in paths:
        stems[path.stem] = stems.get(path.stem, 0) + 1
    taken: set[str] = set()
    for path in paths:
        name = path.stem if stems[path.stem] == 1 else f"{path.resolve().parent.name}_{path.stem}"
        base, number = name, 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name)
        yield name


if __name__ == "__main__":
    from nsa.cli import main

    main(["predict", *sys.argv[1:]])
