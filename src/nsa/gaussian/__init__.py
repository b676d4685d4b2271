"""The Gaussian detector: normal images as multivariate Gaussians in pretrained features.

Rippel, Mertens and Merhof, "Modeling the Distribution of Normal Data in Pre-Trained Deep Features
for Anomaly Detection" (ICPR 2020).
"""

from nsa.gaussian.detector import GaussianDetector, WorkingPoint
from nsa.gaussian.distributions import KINDS, Distribution, fit_distribution
from nsa.gaussian.features import FeatureExtractor
from nsa.gaussian.folds import make_folds
from nsa.gaussian.pipelines import pipeline_for
from nsa.metrics.conformal import ConformalThreshold, achieved_rate, chi_square_threshold
from nsa.model.backbones import NETWORKS

__all__ = [
    "GaussianDetector", "WorkingPoint", "FeatureExtractor", "NETWORKS", "KINDS",
    "Distribution", "fit_distribution", "ConformalThreshold", "chi_square_threshold",
    "achieved_rate", "pipeline_for", "make_folds",
]  # fmt: skip
