"""Images of a run for its exported file: normal ones, as the file takes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nsa.detectors.detector import Detector
from nsa.errors import InputError
from nsa.folder import AnyRun
from nsa.images import open_dataset, read_image
from nsa.images.files import find_all_images
from nsa.images.load import load_contents
from nsa.runs.calibrate import Calibration


def normal_images(run: AnyRun, named: Sequence[Path], most: int) -> list[Path]:
    """Files of normal images: those that were named, else the run's own training images.

    Args:
        named: files and folders.
        most: so many of them, evenly spread.

    Raises:
        InputError: one that was named cannot be found, or none was and the run's own are gone.
    """
    if named:
        paths = find_all_images(named)
    else:
        places = run.places
        try:
            dataset = open_dataset(places["data_root"], run.settings.category, places["normal_dir"])
        except InputError as error:
            raise InputError(
                f"The images that {run.path} was trained on are not found; name normal images with "
                f"--images. ({error})"
            ) from error
        paths = [sample.path for sample in dataset.train]
    rows = np.linspace(0, len(paths) - 1, min(most, len(paths))).round().astype(int)
    return [paths[row] for row in rows]


def as_taken(detector: Detector, path: Path) -> Tensor:
    """An image as the exported file takes it, uint8 (1, channels, H, W).

    Raises:
        InputError: it cannot be read or judged.
    """
    image = read_image(path, detector.channels, detector.levels)
    try:
        detector.check_shape(image.shape[:2])
    except InputError as error:
        raise InputError(f"{path} {error}") from error
    return detector.prepare(image)[None]


def calibration_images(run: AnyRun, detector: Detector) -> tuple[Calibration, list[Path]]:
    """The calibration of a run and its image files, which are still the same.

    Raises:
        InputError: there is none, or an image is gone or another.
    """
    calibration = Calibration.read(run.path)
    paths = [Path(path) for path in calibration.paths]
    gone = [path for path in paths if not path.is_file()]
    advice = "calibrate the run again, or export without --fpr or without --int8"
    if gone:
        raise InputError(
            f"A file in 8 bits has scores of its own, whose threshold needs the images that "
            f"{run.path} is calibrated with, and {len(gone)} of {len(paths)} are gone, such as "
            f"{gone[0]}; {advice}."
        )
    if calibration.contents is not None:
        names = load_contents(paths, detector.channels, False, detector.levels).names()
        other = [path for path, one, kept in zip(paths, names, calibration.contents, strict=True)
                 if one != kept]  # fmt: skip
        if other:
            raise InputError(
                f"{other[0]} is no longer the image that {run.path} is calibrated with; {advice}."
            )
    return calibration, paths


def drawn(detector: Detector, count: int, size: tuple[int, int]) -> list[Tensor]:
    """Images of noise, the same in every call: uint8 (1, channels, H, W)."""
    generator = torch.Generator("cpu").manual_seed(0)
    shape = 1, detector.channels, *size
    return [
        torch.randint(256, shape, generator=generator, dtype=torch.uint8, device="cpu")
        for _ in range(count)
    ]
