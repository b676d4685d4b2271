"""What the paper compares the Gaussian detector with (Section IV-C)."""

from nsa.gaussian.baselines.autoencoder import Autoencoder, AutoencoderDetector
from nsa.gaussian.baselines.components import component_scores, smallest_area
from nsa.gaussian.baselines.one_class_svm import OneClassSVMDetector
from nsa.gaussian.baselines.supervised import ClassifierDetector, cross_validate, validate_fold

__all__ = [
    "OneClassSVMDetector", "Autoencoder", "AutoencoderDetector", "component_scores",
    "smallest_area", "ClassifierDetector", "cross_validate",
    "validate_fold",
]  # fmt: skip
