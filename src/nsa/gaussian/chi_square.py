"""The working point of a level whose features are Gaussian (eq. 7-8 of the paper).

It needs no further images. Where its assumption does not hold, and for sums over levels,
:class:`nsa.metrics.ConformalThreshold` sets a threshold from held-out normal images.
"""

from __future__ import annotations

import math

from scipy.special import chdtri

from nsa.errors import InputError
from nsa.metrics.conformal import check_rate


def chi_square_threshold(fpr: float, dimensions: int) -> float:
    """The distance that a D-dimensional Gaussian exceeds with probability ``fpr``, eq. 8.

    ``sqrt(F^-1(1 - fpr))`` with the chi-square distribution of D degrees of freedom, from its
    upper tail so that rates down to 1e-300 keep their precision.

    Raises:
        InputError: ``fpr`` is not between 0 and 1, or ``dimensions`` below 1.
    """
    check_rate(fpr)
    if dimensions < 1:
        raise InputError(f"dimensions must be at least 1, got {dimensions!r}.")
    return math.sqrt(float(chdtri(dimensions, fpr)))
