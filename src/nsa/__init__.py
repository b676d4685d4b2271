"""Natural Synthetic Anomalies: train a visual anomaly detector from normal images only.

>>> import nsa
>>> images, labels = nsa.NSA.from_preset("bottle")(images)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nsa.blend import seamless_clone
    from nsa.detectors.detector import Detector
    from nsa.detectors.registry import load
    from nsa.errors import InputError
    from nsa.label import difference_label
    from nsa.plan import Plan, draw_plan, object_masks
    from nsa.settings.config import SynthesisConfig
    from nsa.settings.presets import PRESETS, preset
    from nsa.synthesis import NSA

    __version__: str

__all__ = [
    "NSA",
    "SynthesisConfig",
    "PRESETS",
    "preset",
    "draw_plan",
    "Plan",
    "object_masks",
    "seamless_clone",
    "difference_label",
    "Detector",
    "load",
    "InputError",
    "__version__",
]

_HOMES = {
    "NSA": "nsa.synthesis",
    "SynthesisConfig": "nsa.settings.config",
    "PRESETS": "nsa.settings.presets",
    "preset": "nsa.settings.presets",
    "draw_plan": "nsa.plan",
    "Plan": "nsa.plan",
    "object_masks": "nsa.plan",
    "seamless_clone": "nsa.blend",
    "difference_label": "nsa.label",
    "Detector": "nsa.detectors.detector",
    "load": "nsa.detectors.registry",
    "InputError": "nsa.errors",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that ``nsa --help`` need not wait for torch and numba."""
    if name == "__version__":
        value: Any = importlib.import_module("importlib.metadata").version("nsa")
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'nsa' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
