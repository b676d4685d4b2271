"""Every setting of a run, as frozen dataclasses that know their own valid ranges.

``SynthesisConfig`` says how anomalies are made (Section 3 of the NSA paper), ``ImageConfig`` how
images reach the network (Section 4.1), ``TrainConfig`` how the network is trained and
``GaussianConfig`` how the Gaussian detector is fitted. ``to_dict`` and ``from_dict`` convert to and
from plain JSON / YAML values.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from nsa.errors import InputError
from nsa.settings.methods import METHODS, BlendMode, LabelKind, SynthesisMethod

Variant = Literal["released", "paper"]
Gradients = Literal["source", "mixed"]
# What can be asked for; a factor is the label of those methods that draw one.
LABELS = tuple(kind for kind in typing.get_args(LabelKind) if kind != "factor")
Bounds = tuple[float, float]
# How a level's normal features are modelled; nsa.gaussian.distributions has the formulas.
GaussianModel = Literal[
    "full", "standardised", "l2", "pca95", "pca99", "npca1", "npca01", "npca001"
]


@dataclass(frozen=True, kw_only=True)
class SynthesisConfig:
    """How synthetic anomalies are drawn, blended and labelled (Table 4 of the paper).

    Attributes:
        method: which system of the paper, a name in :data:`nsa.settings.methods.METHODS`. It
            decides first: a field that it has no use for is ignored, as ``label`` is by ``"fpi"``
            and ``"pii"`` (the interpolation factor) and ``"cutpaste"`` (binary). See
            :attr:`label_kind` and :attr:`blend_mode`.
        variant: ``"released"`` follows the authors' code, which produced the published numbers;
            ``"paper"`` follows the printed equations.
        label: kind of pixel label, eq. 13-14.
        gradients: guidance field of the Poisson blending, eq. 3 (``"source"``) or 4 (``"mixed"``);
            ``"pii"`` always takes mixed ones.
        max_patches: largest number of patches per image, ``n_max``.
        height_bounds, width_bounds: smallest and largest full side of a patch, relative to the
            image's side.
        background: brightness ``b`` of a plain background in [0, 255]; None: no object mask is
            used.
        background_threshold: a pixel further than this from ``background`` belongs to the object.
        min_object_share: smallest share of object pixels in a patch, ``t_object`` (eq. 11).
        min_overlap: smallest share of the patch's object pixels that must land on the object,
            ``t_overlap`` (eq. 12).
        scale_bounds: limits of the random resize factor, ``s_min`` and ``s_max``.
        label_midpoint: ``y0`` of the logistic label in grey levels (eq. 14).
        label_steepness: ``k`` of the logistic label per grey level (eq. 14).
    """

    method: str = "nsa"
    variant: Variant = "released"
    label: LabelKind = "logistic"
    gradients: Gradients = "source"
    max_patches: int = 3
    height_bounds: Bounds = (0.06, 0.80)
    width_bounds: Bounds = (0.06, 0.80)
    background: float | None = None
    background_threshold: float = 20.0
    min_object_share: float = 0.70
    min_overlap: float = 0.25
    scale_bounds: Bounds = (0.7, 1.3)
    label_midpoint: float = 15.0
    label_steepness: float = 1 / 6

    def __post_init__(self) -> None:
        if self.method not in tuple(METHODS):
            asked = str(self.method).lower().replace("-", "_")
            near = difflib.get_close_matches(asked, METHODS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(METHODS)}."
            raise InputError(f"No method is named {self.method!r}; {hint}")
        _choice(self, "variant", typing.get_args(Variant))
        _choice(self, "label", LABELS)
        _choice(self, "gradients", typing.get_args(Gradients))
        _number(self, "max_patches", 1, 64)
        _bounds(self, "height_bounds", 0.0, 1.0)
        _bounds(self, "width_bounds", 0.0, 1.0)
        _bounds(self, "scale_bounds", 0.01, 100.0)
        if self.background is not None:
            _number(self, "background", 0, 255)
        _number(self, "background_threshold", 0, 255)
        _number(self, "min_object_share", 0, 1)
        _number(self, "min_overlap", 0, 1)
        _number(self, "label_midpoint", 0, 255)
        _number(self, "label_steepness", 1e-6, 1e3)

    @property
    def way(self) -> SynthesisMethod:
        """What :attr:`method` has and lacks."""
        return METHODS[self.method]

    @property
    def blend_mode(self) -> BlendMode:
        """How patches are blended: the method's way, or the chosen gradients."""
        return self.way.blend or self.gradients

    @property
    def label_kind(self) -> LabelKind:
        """What labels hold: the method's own kind, or the chosen one."""
        return self.way.label or self.label

    @property
    def unbounded(self) -> bool:
        """Whether labels are grey levels: such a network ends in a ReLU, trained by squared error.

        All other labels lie in [0, 1], with a sigmoid and binary cross-entropy (Section 3.3).
        """
        return self.label_kind == "continuous"

    @property
    def mask_background(self) -> float | None:
        """The background of the object masks that plans are drawn from; None: there are none."""
        return self.background if self.way.object_masks else None

    @property
    def title(self) -> str:
        """In figures and tables; NSA goes with its label, as in the paper."""
        return f"NSA ({self.label})" if self.method == "nsa" else self.way.title


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """How an image becomes a network input (Section 4.1 of the paper).

    Attributes:
        channels: 3 for colour, 1 for grey images.
        size: (height, width) in pixels to which every image is resized once, when it is loaded.
        rotation: largest random rotation in degrees, nearest neighbour; 0: none.
        center_crop: (height, width) cut from the centre after the rotation; None: no such crop.
        crop: (height, width) of the network's input; random position in training, centre in
            evaluation.
        vertical_flip: flip top and bottom at random (textures).
    """

    channels: int = 3
    size: tuple[int, int] = (256, 256)
    rotation: float = 0.0
    center_crop: tuple[int, int] | None = (230, 230)
    crop: tuple[int, int] = (224, 224)
    vertical_flip: bool = False

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise InputError(f"channels must be 1 (grey) or 3 (colour), got {self.channels!r}.")
        _number(self, "rotation", 0, 180)
        inner = self.center_crop or self.size
        for axis, name in enumerate(("height", "width")):
            if not 32 <= self.crop[axis] <= inner[axis] <= self.size[axis] <= 8192:
                raise InputError(
                    f"image {name}s must satisfy 32 <= crop <= center_crop <= size <= 8192, got "
                    f"crop {self.crop[axis]}, center_crop {inner[axis]}, size {self.size[axis]}."
                )


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How the network is trained (Section 4.1 of the paper).

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step at most; the batches of an epoch are of equal size.
        learning_rate, final_learning_rate: ends of the cosine schedule, stepped once per epoch.
        seed: fixes initial weights, order, augmentation and anomalies.
    """

    epochs: int = 320
    batch_size: int = 64
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-6
    seed: int = 0

    def __post_init__(self) -> None:
        _number(self, "epochs", 1, 1_000_000)
        _number(self, "batch_size", 1, 65_536)
        _number(self, "learning_rate", 1e-12, 10.0)
        _number(self, "final_learning_rate", 0.0, self.learning_rate)
        _number(self, "seed", 0, 2**63 - 1)


@dataclass(frozen=True, kw_only=True)
class GaussianConfig:
    """How the Gaussian detector is fitted (Rippel et al., ICPR 2020).

    Attributes:
        network: one of :data:`nsa.gaussian.NETWORKS`.
        weights: ``"default"`` (torchvision's, trained on ImageNet), ``"random"``, a state-dict file
            or a run folder, see :func:`nsa.model.pretrained.load_network`.
        distribution: model of each level's features; ``"npca01"`` keeps the components that hold
            the last 0.1 % of the variance.
        size: (height, width) in pixels to which every image is resized; None: the size that the
            network was designed for.
        augment: fit on so many augmented copies of every image, by what the category allows
            (Figure 2 of the paper, which makes 100); 0: on the images themselves.
        seed: fixes random weights, augmentation and which images are held out.
        fpr: wanted false positive rate, for which images are held out; None: none are.
        holdout: share of the training images that is held out.
    """

    network: str = "efficientnet_b4"
    weights: str = "default"
    distribution: GaussianModel = "full"
    size: tuple[int, int] | None = None
    augment: int = 0
    seed: int = 0
    fpr: float | None = None
    holdout: float = 0.2

    def __post_init__(self) -> None:
        _choice(self, "distribution", typing.get_args(GaussianModel))
        _number(self, "augment", 0, 10_000)
        _number(self, "seed", 0, 2**63 - 1)
        if self.size is not None and not all(32 <= side <= 8192 for side in self.size):
            raise InputError(f"size must be two numbers from 32 to 8192, got {self.size!r}.")
        for name in ("fpr", "holdout"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise InputError(f"{name} must be between 0 and 1, got {value!r}.")


Config = TypeVar("Config", SynthesisConfig, ImageConfig, TrainConfig, GaussianConfig)


def to_dict(config: SynthesisConfig | ImageConfig | TrainConfig | GaussianConfig) -> dict[str, Any]:
    """Plain values of a configuration: tuples become lists, as JSON and YAML have them."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(config).items()
    }


