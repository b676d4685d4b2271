"""Pixel thresholds from held-out normal images: which part of a map is a defect.

A pixel is called defective where its map is *above* the threshold. Two rates can be asked for. Both
hold for a new normal image that is exchangeable with the held-out ones, on average over the draw of
them, whatever the maps are; as for scores (:mod:`nsa.metrics.conformal`), other cameras, lots or
lights are not exchangeable.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsa.errors import InputError
from nsa.metrics._inputs import Values, to_numpy
from nsa.metrics.conformal import ConformalThreshold, check_rate, images_needed, rate_text

_Array = npt.NDArray[np.float64]
MapLevels = npt.NDArray[np.float32]
# 0, and from a millionth to a half in steps of 4.4 %, by which a share is overestimated at most.
SHARES: _Array = np.concatenate([[0.0], 2.0 ** (np.arange(-320, -15) / 16)])
_ROUNDING = 1e-9


def map_levels(anomaly_map: npt.NDArray[np.float32]) -> MapLevels:
    """What is kept of a map for :class:`PixelThresholds`.

    Args:
        anomaly_map: float32 (H, W), finite.

    Returns:
        float32 (len(SHARES),), descending: for each share of :data:`SHARES` the smallest value of
        the map that no larger share of its pixels exceeds; the first is the map's maximum.
    """
    values = np.sort(anomaly_map, axis=None)
    allowed = np.floor(SHARES * len(values) + _ROUNDING).astype(np.int64)
    return np.asarray(values[len(values) - 1 - allowed], dtype=np.float32)


class PixelThresholds:
    """Thresholds on the maps of an image, from the maps of n held-out normal ones.

    Args:
        levels: float32 (n, len(SHARES)), of :func:`map_levels`.

    Raises:
        InputError: another shape, no image, or values that are not finite or not descending.
    """

    def __init__(self, levels: Values) -> None:
        values = np.asarray(to_numpy(levels, "levels"), dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(SHARES) or not len(values):
            raise InputError(
                f"levels must be (n, {len(SHARES)}) with n at least 1, got {values.shape}."
            )
        if not np.isfinite(values).all() or (np.diff(values) > 0).any():
            raise InputError("levels must be finite and descend in every row.")
        self._levels = values

    @property
    def smallest_rate(self) -> float:
        """The smallest rate of either kind that n images can set: ``1 / (n + 1)``."""
        return 1 / (len(self._levels) + 1)

    def for_images(self, rate: float) -> float:
        """The threshold above which at most this share of normal images has any pixel.

        An image has a pixel above it exactly if the maximum of its map is above it, so this is the
        split-conformal threshold of these maxima, see
        :class:`nsa.metrics.conformal.ConformalThreshold`.

        Raises:
            InputError: ``rate`` is not between 0 and 1, or below :attr:`smallest_rate`.
        """
        self._check(rate)
        return ConformalThreshold(self._levels[:, 0]).threshold(rate)

    def for_pixels(self, rate: float) -> float:
        """The smallest threshold above which at most this share of a normal image's pixels is.

        The share is the mean over normal images, each of which counts the same. Conformal risk
        control: with ``L_i(t)`` the share of image i above t, it is the smallest t with
        ``(L_1(t) + ... + L_n(t) + 1) / (n + 1) <= rate``. Were the new image the (n+1)-th of a sum
        of n+1 such shares, the smallest t at which their mean is at most ``rate`` would depend on
        no order of the images, and at that t each of them, the new one too, has a mean share of at
        most ``rate``. No share is more than 1, so the t taken here, which counts 1 for the new
        image, is not below that one, and shares only fall as t rises.

        The shares of held-out images are those of :data:`SHARES` rounded up, which fall with t as
        well and keep the bound.

        Raises:
            InputError: ``rate`` is not between 0 and 1, or below :attr:`smallest_rate`.
        """
        self._check(rate)
        count = len(self._levels)
        # At each of an image's levels its share falls to that of the level, from that of the next.
        falls = np.broadcast_to(np.diff(SHARES, append=1.0), self._levels.shape).ravel()
        order = np.argsort(self._levels, axis=None, kind="stable")
        left = count - np.cumsum(falls[order])  # the sum of shares from each level on
        within = left <= rate * (count + 1) - 1 + _ROUNDING
        return float(self._levels.ravel()[order[int(np.argmax(within))]])

    def _check(self, rate: float) -> None:
        check_rate(rate)
        count = len(self._levels)
        if rate * (count + 1) < 1 - _ROUNDING:
            raise InputError(
                f"A rate of {rate:g} cannot be set for pixels by {count} held-out normal "
                f"image{'' if count == 1 else 's'}: the smallest is 1/{count + 1} = "
                f"{rate_text(self.smallest_rate)}; hold out at least {images_needed(rate)}, or "
                "calibrate with as many others (nsa calibrate)."
            )
