"""Standardise members by held-out normal images, and make one detector of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsa.detectors.detector import Calibrated, Detector, check_scores
from nsa.detectors.ensemble.detector import EnsembleDetector
from nsa.detectors.ensemble.folder import Scales, write_held_out, write_scales
from nsa.detectors.ensemble.standard import (
    LEAST,
    PIXELS,
    Standard,
    of_maps,
    of_scores,
    some_pixels,
)
from nsa.detectors.hidden import counting, part_of
from nsa.detectors.method import Fitted, Fitting, RunT
from nsa.errors import InputError
from nsa.folder import AnyRun
from nsa.images import Contents, Dataset
from nsa.images.decode import own_shapes
from nsa.system.console import counted

_log = logging.getLogger("nsa")

_LITTLE = 0.01  # of a score: what normal images differ by at least, where it says something
_CHUNK = 16  # images at a time, whose maps are in memory


@dataclass(frozen=True)
class HeldOut:
    """Normal images that no member was trained on.

    Attributes:
        images: uint8 (n, channels, H, W) of the members' size.
        contents: what they hold.
        ignored: bool (n or 1, H, W), what does not count of them beside what the members ignore.
    """

    images: Tensor
    contents: Contents
    ignored: Tensor | None = None

    def calibrate(self, detector: EnsembleDetector) -> Calibrated:
        """What the ensemble says of them."""
        return detector.calibrate(self.images, own_shapes(self.contents.paths), self.ignored)


class Finished(Fitting[RunT]):
    """An ensemble that is there, to be evaluated again."""

    complete = True

    def __init__(self, run: RunT, detector: EnsembleDetector, device: torch.device) -> None:
        self.settings, self.device = run.settings, device.type
        self.precision = run.places["precision"]
        self.test_size, self.channels = detector.size, detector.channels
        self.levels = detector.levels
        self._detector = detector

    def load(self, run: RunT, dataset: Dataset) -> None:
        """Nothing is left to be trained."""

    def fit(self, run: RunT, dataset: Dataset) -> Fitted:  # noqa: ARG002
        """See :meth:`Fitting.fit`."""
        _log.info("The ensemble in %s is complete; evaluating.", run.path)
        return Fitted(self._detector, run.training_times())


def check_enough(count: int, remedy: str) -> None:
    """Refuse to standardise by too few images.

    Args:
        remedy: how to get more, without a full stop.

    Raises:
        InputError: there are fewer than :data:`LEAST`.
    """
    if count < LEAST:
        raise InputError(
            f"Members are standardised by at least {LEAST} held-out normal images, since the scale "
            f"of fewer is a guess, but there {'is' if count == 1 else 'are'} {count}; {remedy}."
        )


def standardise(
    members: Mapping[str, Detector], held: HeldOut
) -> tuple[list[Scales], dict[str, npt.NDArray[np.float64]]]:
    """By what each member's scores and maps are standardised.

    Args:
        members: by name.

    Returns:
        The scales, and the scores of the held-out images, (n,) of each member by name.

    Raises:
        InputError: a member says the same of all images, or something that is not finite.
    """
    scales, every = [], {}
    count = len(held.images)
    for name, member in members.items():
        _log.info("Standardising %s by %s.", name, counted(count, "held-out image"))
        scores, pixels = [], []
        for first in range(0, count, _CHUNK):
            part = slice(first, first + _CHUNK)
            ignored = part_of(held.ignored, part)
            said = member.score(held.images[part], ignored)
            check_scores(said, held.contents.paths[part])
            scores.append(said.scores.double())
            # Of a part of the pixels, so that any number of images fits into memory.
            most, hidden = max(1, PIXELS // count), member.hidden(ignored)
            maps = [said.maps] if hidden is None else counting(said.maps, hidden)
            pixels += [some_pixels(one, most, first).flatten() for one in maps]
        every[name] = torch.cat(scores).numpy()
        for other in [one for one in every if one != name]:
            if (every[other] == every[name]).all():
                raise InputError(
                    f"{other} and {name} give every held-out image the same score: they are one "
                    "and the same detector; leave one out."
                )
        scales.append(
            Scales(
                name=name,
                scores=_standard(name, torch.cat(scores), of_scores, "score"),
                maps=_standard(name, torch.cat(pixels), of_maps, "map"),
            )
        )
        if scales[-1].scores.scale < _LITTLE:
            _log.warning(
                "%s gives all normal images nearly the same score (they differ by %.2g %%), so its "
                "part of the sum is chance; train it longer, or leave it out.",
                name, 100 * scales[-1].scores.scale,
            )  # fmt: skip
    return scales, every


def _standard(name: str, values: Tensor, make: Callable[[Tensor], Standard], what: str) -> Standard:
    try:
        return make(values)
    except InputError as error:
        raise InputError(
            f"{name} gives all held-out normal images the same {what}, so that it cannot be "
            f"standardised ({str(error).rstrip('.')}); leave it out, or train it longer."
        ) from error


def make_ensemble(
    run: AnyRun,
    members: Mapping[str, Detector],
    held: HeldOut,
    scales: list[Scales],
    scores: dict[str, npt.NDArray[np.float64]],
    default_fpr: float | None = None,
) -> EnsembleDetector:
    """The detector of a run whose members lie in its folder; what it needs is written there.

    Raises:
        InputError: a file cannot be written.
    """
    write_held_out(run.path, held.contents, scores)
    write_scales(run.path, scales)
    return EnsembleDetector(
        list(members.values()), scales, scaled_by=held.contents.names(), default_fpr=default_fpr
    )
