"""Settings for a category without a preset, estimated from its images."""

from __future__ import annotations

import logging

from nsa.errors import InputError
from nsa.images import Dataset, load_some
from nsa.settings.presets import Preset, generic
from nsa.settings.suggestions import suggest

_log = logging.getLogger("nsa")


def suggest_settings(dataset: Dataset, kind: str | None = None) -> Preset:
    """Look at some training images and choose; the choice and its reason go to the log.

    Args:
        dataset: whose training images to look at.
        kind: ``"object"`` or ``"texture"`` where the user knows better; None: estimated too.

    Raises:
        InputError: ``kind`` is something else, or an image cannot be read.
    """
    if kind not in (None, "object", "texture"):
        raise InputError(f"kind must be 'object' or 'texture', got {kind!r}.")
    suggestion = suggest(load_some(dataset.train), dataset.name)
    preset = suggestion.preset
    if kind is None or kind == preset.kind:
        _log.info("Settings estimated from the images: %s.", suggestion.reason.rstrip("."))
        _log.info("(--kind, --background or a --config file override this.)")
    else:
        preset = generic(dataset.name, kind, preset.images.channels)
        _log.info("Settings: the usual ones of kind '%s', as asked.", kind)
    if preset.images.channels == 1:
        _log.info("All images are grey: the network gets one channel.")
    return preset
