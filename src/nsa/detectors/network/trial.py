"""Which kind, patches and turns suit a product: found out by short trainings on its own images.

Each candidate trains a network on four fifths of up to 160 of the images. The others, which no
network has seen, are changed by the anomalies of every candidate, and the candidate is taken whose
network tells all of these best: what only finds its own is of no use against defects that nobody
made.

What lies on a plain background is an object. There both kinds are not tried: a texture's anomalies,
and its network, are learnt sooner, and find less in the end. Whether objects lie alike is tried
last, by one network more that sees them turned.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsa.detectors.network.detector import NetworkDetector
from nsa.detectors.network.image_score import NAMED
from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.network.score_choice import visible_label
from nsa.detectors.network.settings import CROP, NetworkSettings, lit, resolve
from nsa.errors import InputError
from nsa.images import Dataset, load_images, load_some
from nsa.images.full_size import ignored_in
from nsa.images.ignored import paint
from nsa.metrics import auroc, average_precision
from nsa.settings.config import Bounds, ImageConfig, SynthesisConfig, TrainConfig
from nsa.settings.light import light_spread
from nsa.settings.presets import Preset, find_preset, generic
from nsa.settings.suggestions import TURN, suggest
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
# Image AUROC and pixel average precision together: below it turns make no difference in the end.
_CLEARLY = 0.05
_KINDS = ("object", "texture")
# What a request says of how an image is seen; where it does, it says of turns, too.
_SEEN = {"rotation", "resize", "crop", "center_crop", "reflection"}
LEAST = 20
"""Images that a trial takes at least."""


class Versions(NamedTuple):
    """Images with anomalies that can be seen.

    Attributes:
        pictures: uint8 (n, C, H, W).
        where: bool (n, H, W), the anomalies.
        ignored: bool (n or 1, H, W), what does not count; None: all does.
    """

    pictures: Tensor
    where: Tensor
    ignored: Tensor | None


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
    """The request with kind, patches and turns that a trial has chosen, where none are asked for.

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
    if request.kind not in (None, *_KINDS):
        raise InputError(f"kind must be 'object' or 'texture', got {request.kind!r}.")
    if len(dataset.train) < LEAST:
        raise InputError(
            f"--trial needs {LEAST} training images at least, got {len(dataset.train)}; leave it "
            "out."
        )
    candidates = _candidates(request, dataset)
    best, turned = candidates[0], _turned(candidates[0])
    if len(candidates) == 1 and turned is None:
        _log.info("There is nothing to try: all that a trial finds out is given.")
        return best.request
    images = _Images(dataset, candidates)
    if not images.changed:
        _log.info("There is nothing to try by: anomalies change too little of these images.")
        return best.request
    found = np.stack([images.judge(one, device, precision) for one in candidates])
    best, row = candidates[chosen := int(choose(found))], found[chosen]
    turned = _turned(best)
    if turned is not None:
        best = _settled(best, turned, gain(row, images.judge(turned, device, precision)))
    _log.info("The trial chose: %s.", best.name)
    return best.request


def _settled(usual: Candidate, turned: Candidate, gained: float) -> Candidate:
    """Which of the two was clearly better; else the usual one, whose turns are left to the rule."""
    if gained > _CLEARLY:
        return turned
    if gained < -_CLEARLY:
        name = f"{usual.name}, not turned"
        return usual._replace(name=name, request=_with_turns(usual.request, 0.0))
    return usual


def gain(found: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> float:
    """By how much the second of two rows is the better one, in what :func:`choose` sums."""
    return float((others - found).mean(0).sum())


def choose(found: npt.NDArray[np.float64]) -> np.intp:
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
    elif suggested.synthesis.background is None and request.frame != CROP:  # which no texture has
        kinds += [kind for kind in _KINDS if kind != suggested.kind]
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
        rotation=0.0, resize="stretch",
    )  # fmt: skip
    settings = dataclasses.replace(settings, images=images)
    return lit(settings, request, lambda: light_spread(some))


def _turned(candidate: Candidate) -> Candidate | None:
    """The same with objects that are turned in training; None: a texture, or it is given."""
    given = _SEEN & candidate.request.overrides("images").keys()
    if candidate.settings.kind != "object" or given:
        return None
    settings = candidate.settings
    images = dataclasses.replace(settings.images, rotation=TURN).whole()
    return Candidate(
        f"{candidate.name}, turned by up to {TURN:g} degrees",
        _with_turns(candidate.request, TURN),
        dataclasses.replace(settings, images=images),
    )


