"""How good a detector is: image and pixel metrics, exact for every threshold, and working points.

The truth comes before the scores, as in scikit-learn.
"""

from nsa.metrics.classification import auroc, average_precision, f1_at, f1_max, roc_curve
from nsa.metrics.conformal import ConformalThreshold, achieved_rate
from nsa.metrics.overlap import au_pro, au_pros, pro_curve
from nsa.metrics.streaming import PixelMetrics

__all__ = [
    "auroc", "average_precision", "f1_at", "f1_max", "au_pro", "au_pros", "roc_curve", "pro_curve",
    "PixelMetrics", "ConformalThreshold", "achieved_rate",
]  # fmt: skip
