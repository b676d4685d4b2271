"""The systems that the paper's tables compare: a method of making anomalies and a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nsa.errors import InputError, hint


@dataclass(frozen=True)
class System:
    """A column of the paper's tables.

    Attributes:
        name: on the command line and in file names.
        title: in tables.
        method: a name in :data:`nsa.settings.methods.METHODS`.
        label: kind of label; methods with a label of their own ignore it.
    """

    name: str
    title: str
    method: str
    label: str = "logistic"

    @property
    def fields(self) -> dict[str, Any]:
        """What the system fixes in a ``SynthesisConfig``."""
        return {"method": self.method, "label": self.label}


SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        System("cutpaste", "CutPaste (end-to-end)", "cutpaste"),
        System("fpi", "FPI", "fpi"),
        System("pii", "PII", "pii"),
        System("nsa_binary", "NSA (binary)", "nsa", "binary"),
        System("nsa_continuous", "NSA (continuous)", "nsa", "continuous"),
        System("nsa_logistic", "NSA (logistic)", "nsa"),
        System("nsa_logistic_no_object_masks", "A: no object masks", "no_object_masks"),
        System("nsa_logistic_single_patch", "B: single patch", "single_patch"),
        System("nsa_logistic_cutpaste_shapes", "C: CutPaste's shapes", "cutpaste_shapes"),
        System("nsa_logistic_ellipses", "D: ellipses", "ellipses"),
        System("nsa_paste", "NSA, pasted", "nsa_paste"),
    )
}


def system(name: str) -> System:
    """A system by its name; hyphens and capitals do not matter.

    Raises:
        InputError: no such system; the nearest one is suggested.
    """
    plain = name.strip().lower().replace("-", "_")
    if plain not in SYSTEMS:
        raise InputError(f"--methods: no system is named {name.strip()!r}; {hint(plain, SYSTEMS)}")
    return SYSTEMS[plain]