def _with_turns(request: NetworkRequest, degrees: float) -> NetworkRequest:
    return request.replace(images={**request.images, "rotation": degrees})


def _smaller(synthesis: SynthesisConfig, request: NetworkRequest) -> dict[str, Bounds]:
    """Bounds half as large; none where the request has some."""
    given = request.overrides("synthesis")
    names = ("height_bounds", "width_bounds")
    if synthesis.patch_pixels is not None or any(name in given for name in names):
        return {}
    return {
        name: (getattr(synthesis, name)[0] / 2, getattr(synthesis, name)[1] / 2) for name in names
    }


class _Images:
    """Images to train on, and others, which no network has seen, to judge networks by."""

    def __init__(self, dataset: Dataset, candidates: Sequence[Candidate]) -> None:
        settings = candidates[0].settings
        paths = _some_paths(dataset, settings.training.seed)
        held = round(_SHARE_HELD * len(paths))
        self._paths, self._hiding = paths[held:], dataset.ignored
        self._normal, self._hidden = self._load(paths[:held], settings.images)
        changed = [
            _anomalous(self._normal, self._hidden, one.settings.synthesis, settings.training.seed)
            for one in candidates
        ]
        self.changed = [versions for versions in changed if len(versions.pictures) >= _FEWEST]

    def judge(
        self, candidate: Candidate, device: torch.device, precision: Precision
    ) -> npt.NDArray[np.float64]:
        """A row of what :func:`choose` chooses by, after a training."""
        _log.info("Trial: %s.", candidate.name)
        images, ignored = self._load(self._paths, candidate.settings.images)
        detector = _train(candidate.settings, images, ignored, device, precision)
        usual = _scores(detector.maps(self._normal), self._hidden)
        row = np.empty((len(self.changed), 2))
        for column, (pictures, where, unseen) in enumerate(self.changed):
            maps = detector.maps(pictures)
            if unseen is not None:
                maps = maps.masked_fill(unseen, 0.0)  # as nothing is anomalous there
            scores = np.concatenate([usual, _scores(maps, unseen)])
            row[column] = (
                auroc(np.arange(len(scores)) >= len(usual), scores),
                average_precision(where.numpy().ravel(), maps.numpy().ravel()),
            )
        _log.info(
            "Trial: %s: image AUROC %.1f, pixel AP %.1f on the anomalies of all.",
            candidate.name, *(100 * row.mean(0)),
        )  # fmt: skip
        return row

    def _load(self, paths: list[Path], config: ImageConfig) -> tuple[Tensor, Tensor | None]:
        images = load_images(
            paths, config.size, config.channels, progress=False, warn=False,
            reflection=config.reflection, levels=config.levels,
        )  # fmt: skip
        ignored = ignored_in(paths, config, self._hiding)
        return paint(images, ignored, in_place=True), ignored


def _scores(maps: Tensor, ignored: Tensor | None) -> npt.NDArray[np.float32]:
    """By the highest of the pixels that count: float32 (n,)."""
    score = NAMED["top"]
    return (score(maps) if ignored is None else score.of_rest(maps, ignored)).numpy()


def _some_paths(dataset: Dataset, seed: int) -> list[Path]:
    """Of at most so many training images, drawn at random, in random order."""
    generator = torch.Generator("cpu").manual_seed(derive_seed(seed, HELD_OUT, TRIAL))
    order = torch.randperm(len(dataset.train), generator=generator, device="cpu")
    return [dataset.train[row].path for row in order[:_MOST_IMAGES].tolist()]


def _anomalous(
    normal: Tensor, ignored: Tensor | None, synthesis: SynthesisConfig, seed: int
) -> Versions:
    """Versions of normal images, from all of them in turn."""
    make = NSA(synthesis, clean_share=0.0)
    visible = visible_label(synthesis)
    pictures, places, rows = [], [], []
    for number in range(_ROUNDS):
        plan = make.plan(normal, derive_seed(seed, TRIAL, number))
        changed, label = make.synthesize(normal, plan)
        if ignored is not None:
            changed, label = paint(changed, ignored), label.masked_fill(ignored[:, None], 0.0)
        where = label[:, 0] > visible
        seen = where.flatten(1).any(1).nonzero()[:, 0]
        pictures.append(changed[seen])
        places.append(where[seen])
        rows.append(seen)
        if sum(map(len, rows)) >= _WANTED:
            break
    unseen = ignored
    if ignored is not None and len(ignored) > 1:
        unseen = ignored[torch.cat(rows)[:_WANTED]]
    return Versions(torch.cat(pictures)[:_WANTED], torch.cat(places)[:_WANTED], unseen)


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
