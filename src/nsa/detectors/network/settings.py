"""The settings of a network's run: preset or what the images suggest, and the user's over them."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nsa.detectors.network.request import NetworkRequest
from nsa.errors import InputError, shown
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.settings.fields import Checked, convert, from_dict, replace, to_dict
from nsa.settings.light import LightSpread
from nsa.settings.presets import KINDS, Preset, find_preset

_log = logging.getLogger("nsa")

_SELDOM: dict[str, dict[str, Any]] = {  # said only of runs where they are others
    "synthesis": {
        "patch_pixels": None,
        "clean_share": 0.0,
        "mixture": {},
        "opacity_bounds": [1.0, 1.0],
    },
    "images": {
        "resize": "stretch",
        "reflection": 0,
        "levels": None,
        "brightness": 0.0,
        "contrast": 0.0,
        "white_balance": 0.0,
        "blur": 0.0,
        "noise": 0.0,
    },
    "training": {
        "crops_per_image": 1,
        "skips": False,
        "optimizer": "adam",
        "warmup_epochs": 0,
        "focal": 0.0,
        "dice": 0.0,
        "extra_steps": 0,
        "former_epochs": [],
        "holdout": None,
        "fpr": None,
    },
}
SECTIONS = ("synthesis", "images", "training")
# What the tuned recipe decides, which is said of its runs though it be as usual.
_DECIDED = ("skips", "optimizer", "brightness", "contrast", "white_balance")
WHOLE, CROP = "whole", "crop"
PAPER, TUNED = "paper", "tuned"
RECIPES = (PAPER, TUNED)
# Images per step of the tuned recipe: in as many epochs, many small steps teach more than few
# large ones, and those of 8 take 11 % longer. What the recipe is worth: docs/explain/recipe.md.
_SMALL_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(Checked):
    """Everything that decides the outcome of a run, apart from the images.

    Attributes:
        category: name of what is inspected.
        kind: ``"object"``, ``"texture"`` or ``"x-ray"``; a texture is evaluated without a crop.
        synthesis, images, training: see :mod:`nsa.settings.config`.
        recipe: one of :data:`RECIPES`, which they follow where nothing else was asked for.
    """

    category: str
    kind: str
    synthesis: SynthesisConfig
    images: ImageConfig
    training: TrainConfig
    recipe: str = PAPER

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in KINDS:
            raise InputError(f"kind must be one of {', '.join(KINDS)}, got {shown(self.kind)}.")
        if self.recipe not in RECIPES:
            raise InputError(f"recipe must be {' or '.join(RECIPES)}, got {shown(self.recipe)}.")
        for name in ("focal", "dice"):
            if getattr(self.training, name) and self.synthesis.unbounded:
                raise InputError(
                    f"{name} is for labels from 0 to 1, and continuous ones are grey levels; leave "
                    "it out or choose another --label."
                )

    @property
    def test_size(self) -> tuple[int, int]:
        """(height, width) to which images are resized that a detector judges."""
        if self.images.resize != "stretch":
            return self.images.size
        # Textures fill the picture: the whole of it is resized to the size of a training crop.
        return self.images.crop if self.kind == "texture" else self.images.size

    @property
    def frame(self) -> str:
        """What a network sees of an image: the :data:`WHOLE` as it is judged, or a :data:`CROP`."""
        return WHOLE if self.images.crop == self.test_size else CROP

    @property
    def light(self) -> bool:
        """Whether the light is varied in training."""
        return self.images.relit

    def to_dict(self) -> dict[str, Any]:
        """Plain values for YAML and JSON."""
        sections = {name: to_dict(getattr(self, name)) for name in SECTIONS}
        for section, usual in _SELDOM.items():
            for name, value in usual.items():
                said = self.recipe == TUNED and name in _DECIDED
                if sections[section][name] == value and not said:
                    del sections[section][name]
        return {"category": self.category, "kind": self.kind, "recipe": self.recipe, **sections}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkSettings:
        """The inverse of :meth:`to_dict`; other keys are left alone.

        Raises:
            InputError: something is missing, unknown or out of range.
        """
        for name in ("category", "kind", *SECTIONS):
            if name not in values:
                raise InputError(f"The configuration lacks {name!r}.")
        return cls(
            category=values["category"],
            kind=values["kind"],
            synthesis=from_dict(SynthesisConfig, values["synthesis"]),
            images=from_dict(ImageConfig, values["images"]),
            training=from_dict(TrainConfig, values["training"]),
            recipe=values.get("recipe", PAPER),
        )

    def with_epochs(self, epochs: int, epoch: int, step: int) -> NetworkSettings:
        """The settings of a run that stands at a position and goes on to so many epochs.

        The learning rate of the epochs that have begun stays; from the next one on it is that of a
        run of ``epochs``. With as many as are finished the run ends where it stands.

        Args:
            epochs: from now on.
            epoch, step: the next step to do, both from 0.

        Raises:
            InputError: more have been done, or the number is out of range.
        """
        if isinstance(epochs, int) and 1 <= epochs < epoch:
            raise InputError(
                f"--epochs {epochs} is less than the {epoch} that are done; the run can end with "
                f"--epochs {epoch} or later."
            )
        training = self.training
        begun = epoch + (step > 0)
        former = [pair for pair in training.former_epochs if pair[0] < begun]
        if begun and all(end < begun for end, _ in training.former_epochs):
            former.append((begun, training.epochs))
        elif begun:  # it had been changed without a step since
            former = list(training.former_epochs)
        while former and former[-1][1] == epochs:
            former.pop()
        changed = replace(
            training, epochs=epochs, extra_steps=step if epochs == epoch else 0,
            former_epochs=former,
        )  # fmt: skip
        return dataclasses.replace(self, training=changed)

    def changed(self, request: NetworkRequest) -> NetworkSettings:
        """The settings with what was asked for over them.

        Raises:
            InputError: a setting is unknown or out of range.
        """
        return dataclasses.replace(
            self,
            synthesis=replace(self.synthesis, **request.overrides("synthesis")),
            images=replace(self.images, **request.overrides("images")),
            training=replace(self.training, **request.overrides("training")),
        )


def resolve(
    request: NetworkRequest,
    category: str,
    suggest: Callable[[], Preset],
    *,
    presets: bool = True,
) -> NetworkSettings:
    """Combine preset or suggestion with a recipe, and with what the user asked for.

    The light comes last, see :func:`lit`. Presets are trained by the paper's recipe, unless a size
    or the whole frame is asked for; all else by the tuned one.

    Args:
        category: name of the dataset.
        suggest: called for an unknown category, or where ``kind`` asks for automatic settings.
        presets: whether the name may choose a preset, see :class:`nsa.images.Dataset`.

    Raises:
        InputError: a setting is unknown or out of range.
    """
    preset = choose_preset(request, category, suggest, presets=presets)
    settings = of_preset(preset, category)
    known = preset is find_preset(category)
    recipe = _recipe(request, known)
    settings = dataclasses.replace(settings, recipe=recipe)
    if recipe == TUNED:
        training = dataclasses.replace(
            settings.training,
            batch_size=_SMALL_BATCH,
            optimizer="muon",
            image_score="auto",
            # They find a texture's defects far sooner, and a bottle's less well.
            skips=settings.kind == "texture",
        )
        settings = dataclasses.replace(settings, training=training)
    asked = request.overrides("training")
    if asked.get("image_score") == "auto" and asked.get("holdout") == 0:
        raise InputError(
            "--image-score auto chooses by images that are held out, and --holdout 0 holds none "
            "out; leave one of them out."
        )
    return framed(settings, request, CROP if recipe == PAPER else WHOLE)


def lit(
    settings: NetworkSettings, request: NetworkRequest, spread: Callable[[], LightSpread]
) -> NetworkSettings:
    """Settings with the light that is asked for, or that the recipe has.

    A yes is what the images suggest, except for what has a number; a no is stronger than numbers,
    which a settings file may have from a run. The tuned recipe varies the light of whole images: a
    crop of a few pixels may not show what light it is in.

    Args:
        settings: with everything else that was asked for.
        spread: how far to vary the light, called where that is to be found out.
    """
    images = settings.images
    if request.light is False:
        none = dict.fromkeys(("brightness", "contrast", "white_balance", "blur", "noise"), 0.0)
        return dataclasses.replace(settings, images=replace(images, **none))
    if request.light is None and (settings.recipe == PAPER or images.cropped):
        return settings
    names = {field.name for field in dataclasses.fields(LightSpread)}
    missing = names - request.images.keys()
    if request.light and not images.relit:
        missing = names
    if not missing:
        return settings
    found = dataclasses.asdict(spread())
    images = replace(images, **{name: found[name] for name in missing})
    return dataclasses.replace(settings, images=images)


def _recipe(request: NetworkRequest, known: bool) -> str:
    """One of :data:`RECIPES`; ``known``: there is a preset."""
    if request.recipe is None:
        as_in_paper = known and request.size is None and request.frame != WHOLE
        return PAPER if as_in_paper else TUNED
    return request.recipe


def choose_preset(
    request: NetworkRequest,
    category: str,
    suggest: Callable[[], Preset],
    *,
    presets: bool = True,
) -> Preset:
    """The preset that settings start from; arguments as for :func:`resolve`."""
    preset = find_preset(category)
    if preset is not None and not presets:
        _log.info(
            "The preset '%s' is not used: this category of another data set only shares its name.",
            preset.name,
        )  # fmt: skip
        preset = None
    if preset is None or request.kind not in (None, preset.kind):
        return suggest()
    _log.info("Settings: preset '%s' (%s).", preset.name, preset.kind)
    return preset


def of_preset(preset: Preset, category: str) -> NetworkSettings:
    """A preset's settings for a category."""
    return NetworkSettings(
        category=category,
        kind=preset.kind,
        synthesis=preset.synthesis,
        images=preset.images,
        training=preset.training,
    )


