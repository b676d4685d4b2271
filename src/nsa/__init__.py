"""Natural Synthetic Anomalies: train a visual anomaly detector from normal images only.

>>> import nsa, torch
>>> images = torch.randint(256, (4, 3, 224, 224), dtype=torch.uint8)
>>> images, labels = nsa.NSA.from_preset("bottle")(images)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nsa.system.lazy import lazily

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
_find = lazily(
    __name__,
    **{
        "synthesis": ("NSA",),
        "settings.config": ("SynthesisConfig",),
        "settings.presets": ("PRESETS", "preset"),
        "plan": ("draw_plan", "Plan", "object_masks"),
        "blend": ("seamless_clone",),
        "label": ("difference_label",),
        "detectors.detector": ("Detector",),
        "detectors.registry": ("load",),
        "errors": ("InputError",),
        "metrics": (),
        "gaussian": (),
    },
)


if not TYPE_CHECKING:  # which knows the names from above

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            return version("nsa")
        return _find(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
