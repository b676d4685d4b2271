"""Run a detector over any number of images."""

from __future__ import annotations

import contextlib
import csv
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch

from nsa.detectors.detector import Detector, Map, Scored, check_scores
from nsa.errors import InputError
from nsa.folder import AnyRun
from nsa.images import find_images, read_image
from nsa.images.load import describe, worker_count
from nsa.images.stream import Pixels, groups, map_ahead
from nsa.report.overlay import overlay
from nsa.runs.calibrate import ANOMALOUS, LABEL_COLUMNS, Labels
from nsa.system.console import console, counted
from nsa.system.files import make_folder


def predict(
    run: AnyRun,
    detector: Detector,
    inputs: list[Path],
    output: Path,
    *,
    fpr: float | None = None,
    save_maps: bool = False,
    overlays: bool = True,
) -> int:
    """Score images and write ``scores.csv`` and, where there are maps, one overlay each.

    Images stream through in groups: memory holds one group and a few images decoded ahead, however
    many there are. The lines of the CSV are written group by group, so an interruption loses one
    group at most. A file that cannot be read is left out, and named when the others are done.

    Args:
        run: the detector's run folder, which knows its calibration.
        inputs: image files and folders of images.
        output: folder to write to; it may exist and hold files of an earlier call.
        fpr: also write a p-value and the label that follows from this false positive rate; None:
            the rate that the training was asked for, if any.
        save_maps: also write each raw map, float32 (H, W), as NPY.
        overlays: write the pictures.

    Returns:
        Number of images.

    Raises:
        InputError: files cannot be read (all others are done), an input or the output cannot be
            used, there are no maps to save, or the rate cannot be set by the run's calibration.
    """
    if detector.no_maps is not None and save_maps:
        raise InputError(f"There is nothing to save with --save-maps: {detector.no_maps}.")
    if detector.no_maps is not None and overlays:
        console.print(f"Only scores are written: {detector.no_maps}.")
    fpr = detector.default_fpr if fpr is None else fpr
    labels = None if fpr is None else Labels(run.path, fpr)
    paths = [path for entry in inputs for path in find_images(entry)]
    make_folder(output)
    places: deque[tuple[Path, str]] = deque()  # of the images that are read but not yet judged
    failures: list[InputError] = []
    anomalous = 0
    threads = worker_count()

    def read(path: Path) -> Pixels | InputError:
        try:
            return read_image(path, detector.channels)
        except InputError as error:
            return error

    def readable(images: Iterator[Pixels | InputError]) -> Iterator[Pixels]:
        for place, image in zip(zip(paths, _unique_names(paths), strict=True), images, strict=True):
            if isinstance(image, InputError):
                failures.append(image)
            else:
                places.append(place)
                yield image

    def draw(name: str, image: Pixels, anomaly_map: Map) -> None:
        if overlays:
            _write_png(output / f"{name}.png", overlay(image, anomaly_map, detector.map_limit))
        if save_maps:
            np.save(output / f"{name}.npy", anomaly_map)

    try:
        with (
            (output / "scores.csv").open("w", newline="", encoding="utf-8") as file,
            ThreadPoolExecutor(threads) as pool,
            contextlib.closing(map_ahead(read, paths, pool, threads)) as images,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["path", "score", *(LABEL_COLUMNS if labels else ())])
            for group in groups(readable(images)):
                drawn = []
                for image, (score, anomaly_map) in zip(group, detector.judge(group), strict=True):
                    path, name = places.popleft()
                    check_scores(_scored(score, anomaly_map), [path])
                    row: list[object] = [path, repr(score)]
                    if labels is not None:
                        p_value, label = labels(score)
                        row += [repr(p_value), label]
                        anomalous += label == ANOMALOUS
                    writer.writerow(row)
                    if anomaly_map is not None:
                        drawn.append(pool.submit(draw, name, image, anomaly_map))
                file.flush()
                for future in drawn:
                    future.result()
    except OSError as error:
        raise InputError(f"Cannot write to {output}: {error.strerror or error}.") from error
    if fpr is not None:
        console.print(
            f"{counted(anomalous, 'image')} anomalous at a false positive rate of {fpr:g}."
        )
    done = len(paths) - len(failures)
    console.print(f"{counted(done, 'image')} scored; results in {output}.", markup=False)
    if failures:
        raise InputError(describe(failures, len(paths)))
    return done


def _scored(score: float, anomaly_map: Map | None) -> Scored:
    maps = None if anomaly_map is None else torch.from_numpy(anomaly_map)[None]
    return Scored(torch.tensor([score], dtype=torch.float64, device="cpu"), maps)


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