def from_dict(kind: type[Config], values: dict[str, Any]) -> Config:
    """Build a configuration from plain values.

    Raises:
        InputError: a name is unknown (the nearest one is suggested), a value has the wrong type or
            is out of range.
    """
    return replace(kind(), **values)


def replace(config: Config, **changes: Any) -> Config:
    """A copy of ``config`` with some fields changed, checked as in :func:`from_dict`."""
    hints = typing.get_type_hints(type(config))
    for name in changes:
        if name not in hints:
            near = difflib.get_close_matches(name, hints, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(hints)}."
            raise InputError(f"{type(config).__name__} has no field {name!r}; {hint}")
    typed = {name: _convert(name, value, hints[name]) for name, value in changes.items()}
    return dataclasses.replace(config, **typed)


def _convert(name: str, value: Any, hint: Any) -> Any:
    """``value`` as the annotated type, where the conversion loses nothing."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        if value is None:
            return None
        hint = next(arm for arm in typing.get_args(hint) if arm is not type(None))
    if typing.get_origin(hint) is Literal:
        return value  # __post_init__ lists the choices
    if typing.get_origin(hint) is tuple:
        arms = typing.get_args(hint)
        if not isinstance(value, list | tuple) or len(value) != len(arms):
            raise InputError(f"{name} must be {len(arms)} numbers, got {value!r}.")
        return tuple(_convert(name, item, arm) for item, arm in zip(value, arms, strict=True))
    if isinstance(value, bool) or hint is bool:
        valid = isinstance(value, bool) and hint is bool
    elif hint is str:
        valid = isinstance(value, str)
    elif hint is int:
        valid = isinstance(value, int | float) and value == int(value)
    else:
        valid = isinstance(value, int | float)
    if not valid:
        raise InputError(f"{name} must be of type {hint.__name__}, got {value!r}.")
    return hint(value)


def _choice(config: Any, name: str, options: tuple[str, ...]) -> None:
    value = getattr(config, name)
    if value not in options:
        listed = ", ".join(repr(option) for option in options)
        raise InputError(f"{name} must be one of {listed}, got {value!r}.")


def _number(config: Any, name: str, low: float, high: float) -> None:
    value = getattr(config, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{name} must be a number from {low} to {high}, got {value!r}.")


def _bounds(config: Any, name: str, low: float, high: float) -> None:
    value = getattr(config, name)
    if len(value) != 2 or not low < value[0] <= value[1] <= high:
        raise InputError(
            f"{name} must be two numbers with {low} < smallest <= largest <= {high}, got {value!r}."
        )
