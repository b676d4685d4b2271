"""Fit a Gaussian detector: from a checked request to a run folder."""

from __future__ import annotations

import dataclasses
import logging
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nsa.detectors.detector import Calibrated
from nsa.detectors.gaussian import storage
from nsa.detectors.gaussian.detector import FittedGaussian, load
from nsa.detectors.gaussian.folder import GaussianRun
from nsa.detectors.gaussian.request import GaussianRequest
from nsa.detectors.gaussian.settings import (
    GaussianConfig,
    GaussianSettings,
    contradictions,
    resolve,
)
from nsa.detectors.holdout import (
    held_out_count,
    judges_by_validation,
    rows_that_count,
    say_held_out,
)
from nsa.detectors.levels import choose_levels
from nsa.detectors.method import Fitted, Fitting, refuse_changes
from nsa.detectors.same_images import need_same_images
from nsa.errors import InputError
from nsa.gaussian.detector import GaussianDetector
from nsa.gaussian.feature_grid import FeatureGrid
from nsa.gaussian.features import FeatureExtractor, as_dtype
from nsa.gaussian.map_model import fit_map, positions_within
from nsa.gaussian.map_moments import MapMoments
from nsa.gaussian.pipelines import CAUTIOUS, pipeline_for
from nsa.images import Contents, Dataset, load_images, load_some
from nsa.images.decode import own_shapes
from nsa.images.ignored import paint
from nsa.settings.suggestions import are_grey
from nsa.system.console import console, duration
from nsa.system.device import Precision, choose_device, choose_precision

_log = logging.getLogger("nsa")


