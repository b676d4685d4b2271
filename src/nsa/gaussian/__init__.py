"""The Gaussian detector: normal images as multivariate Gaussians in pretrained features.

Rippel, Mertens and Merhof, "Modeling the Distribution of Normal Data in Pre-Trained Deep Features
for Anomaly Detection" (ICPR 2020).
"""

from nsa.gaussian.chi_square import chi_square_threshold
from nsa.gaussian.detector import GaussianDetector, WorkingPoint
from nsa.gaussian.distributions import (
    DISTRIBUTIONS,
    Distribution,
    DistributionName,
    fit_distribution,
)
from nsa.gaussian.feature_grid import FeatureGrid
from nsa.gaussian.features import FeatureExtractor
from nsa.gaussian.folds import make_folds
from nsa.gaussian.heat_maps import heat_maps, image_scores
from nsa.gaussian.map_model import MapModel, fit_map
from nsa.gaussian.map_moments import MapMoments
from nsa.gaussian.pipelines import pipeline_for

__all__ = [
    "GaussianDetector", "WorkingPoint", "FeatureExtractor", "DISTRIBUTIONS", "DistributionName",
    "Distribution", "fit_distribution", "chi_square_threshold", "pipeline_for", "make_folds",
    "FeatureGrid", "MapMoments", "MapModel", "fit_map", "heat_maps", "image_scores",
]  # fmt: skip
