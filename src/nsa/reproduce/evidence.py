"""What a page can show of a job besides its metrics: curves, and its best and worst cases."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

from nsa.images import Sample
from nsa.metrics.overlap import pixel_weights
from nsa.report.overlay import overlay, shared_limit
from nsa.report.pixels import rgb
from nsa.runs.evaluate import Evaluation
from nsa.runs.measures import Scores
from nsa.system.files import make_folder, write_atomically

# False positive rates at which every curve is kept, so that seeds can be averaged; denser at the
# start, where good detectors differ.
FALSE_POSITIVE_RATES = np.round(np.linspace(0, 1, 81) ** 2, 6)
_SIDE = 144  # pixels of a picture
_OUTLINE = (18, 224, 208)


def curves(evaluation: Evaluation, test: list[Sample]) -> dict[str, list[float]]:
    """ROC and PRO curves at :data:`FALSE_POSITIVE_RATES`, paper's protocol.

    Returns:
        ``image_roc``, ``pixel_roc`` and ``pro``, each (81,), as far as the test set allows them.
    """
    found = {}
    defective = np.array([not sample.is_good for sample in test], dtype=bool)
    if evaluation.paper.metrics["image_auroc"] is not None:
        scores = evaluation.paper.scores
        found["image_roc"] = roc_at_rates(normal=scores[~defective], defective=scores[defective])
    if evaluation.paper.metrics["pixel_auroc"] is not None:
        marked = np.array([s.is_good or s.mask is not None for s in test], dtype=bool)
        _, given, found_maps = _arrays(evaluation)
        maps, masks = found_maps.numpy()[marked], given[marked].astype(bool)
        normal, inside = maps[~masks], maps[masks]
        found["pixel_roc"] = roc_at_rates(normal=normal, defective=inside)
        found["pro"] = roc_at_rates(normal=normal, defective=inside, weights=pixel_weights(masks))
    return found


def cases(
    evaluation: Evaluation, test: list[Sample], folder: Path, name: str
) -> list[dict[str, Any]]:
    """Write pictures of the best and the worst cases into ``folder / name``.

    Best: the most certain defects. Worst: the defects with the lowest score and the normal image
    with the highest.

    Returns:
        One entry a picture: ``kind`` (``"best"`` or ``"worst"``), ``defect``, ``score``, and
        ``image``, relative to ``folder``: the test image, the true defect outlined, beside its
        heat map.

    Raises:
        InputError: a picture cannot be written.
    """
    order = np.argsort(-evaluation.paper.scores, kind="stable")
    bad = [int(i) for i in order if not test[i].is_good]
    good = [int(i) for i in order if test[i].is_good]
    chosen = [("best", i) for i in bad[:2]] + [("worst", i) for i in bad[2:][-2:]]
    chosen += [("worst", i) for i in good[:1]]
    if not chosen:
        return []
    make_folder(folder / name)
    maps = _arrays(evaluation)[2]
    limit = shared_limit([maps[i].numpy() for _, i in chosen])
    entries = []
    for number, (rank, index) in enumerate(chosen):
        path = f"{name}/{number}-{rank}.png"
        picture = _picture(evaluation, index, limit)
        encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
        write_atomically(folder / path, encoded.tobytes())
        entries.append({"kind": rank, "defect": test[index].defect, "image": path,
                        "score": float(evaluation.paper.scores[index])})  # fmt: skip
    return entries


def roc_at_rates(
    *, normal: Scores, defective: Scores, weights: npt.NDArray[np.float64] | None = None
) -> list[float]:
    """Share of defects found at each of :data:`FALSE_POSITIVE_RATES`, linear between thresholds.

    Only thresholds near the wanted rates are looked at, so one sort is all it takes.

    Args:
        normal, defective: their scores, (n,) and (m,).
        weights: (m,), how much each defective score counts, with the sum 1; None: all the same.
    """
    ordered: npt.NDArray[np.floating[Any]] = np.sort(normal)
    order = np.argsort(defective)
    values = defective[order]
    share = np.full(len(values), 1 / len(values)) if weights is None else weights[order]
    beyond = np.append(np.cumsum(share[::-1])[::-1], 0.0)  # found at threshold values[i]
    # Around every rate: the normal score that crosses it, as a threshold that it still reaches
    # (">=") and as one that it just fails.
    ranks = np.clip((FALSE_POSITIVE_RATES * len(ordered)).astype(np.int64), 0, len(ordered) - 1)
    near = np.unique(ordered[len(ordered) - 1 - ranks])
    beside = np.nextafter(near, near.dtype.type(math.inf))
    thresholds = np.unique(np.concatenate([near, beside]))[::-1]
    fpr = (len(ordered) - np.searchsorted(ordered, thresholds)) / len(ordered)
    found = beyond[np.searchsorted(values, thresholds)]
    fpr = np.concatenate([[0.0], fpr, [1.0]])
    found = np.concatenate([[0.0], found, [1.0]])
    # Where several points share a rate, this takes the last and so the highest.
    return [round(float(v), 4) for v in np.interp(FALSE_POSITIVE_RATES, fpr, found)]


def _arrays(evaluation: Evaluation) -> tuple[Tensor, npt.NDArray[np.uint8], Tensor]:
    """Images, masks and maps, which are there because the paper stretches images to one size."""
    images, masks, maps = evaluation.images, evaluation.masks, evaluation.paper.maps
    assert images is not None
    assert masks is not None
    assert maps is not None
    return images, masks, maps


def _picture(evaluation: Evaluation, index: int, limit: float) -> npt.NDArray[np.uint8]:
    images, masks, maps = _arrays(evaluation)
    image = rgb(images[index])
    scale = _SIDE / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    heat = cv2.resize(overlay(image, maps[index].numpy(), limit), size)
    plain = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(masks[index], size, interpolation=cv2.INTER_NEAREST)
    outlines = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    for picture in (plain, heat):
        cv2.drawContours(picture, outlines, -1, _OUTLINE, 1)
    return np.hstack([plain, heat]).astype(np.uint8)