class GaussianFitting(Fitting[GaussianRun]):
    """The fit of a Gaussian detector, with the network at hand."""

    settings: GaussianSettings

    def __init__(
        self, settings: GaussianSettings, extractor: FeatureExtractor, precision: Precision
    ) -> None:
        self.settings, self.device = settings, extractor.device.type
        self.precision = precision
        self.test_size, self.levels = settings.size, settings.gaussian.levels
        self.channels = settings.gaussian.channels or extractor.network.channels
        if self.channels > extractor.network.channels:
            raise InputError(
                f"The network in {settings.gaussian.weights} takes grey images, but channels is "
                f"{self.channels}; choose other --weights, or grey images."
            )
        self._extractor = extractor
        self._grid = FeatureGrid.choose(
            extractor.network.entry, settings.size, levels=settings.gaussian.map_levels,
            features=settings.gaussian.map_features, seed=settings.gaussian.seed,
        )  # fmt: skip
        self._images: Tensor
        self._further = 0  # of the images, the last, are fitted to in any case
        self._validation: tuple[Contents, Tensor] | None = None

    def load(self, run: GaussianRun, dataset: Dataset) -> None:  # noqa: ARG002
        """See :meth:`Fitting.load`; what is ignored is painted over."""
        paths = [sample.path for sample in (*dataset.train, *dataset.further)]
        contents = Contents(paths)
        images = load_images(
            paths, self.test_size, self.channels, console.is_terminal, contents=contents,
            levels=self.levels,
        )  # fmt: skip
        # Copies would hide how few images a covariance is of, and be on both sides of a hold-out.
        rows = contents.different("training images")
        self._further = sum(row >= len(dataset.train) for row in rows)
        ignored = None if dataset.ignored is None else dataset.ignored.seen(paths, self.test_size)
        if len(rows) < len(paths):
            _check_counts(self.settings.gaussian, len(rows) - self._further, dataset)
            images, contents = images[rows], contents.take(rows)
            ignored = ignored[rows] if ignored is not None and len(ignored) > 1 else ignored
        self._images, self._hidden = paint(images, ignored, in_place=True), ignored
        self.contents, self._contents, self._ignored = contents, contents, dataset.ignored
        if self.start is not None:
            need_same_images(self.start, contents)
        if judges_by_validation(dataset, self.settings.gaussian.holdout):
            self._validation = self._load_validation(dataset)

    def fit(self, run: GaussianRun, dataset: Dataset) -> Fitted:
        """See :meth:`Fitting.fit`."""
        settings, config, images = self.settings, self.settings.gaussian, self._images
        count = len(images) - self._further
        held = _check_counts(config, count, dataset)
        if config.holdout is None:
            say_held_out(held, count, len(self._validation[0]) if self._validation else 0)
        _log.info(
            "Fitting '%s' on %d images of %d x %d px with %s (%s), on %s.",
            settings.category, len(images) - held, *settings.size, config.network,
            self._extractor.network.source, self.device,
        )  # fmt: skip
        start = time.perf_counter()
        gaussian = GaussianDetector(self._extractor, config.distribution)
        moments = MapMoments(self._grid)
        augmentation = None
        if config.augment:
            augmentation = pipeline_for(settings.category) if dataset.presets else CAUTIOUS
        gaussian.fit(
            images, holdout=held / count, augmentation=augmentation, passes=config.augment,
            seed=config.seed, moments=moments, further=self._further,
        )  # fmt: skip
        hidden = self._hidden
        # Of masks that differ each position counts in some images.
        same = (
            None if hidden is None or len(hidden) > 1 else positions_within(hidden, self._grid)[0]
        )
        gaussian.heat_map, reason = fit_map(moments, config.alignment, same)
        _log.info(
            "Heat maps: %d features at %d x %d positions, %s: %s.",
            self._grid.features, *self._grid.sides,
            "a Gaussian for each" if gaussian.heat_map.aligned else "one Gaussian for all", reason,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        _log.info("Fitted in %s.", duration(seconds))
        storage.save(gaussian, run.path)
        detector, held_out = FittedGaussian(gaussian, settings, run.path), None
        detector.ignore(self._ignored)
        if gaussian.held_out is not None:
            contents = self._contents.take(gaussian.held_out.tolist())
            shapes = own_shapes(contents.paths)
            rows = gaussian.held_out
            ignored = hidden[rows] if hidden is not None and len(hidden) > 1 else hidden
            held_out = contents, detector.calibrate(images[rows], shapes, ignored)
        elif self._validation is not None:
            held_out = self._calibrate_by_validation(detector, *self._validation)
        times = {"training_seconds": seconds, "images_per_second": len(images) / seconds}
        return Fitted(detector, times, held_out)

    def _load_validation(self, dataset: Dataset) -> tuple[Contents, Tensor] | None:
        """Validation images without copies of training images and of each other; None: none."""
        paths = [sample.path for sample in dataset.validation]
        contents = Contents(paths)
        images = load_images(
            paths, self.test_size, self.channels, console.is_terminal, contents=contents,
            levels=self.levels,
        )  # fmt: skip
        rows = rows_that_count(
            contents, self._contents, "validation images", self.settings.gaussian.fpr
        )
        return (contents.take(rows), images[rows]) if rows else None

    def _calibrate_by_validation(
        self, detector: FittedGaussian, contents: Contents, images: Tensor
    ) -> tuple[Contents, Calibrated]:
        """See :class:`Fitted`."""
        masks, paths = self._ignored, [Path(path) for path in contents.paths]
        ignored = None if masks is None else masks.seen(paths, self.test_size)
        return contents, detector.calibrate(images, own_shapes(paths), ignored)


def begin(request: GaussianRequest, dataset: Dataset) -> GaussianFitting:
    """See :meth:`nsa.detectors.method.DetectionMethod.begin`."""
    device = choose_device(request.device or "auto")
    settings = resolve(request, dataset.name)
    levels = choose_levels(request.gaussian, [sample.path for sample in dataset.train])
    settings = _with(settings, levels=levels)
    _check_counts(settings.gaussian, len(dataset.train), dataset)
    fitting = make_fitting(settings, device, request.precision or "auto")
    if settings.gaussian.channels is None and fitting.channels == 3:
        grey = are_grey(load_some(dataset.train, levels))
        if grey:
            _log.info("All images are grey: the detector takes one channel.")
        fitting.settings = _with(settings, channels=1 if grey else 3)
        fitting.channels = fitting.settings.gaussian.channels or 3
    return fitting


def resume(run: GaussianRun, request: GaussianRequest) -> Fitting[GaussianRun]:
    """See :meth:`nsa.detectors.method.DetectionMethod.resume`: what is unfinished starts again."""
    refuse_changes(contradictions(run.settings, request))
    device = choose_device(run.places["device"])
    if run.is_finished:
        return _Finished(run, device)
    return make_fitting(run.settings, device, run.places["precision"])


def further(run: GaussianRun, request: GaussianRequest, added: int) -> GaussianFitting:
    """See :meth:`nsa.detectors.method.DetectionMethod.further`: a new fit to more images."""
    refuse_changes(contradictions(run.settings, request))
    if not added:
        raise InputError(
            f"There is no image that {run.path} was not fitted to, and the same images give the "
            "same Gaussians; give --verdicts with other images judged good."
        )
    device = choose_device(request.device or run.places["device"])
    fitting = make_fitting(run.settings, device, request.precision or run.places["precision"])
    fitting.start = run.path.resolve()
    return fitting


class _Finished(Fitting[GaussianRun]):
    """A fit that is done, to be evaluated again."""

    complete = True

    def __init__(self, run: GaussianRun, device: torch.device) -> None:
        self.settings, self.device = run.settings, device.type
        self.precision = run.places["precision"]
        self._detector = load(run, device.type)
        self.test_size, self.channels = self._detector.size, self._detector.channels
        self.levels = self._detector.levels

    def load(self, run: GaussianRun, dataset: Dataset) -> None:
        """Nothing is left to be fitted to."""

    def fit(self, run: GaussianRun, dataset: Dataset) -> Fitted:  # noqa: ARG002
        """See :meth:`Fitting.fit`."""
        _log.info("The fit in %s is complete; evaluating.", run.path)
        return Fitted(self._detector, run.training_times())


def make_fitting(
    settings: GaussianSettings, device: torch.device, precision: str
) -> GaussianFitting:
    """A fit with its network loaded; precision is that of a request.

    Raises:
        InputError: there are no such weights, or the device has no such precision.
    """
    # Not bfloat16 by itself: its rounding blurs the components of least variance.
    chosen = choose_precision("fp32" if precision == "auto" else precision, device)
    # Before the folder is made: weights that are not there should leave nothing behind.
    extractor = FeatureExtractor.load(
        settings.gaussian.network, settings.gaussian.weights, seed=settings.gaussian.seed,
        device=device, precision=as_dtype(chosen), progress=console.is_terminal,
    )  # fmt: skip
    return GaussianFitting(settings, extractor, chosen)


def _with(settings: GaussianSettings, **changes: Any) -> GaussianSettings:
    """The settings with some values that the images decide."""
    return dataclasses.replace(settings, gaussian=dataclasses.replace(settings.gaussian, **changes))


def _check_counts(config: GaussianConfig, count: int, dataset: Dataset) -> int:
    """How many of ``count`` images are held out.

    Raises:
        InputError: so many images cannot give what is asked for.
    """
    held = held_out_count(count, config.holdout, config.fpr, len(dataset.validation))
    if count - held < 2:
        raise InputError(
            f"The Gaussian detector needs at least two normal images to fit, got {count - held}."
        )
    return held
