"""NSA in anomalib: as a model, as a finished run, and as what makes anomalies for its models."""

from __future__ import annotations

import importlib.util

from nsa.model._torchvision import torchvision_module

if importlib.util.find_spec("anomalib") is None:
    raise ModuleNotFoundError(
        "nsa.integrations.anomalib needs anomalib; pip install 'nsa[anomalib]'.", name="anomalib"
    )
torchvision_module("models")  # before anomalib imports it, in case its operators do not load

from nsa.integrations.anomalib.features import AnomalousImages, KeptFeatures  # noqa: E402
from nsa.integrations.anomalib.generator import NSAAnomalyGenerator  # noqa: E402
from nsa.integrations.anomalib.model import Nsa  # noqa: E402
from nsa.integrations.anomalib.run import NsaRun  # noqa: E402

__all__ = ["Nsa", "NsaRun", "NSAAnomalyGenerator", "AnomalousImages", "KeptFeatures"]
