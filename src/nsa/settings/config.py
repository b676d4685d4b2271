"""Every setting of a run, as frozen dataclasses that know their own valid ranges.

``SynthesisConfig`` says how anomalies are made (Section 3 of the NSA paper), ``ImageConfig`` how
images reach the network (Section 4.1) and ``TrainConfig`` how the network is trained.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import typing
from dataclasses import dataclass, field
from typing import Literal

from nsa.errors import InputError, hint, shown
from nsa.settings.fields import Checked, check_bounds, check_number
from nsa.settings.methods import (
    METHODS,
    BlendMode,
    Label,
    LabelKind,
    PatchMode,
    SynthesisMethod,
)

Variant = Literal["released", "paper"]
Gradients = Literal["source", "mixed"]
Resize = Literal["stretch", "fit", "none"]
ImageScoreName = Literal["mean", "top", "maximum", "auto"]
OptimizerName = Literal["adam", "muon"]
LABELS = typing.get_args(Label)
IMAGE_SCORES = typing.get_args(ImageScoreName)
OPTIMIZERS = typing.get_args(OptimizerName)
Bounds = tuple[float, float]
Levels = tuple[int, int]
_LARGEST = 8192  # side in px of a stored image of one size
_LARGEST_OWN = 65_535  # of one that keeps its own
_LARGEST_VALUE = 65_535  # of 16 bits


@dataclass(frozen=True, kw_only=True)
class SynthesisConfig(Checked):
    """How synthetic anomalies are drawn, blended and labelled (Table 4 of the paper).

    Attributes:
        method: a name in :data:`nsa.settings.methods.METHODS`, such as a system of the paper. It
            decides first: a field that it has no use for is ignored, as ``label`` is by ``"fpi"``
            and ``"pii"`` (the interpolation factor) and ``"cutpaste"`` (binary). See
            :attr:`label_kind` and :attr:`blend_mode`.
        variant: ``"released"`` follows the authors' code, which produced the published numbers;
            ``"paper"`` follows the printed equations.
        label: kind of pixel label, eq. 13-14.
        gradients: guidance field of the Poisson blending, eq. 3 (``"source"``) or 4 (``"mixed"``);
            ``"pii"`` always takes mixed ones.
        max_patches: largest number of patches per image, ``n_max``.
        clean_share: share of images that get no patch at all and are labelled normal; 0, as in the
            paper: only those for which no place was found.
        mixture: other methods by their names, and the share of the images for each that gets its
            anomalies by them; the rest has those of ``method``, whose labels all have. Not with
            ``"fpi"`` and ``"pii"``, whose labels no other method has.
        opacity_bounds: smallest and largest weight of a patch, uniform: of its gradients in Poisson
            blending, of its pixels where they are pasted; 1, as in the paper: patches are whole.
        height_bounds, width_bounds: smallest and largest full side of a patch, relative to the
            image's side.
        patch_pixels: smallest and largest full side in px, in their place; sides are then drawn
            from the same distribution, moved to these limits.
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
    label: Label = "logistic"
    gradients: Gradients = "source"
    max_patches: int = 3
    clean_share: float = 0.0
    mixture: dict[str, float] = field(default_factory=dict, hash=False)
    opacity_bounds: Bounds = (1.0, 1.0)
    height_bounds: Bounds = (0.06, 0.80)
    width_bounds: Bounds = (0.06, 0.80)
    patch_pixels: tuple[int, int] | None = None
    background: float | None = None
    background_threshold: float = 20.0
    min_object_share: float = 0.70
    min_overlap: float = 0.25
    scale_bounds: Bounds = (0.7, 1.3)
    label_midpoint: float = 15.0
    label_steepness: float = 1 / 6

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_method(self.method)
        self._check_mixture()
        check_number(self, "max_patches", 1, 64)
        check_number(self, "clean_share", 0, 0.95)
        check_bounds(self, "opacity_bounds", 0.01, 1.0)
        check_bounds(self, "height_bounds", 0.0, 1.0)
        check_bounds(self, "width_bounds", 0.0, 1.0)
        if self.patch_pixels is not None:
            check_bounds(self, "patch_pixels", 0, _LARGEST_OWN)
        check_bounds(self, "scale_bounds", 0.01, 100.0)
        if self.background is not None:
            check_number(self, "background", 0, 255)
        check_number(self, "background_threshold", 0, 255)
        check_number(self, "min_object_share", 0, 1)
        check_number(self, "min_overlap", 0, 1)
        check_number(self, "label_midpoint", 0, 255)
        check_number(self, "label_steepness", 1e-6, 1e3)

    def _check_mixture(self) -> None:
        # Where the order decides nothing, mixtures that are equal give the same anomalies.
        object.__setattr__(self, "mixture", dict(sorted(self.mixture.items())))
        for name, share in self.mixture.items():
            _check_method(name)
            if not 0 < share <= 1:
                raise InputError(
                    f"mixture must have shares above 0 and up to 1, got {shown(share)} for {name}."
                )
            if name == self.method:
                raise InputError(f"mixture names {name}, which is the method itself; leave it out.")
        total = sum(self.mixture.values())
        if total > 1 + 1e-9:
            raise InputError(f"mixture must have shares of 1 in all at most, got {total:g}.")
        if self.mixture:
            for name in (self.method, *self.mixture):
                if METHODS[name].interpolates:
                    raise InputError(
                        f"{name} cannot be mixed with other methods, as its labels are its "
                        "interpolation factors; leave out mixture or choose another method."
                    )

    @property
    def members(self) -> tuple[SynthesisConfig, ...]:
        """A configuration for each method that images get anomalies by, :attr:`method` the last."""
        return self._members if self.mixture else (self,)

    @functools.cached_property
    def _members(self) -> tuple[SynthesisConfig, ...]:
        names = (*self.mixture, self.method)
        return tuple(dataclasses.replace(self, method=name, mixture={}) for name in names)

    @property
    def way(self) -> SynthesisMethod:
        """What :attr:`method` has and lacks."""
        return METHODS[self.method]

    @property
    def patch_mode(self) -> PatchMode:
        """How patches of :attr:`method` are blended: its own way, or the chosen gradients."""
        mode = self.way.blend or self.gradients
        # What a paste is with an opacity.
        return "interpolate" if mode == "paste" and self.translucent else mode

    @property
    def blend_mode(self) -> BlendMode:
        """How a batch is blended: ``"planned"`` where its methods blend in several ways."""
        modes = {member.patch_mode for member in self.members}
        return modes.pop() if len(modes) == 1 else "planned"

    @property
    def masked(self) -> bool:
        """Whether object masks are used where there are some."""
        return any(member.way.object_masks for member in self.members)

    @property
    def translucent(self) -> bool:
        """Whether patches have an opacity."""
        return self.opacity_bounds != (1.0, 1.0) and not self.way.interpolates

    @property
    def relit(self) -> bool:
        """Whether patches may come from copies of the images in another light."""
        return any(member.way.light is not None for member in self.members)

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
        return self.background if self.masked else None

    @property
    def title(self) -> str:
        """In figures and tables; NSA goes with its label, as in the paper."""
        own = f"NSA ({self.label})" if self.method == "nsa" else self.way.title
        return f"{own} and others" if self.mixture else own


