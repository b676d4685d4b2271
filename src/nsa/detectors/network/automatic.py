"""Settings that depend on the images: levels, and all of them for a category without a preset."""

from __future__ import annotations

import logging
from collections.abc import Callable

from nsa.detectors.levels import choose_levels
from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.network.settings import NetworkSettings, lit, resolve
from nsa.detectors.network.sizes import sized
from nsa.errors import InputError
from nsa.images import Dataset, load_some
from nsa.settings.config import ImageConfig, Levels
from nsa.settings.light import light_spread
from nsa.settings.presets import Preset, generic
from nsa.settings.suggestions import suggest

_log = logging.getLogger("nsa")


def settle(
    request: NetworkRequest,
    dataset: Dataset,
    trial: Callable[[NetworkRequest], NetworkRequest] | None = None,
) -> NetworkSettings:
    """The settings of a new training.

    Args:
        trial: where the request asks for a trial, what of a request with levels makes one for what
            was found best; None: there can be no trial.

    Raises:
        InputError: a setting is unknown or out of range, or does not suit the images.
    """
    if request.trial and trial is None:
        raise InputError("A trial is for a training by nsa train; leave it out.")
    request = with_levels(request, dataset)  # first: the others are estimated by them
    if request.trial and trial is not None:
        request = trial(request)
    levels = request.images["levels"]
    settings = resolve(
        request, dataset.name, lambda: suggest_settings(dataset, request.kind, levels),
        presets=dataset.presets,
    )  # fmt: skip
    settings = sized(settings, request, [sample.path for sample in dataset.train])
    settings = lit(settings, request, lambda: light_spread(load_some(dataset.train, levels)))
    if settings.light:
        _log.info("%s", _say_light(settings.images))
    return settings


def _say_light(images: ImageConfig) -> str:
    shares = {"brightness": images.brightness, "contrast": images.contrast}
    if images.channels > 1:
        shares["colours"] = images.white_balance
    parts = [f"{name} by up to {100 * share:.0f} %" for name, share in shares.items() if share]
    parts += [f"blur of up to {images.blur:g} px"] if images.blur else []
    parts += [f"noise of up to {images.noise:g} grey levels"] if images.noise else []
    return f"The light is varied in training, so that its drift is no defect: {', '.join(parts)}."


def with_levels(request: NetworkRequest, dataset: Dataset) -> NetworkRequest:
    """The request with the levels of its images, or None, among its settings.

    Raises:
        InputError: it has some that are not two numbers in order.
    """
    levels = choose_levels(request.images, [sample.path for sample in dataset.train])
    return request.replace(images={**request.images, "levels": levels})


def suggest_settings(
    dataset: Dataset,
    kind: str | None = None,
    levels: Levels | None = None,
    *,
    others_by: str = "--kind, --background or a --config file",
) -> Preset:
    """Look at some training images and choose; the choice and its reason go to the log.

    Args:
        dataset: whose training images to look at.
        kind: ``"object"`` or ``"texture"`` where the user knows better; None: estimated too.
        levels: by which images of more than 8 bits are read.
        others_by: what the command has to set others; for the log.

    Raises:
        InputError: ``kind`` is something else, or an image cannot be read.
    """
    if kind not in (None, "object", "texture"):
        raise InputError(f"kind must be 'object' or 'texture', got {kind!r}.")
    suggestion = suggest(load_some(dataset.train, levels), dataset.name)
    preset = suggestion.preset
    if kind is None or kind == preset.kind:
        reason = suggestion.reason.rstrip(".")
        _log.info("Settings estimated from the images of %r: %s.", dataset.name, reason)
        _log.info("(Set others by %s.)", others_by)
    else:
        preset = generic(dataset.name, kind, preset.images.channels)
        _log.info("Settings: the usual ones of kind '%s', as asked.", kind)
    if preset.images.channels == 1:
        _log.info("All images are grey: the network gets one channel.")
    return preset
