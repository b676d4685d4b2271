"""Every system of the NSA paper as data: what its synthetic anomalies have and lack.

Tables 5 and 6 of the paper and the ablations of Appendix B.1 (Table 7). All but
``cutpaste_shapes`` choose patches as NSA does, as the paper's own baselines do.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nsa.errors import InputError

if TYPE_CHECKING:
    from nsa.settings.config import SynthesisConfig

Shapes = Literal["gamma", "cutpaste", "ellipses"]
Blending = Literal["source", "mixed", "paste", "interpolate"]
Labelling = Literal["binary", "continuous", "logistic", "factor"]


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to make synthetic anomalies.

    Attributes:
        title: its name in figures and tables.
        other_image: patches come from another image, else from the image itself.
        shift: a patch lands elsewhere, else where it was cut.
        resize: a patch is resized at random.
        blend: how patches are blended; None: Poisson blending, ``SynthesisConfig.gradients``.
        label: what a label holds; None: ``SynthesisConfig.label``.
        object_masks: object masks are used where the configuration has a background.
        several: an image gets up to ``max_patches`` patches, else one.
        shapes: how patches are shaped: clipped Gamma sides (eq. 5-6), CutPaste's areas and aspect
            ratios, or ellipses inside patches with Gamma sides.
    """

    title: str
    other_image: bool = True
    shift: bool = True
    resize: bool = True
    blend: Blending | None = None
    label: Labelling | None = None
    object_masks: bool = True
    several: bool = True
    shapes: Shapes = "gamma"

    @property
    def interpolates(self) -> bool:
        """Whether every image draws an interpolation factor, which is also its label."""
        return self.label == "factor"


METHODS: dict[str, Method] = {
    # The baselines of Section 4, Table 5.
    "cutpaste": Method(
        title="CutPaste", other_image=False, resize=False, blend="paste", label="binary"
    ),
    "fpi": Method(title="FPI", shift=False, resize=False, blend="interpolate", label="factor"),
    "pii": Method(title="PII", shift=False, resize=False, blend="mixed", label="factor"),
    "nsa_paste": Method(title="NSA, pasted", blend="paste"),
    "nsa": Method(title="NSA"),
    # The ablations A to D of Appendix B.1.
    "no_object_masks": Method(title="A: no object masks", object_masks=False),
    "single_patch": Method(title="B: single patch", several=False),
    "cutpaste_shapes": Method(
        title="C: CutPaste's shapes",
        resize=False, object_masks=False, several=False, shapes="cutpaste",
    ),
    "ellipses": Method(title="D: ellipses", shapes="ellipses"),
}  # fmt: skip


def method(name: str) -> Method:
    """A method by its name.

    Raises:
        InputError: no such method; the nearest one is suggested.
    """
    found = METHODS.get(name) if isinstance(name, str) else None
    if found is None:
        known = (*METHODS, "gaussian")  # which has settings and a training of its own
        near = difflib.get_close_matches(str(name).lower().replace("-", "_"), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}."
        raise InputError(f"No method is named {name!r}; {hint}")
    return found


def blend_mode(config: SynthesisConfig) -> Blending:
    """How the patches of ``config`` are blended: the method's way, or the chosen gradients."""
    return method(config.method).blend or config.gradients


def label_kind(config: SynthesisConfig) -> Labelling:
    """What the labels of ``config`` hold: the method's own kind, or the chosen one."""
    return method(config.method).label or config.label


def is_unbounded(config: SynthesisConfig) -> bool:
    """Whether labels are grey levels: such a network ends in a ReLU and trains by squared error.

    All other labels lie in [0, 1], with a sigmoid and binary cross-entropy (Section 3.3).
    """
    return label_kind(config) == "continuous"


def title(config: SynthesisConfig) -> str:
    """What figures and tables call ``config``; NSA goes with its label, as in the paper."""
    if config.method == "nsa":
        return f"NSA ({config.label})"
    return method(config.method).title


def needs_object_masks(config: SynthesisConfig) -> bool:
    """Whether plans of ``config`` are drawn from the object masks of the images."""
    return config.background is not None and method(config.method).object_masks
