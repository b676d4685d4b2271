"""Which score of images suits a trained network: found out without any defective image.

Some training images are held out. The network judges them, and versions of them with synthetic
anomalies, and the score is taken that tells the two apart best.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsa.detectors.network.image_score import MEAN, SCORES, ImageScore
from nsa.images.ignored import paint
from nsa.plan.augmentation import draw_crops
from nsa.settings.config import ImageConfig, SynthesisConfig
from nsa.synthesis import NSA
from nsa.training.schedule import SCORE_CHOICE, derive_seed

_log = logging.getLogger("nsa")
_Array = npt.NDArray[np.float64]

# Synthetic images that are judged: those with the smallest anomalies of so many times as many,
# since small defects are where scores differ, and to make one costs next to nothing.
_JUDGED, _DRAWN = 256, 16
_CERTAIN = 2.0  # standard errors by which another score must be better than the mean
_BATCH = 32
LEAST = 8
"""Held-out images that a choice takes at least."""


class Judged(NamedTuple):
    """What the candidates say of held-out images and of synthetic versions of them.

    Attributes:
        normal: float64 (n, scores), in the order of :data:`SCORES`, as are the others.
        synthetic: float64 (m, scores).
        source: int64 (m,), of which of the n images each is a version.
    """

    normal: _Array
    synthetic: _Array
    source: npt.NDArray[np.int64]


def choose_score(
    maps: Callable[[Tensor], Tensor],
    images: Tensor,
    synthesis: SynthesisConfig,
    seed: int,
    ignored: Tensor | None = None,
) -> ImageScore:
    """The score that finds the smallest synthetic anomalies best; the log says why.

    Args:
        maps: the network: from uint8 (N, C, H, W) to float32 (N, H, W).
        images: uint8 (n, C, H, W), normal images that were not trained on, :data:`LEAST` or more.
        synthesis: how anomalies were made in training.
        seed: of the training.
        ignored: bool (n or 1, H, W), what does not count of the images.
    """
    return choose(judge(maps, images, synthesis, seed, ignored))


def judge(
    maps: Callable[[Tensor], Tensor],
    images: Tensor,
    synthesis: SynthesisConfig,
    seed: int,
    ignored: Tensor | None = None,
) -> Judged:
    """Score held-out images and versions of them with small anomalies.

    Arguments as for :func:`choose_score`. Of maps and synthetic images no more than a batch is in
    memory.
    """
    count = len(images)
    rounds = -(-_JUDGED * _DRAWN // count)
    make = NSA(synthesis, clean_share=0.0)
    visible = visible_label(synthesis)

    images = paint(images, ignored)
    every = None if ignored is None else ignored.expand(count, *ignored.shape[1:])

    def version(number: int) -> tuple[Tensor, Tensor]:
        drawn = derive_seed(seed, SCORE_CHOICE, number)
        changed, labels = make.synthesize(images, make.plan(images, drawn))
        if ignored is None:
            return changed, labels
        return paint(changed, ignored), labels.masked_fill(ignored[:, None], 0.0)

    areas = np.concatenate(
        [(version(number)[1] > visible).flatten(1).sum(1).numpy() for number in range(rounds)]
    )
    seen = np.flatnonzero(areas)
    chosen = np.sort(seen[np.argsort(areas[seen], kind="stable")][:_JUDGED])
    synthetic = []
    for number in range(rounds):
        rows = chosen[chosen // count == number] % count
        if len(rows):
            chosen_rows = torch.from_numpy(rows)
            hidden = None if every is None else every[chosen_rows]
            synthetic.append(_scores(maps, version(number)[0][chosen_rows], hidden))
    found = np.concatenate(synthetic) if synthetic else np.empty((0, len(SCORES)))
    return Judged(_scores(maps, images, every), found, chosen % count)


def judge_on_crops(
    maps: Callable[[Tensor], Tensor],
    images: Iterable[tuple[Tensor, Tensor | None]],
    count: int,
    crop: tuple[int, int],
    synthesis: SynthesisConfig,
    seed: int,
) -> Judged:
    """:func:`judge` for images of their own sizes, with anomalies as they are trained on: on crops.

    A version of an image is its map, changed within a crop by as much as the anomaly changes the
    map of that crop. So every version costs two passes over a crop, and none over an image.

    Args:
        images: ``count`` times uint8 (C, H, W), no smaller than the crop, and bool (H, W), what
            does not count of it.
        crop: (height, width).
    """
    each = -(-_JUDGED // count)
    make, config = (
        NSA(synthesis, clean_share=0.0),
        ImageConfig(crop=crop, size=crop, center_crop=None),
    )
    visible = visible_label(synthesis)
    normal, synthetic, source = [], [], []
    for number, (unpainted, hidden) in enumerate(images):
        mask = None if hidden is None else hidden[None]
        image = paint(unpainted[None], mask)[0]
        whole = maps(image[None])[0]
        normal.append(_of_map(whole, mask))
        shapes = np.tile(np.array(image.shape[1:], np.int64), (_DRAWN * each, 1))
        where = draw_crops(config, shapes, derive_seed(seed, SCORE_CHOICE, number, 0))
        places = [
            (slice(top, top + crop[0]), slice(left, left + crop[1]))
            for top, left in zip(where.top.tolist(), where.left.tolist(), strict=True)
        ]
        crops = torch.stack([image[:, rows, columns] for rows, columns in places])
        plan = make.plan(crops, derive_seed(seed, SCORE_CHOICE, number, 1))
        changed, labels = make.synthesize(crops, plan)
        if hidden is not None:
            within = torch.stack([hidden[rows, columns] for rows, columns in places])
            changed, labels = paint(changed, within), labels.masked_fill(within[:, None], 0.0)
        areas = (labels > visible).flatten(1).sum(1).numpy()
        found = np.flatnonzero(areas)
        for row in found[np.argsort(areas[found], kind="stable")][:each].tolist():
            before, after = maps(torch.stack([crops[row], changed[row]]))
            version = whole.clone()
            version[places[row]] += after - before
            synthetic.append(_of_map(version, mask))
            source.append(number)
    versions = np.stack(synthetic) if synthetic else np.empty((0, len(SCORES)))
    return Judged(np.stack(normal), versions, np.array(source, np.int64))


def choose(judged: Judged) -> ImageScore:
    """The mean, or the best score that is better than it by more than chance explains.

    Better is a larger area under the ROC curve of normal against synthetic images. How uncertain
    its difference from that of the mean is, is found by leaving out one held-out image after the
    other, with all its versions, which are alike.
    """
    normal, synthetic, source = judged
    count = len(normal)
    if not len(synthetic):
        _log.info("Image score: mean; no synthetic anomaly could be made to choose another by.")
        return MEAN
    above = synthetic[:, None] > normal[None]
    right = above + 0.5 * (synthetic[:, None] == normal[None])  # (m, n, scores)
    areas = right.mean((0, 1))
    better = right - right[..., :1]
    without = np.array(
        [
            np.delete(better[source != row], row, axis=1).mean((0, 1))
            for row in range(count)
            if (source != row).any()
        ]
    )
    gain = areas - areas[0]
    error = np.sqrt((count - 1) * without.var(0)) if len(without) else np.full(len(gain), np.inf)
    certain = gain > _CERTAIN * error
    best = int(np.argmax(np.where(certain, gain, 0.0)))
    what = (
        f"AUROC of {count} held-out images against {len(synthetic)} with small synthetic anomalies"
    )
    if certain[best]:
        _log.info(
            "Image score: %s (%s: %.1f %%, of the mean %.1f %%).",
            SCORES[best], what, 100 * areas[best], 100 * areas[0],
        )  # fmt: skip
        return SCORES[best]
    other = 1 + int(np.argmax(areas[1:]))
    _log.info(
        "Image score: mean; none is better by more than chance (%s: %.1f %%; %s: %.1f %%).",
        what, 100 * areas[0], SCORES[other], 100 * areas[other],
    )  # fmt: skip
    return MEAN


def visible_label(synthesis: SynthesisConfig) -> float:
    """Label from which on an anomaly is one; what hardly differs is none, not a small one."""
    return synthesis.label_midpoint if synthesis.unbounded else 0.5


def _of_map(one: Tensor, ignored: Tensor | None = None) -> _Array:
    """Those of every candidate: float64 (scores,)."""
    return _of_maps(one[None], ignored)[0].double().numpy()


def _of_maps(found: Tensor, ignored: Tensor | None) -> Tensor:
    """Those of every candidate: float32 (N, scores)."""
    if ignored is None:
        return torch.stack([score(found) for score in SCORES], 1)
    found = found.masked_fill(ignored, 0.0)
    return torch.stack([score.of_rest(found, ignored) for score in SCORES], 1)


def _scores(
    maps: Callable[[Tensor], Tensor], images: Tensor, ignored: Tensor | None = None
) -> _Array:
    """Those of every candidate: float64 (N, scores)."""
    parts = []
    for first in range(0, len(images), _BATCH):
        part = slice(first, first + _BATCH)
        hidden = None if ignored is None else ignored[part]
        parts.append(_of_maps(maps(images[part]), hidden))
    return torch.cat(parts).double().numpy()