def _check_method(name: str) -> None:
    if name not in METHODS:
        raise InputError(f"No method is named {shown(name)}; {hint(name[:80], METHODS)}")


@dataclass(frozen=True, kw_only=True)
class ImageConfig(Checked):
    """How an image becomes a network input (Section 4.1 of the paper).

    Attributes:
        channels: 3 for colour, 1 for grey images.
        size: (height, width) in pixels to which every image is resized once, when it is loaded.
        resize: how it comes to that size: ``"stretch"``: by stretching, as in the paper; ``"fit"``:
            scaled in its own shape until it just fits; ``"none"``: not at all, ``size`` being the
            largest height and width among the training images. See :attr:`cropped`.
        reflection: pixels by which a training image is then continued beyond each of its sides,
            mirrored, so that what is rotated and shifted still shows the whole of it; 0: none, as
            in the paper.
        rotation: largest random rotation in degrees, nearest neighbour; 0: none.
        center_crop: (height, width) cut from the centre after the rotation; None: no such crop.
        crop: (height, width) of the network's input; random position in training, centre in
            evaluation, where not the whole image is judged.
        vertical_flip: flip top and bottom at random (textures).
        brightness, contrast, white_balance: how far the light varies in training, not in the paper:
            a training image as a whole, what it has beyond mid-grey, and each of its channels are
            multiplied by factors of up to 1 + this or down to 1 / (1 + this); 0: they are not. Grey
            images have no white balance.
        blur: largest deviation, in px, of the Gaussian by which it is then blurred.
        noise: largest deviation, in grey levels, of the noise that is then added to it.
        levels: (low, high), the values of images with more than 8 bits that become 0 and 255,
            linearly between and clipped beyond; None: fixed scales, see :mod:`nsa.images.decode`.
    """

    channels: int = 3
    size: tuple[int, int] = (256, 256)
    resize: Resize = "stretch"
    reflection: int = 0
    rotation: float = 0.0
    center_crop: tuple[int, int] | None = (230, 230)
    crop: tuple[int, int] = (224, 224)
    vertical_flip: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    white_balance: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    levels: Levels | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels not in (1, 3):
            raise InputError(
                f"channels must be 1 (grey) or 3 (colour), got {shown(self.channels)}."
            )
        check_number(self, "rotation", 0, 180)
        check_levels(self.levels)
        self._check_light()
        if self.cropped:
            self._check_cropped()
            return
        inner = self.center_crop or self.stored_size
        for axis, name in enumerate(("height", "width")):
            size, stored = self.size[axis], self.stored_size[axis]
            if (
                not 32
                <= self.crop[axis]
                <= min(inner[axis], size)
                <= inner[axis]
                <= stored
                <= _LARGEST
            ):
                rule = f"32 <= crop <= center_crop <= size <= {_LARGEST}"
                if self.reflection:
                    rule = (
                        "32 <= crop <= size and center_crop, and center_crop <= size + 2 x "
                        f"{self.reflection} of reflection <= {_LARGEST}"
                    )
                raise InputError(
                    f"image {name}s must satisfy {rule}, got crop {shown(self.crop[axis])}, "
                    f"center_crop {shown(inner[axis])}, size {shown(size)}."
                )
        # A pixel is mirrored once at most.
        check_number(self, "reflection", 0, min(self.size) - 1)

    def _check_light(self) -> None:
        check_number(self, "brightness", 0, 1)
        check_number(self, "contrast", 0, 1)
        check_number(self, "white_balance", 0, 1)
        check_number(self, "blur", 0, 1.5)
        check_number(self, "noise", 0, 50)

    def _check_cropped(self) -> None:
        if self.rotation or self.reflection or self.center_crop is not None:
            raise InputError(
                "rotation and reflection must be 0 and center_crop must be null where crops are "
                f"taken from images of their own shape (resize: {self.resize})."
            )
        if not all(32 <= c <= s <= _LARGEST_OWN for c, s in zip(self.crop, self.size, strict=True)):
            raise InputError(
                f"image sides must satisfy 32 <= crop <= size <= {_LARGEST_OWN}, got crop "
                f"{shown(self.crop)} and size {shown(self.size)}."
            )

    @property
    def relit(self) -> bool:
        """Whether training images are seen in more lights than their own."""
        balance = self.white_balance if self.channels > 1 else 0
        return any((self.brightness, self.contrast, balance, self.blur, self.noise))

    @property
    def cropped(self) -> bool:
        """Whether the network's input is a crop from anywhere in an image of its own shape.

        Then nothing is padded, and a detector judges the whole image with one network that is
        convolutional throughout. Otherwise images of their own shape are centred in :attr:`size`,
        and what is left of it is filled by reflection.
        """
        return self.resize == "none" or (self.resize == "fit" and self.crop != self.size)

    @property
    def stored_size(self) -> tuple[int, int]:
        """(height, width) of a training image with its :attr:`reflection`."""
        height, width = self.size
        return height + 2 * self.reflection, width + 2 * self.reflection

    def whole(self, size: tuple[int, int] | None = None) -> ImageConfig:
        """The same, but the network's input is the whole image in training, as in use.

        It is rotated as far and shifted as far, in proportion, as the crop had room to; where that
        leaves the image, its reflection shows.

        Args:
            size: of the image; None: as it is.
        """
        wanted = size or self.size
        inner = self.center_crop or self.stored_size
        turned = math.radians(self.rotation)

        def shift(axis: int) -> int:
            room = inner[axis] - self.crop[axis]
            return round(room * wanted[axis] / (2 * self.size[axis]))

        def overhang(side: int, other: int) -> int:
            # Of the corners; most where the diagonal lies along this side.
            angle = min(turned, math.atan2(other, side))
            return math.ceil((side * math.cos(angle) + other * math.sin(angle) - side) / 2)

        rows, columns = (wanted[axis] + 2 * shift(axis) for axis in (0, 1))
        beyond = max(shift(0) + overhang(rows, columns), shift(1) + overhang(columns, rows))
        return dataclasses.replace(
            self, size=wanted, crop=wanted, center_crop=(rows, columns),
            reflection=min(beyond, min(wanted) - 1),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Checked):
    """How the network is trained (Section 4.1 of the paper).

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step at most; the batches of an epoch are of equal size.
        crops_per_image: crops that an epoch takes of every image; more than one where images are
            so many and large that each has to be decoded again for every epoch.
        optimizer: ``"adam"``, as in the paper, or ``"muon"``, which learns more in as many epochs,
            see ``nsa.training.optimizer.Muon``.
        learning_rate, final_learning_rate: ends of the cosine schedule, stepped once per epoch.
        warmup_epochs: in so many epochs at the beginning the rate also grows, linearly, up to that
            of the schedule; 0, as in the paper: in none.
        focal: each pixel's cross-entropy is multiplied by this power of how far the network is from
            its label (the quality focal loss of Li et al., 2020); 0, as in the paper: it is not.
        dice: weight of a dice loss (Milletari et al., 2016) that is added; 0, as in the paper:
            none.
        seed: fixes initial weights, order, augmentation and anomalies.
        skips: the network has skip connections, by which its decoder sees the encoder's finer
            features, too; not in the paper. See :class:`nsa.model.EncoderDecoder`.
        image_score: what of its map is the score of an image: ``"mean"``, as in the paper;
            ``"top"``: mean of the highest 0.1 % of pixels; ``"maximum"``: over squares of 5 px;
            ``"auto"``: found out after the training, with images that are held out of it.
        holdout: share of the training images that is held out, to set thresholds by; None: by
            their number, see :mod:`nsa.detectors.holdout`.
        fpr: the false positive rate that thresholds are for; None: the smallest that can be set.
        extra_steps: steps of one more pass; only where a run was ended in the middle of it.
        former_epochs: only where a run went on with another number of epochs than it had begun
            with: pairs (end, epochs), ascending; before the epoch ``end``, counted from 0, the
            schedule was that of ``epochs``.
    """

    epochs: int = 320
    batch_size: int = 64
    crops_per_image: int = 1
    optimizer: OptimizerName = "adam"
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-6
    warmup_epochs: int = 0
    focal: float = 0.0
    dice: float = 0.0
    seed: int = 0
    skips: bool = False
    image_score: ImageScoreName = "mean"
    holdout: float | None = None
    fpr: float | None = None
    extra_steps: int = 0
    former_epochs: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "epochs", 1, 1_000_000)
        check_number(self, "extra_steps", 0, 1_000_000)
        ends = [0, *(end for end, _ in self.former_epochs)]
        if ends != sorted(set(ends)) or any(epochs < 1 for _, epochs in self.former_epochs):
            raise InputError(
                "former_epochs must be pairs (end, epochs) of numbers from 1 with ascending ends, "
                f"got {self.former_epochs!r}."
            )
        check_number(self, "batch_size", 1, 65_536)
        check_number(self, "crops_per_image", 1, 10_000)
        check_number(self, "learning_rate", 1e-12, 10.0)
        check_number(self, "final_learning_rate", 0.0, self.learning_rate)
        check_number(self, "warmup_epochs", 0, 1_000_000)
        check_number(self, "focal", 0, 5)
        if 0 < self.focal < 1:  # whose slope has no bound where a label is met
            raise InputError(f"focal must be 0 or from 1 to 5, got {shown(self.focal)}.")
        check_number(self, "dice", 0, 100)
        check_number(self, "seed", 0, 2**63 - 1)
        check_held_out(self.holdout, self.fpr)


def middle(outer: int, inner: int) -> int:
    """First pixel of a centred window, rounded as torchvision's CenterCrop rounds."""
    return round((outer - inner) / 2)


def check_held_out(holdout: float | None, fpr: float | None) -> None:
    """Raise :class:`InputError` unless a share of held-out images and a rate can be such."""
    if holdout is not None and not 0 <= holdout < 1:
        raise InputError(f"holdout must be from 0 to below 1, got {shown(holdout)}.")
    if fpr is not None and not 0 < fpr < 1:
        raise InputError(f"fpr must be between 0 and 1, got {shown(fpr)}.")
    if holdout == 0 and fpr is not None:
        raise InputError(
            f"A false positive rate (fpr {fpr:g}) is set by held-out images, and holdout 0 holds "
            "none out; leave one of them out, or use nsa calibrate after the training."
        )


def check_levels(levels: Levels | None) -> None:
    """Raise :class:`InputError` unless levels are in order and of at most 16 bits."""
    if levels is not None and not 0 <= levels[0] < levels[1] <= _LARGEST_VALUE:
        raise InputError(
            f"levels must be two numbers with 0 <= low < high <= {_LARGEST_VALUE}, got "
            f"{shown(levels)}."
        )
