"""The settings of one run: where they come from and how they are written down.

Lowest to highest: the preset of the category or, for an unknown category, what the images suggest;
the YAML file; the command line.
"""

from __future__ import annotations

import dataclasses
import difflib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nsa.errors import InputError
from nsa.settings.config import (
    ImageConfig,
    SynthesisConfig,
    TrainConfig,
    from_dict,
    replace,
    to_dict,
)
from nsa.settings.presets import PRESETS, Preset

_log = logging.getLogger("nsa")

SECTIONS = ("synthesis", "images", "training")
# The one method that makes no synthetic anomalies; its section and its options' short names.
GAUSSIAN = "gaussian"
GAUSSIAN_OPTIONS = ("network", "weights", "distribution", "augment", "fpr", "holdout")
# Options that are short names for a field of a section.
_SHORTHANDS = {
    "method": "synthesis",
    "variant": "synthesis",
    "label": "synthesis",
    "background": "synthesis",
    "epochs": "training",
    "batch_size": "training",
    "learning_rate": "training",
    "seed": "training",
}
# Options that say where to read, write and compute.
_PLACES = ("data_root", "category", "normal_dir", "output", "device", "precision", "kind")
# Written by a run into its config.yaml, which is a valid options file itself.
_STAMPS = ("format_version", "nsa_version")
_KINDS = ("object", "texture", "x-ray")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides the outcome of a run, apart from the images.

    Attributes:
        category: name of what is inspected.
        kind: ``"object"``, ``"texture"`` or ``"x-ray"``; a texture is evaluated without a crop.
        synthesis, images, training: see :mod:`nsa.settings.config`.
    """

    category: str
    kind: str
    synthesis: SynthesisConfig
    images: ImageConfig
    training: TrainConfig

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise InputError(f"kind must be one of {', '.join(_KINDS)}, got {self.kind!r}.")

    @property
    def test_size(self) -> tuple[int, int]:
        """(height, width) to which images are resized that a detector judges."""
        # Textures fill the picture: the whole of it is resized to the size of a training crop.
        return self.images.crop if self.kind == "texture" else self.images.size

    def to_dict(self) -> dict[str, Any]:
        """Plain values for YAML and JSON."""
        sections = {name: to_dict(getattr(self, name)) for name in SECTIONS}
        return {"category": self.category, "kind": self.kind, **sections}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Settings:
        """The inverse of :meth:`to_dict`; other keys are left alone.

        Raises:
            InputError: something is missing, unknown or out of range.
        """
        for name in ("category", "kind", *SECTIONS):
            if name not in values:
                raise InputError(f"The configuration lacks {name!r}.")
        return cls(
            category=str(values["category"]),
            kind=values["kind"],
            synthesis=from_dict(SynthesisConfig, values["synthesis"]),
            images=from_dict(ImageConfig, values["images"]),
            training=from_dict(TrainConfig, values["training"]),
        )


def read_options(path: Path) -> dict[str, Any]:
    """Read an options file: the command line's names, plus one section per dataclass.

    Returns:
        Checked names; values as YAML has them.

    Raises:
        InputError: the file is missing, is not YAML, or has an unknown key.
    """
    values = read_yaml(path)
    known = (*_SHORTHANDS, *_PLACES, *SECTIONS, GAUSSIAN, *GAUSSIAN_OPTIONS, *_STAMPS)
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
            raise InputError(f"{path} has an unknown key {name!r}; {hint}")
    for section in (*SECTIONS, GAUSSIAN):
        if not isinstance(values.get(section, {}), dict):
            raise InputError(f"{section!r} in {path} must be a section of names and values.")
    unset = ("data_root", "normal_dir", "category", "output")  # null means nothing is named
    return {
        name: value
        for name, value in values.items()
        if name not in _STAMPS and not (name in unset and value is None)
    }


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that must hold names and values at the top.

    Raises:
        InputError: it is missing or does not.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is not valid YAML: {reason}.") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold names and values, one 'name: value' a line.")
    return values


def merge_options(command_line: dict[str, Any], config: Path | None) -> dict[str, Any]:
    """Command line over YAML file; an option that was not given is in neither."""
    return {**(read_options(config) if config is not None else {}), **command_line}


def resolve(options: dict[str, Any], category: str, suggest: Callable[[], Preset]) -> Settings:
    """Combine preset or suggestion with what the user asked for.

    Args:
        options: as :func:`merge_options` returns them.
        category: name of the dataset.
        suggest: called for an unknown category, or where ``kind`` asks for automatic settings.

    Raises:
        InputError: an option is unknown or out of range.
    """
    refuse_gaussian(options)
    preset = PRESETS.get(category.lower().replace(" ", "_").replace("-", "_"))
    if preset is not None and options.get("kind") in (None, preset.kind):
        _log.info("Settings: preset '%s' (%s).", preset.name, preset.kind)
    else:
        preset = suggest()
    sections = {name: dict(options.get(name, {})) for name in SECTIONS}
    for name, section in _SHORTHANDS.items():
        if name in options:
            sections[section][name] = options[name]
    return Settings(
        category=category,
        kind=preset.kind,
        synthesis=replace(preset.synthesis, **sections["synthesis"]),
        images=replace(preset.images, **sections["images"]),
        training=replace(preset.training, **sections["training"]),
    )


def refuse_gaussian(options: dict[str, Any]) -> None:
    """Check that no option is meant for the Gaussian detector.

    Raises:
        InputError: one is.
    """
    if options.get("method") == GAUSSIAN:
        raise InputError(
            "The Gaussian detector has no synthetic anomalies and no epochs to resume; --method "
            "gaussian goes with nsa train and a new --output."
        )
    for name in (*GAUSSIAN_OPTIONS, GAUSSIAN):
        if name in options:
            other = (
                ", or use nsa calibrate on the finished run" if name in ("fpr", "holdout") else ""
            )
            raise InputError(f"{name!r} is an option of --method gaussian; add that{other}.")


def to_yaml(values: dict[str, Any]) -> str:
    """YAML in the order given, short lists on one line."""
    return yaml.safe_dump(values, sort_keys=False, default_flow_style=None, allow_unicode=True)


def changed(settings: Settings, options: dict[str, Any]) -> list[str]:
    """Names of options whose value differs from that in ``settings``."""
    different = []
    for name, section in _SHORTHANDS.items():
        current = dataclasses.asdict(getattr(settings, section))[name]
        if name in options and options[name] != current:
            different.append(name)
    return different
