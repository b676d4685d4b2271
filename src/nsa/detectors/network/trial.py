"""Which kind and which patches suit a product: found out by short trainings on its own images.

Each candidate trains a network on most of the images. The others, which no network has seen, are
changed by the anomalies of every candidate, and the candidate is taken whose network tells all of
these best: what only finds its own is of no use against defects that nobody made.

What lies on a plain background is an object. There both kinds are not tried: a texture's anomalies,
and its network, are learnt sooner, and find less in the end.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nsa.detectors.network.detector import NetworkDetector
from nsa.detectors.network.image_score import NAMED
from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.network.settings import NetworkSettings, lit, resolve
from nsa.errors import InputError
from nsa.images import Dataset, load_images, load_some
from nsa.images.full_size import ignored_in
from nsa.images.ignored import paint
from nsa.metrics import auroc, average_precision
from nsa.settings.config import Bounds, SynthesisConfig, TrainConfig
from nsa.settings.light import light_spread
from nsa.settings.presets import Preset, find_preset, generic
from nsa.settings.suggestions import suggest
from nsa.synthesis import NSA
from nsa.system.device import Precision
from nsa.training import Trainer
from nsa.training.schedule import HELD_OUT, TRIAL, derive_seed

_log = logging.getLogger("nsa")
# The figures that docs/explain/recipe.md has were measured with these.
_SIDE, _BATCH, _STEPS = 160, 8, 144
_MOST_IMAGES, _SHARE_HELD = 160, 0.2
# Images with anomalies of a kind: so many, drawn in rounds; of fewer than the least it has no say.
_WANTED, _ROUNDS, _FEWEST = 128, 16, 8
_ANOMALOUS = 0.3  # label of a pixel that a network is to find
LEAST = 20
"""Images that a trial takes at least."""


class Candidate(NamedTuple):
    """Settings that are tried.

    Attributes:
        name: for the log.
        request: which asks for them.
        settings: those of a short training.
    """

    name: str
    request: NetworkRequest
    settings: NetworkSettings


def tried(
    request: NetworkRequest, dataset: Dataset, device: torch.device, precision: Precision
) -> NetworkRequest:
    """The request with kind and patch sizes that a trial has chosen, where it asks for no others.

    Args:
        request: with levels, see :func:`nsa.detectors.network.automatic.with_levels`.

    Raises:
        InputError: there are too few images, or they are trained on in their own size.
    """
    if request.size is not None or request.crop is not None:
        raise InputError(
            f"--trial compares settings on whole images of {_SIDE} px; leave out --size and "
            "--crop, or the trial."
        )
    if len(dataset.train) < LEAST:
        raise InputError(
            f"--trial needs {LEAST} training images at least, got {len(dataset.train)}; leave it "
            "out."
        )
    candidates = _candidates(request, dataset)
    if len(candidates) == 1:
        _log.info("There is nothing to try: kind and patches are given.")
        return candidates[0].request
    found = _table(candidates, dataset, device, precision)
    if found.size == 0:
        _log.info("There is nothing to try by: anomalies change too little of these images.")
        return candidates[0].request
    best = int(choose(found))
    for candidate, row in zip(candidates, found.mean(1), strict=True):
        _log.info(
            "Trial: %s: image AUROC %.1f, pixel AP %.1f on the anomalies of all.",
            candidate.name, *(100 * row),
        )  # fmt: skip
    _log.info("The trial chose: %s.", candidates[best].name)
    return candidates[best].request


def choose(found: np.ndarray[Any, np.dtype[np.float64]]) -> np.intp:
    """The network that finds most of all anomalies.

    Args:
        found: (n networks, m kinds of anomalies, 2), image AUROC and pixel average precision.
    """
    return np.argmax(found.sum((1, 2)))


def _candidates(request: NetworkRequest, dataset: Dataset) -> list[Candidate]:
    """Kinds that are in question, each with usual patches and small ones, if none are given."""
    some = load_some(dataset.train, request.images["levels"])
    suggested = suggest(some, dataset.name).preset
    kinds: list[str | None] = [suggested.kind]
    if request.kind is not None or (dataset.presets and find_preset(dataset.name) is not None):
        kinds = [request.kind]
    elif suggested.synthesis.background is None:
        kinds += {"object", "texture"} - {suggested.kind}
    candidates = []
    for kind in kinds:
        preset = suggested
        if kind not in (None, suggested.kind):
            preset = generic(suggested.name, str(kind), suggested.images.channels)
        asked = request.replace(kind=kind)
        usual = _short(asked, dataset, preset, some)
        candidates.append(Candidate(f"{usual.kind}, usual patches", asked, usual))
        smaller = _smaller(usual.synthesis, request)
        if smaller:
            asked = asked.replace(synthesis={**request.synthesis, **smaller})
            small = _short(asked, dataset, preset, some)
            candidates.append(Candidate(f"{usual.kind}, small patches", asked, small))
    return candidates


def _short(
    request: NetworkRequest, dataset: Dataset, preset: Preset, some: Tensor
) -> NetworkSettings:
    """What a request comes to on whole images of the trial's size."""
    settings = resolve(request, dataset.name, lambda: preset, presets=dataset.presets)
    images = dataclasses.replace(
        settings.images, size=(_SIDE, _SIDE), crop=(_SIDE, _SIDE), center_crop=None, reflection=0,
        resize="stretch",
    )  # fmt: skip
    settings = dataclasses.replace(settings, images=images)
    return lit(settings, request, lambda: light_spread(some))


