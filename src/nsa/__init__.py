"""Natural Synthetic Anomalies: train a visual anomaly detector from normal images only.

>>> import nsa
>>> images, labels = nsa.NSA.from_preset("bottle")(images)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nsa.system.lazy import lazy_names

if TYPE_CHECKING:
    from nsa import gaussian, metrics, plan
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
    "plan",
    "metrics",
    "gaussian",
    "__version__",
]

# So that ``import nsa`` and ``nsa --help`` need not wait for torch and numba.
_find, __dir__ = lazy_names(
    __name__,
    {
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
    },
    modules=("plan", "metrics", "gaussian"),
)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("nsa")
    return _find(name)
