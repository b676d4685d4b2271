"""The range of every setting, its default, and what is said of a value outside."""

from __future__ import annotations

import dataclasses
import math
import typing
from typing import Any

import numpy as np
import pytest

from nsa.errors import InputError
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.settings.methods import METHODS

Kind = type[SynthesisConfig] | type[ImageConfig] | type[TrainConfig]

# Both ends are allowed, and the message says them.
RANGES: list[tuple[Kind, str, float, float]] = [
    (SynthesisConfig, "max_patches", 1, 64),
    (SynthesisConfig, "clean_share", 0, 0.95),
    (SynthesisConfig, "background", 0, 255),
    (SynthesisConfig, "background_threshold", 0, 255),
    (SynthesisConfig, "min_object_share", 0, 1),
    (SynthesisConfig, "min_overlap", 0, 1),
    (SynthesisConfig, "label_midpoint", 0, 255),
    (SynthesisConfig, "label_steepness", 1e-6, 1e3),
    (ImageConfig, "rotation", 0, 180),
    (ImageConfig, "reflection", 0, 255),  # up to a pixel less than the image
    (TrainConfig, "epochs", 1, 1_000_000),
    (TrainConfig, "batch_size", 1, 65_536),
    (TrainConfig, "learning_rate", 1e-12, 10.0),
    (TrainConfig, "final_learning_rate", 0.0, 1e-3),  # up to the learning rate
    (TrainConfig, "warmup_epochs", 0, 1_000_000),
    (TrainConfig, "focal", 0, 5),
    (TrainConfig, "dice", 0, 100),
    (TrainConfig, "seed", 0, 2**63 - 1),
]
BOUNDS = [("height_bounds", 0.0, 1.0), ("width_bounds", 0.0, 1.0), ("scale_bounds", 0.01, 100.0)]


def just_outside(low: float, high: float) -> list[float]:
    if isinstance(low, int) and isinstance(high, int):
        return [low - 1, high + 1]
    return [math.nextafter(low, -math.inf), math.nextafter(high, math.inf)]


@pytest.mark.parametrize(("kind", "name", "low", "high"), RANGES)
def test_numbers_have_a_range(kind: Kind, name: str, low: float, high: float) -> None:
    more = {"final_learning_rate": 0.0} if name == "learning_rate" else {}
    for value in (low, high):
        assert getattr(kind(**{name: value, **more}), name) == value
    whole = typing.get_type_hints(kind)[name] is int
    for wrong in just_outside(low, high):
        with pytest.raises(InputError) as raised:
            kind(**{name: wrong, **more})
        assert str(raised.value) == f"{name} must be a number from {low} to {high}, got {wrong!r}."
    for wrong in (math.nan, math.inf, -math.inf, True, "1", [1], *([low + 0.5] if whole else [])):
        with pytest.raises(InputError) as raised:
            kind(**{name: wrong, **more})
        words = "a whole number" if whole else "a finite number"
        assert str(raised.value) == f"{name} must be {words}, got {wrong!r}."


@pytest.mark.parametrize(("name", "low", "high"), BOUNDS)
def test_bounds_are_in_order_and_in_range(name: str, low: float, high: float) -> None:
    least = math.nextafter(low, math.inf)
    for pair in ((least, high), (least, least), (high, high)):
        assert getattr(SynthesisConfig(**{name: pair}), name) == pair
    more = math.nextafter(high, math.inf)
    for wrong in ((low, high), (least, more), (high, least)):
        with pytest.raises(InputError) as raised:
            SynthesisConfig(**{name: wrong})
        assert str(raised.value) == (
            f"{name} must be two numbers with {low} < smallest <= largest <= {high}, got {wrong!r}."
        )


@pytest.mark.parametrize(
    ("config", "given", "message"),
    [
        (SynthesisConfig, {"height_bounds": 3}, "height_bounds must be 2 numbers, got 3."),
        (
            SynthesisConfig,
            {"height_bounds": (0.5,)},
            "height_bounds must be 2 numbers, got (0.5,).",
        ),
        (SynthesisConfig, {"method": 7}, "method must be text, got 7; put it in quotes."),
        (ImageConfig, {"size": 256}, "size must be 2 numbers, got 256."),
        (ImageConfig, {"channels": "3"}, "channels must be a whole number, got '3'."),
        (ImageConfig, {"vertical_flip": 1}, "vertical_flip must be true or false, got 1."),
        (TrainConfig, {"seed": None}, "seed must be a whole number, got None."),
    ],
)
def test_what_is_made_by_hand_is_checked_too(
    config: Kind, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as raised:
        config(**given)
    assert str(raised.value) == message


@pytest.mark.parametrize("number", [np.int64(2), np.float32(2), 2.0])
def test_numbers_of_numpy_become_plain(number: Any) -> None:
    config = SynthesisConfig(max_patches=number, label_midpoint=number)
    assert (config.max_patches, config.label_midpoint) == (2, 2)
    assert type(config.max_patches) is int
    assert type(config.label_midpoint) in (int, float)


def test_no_background_is_no_mistake() -> None:
    assert SynthesisConfig(background=None).background is None


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("variant", ("released", "paper")),
        ("label", ("binary", "continuous", "logistic")),
        ("gradients", ("source", "mixed")),
    ],
)
def test_choices_are_listed(name: str, choices: tuple[str, ...]) -> None:
    for choice in choices:
        assert getattr(SynthesisConfig(**{name: choice}), name) == choice
    for wrong in ("factor", "", None, 1):
        with pytest.raises(InputError) as raised:
            SynthesisConfig(**{name: wrong})
        listed = ", ".join(repr(choice) for choice in choices)
        assert str(raised.value) == f"{name} must be one of {listed}, got {wrong!r}."