def _smaller(synthesis: SynthesisConfig, request: NetworkRequest) -> dict[str, Bounds]:
    """Bounds half as large; none where the request has some."""
    given = request.overrides("synthesis")
    names = ("height_bounds", "width_bounds")
    if synthesis.patch_pixels is not None or any(name in given for name in names):
        return {}
    return {
        name: (getattr(synthesis, name)[0] / 2, getattr(synthesis, name)[1] / 2) for name in names
    }


def _table(
    candidates: Sequence[Candidate], dataset: Dataset, device: torch.device, precision: Precision
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What :func:`choose` chooses by."""
    seed = candidates[0].settings.training.seed
    config = candidates[0].settings.images
    paths = _some_paths(dataset, seed)
    held = round(_SHARE_HELD * len(paths))
    images = load_images(
        paths, config.size, config.channels, progress=False, warn=False, levels=config.levels
    )
    ignored = hidden = ignored_in(paths, config, dataset.ignored)
    images = paint(images, ignored)
    normal = images[:held]
    if ignored is not None and len(ignored) > 1:  # else one mask is of all
        hidden, ignored = ignored[:held], ignored[held:]
    changed = [_anomalous(normal, hidden, one.settings.synthesis, seed) for one in candidates]
    changed = [pair for pair in changed if len(pair[0]) >= _FEWEST]
    found = np.empty((len(candidates), len(changed), 2))
    for row, candidate in enumerate(candidates if changed else []):
        _log.info("Trial %d of %d: %s.", row + 1, len(candidates), candidate.name)
        detector = _train(candidate.settings, images[held:], ignored, device, precision)
        usual = detector.maps(normal)
        for column, (pictures, labels) in enumerate(changed):
            found[row, column] = _told_apart(usual, detector.maps(pictures), labels)
    return found


def _some_paths(dataset: Dataset, seed: int) -> list[Path]:
    """Of at most so many training images, drawn at random, in random order."""
    generator = torch.Generator("cpu").manual_seed(derive_seed(seed, HELD_OUT, TRIAL))
    order = torch.randperm(len(dataset.train), generator=generator, device="cpu")
    return [dataset.train[row].path for row in order[:_MOST_IMAGES].tolist()]


def _anomalous(
    normal: Tensor, ignored: Tensor | None, synthesis: SynthesisConfig, seed: int
) -> tuple[Tensor, Tensor]:
    """Images with anomalies that can be seen, and where they are, bool (n, H, W)."""
    make = NSA(synthesis)
    pictures, places, count = [], [], 0
    for number in range(_ROUNDS):
        plan = make.plan(normal, derive_seed(seed, TRIAL, number))
        changed, label = make.synthesize(normal, plan)
        if ignored is not None:
            changed, label = paint(changed, ignored), label.masked_fill(ignored[:, None], 0.0)
        where = label[:, 0] > _ANOMALOUS
        seen = where.flatten(1).any(1)
        pictures.append(changed[seen])
        places.append(where[seen])
        count += int(seen.sum())
        if count >= _WANTED:
            break
    return torch.cat(pictures)[:_WANTED], torch.cat(places)[:_WANTED]


def _train(
    settings: NetworkSettings,
    images: Tensor,
    ignored: Tensor | None,
    device: torch.device,
    precision: Precision,
) -> NetworkDetector:
    steps = -(-len(images) // _BATCH)
    training = TrainConfig(
        epochs=max(1, round(_STEPS / steps)), batch_size=_BATCH, optimizer="muon",
        skips=settings.training.skips, seed=settings.training.seed,
    )  # fmt: skip
    trainer = Trainer(
        images, settings.synthesis, settings.images, training,
        device=device, precision=precision, ignored=ignored,
    )  # fmt: skip
    trainer.run(lambda _loss, _count: True)
    short = dataclasses.replace(settings, training=training)
    return NetworkDetector(trainer.model, short, device, NAMED["top"])


def _told_apart(usual: Tensor, changed: Tensor, where: Tensor) -> tuple[float, float]:
    """Image AUROC by the highest pixels, and average precision of the pixels."""
    score = NAMED["top"]
    scores = torch.cat([score(usual), score(changed)]).numpy()
    anomalous = np.arange(len(scores)) >= len(usual)
    return auroc(anomalous, scores), average_precision(
        where.numpy().ravel(), changed.numpy().ravel()
    )
