"""The working point: from a wanted false positive rate to a threshold on any score.

An image is called defective when its score is *above* the threshold. All that a threshold needs is
normal images that were not trained on.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nsa.errors import InputError
from nsa.metrics._inputs import Values, to_numpy

_Array = npt.NDArray[np.float64]
# A rate given as 0.29 of 99 images must mean 29 of 100, whatever its last bit is.
_ROUNDING = 1e-9
# More than rounding in float32 changes, relative to the largest score.
_SAME = 1e-4


def achieved_rate(scores: Values, threshold: float) -> float:
    """Share of scores above a threshold: on normal images the false positive rate, on defective
    ones the true positive rate."""
    return float((_scores(scores) > threshold).mean())


class ConformalThreshold:
    """Split-conformal p-values from the scores of held-out normal images.

    For a new normal image, exchangeable with the held-out ones, the p-value
    ``(1 + #{s_i >= s}) / (n + 1)`` is at most ``a`` with probability at most ``a``, whatever the
    score's distribution is. Over the draw of the held-out images the false positive rate of
    :meth:`threshold` is therefore ``fpr`` on average (floor(fpr (n + 1)) / (n + 1) exactly where
    scores do not tie); for one such draw it varies as Beta(k, n + 1 - k) with
    ``k = floor(fpr (n + 1))``.

    Exchangeable is the one assumption: images of another camera, lot or light than the held-out
    ones are not, and then the rate drifts. Near-duplicates of the fitted images make held-out
    scores too low.

    Two machines give one image scores that differ in their last digits, so a threshold that is a
    held-out score itself would label that image at random. It lies between two scores instead:
    half-way to the next higher one, but at most ``rounding`` above the lower one; above the
    largest score it is that far. A new
    score no further above a held-out one counts as equal to it in the p-value, too. So labels and
    p-values agree for every score, and both stay valid: no p-value is smaller than by the formula.
    (Half-way in every gap would cost half a rank, a rate of about (k - 1/2) / (n + 1).)
    A threshold is a number of float32, which means the same in a file that computes in it. Where a
    gap has none, it is half-way in float64, or the lower score if all scores are of float32.

    >>> point = ConformalThreshold([0.1, 0.4, 0.2, 0.3])
    >>> point.smallest_rate
    0.2
    >>> 0.4 < point.threshold(0.2) < 0.401
    True

    Args:
        scores: of n normal images that were not trained on; higher is more anomalous.
        rounding: by how much the scores of one image differ at most between machines and runtimes;
            None: by 1e-4 of the largest score.

    Attributes:
        scores: float64 (n,), ascending.
        bounds: float64 (n,), ascending: up to where each of them is reached.

    Raises:
        InputError: there are no scores, or one is not finite.
    """

    def __init__(self, scores: Values, rounding: float | None = None) -> None:
        self.scores: _Array = np.sort(_scores(scores))
        if rounding is None:
            rounding = _SAME * float(np.abs(self.scores).max())
        self.bounds = _bounds(self.scores, rounding)

    @property
    def smallest_rate(self) -> float:
        """The smallest false positive rate that n images can set: ``1 / (n + 1)``."""
        return 1 / (len(self.scores) + 1)

    def p_value(self, scores: Values) -> npt.NDArray[np.float64]:
        """p-value of each score, float64 of the same shape: small means anomalous.

        Raises:
            InputError: a score is not a number.
        """
        new = np.asarray(to_numpy(scores, "scores"), dtype=np.float64)
        if np.isnan(new).any():
            raise InputError("A score is not a number, so it has no p-value.")
        as_high = len(self.bounds) - np.searchsorted(self.bounds, new, side="left")
        return np.asarray((1 + as_high) / (len(self.scores) + 1), dtype=np.float64)

    def threshold(self, fpr: float) -> float:
        """The threshold with ``score > threshold`` exactly where ``p_value <= fpr``.

        Raises:
            InputError: ``fpr`` is not between 0 and 1, or below :attr:`smallest_rate`.
        """
        count = len(self.scores)
        return float(self.bounds[count - allowed_exceedances(fpr, count)])


def allowed_exceedances(fpr: float, count: int) -> int:
    """How many of ``count`` held-out scores may lie at or above a score that is called defective.

    Raises:
        InputError: ``fpr`` is not between 0 and 1, or below ``1 / (count + 1)``.
    """
    check_rate(fpr)
    allowed = math.floor(fpr * (count + 1) + _ROUNDING)
    if allowed < 1:
        needed = images_needed(fpr)
        raise InputError(
            f"A false positive rate of {fpr:g} cannot be set by {count} held-out normal "
            f"image{'' if count == 1 else 's'}: the smallest is 1/{count + 1} = "
            f"{rate_text(1 / (count + 1))}; hold out at least {needed}, or calibrate with as many "
            "others (nsa calibrate)."
        )
    return allowed


def rate_text(rate: float) -> str:
    """A rate in four digits, rounded up, so that what is read can be asked for."""
    digits = 3 - math.floor(math.log10(rate))
    scale = 10.0**digits
    return f"{math.ceil(rate * scale - 1e-6) / scale:.{max(digits, 0)}g}"


def images_needed(fpr: float) -> int:
    """Held-out normal images that a false positive rate needs at least."""
    return math.ceil(1 / fpr - _ROUNDING) - 1


def _bounds(scores: _Array, rounding: float) -> _Array:
    """For each of the ascending scores a number from it up to, not including, the next higher."""
    low, first = np.unique(scores, return_inverse=True)
    high = np.append(low[1:], np.inf)
    middle = np.minimum(low + rounding, low + (high - low) / 2)
    with np.errstate(over="ignore"):
        single = middle.astype(np.float32).astype(np.float64)
        computed_in_single = bool((low.astype(np.float32) == low).all())
    otherwise = low if computed_in_single else middle
    bounds: _Array = np.where((low < single) & (single < high), single, otherwise)[first]
    return bounds


def check_rate(fpr: float) -> None:
    """Refuse what is no false positive rate.

    Raises:
        InputError: ``fpr`` is not between 0 and 1.
    """
    if not isinstance(fpr, int | float) or not 0 < fpr < 1:
        raise InputError(f"The false positive rate must be between 0 and 1, got {fpr!r}.")


def _scores(scores: Values) -> _Array:
    values = np.asarray(to_numpy(scores, "scores"), dtype=np.float64).reshape(-1)
    if not len(values) or not np.isfinite(values).all():
        raise InputError("scores must be at least one number, all of them finite.")
    return values
