"""Pixel metrics of any number of maps, of any sizes, in memory that does not grow with them.

A float32 keeps its order as an unsigned integer, see :mod:`nsa.metrics._ranks`, and so do the upper
bits of that: sign, exponent and the first 15 bits of the fraction number the bins of histograms.
Scores that share a bin differ by less than 2**-15 of themselves and count as ties. What that
changes is bounded by what is in one bin (shares of all normal and of all defective pixels, or for
AU-PRO of their weights):

* AUROC: by at most half the sum over bins of the product of the two shares;
* AU-PRO: by at most that sum divided by the limit, over the bins up to it;
* the best F1: it is at least what is given, and at most 2 (TP + d) / (D + TP + FP + d) of the bin
  where that is largest, with its d of all D defective pixels, and TP and FP in the bins above;
* F1 at a threshold: not at all, it is counted as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsa.errors import InputError
from nsa.metrics._curves import Weights, best_f1, overlap_area, precision_area, roc_area
from nsa.metrics._ranks import Counts, compiled_once
from nsa.metrics.overlap import check_limit, region_weights

_BITS = 24  # of a bin's number
_SHIFT = 32 - _BITS


class PixelMetrics:
    """Collects maps, one image after the other, and gives the metrics of all their pixels.

    Memory: two histograms of int64 and one of float64 with 2**24 bins, of which the system gives
    only what is in use: some 20 MB for maps between 0 and 1, 400 MB for any.

    >>> metrics = PixelMetrics()
    >>> mask = np.eye(8, dtype=np.uint8)
    >>> for quality in (1, 2):
    ...     metrics.update(mask, (quality * mask).astype(np.float32))
    >>> metrics.auroc()
    1.0

    Args:
        thresholds: for which :meth:`f1_at` can be asked.

    Attributes:
        normals, defectives, regions: pixels of each kind so far, and regions of defective ones.
    """

    def __init__(self, thresholds: Sequence[float] = ()) -> None:
        self.normals = self.defectives = self.regions = 0
        self._normal = np.zeros(1 << _BITS, np.int64)
        self._defective = np.zeros(1 << _BITS, np.int64)
        self._weight = np.zeros(1 << _BITS, np.float64)
        self._above = dict.fromkeys(thresholds, (0, 0))  # all pixels, and defective ones
        self._counted: _Bins | None = None  # what the metrics are made of, until the next map

    def update(self, mask: npt.NDArray[np.uint8], anomaly_map: npt.NDArray[np.float32]) -> None:
        """Count the pixels of one image.

        Args:
            mask: uint8 (H, W), 0 (normal) and 1 (defective).
            anomaly_map: float32 (H, W), higher is more anomalous.

        Raises:
            InputError: other shapes or types, other values in the mask, or NaN or infinity in the
                map; nothing is counted.
        """
        if mask.dtype != np.uint8 or anomaly_map.dtype != np.float32:
            raise InputError(
                f"A mask must be uint8 and a map float32, got {mask.dtype} and {anomaly_map.dtype}."
            )
        if mask.shape != anomaly_map.shape or mask.ndim != 2:
            raise InputError(
                "A mask and its map must have one shape (H, W), got "
                f"{mask.shape} and {anomaly_map.shape}."
            )
        if not anomaly_map.size:
            return
        if mask.max() > 1:
            raise InputError(f"A mask must be 0 (normal) or 1 (defective), got {mask.max()}.")
        if not (np.isfinite(anomaly_map.min()) and np.isfinite(anomaly_map.max())):
            raise InputError("A map holds NaN or infinity; check the model that produced it.")
        mask = np.ascontiguousarray(mask)
        weights, regions = region_weights(mask)
        self._counted = None
        bits = np.ascontiguousarray(anomaly_map).view(np.uint32).ravel()
        _count(bits, mask.ravel(), weights, self._normal, self._defective, self._weight)
        for threshold, (pixels, hits) in self._above.items():
            above = anomaly_map > _rounded_down(threshold)
            found = np.count_nonzero(above & mask.view(np.bool_))
            self._above[threshold] = pixels + int(np.count_nonzero(above)), hits + int(found)
        self.regions += regions
        self.defectives += len(weights)
        self.normals += mask.size - len(weights)

    def auroc(self) -> float:
        """Area under the ROC curve, see :func:`nsa.metrics.auroc`.

        Raises:
            InputError: no pixel so far is defective, or none is normal.
        """
        bins = self._bins()
        return roc_area(
            self.normals - bins.above - bins.normal, bins.normal, bins.defective, self.normals
        )

    def average_precision(self) -> float:
        """See :func:`nsa.metrics.average_precision`; errors as of :meth:`auroc`."""
        bins = self._bins()
        return precision_area(bins.hits, bins.above + bins.normal)

    def au_pro(self, max_fpr: float = 0.3) -> float:
        """See :func:`nsa.metrics.au_pro`; errors as of :meth:`auroc`.

        Raises:
            InputError: ``max_fpr`` is not above 0 and at most 1.
        """
        check_limit(max_fpr)
        bins = self._bins()
        return overlap_area(bins.above, bins.normal, bins.weight, max_fpr * self.normals)

    def f1_max(self) -> float:
        """The best F1 over all thresholds between bins; errors as of :meth:`auroc`."""
        bins = self._bins()
        return best_f1(bins.hits, bins.above + bins.normal)[0]

    def f1_at(self, threshold: float) -> float:
        """Exact F1 at one of the thresholds, see :func:`nsa.metrics.f1_at`.

        Raises:
            InputError: it is none of them; else as of :meth:`auroc`.
        """
        self._need_both()
        if threshold not in self._above:
            raise InputError(
                f"Pixels above {threshold!r} were not counted; give this threshold at the start."
            )
        pixels, hits = self._above[threshold]
        return 2 * hits / (pixels + self.defectives)

    def _need_both(self) -> None:
        if not self.defectives:
            raise InputError("No mask marks a defective pixel, so nothing can be found.")
        if not self.normals:
            raise InputError("The masks mark every pixel, so a false positive rate does not exist.")

    def _bins(self) -> _Bins:
        self._need_both()
        if self._counted is None:
            # A threshold between bins without a defective pixel only adds false alarms.
            used, others = (np.flatnonzero(one) for one in (self._defective, self._normal))
            used = used[::-1]
            upto = np.append(0, np.cumsum(self._normal[others]))
            above = self.normals - upto[np.searchsorted(others, used, side="right")]
            defective = self._defective[used]
            weight = self._weight[used] / self.regions
            self._counted = _Bins(
                above, self._normal[used], defective, np.cumsum(defective), weight
            )
        return self._counted


@dataclass(frozen=True)
class _Bins:
    """The bins with a defective pixel, the highest scores first.

    Attributes:
        above: normal pixels in all higher bins.
        normal, defective: pixels in the bin.
        hits: defective pixels in this and all higher bins.
        weight: of the defective ones in the mean overlap.
    """

    above: Counts
    normal: Counts
    defective: Counts
    hits: Counts
    weight: Weights


def _rounded_down(threshold: float) -> np.float32:
    """The number of float32 above which exactly those of float32 are that are above a threshold."""
    with np.errstate(over="ignore"):
        single = np.float32(threshold)
    return np.nextafter(single, np.float32(-np.inf)) if float(single) > threshold else single


@compiled_once
def _count(
    bits: npt.NDArray[np.uint32],
    mask: npt.NDArray[np.uint8],
    weights: Weights,
    normal: Counts,
    defective: Counts,
    weight: Weights,
) -> None:
    """Add the pixels of a map, (n,) each, to the histograms; ``weights`` of the defective ones."""
    sign = np.uint32(1 << 31)
    region = 0
    for index in range(len(bits)):
        key = bits[index]
        if key == sign:  # -0, which equals 0
            key = np.uint32(0)
        key = ~key if key & sign else key | sign
        place = key >> _SHIFT
        if mask[index]:
            defective[place] += 1
            weight[place] += weights[region]
            region += 1
        else:
            normal[place] += 1