def test_the_method_must_exist() -> None:
    with pytest.raises(InputError, match=r"^No method is named 'elipses'; did you mean 'ellipses'"):
        SynthesisConfig(method="elipses")
    with pytest.raises(InputError, match=r"^No method is named 'xyz'; there are cutpaste, fpi, "):
        SynthesisConfig(method="xyz")


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_grey_or_coloured(channels: int) -> None:
    assert ImageConfig(channels=channels).channels == channels


@pytest.mark.parametrize("channels", [0, 2, 4, -1])
def test_other_channels_are_refused(channels: Any) -> None:
    with pytest.raises(InputError) as raised:
        ImageConfig(channels=channels)
    assert str(raised.value) == f"channels must be 1 (grey) or 3 (colour), got {channels!r}."


@pytest.mark.parametrize("axis", [0, 1])
def test_each_crop_fits_into_what_is_cut(axis: int) -> None:
    """32 <= crop <= center_crop <= size <= 8192, for both axes."""

    def sides(size: int, inner: int | None, crop: int) -> dict[str, Any]:
        def one(side: int, other: int) -> tuple[int, int]:
            return (side, other) if axis == 0 else (other, side)

        center_crop = None if inner is None else one(inner, 64)
        return {"size": one(size, 64), "center_crop": center_crop, "crop": one(crop, 64)}

    for fits in ((8192, 8192, 8192), (8192, None, 8192), (100, 90, 32), (100, None, 32)):
        ImageConfig(**sides(*fits))
    for size, inner, crop in (
        (8193, 8192, 64), (8193, None, 64), (100, 101, 64), (100, 90, 91), (100, None, 101),
        (100, 90, 31), (100, None, 31),
    ):  # fmt: skip
        with pytest.raises(InputError) as raised:
            ImageConfig(**sides(size, inner, crop))
        assert str(raised.value) == (
            f"image {('height', 'width')[axis]}s must satisfy 32 <= crop <= center_crop <= size <= "
            f"8192, got crop {crop}, center_crop {inner or size}, size {size}."
        )


def test_defaults_are_the_papers() -> None:
    """Section 4.1, and what the method's own script takes where the paper is silent."""
    assert dataclasses.asdict(SynthesisConfig()) == {
        "method": "nsa", "variant": "released", "label": "logistic", "gradients": "source",
        "max_patches": 3, "height_bounds": (0.06, 0.8), "width_bounds": (0.06, 0.8),
        "patch_pixels": None, "clean_share": 0.0, "mixture": {}, "opacity_bounds": (1.0, 1.0),
        "background": None, "background_threshold": 20.0, "min_object_share": 0.7,
        "min_overlap": 0.25, "scale_bounds": (0.7, 1.3), "label_midpoint": 15.0,
        "label_steepness": 1 / 6,
    }  # fmt: skip
    assert dataclasses.asdict(ImageConfig()) == {
        "channels": 3, "size": (256, 256), "resize": "stretch", "levels": None,
        "reflection": 0, "rotation": 0.0, "center_crop": (230, 230),
        "crop": (224, 224), "vertical_flip": False,
        "brightness": 0.0, "contrast": 0.0, "white_balance": 0.0, "blur": 0.0, "noise": 0.0,
    }  # fmt: skip
    assert dataclasses.asdict(TrainConfig()) == {
        "epochs": 320, "batch_size": 64, "crops_per_image": 1,
        "optimizer": "adam", "learning_rate": 1e-3, "final_learning_rate": 1e-6,
        "warmup_epochs": 0, "focal": 0.0, "dice": 0.0,
        "seed": 0, "skips": False, "image_score": "mean", "holdout": None, "fpr": None,
        "extra_steps": 0, "former_epochs": (),
    }  # fmt: skip


@pytest.mark.parametrize("config", [SynthesisConfig(), ImageConfig(), TrainConfig()])
def test_settings_cannot_be_changed(config: Any) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(config, dataclasses.fields(config)[0].name, None)


# What every method makes of its own gradients, label and background: blend mode, label kind,
# whether there are object masks, title.
DECIDED = {
    "cutpaste": ("paste", "binary", True, "CutPaste"),
    "fpi": ("interpolate", "factor", True, "FPI"),
    "pii": ("mixed", "factor", True, "PII"),
    "nsa_paste": ("paste", None, True, "NSA, pasted"),
    "nsa": (None, None, True, "NSA ({})"),
    "no_object_masks": (None, None, False, "A: no object masks"),
    "single_patch": (None, None, True, "B: single patch"),
    "cutpaste_shapes": (None, None, False, "C: CutPaste's shapes"),
    "ellipses": (None, None, True, "D: ellipses"),
    "nsa_source": ("source", None, True, "NSA, source gradients"),
    "nsa_mixed": ("mixed", None, True, "NSA, mixed gradients"),
    "scars": ("paste", None, True, "Scars"),
    "perlin": ("paste", None, True, "Perlin masks"),
    "altered": ("paste", None, True, "Altered places"),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("gradients", ["source", "mixed"])
@pytest.mark.parametrize("label", ["binary", "continuous", "logistic"])
@pytest.mark.parametrize("background", [None, 0.0, 220.0])
def test_a_method_decides_or_leaves_the_choice(
    method: str, gradients: Any, label: Any, background: float | None
) -> None:
    blend, kind, masks, title = DECIDED[method]
    config = SynthesisConfig(method=method, gradients=gradients, label=label, background=background)
    assert config.blend_mode == (blend or gradients)
    assert config.label_kind == (kind or label)
    assert config.unbounded == ((kind or label) == "continuous")
    assert config.mask_background == (background if masks else None)
    assert config.title == title.format(label)
