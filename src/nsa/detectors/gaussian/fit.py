"""Fit a Gaussian detector: from options to a finished run folder."""

from __future__ import annotations

import dataclasses
import logging
import time
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from nsa.detectors.gaussian import storage
from nsa.detectors.gaussian.detector import GaussianScorer
from nsa.detectors.gaussian.settings import GaussianRun, resolve
from nsa.errors import InputError
from nsa.folder import RunLock, make_output
from nsa.gaussian.detector import GaussianDetector, split_rows
from nsa.gaussian.features import FeatureExtractor
from nsa.gaussian.pipelines import pipeline_for
from nsa.images import Dataset, LoadedTest, load_images, load_test_set, open_dataset
from nsa.metrics.conformal import allowed_exceedances
from nsa.runs.calibrate import Calibration, working_point
from nsa.runs.evaluate import Evaluation, write_evaluation
from nsa.settings.config import GaussianConfig
from nsa.system.console import console, duration
from nsa.system.device import choose_device, choose_precision

_log = logging.getLogger("nsa")


def train(merged: dict[str, Any]) -> tuple[GaussianRun, Evaluation]:
    """Fit a Gaussian detector into a new run folder, then evaluate.

    Args:
        merged: options of command line and file, see :func:`nsa.runs.train.train`.

    Raises:
        InputError: an option, the weights, an image or the output folder cannot be used.
    """
    device = choose_device(merged.get("device", "auto"))
    # Not bfloat16 by itself: its rounding blurs the components of least variance.
    precision = choose_precision(_not_auto(merged.get("precision", "auto")), device)
    data_root, normal_dir = merged.get("data_root"), merged.get("normal_dir")
    dataset = open_dataset(data_root, merged.get("category"), normal_dir)
    settings = resolve(merged, dataset.name)
    _check_counts(settings.gaussian, len(dataset.train))
    bits: Literal["bfloat16", "float32"] = "bfloat16" if precision == "bf16" else "float32"
    # Before the folder is made: weights that are not there should leave nothing behind.
    extractor = FeatureExtractor.load(
        settings.gaussian.network, settings.gaussian.weights, seed=settings.gaussian.seed,
        device=device, precision=bits, progress=console.is_terminal,
    )  # fmt: skip
    places = {
        "data_root": None if data_root is None else str(Path(data_root).resolve()),
        "normal_dir": None if normal_dir is None else str(Path(normal_dir).resolve()),
        "device": device.type,
        "precision": precision,
    }
    output = merged.get("output")
    folder = make_output(None if output is None else Path(output), dataset.name)
    with RunLock(folder):
        run = GaussianRun.create(folder, settings, places)
        channels, progress = extractor.network.channels, console.is_terminal
        with run.beginning():  # the test set too, so that its faults are no surprise at the end
            test = load_test_set(dataset.test, settings.size, channels, progress)
            paths = [sample.path for sample in dataset.train]
            images = load_images(paths, settings.size, channels, progress)
        return run, _work(run, dataset, images, test, extractor)


def _work(
    run: GaussianRun,
    dataset: Dataset,
    images: Tensor,
    test: LoadedTest,
    extractor: FeatureExtractor,
) -> Evaluation:
    settings, config = run.settings, run.settings.gaussian
    _log.info(
        "Fitting '%s' on %d images of %d x %d px with %s (%s), on %s.",
        settings.category, len(dataset.train), *settings.size, config.network,
        extractor.network.source, extractor.device.type,
    )  # fmt: skip
    start = time.perf_counter()
    holdout = 0.0 if config.fpr is None else config.holdout
    detector = GaussianDetector(extractor, config.distribution)
    augmentation = pipeline_for(settings.category) if config.augment else None
    detector.fit(
        images, holdout=holdout, augmentation=augmentation, passes=config.augment, seed=config.seed
    )
    seconds = time.perf_counter() - start
    _log.info("Fitted in %s.", duration(seconds))
    storage.save(detector, run.path)
    scorer = GaussianScorer(run, detector)
    result = scorer.evaluate(dataset, test)
    if config.fpr is not None and detector.calibration is not None:
        held = split_rows(len(images), holdout, config.seed)[1].tolist()
        scores = detector.calibration.sum(1).numpy()
        calibration = Calibration([str(dataset.train[row].path.resolve()) for row in held], scores)
        calibration.write(run.path)
        point = working_point(scorer, calibration, result, dataset, config.fpr)
        result = dataclasses.replace(result, working_point=point)
    times = {"training_seconds": seconds, "images_per_second": len(images) / seconds}
    write_evaluation(run, result, dataset, times)
    return result


def _check_counts(config: GaussianConfig, count: int) -> None:
    """Refuse what so many images cannot give, before anything is computed or written."""
    held = 0
    if config.fpr is not None:
        held = len(split_rows(count, config.holdout, config.seed)[1])
        allowed_exceedances(config.fpr, held)
    if count - held < 2 and config.distribution != "l2":
        raise InputError(
            f"The distribution {config.distribution!r} needs at least two normal images to fit, "
            f"got {count - held}; only 'l2' does with one."
        )


def _not_auto(precision: str) -> str:
    return "fp32" if precision == "auto" else precision
