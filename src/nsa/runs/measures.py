"""The metrics of a test set: all that it allows, and why it does not allow the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from nsa.images import Sample
from nsa.metrics import (
    PixelMetrics,
    au_pros,
    auroc,
    average_precision,
    f1_at,
    f1_max,
)

Values = dict[str, float | None]
Scores = npt.NDArray[np.float32] | npt.NDArray[np.float64]
SEGMENTATION = "segmentation_f1"
_LIMITS = (0.3, 0.05)  # of au_pro and au_pro_05
_Work = dict[tuple[str, ...], Callable[[], Sequence[float]]]  # by the names of what it gives


def compute_metrics(
    test: list[Sample],
    scores: Scores,
    maps: npt.NDArray[np.float32],
    masks: npt.NDArray[np.uint8],
    pixel_threshold: float | None = None,
) -> tuple[Values, dict[str, str]]:
    """All metrics that make sense for a test set, and why the others do not.

    Defective images without a mask count for the image metrics only.

    Args:
        test: N samples.
        scores: (N,).
        maps, masks: (N, H, W).
        pixel_threshold: above which a pixel is called defective, for ``segmentation_f1``; None:
            there is none, nor that metric.
    """
    known = np.array([is_marked(sample) for sample in test], dtype=bool)
    maps, masks = maps[known], masks[known]
    work: _Work = {
        ("pixel_auroc",): lambda: [auroc(masks, maps)],
        ("au_pro", "au_pro_05"): lambda: au_pros(masks, maps, _LIMITS),
        ("pixel_average_precision",): lambda: [average_precision(masks, maps)],
        ("pixel_f1_max",): lambda: [f1_max(masks, maps)[0]],
    }
    if pixel_threshold is not None:
        work[SEGMENTATION,] = lambda: [f1_at(masks, maps, pixel_threshold)]
    return _compute(test, scores, work, bool(masks.any()))


def streamed_metrics(
    test: list[Sample], scores: Scores, pixels: PixelMetrics, pixel_threshold: float | None = None
) -> tuple[Values, dict[str, str]]:
    """The same of maps that are not kept.

    Args:
        pixels: has seen the map of every sample that :func:`is_marked`.
        pixel_threshold: one that it counted at; None: as of :func:`compute_metrics`.
    """

    def values() -> list[float]:
        pro = [pixels.au_pro(limit) for limit in _LIMITS]
        found = [pixels.auroc(), *pro, pixels.average_precision(), pixels.f1_max()]
        return found if pixel_threshold is None else [*found, pixels.f1_at(pixel_threshold)]

    names = ("pixel_auroc", "au_pro", "au_pro_05", "pixel_average_precision", "pixel_f1_max")
    further = () if pixel_threshold is None else (SEGMENTATION,)
    return _compute(test, scores, {(*names, *further): values}, pixels.defectives > 0)


def is_marked(sample: Sample) -> bool:
    """Whether it is known which pixels of an image are defective."""
    return sample.is_good or sample.mask is not None


def _compute(
    test: list[Sample], scores: Scores, pixel_work: _Work, has_regions: bool
) -> tuple[Values, dict[str, str]]:
    defective = np.array([not sample.is_good for sample in test], dtype=bool)
    image_reason = _why_not(len(test), defective)
    pixel_reason = image_reason if not defective.any() else None
    if pixel_reason is None and not has_regions:
        pixel_reason = "no defective test image has a mask"
    image_work: _Work = {
        ("image_auroc",): lambda: [auroc(defective, scores)],
        ("image_average_precision",): lambda: [average_precision(defective, scores)],
        ("image_f1_max",): lambda: [f1_max(defective, scores)[0]],
    }
    values: Values = {}
    reasons: dict[str, str] = {}
    with ThreadPoolExecutor() as pool:  # they sort and count, which needs no lock
        running = [
            (names, reason, None if reason else pool.submit(run))
            for work, reason in ((image_work, image_reason), (pixel_work, pixel_reason))
            for names, run in work.items()
        ]
        for names, reason, future in running:
            found = [None] * len(names) if future is None else future.result()
            values |= zip(names, found, strict=True)
            reasons |= dict.fromkeys(names, reason) if reason else {}
    first = ("image_auroc", "pixel_auroc", "au_pro", "au_pro_05", "image_average_precision")
    values = {name: values[name] for name in dict.fromkeys([*first, *values])}
    return values, {name: reasons[name] for name in values if name in reasons}


def _why_not(count: int, defective: npt.NDArray[np.bool_]) -> str | None:
    if not count:
        return "there are no test images"
    if not defective.any():
        return "no test image is defective"
    return "no test image is normal" if defective.all() else None