def framed(settings: NetworkSettings, request: NetworkRequest, usual: str) -> NetworkSettings:
    """Settings with what was asked for over them, and what the network sees of an image.

    Args:
        usual: the frame where the request does not say: :data:`CROP` or :data:`WHOLE`.

    Raises:
        InputError: a setting is unknown or out of range, or the frame contradicts another.
    """
    asked = request.overrides("images")
    own = [name for name in ("reflection", "center_crop", "crop", "resize") if name in asked]
    if request.frame is not None:
        if request.frame not in (CROP, WHOLE):
            raise InputError(f"frame must be {WHOLE} or {CROP}, got {shown(request.frame)}.")
        if own:
            raise InputError(
                f"{own[0]!r} in the section 'images' says what is seen of an image, as --frame "
                "does; leave one of them out."
            )
        if settings.frame == WHOLE and request.frame == CROP:
            raise InputError(
                f"--frame {CROP} is for objects: a texture fills its image, which is judged whole "
                "in the paper, too; leave it out."
            )
    if (request.frame or usual) == WHOLE and settings.frame == CROP and not own:
        size = asked.pop("size", None)
        images = replace(settings.images, **asked)
        images = images.whole(None if size is None else convert("size", size, tuple[int, int]))
        settings = dataclasses.replace(settings, images=images)
    return settings.changed(request)


def contradictions(settings: NetworkSettings, request: NetworkRequest) -> list[str]:
    """Names of options whose value differs from that in ``settings``."""
    names = ("category", "kind", "recipe", "frame", "light")
    pairs = {name: getattr(request, name) for name in names}
    different = [
        name for name, asked in pairs.items() if asked not in (None, getattr(settings, name))
    ]
    if request.trial:  # whose choice has been made, or was not asked for
        different.append("trial")
    for section in SECTIONS:
        current = to_dict(getattr(settings, section))
        asked = request.overrides(section)
        different += [name for name, value in asked.items() if value != current.get(name)]
    return different
