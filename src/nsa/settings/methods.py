"""Every method as data: what its synthetic anomalies have and lack.

The systems of Tables 5 and 6 of the NSA paper, the ablations of its Appendix B.1 (Table 7), and
methods beyond it. All but ``cutpaste_shapes`` and ``scars`` choose patches as NSA does, as the
paper's own baselines do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Shapes = Literal["gamma", "cutpaste", "ellipses", "perlin", "scars"]
PatchMode = Literal["source", "mixed", "paste", "interpolate"]
# What a batch is blended by: one for all its patches, or the one that each row of the plan has.
BlendMode = Literal[PatchMode, "planned"]
# Modes of Poisson blending, which needs a rim of background; the others make pixel by pixel.
SEAMLESS: tuple[PatchMode, ...] = ("source", "mixed")
PATCH_MODES: tuple[PatchMode, ...] = get_args(PatchMode)
# What can be asked for; a factor is the label of those methods that draw one.
Label = Literal["binary", "continuous", "logistic"]
LabelKind = Literal[Label, "factor"]


class PatchLight(NamedTuple):
    """How far the light of patches varies, by the names of ``ImageConfig``.

    A grey image has the first channel's part of the white balance.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    white_balance: float = 0.0
    blur: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SynthesisMethod:
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
            ratios, ellipses or thresholded Perlin noise inside patches with Gamma sides, or
            CutPaste's scars, which are thin rectangles at any angle.
        light: how far patches vary that come from a copy of the image in another light; None: they
            come from the images.
    """

    title: str
    other_image: bool = True
    shift: bool = True
    resize: bool = True
    blend: PatchMode | None = None
    label: LabelKind | None = None
    object_masks: bool = True
    several: bool = True
    shapes: Shapes = "gamma"
    light: PatchLight | None = None

    @property
    def interpolates(self) -> bool:
        """Whether every image draws an interpolation factor, which is also its label."""
        return self.label == "factor"


METHODS: dict[str, SynthesisMethod] = {
    # The baselines of Section 4, Table 5.
    "cutpaste": SynthesisMethod(
        title="CutPaste", other_image=False, resize=False, blend="paste", label="binary"
    ),
    "fpi": SynthesisMethod(
        title="FPI", shift=False, resize=False, blend="interpolate", label="factor"
    ),
    "pii": SynthesisMethod(title="PII", shift=False, resize=False, blend="mixed", label="factor"),
    "nsa_paste": SynthesisMethod(title="NSA, pasted", blend="paste"),
    "nsa": SynthesisMethod(title="NSA"),
    # The ablations A to D of Appendix B.1.
    "no_object_masks": SynthesisMethod(title="A: no object masks", object_masks=False),
    "single_patch": SynthesisMethod(title="B: single patch", several=False),
    "cutpaste_shapes": SynthesisMethod(
        title="C: CutPaste's shapes",
        resize=False, object_masks=False, several=False, shapes="cutpaste",
    ),
    "ellipses": SynthesisMethod(title="D: ellipses", shapes="ellipses"),
    # Beyond the paper, and worth more in a mixture than alone.
    "nsa_source": SynthesisMethod(title="NSA, source gradients", blend="source"),
    "nsa_mixed": SynthesisMethod(title="NSA, mixed gradients", blend="mixed"),
    "scars": SynthesisMethod(
        title="Scars", other_image=False, resize=False, blend="paste", shapes="scars"
    ),
    # Of the image itself in other colours.
    "perlin": SynthesisMethod(
        title="Perlin masks", other_image=False, blend="paste", shapes="perlin",
        light=PatchLight(brightness=0.5, contrast=0.5, white_balance=0.5),
    ),
    # Places that are lighter, flatter, blurred or noisy.
    "altered": SynthesisMethod(
        title="Altered places",
        other_image=False, shift=False, resize=False, blend="paste", shapes="ellipses",
        light=PatchLight(brightness=0.3, contrast=0.5, white_balance=0.1, blur=1.5, noise=12.0),
    ),
}  # fmt: skip
