"""The paper's settings per category, as data: Table 4, Section 4.1 and Appendix A.1."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from nsa.errors import InputError, hint, shown
from nsa.settings.config import Bounds, ImageConfig, SynthesisConfig, TrainConfig
from nsa.settings.fields import convert

KINDS = ("object", "texture", "x-ray")


@dataclass(frozen=True)
class Preset:
    """The settings of one category; ``kind`` is one of :data:`KINDS`."""

    name: str
    kind: str
    synthesis: SynthesisConfig
    images: ImageConfig
    training: TrainConfig


# Table 4. name: (n_max, height bounds, width bounds, (b, t_brightness, t_object), y0, 1/k); no
# object mask is used where there is no b. t_overlap is 0.25 for every one of these.
_Object = tuple[int, Bounds, Bounds, tuple[int, int, float] | None, int, int]
_OBJECTS: dict[str, _Object] = {
    "bottle": (3, (0.06, 0.80), (0.06, 0.80), (200, 60, 0.70), 24, 12),
    "cable": (3, (0.10, 0.80), (0.10, 0.80), None, 24, 12),
    "capsule": (3, (0.06, 0.30), (0.06, 0.80), (200, 60, 0.70), 4, 2),
    "hazelnut": (3, (0.06, 0.70), (0.06, 0.70), (20, 20, 0.70), 24, 12),
    "metal_nut": (3, (0.06, 0.80), (0.06, 0.80), (20, 20, 0.50), 7, 3),
    "pill": (3, (0.06, 0.40), (0.06, 0.80), (20, 20, 0.70), 7, 3),
    "screw": (4, (0.06, 0.24), (0.06, 0.24), (200, 60, 0.50), 3, 1),
    "toothbrush": (3, (0.06, 0.80), (0.06, 0.40), (20, 20, 0.25), 15, 6),
    "transistor": (3, (0.06, 0.80), (0.06, 0.80), None, 15, 6),
    "zipper": (4, (0.06, 0.80), (0.06, 0.40), (200, 60, 0.70), 15, 6),
}
# name: (y0, 1/k)
_TEXTURES = {"carpet": (7, 3), "grid": (7, 3), "leather": (7, 3), "tile": (7, 3), "wood": (15, 6)}
_ROTATED = ("bottle", "hazelnut", "metal_nut", "screw")  # not aligned, rotated up to 5 degrees
_SLOW = ("hazelnut", "metal_nut", "screw")  # 560 epochs: the loss takes longer to converge


def _object_images(rotation: float = 0.0, channels: int = 3) -> ImageConfig:
    """256 px, random rotation, centre 230, random 224 (Section 4.1)."""
    return ImageConfig(channels=channels, rotation=rotation)


def _texture_images(channels: int = 3) -> ImageConfig:
    """264 px, random 256 crop and vertical flip (Section 4.1)."""
    return ImageConfig(
        channels=channels, size=(264, 264), center_crop=None, crop=(256, 256), vertical_flip=True
    )


def _texture_synthesis(midpoint: float = 7.0, steepness: float = 1 / 3) -> SynthesisConfig:
    """What every texture of Table 4 shares: four patches, wide scales, mixed gradients."""
    return SynthesisConfig(
        gradients="mixed",
        max_patches=4,
        scale_bounds=(0.5, 2.0),
        label_midpoint=midpoint,
        label_steepness=steepness,
    )


def generic(name: str, kind: str, channels: int) -> Preset:
    """What most presets of a kind share, for a category without one: no background is assumed.

    Args:
        name: the category.
        kind: ``"object"`` or ``"texture"``.
        channels: of its images, 1 or 3.
    """
    if kind == "texture":
        return Preset(name, kind, _texture_synthesis(), _texture_images(channels), TrainConfig())
    return Preset(name, kind, SynthesisConfig(), _object_images(channels=channels), TrainConfig())


def _object(name: str) -> Preset:
    patches, height, width, constraints, midpoint, inverse = _OBJECTS[name]
    synthesis = SynthesisConfig(
        gradients="source",
        max_patches=patches,
        height_bounds=height,
        width_bounds=width,
        label_midpoint=midpoint,
        label_steepness=1 / inverse,
    )
    if constraints is not None:
        background, threshold, share = constraints
        synthesis = dataclasses.replace(
            synthesis,
            background=background,
            background_threshold=threshold,
            min_object_share=share,
        )
    training = TrainConfig(epochs=560 if name in _SLOW else 320)
    images = _object_images(5.0 if name in _ROTATED else 0.0)
    return Preset(name, "object", synthesis, images, training)


def _texture(name: str) -> Preset:
    midpoint, inverse = _TEXTURES[name]
    synthesis = _texture_synthesis(midpoint, 1 / inverse)
    return Preset(name, "texture", synthesis, _texture_images(), TrainConfig(epochs=320))


def _chest_xray(name: str) -> Preset:
    synthesis = SynthesisConfig(
        gradients="mixed",
        background=0,
        background_threshold=20,
        min_object_share=0.70,
        min_overlap=0.70,
        label_midpoint=4,
        label_steepness=1 / 2,
    )
    return Preset(
        name, "x-ray", synthesis, _object_images(3.0, channels=1), TrainConfig(epochs=240)
    )


PRESETS: dict[str, Preset] = {
    **{name: _object(name) for name in _OBJECTS},
    **{name: _texture(name) for name in _TEXTURES},
    **{name: _chest_xray(name) for name in ("rcxr_male", "rcxr_female")},
}


def find_preset(category: str) -> Preset | None:
    """The preset of a category, however it is spelt; None: there is none."""
    return PRESETS.get(category.lower().replace(" ", "_").replace("-", "_"))


def preset(name: str) -> Preset:
    """The preset of a category.

    >>> preset("screw").synthesis.max_patches
    4

    Raises:
        InputError: no such category; the nearest one is suggested.
    """
    found = find_preset(convert("name", name, str))
    if found is None:
        raise InputError(f"No preset is named {shown(name)}; {hint(name[:80], PRESETS)}")
    return found
