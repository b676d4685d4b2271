"""Train NSA and the Gaussian detector on the same images, and combine them by the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nsa.detectors.detector import Detector
from nsa.detectors.ensemble.detector import load as load_ensemble
from nsa.detectors.ensemble.detector import load_members
from nsa.detectors.ensemble.fit import (
    Finished,
    HeldOut,
    check_enough,
    make_ensemble,
    standardise,
)
from nsa.detectors.ensemble.folder import Scales
from nsa.detectors.gaussian import METHOD as GAUSSIAN
from nsa.detectors.gaussian.fit import GaussianFitting, make_fitting
from nsa.detectors.gaussian.folder import GaussianRun
from nsa.detectors.gaussian.request import GaussianRequest
from nsa.detectors.gaussian.settings import GaussianConfig, GaussianSettings, resolve
from nsa.detectors.joint.folder import JointRun
from nsa.detectors.joint.request import JointRequest
from nsa.detectors.joint.settings import HOLDOUT, JointSettings, contradictions
from nsa.detectors.method import Compound, Fitted, Fitting, Part, refuse_changes
from nsa.detectors.network import METHOD as NETWORK
from nsa.detectors.network.fit import NetworkFitting, with_epochs
from nsa.detectors.network.folder import NetworkRun
from nsa.detectors.network.further import continued
from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.network.sizes import differs
from nsa.detectors.same_images import need_same_images
from nsa.errors import InputError, shown
from nsa.folder import CONTENTS, MEMBERS, Metrics, started_from
from nsa.gaussian.detector import split_rows
from nsa.images import Contents, Dataset, load_images
from nsa.metrics.conformal import allowed_exceedances
from nsa.settings.fields import replace
from nsa.system.console import console, counted
from nsa.system.device import Precision, choose_device, choose_precision, choose_training_device
from nsa.training import need_two_images
from nsa.training.distributed import ALONE

# The Gaussian detector first: what is wrong with the images shows in seconds.
_GAUSSIAN, _NSA = "01-gaussian", "02-nsa"
_GAUSSIAN_PRECISION = "fp32"  # whatever NSA trains in, so that it is the same when it goes on
_TINY = (16, 16)  # what images hold is known by then; they themselves are of no use here


class JointFitting(Compound[JointRun]):
    """The training of both, and what is done when they are there."""

    settings: JointSettings
    precision: Precision

    def __init__(
        self,
        settings: JointSettings,
        device: torch.device,
        precision: Precision,
        gaussian: GaussianFitting | None = None,
        epochs: int | None = None,
    ) -> None:
        self.settings, self.device, self.precision = settings, device.type, precision
        self.test_size = settings.network.test_size
        self.channels = settings.network.images.channels
        self.levels = settings.network.images.levels
        self.parts = (
            Part(_GAUSSIAN, GAUSSIAN, self._start_gaussian),
            Part(_NSA, NETWORK, self._start_network),
        )
        self.tries_threads = device.type == "cpu"  # as NSA does
        self._device, self._gaussian, self._epochs = device, gaussian, epochs
        self._contents: Contents  # of the images that are held out
        self._held: HeldOut
        self._members: dict[str, Detector]
        self._scales: list[Scales]
        self._scores: dict[str, npt.NDArray[np.float64]]

    def _start_gaussian(self, begun: GaussianRun | None) -> Fitting[Any]:
        if begun is None:
            return self._gaussian or make_fitting(
                self.settings.gaussian_alone, self._device, _GAUSSIAN_PRECISION
            )
        begun.places["device"] = self.device
        return GAUSSIAN.resume(begun, GaussianRequest(), ALONE)

    def _start_network(self, begun: NetworkRun | None) -> Fitting[Any]:
        if begun is None:
            network = self.settings.network
            fresh = NetworkFitting(network, self._device, self.precision, ALONE, profile=False)
            fresh.start = None if self.start is None else self.start / MEMBERS / _NSA
            return fresh
        begun.places.update(device=self.device, precision=self.precision)
        return NETWORK.resume(begun, NetworkRequest(epochs=self._epochs), ALONE)

    def divide(self, run: JointRun, dataset: Dataset) -> tuple[Dataset, Contents]:
        """See :meth:`Compound.divide`; of images with the same pixels one is taken."""
        paths = [sample.path for sample in (*dataset.train, *dataset.further)]
        contents = Contents(paths)
        load_images(
            paths, _TINY, self.channels, console.is_terminal, False, contents=contents,
            levels=self.levels,
        )  # fmt: skip
        rows = contents.different("training images")
        own = [row for row in rows if row < len(dataset.train)]
        kept, held = split(own, self.settings.shared)
        self._contents = contents.take(held)
        self.contents = contents.take([*kept, *rows[len(own) :]])
        if self.start is not None and not (run.path / MEMBERS).exists():
            further = len(rows) - len(own)
            need_same_images(self.start, self.contents, self._contents, further)
        for part in self.parts:  # before anything is trained on others
            path = run.path / MEMBERS / part.name / CONTENTS
            if path.is_file() and set(Contents.read(path).names()) != set(self.contents.names()):
                raise InputError(
                    f"The training images of {run.path} are others than when it began; put those "
                    "back, or start a new run."
                )
        train = [dataset.train[row] for row in kept]
        return dataclasses.replace(dataset, train=train), self._contents

    def load(self, run: JointRun, dataset: Dataset) -> None:
        """See :meth:`Fitting.load`; both are trained by now."""
        names = [part.name for part in self.parts]
        self._members = dict(zip(names, load_members(run.path, names, self._device), strict=True))
        held = self._contents
        images = load_images(
            held.paths, self.test_size, self.channels, console.is_terminal, levels=self.levels
        )
        ignored, paths = dataset.ignored, [*map(Path, held.paths)]
        hidden = None if ignored is None else ignored.seen(paths, self.test_size)
        self._held = HeldOut(images, held, hidden)
        self._scales, self._scores = standardise(self._members, self._held)

    def fit(self, run: JointRun, dataset: Dataset) -> Fitted:  # noqa: ARG002
        """See :meth:`Fitting.fit`: the ensemble, calibrated by the images that were held out."""
        fpr = self.settings.shared.fpr
        detector = make_ensemble(run, self._members, self._held, self._scales, self._scores, fpr)
        paths = [run.path / MEMBERS / part.name for part in self.parts]
        seconds = [Metrics.read(path).times.get("training_seconds", 0.0) for path in paths]
        held_out = self._held.contents, self._held.calibrate(detector)
        return Fitted(detector, {"training_seconds": sum(seconds)}, held_out)


def begin(request: JointRequest, dataset: Dataset) -> JointFitting:
    """See :meth:`nsa.detectors.method.DetectionMethod.begin`."""
    network = request.for_network()
    score = network.overrides("training").get("image_score", "mean")
    if score == "auto":
        raise InputError(
            "--image-score auto holds images out of NSA's training alone, and those of --method "
            "nsa+gaussian are held out of both; choose mean, top or maximum, or leave it out."
        )
    nsa = NETWORK.begin(network.replace(image_score=score, holdout=0.0), dataset, ALONE)
    assert isinstance(nsa, NetworkFitting)
    if nsa.resize != "stretch":
        raise InputError(
            "--size keeps images in their own shape, and the Gaussian detector of nsa+gaussian "
            "sees them stretched to one size; leave it out, or train with --method nsa alone."
        )
    asked = request.overrides("gaussian")
    levels = None if nsa.levels is None else list(nsa.levels)
    own = {"size": list(nsa.test_size), "channels": nsa.channels, "levels": levels}
    for name, value in own.items():
        if asked.get(name) not in (None, value):
            raise InputError(
                f"The Gaussian detector's {name}, {shown(asked[name])}, must be that of NSA's "
                f"images, {value}; leave it out, or change 'images'."
            )
    fpr, holdout = (asked.pop(name, None) for name in ("fpr", "holdout"))
    nothing = {"holdout": 0.0}  # is held out of what the part gets
    alone = resolve(request.for_gaussian_alone({**asked, **own, **nothing}), dataset.name)
    config = replace(alone.gaussian, fpr=fpr, holdout=HOLDOUT if holdout is None else holdout)
    split(range(len(dataset.train)), config)  # before the weights, which may take a while
    gaussian = make_fitting(alone, choose_device(request.device or "auto"), _GAUSSIAN_PRECISION)
    settings = JointSettings(
        network=nsa.settings, gaussian=GaussianSettings(category=dataset.name, gaussian=config)
    )
    return JointFitting(settings, choose_training_device(nsa.device), nsa.precision, gaussian)


def resume(run: JointRun, request: JointRequest) -> Fitting[JointRun]:
    """See :meth:`nsa.detectors.method.DetectionMethod.resume`; NSA's ``epochs`` may change."""
    settings = run.settings
    epochs = request.overrides("training").get("epochs")
    if epochs == settings.network.training.epochs:
        epochs = None
    if epochs is not None:
        begun = NETWORK.find_begun(run.path / MEMBERS / _NSA)
        network = (
            settings.network.with_epochs(epochs, 0, 0) if begun is None
            else with_epochs(begun, epochs)
        )  # fmt: skip
        settings = JointSettings(network=network, gaussian=settings.gaussian)
    refuse_changes([*contradictions(settings, request), *differs(settings.network, request)])
    device = choose_training_device(run.places["device"])
    precision = choose_precision(run.places["precision"], device)
    if run.is_combined and (run.path / "metrics.json").is_file():
        return Finished(run, load_ensemble(run, device, settings.shared.fpr), device)
    fitting = JointFitting(settings, device, precision, epochs=epochs)
    fitting.start = started_from(run.path)
    return fitting


def further(run: JointRun, request: JointRequest) -> JointFitting:
    """See :meth:`nsa.detectors.method.DetectionMethod.further`: NSA goes on, the rest is new."""
    again = started_from(run.path) is not None
    network = continued(run.settings.network, request, again=again)
    settings = JointSettings(network=network, gaussian=run.settings.gaussian)
    refuse_changes([*contradictions(settings, request), *differs(network, request)])
    device = choose_training_device(request.device or run.places["device"])
    precision = choose_precision(request.precision or run.places["precision"], device)
    fitting = JointFitting(settings, device, precision)
    fitting.start = run.path.resolve()
    return fitting


def split(rows: Sequence[int], config: GaussianConfig) -> tuple[list[int], list[int]]:
    """Rows to train on and rows to hold out.

    Raises:
        InputError: too few are left of one kind.
    """
    holdout = HOLDOUT if config.holdout is None else config.holdout
    kept, held = split_rows(rows, holdout, config.seed)
    check_enough(
        len(held),
        f"raise --holdout above {holdout:g} of {counted(len(rows), 'image')}, or give more",
    )
    need_two_images(len(kept))
    if config.fpr is not None:
        allowed_exceedances(config.fpr, len(held))
    return kept.tolist(), held.tolist()
