"""What ``--size`` and ``--crop`` come to: images of their own shape, seen whole or as crops."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.network.settings import NetworkSettings
from nsa.errors import InputError
from nsa.images.decode import image_size
from nsa.images.frame import Shape, scaled_shape
from nsa.images.full_size import memory_for_images, too_small
from nsa.settings.config import ImageConfig, SynthesisConfig
from nsa.settings.options import NATIVE, WHOLE_CROP, Sides

_log = logging.getLogger("nsa")

_LARGEST_WHOLE = 512  # px of the longer side up to which whole images are seen unless asked
_USUAL_CROP, _LEAST_CROP = 256, 32
_DIFFERENT = 2.0  # ratio of longer sides from which on native sizes differ a lot
_LARGEST_PATCH = 0.80  # of a side, as in nearly all of Table 4
_CROPS_EACH = 8  # reading 12 megapixels takes as long as training on one or two crops
_OWN = ("size", "resize", "crop", "center_crop", "reflection", "rotation")


def sized(
    settings: NetworkSettings, request: NetworkRequest, paths: Sequence[Path]
) -> NetworkSettings:
    """Settings with the size and the crop that were asked for; the log says what they mean.

    Args:
        settings: with everything else that was asked for.
        paths: the training images, of which only the headers are read.

    Raises:
        InputError: they contradict another option or each other, an image cannot be read, or is
            smaller than the crop.
    """
    if request.size is None:
        if request.crop is None:
            return settings
        raise InputError(
            f"--crop takes crops of images of --size; name that, too, such as --size {NATIVE}."
        )
    named = [f"{name!r} in the section 'images'" for name in _OWN if name in request.images]
    named += [f"--frame {request.frame}"] if request.frame is not None else []
    if named:
        raise InputError(f"{named[0]} says what is seen of an image, as --size does; leave it out.")
    shapes = [(height, width) for width, height in map(image_size, paths)]
    frame, native = _frame(request.size, shapes), request.size == NATIVE
    crop = request.crop
    if crop is None:
        large = native or max(frame) > _LARGEST_WHOLE
        smallest = tuple(map(min, zip(*shapes, strict=True))) if native else frame
        crop = WHOLE_CROP
        if large:
            crop = tuple(max(_LEAST_CROP, min(_USUAL_CROP, side)) for side in smallest)
    if isinstance(crop, tuple):
        if len(request.size) == 1:  # of whatever shape, the longer side is to be this
            frame = max(frame), max(frame)
        return _on_crops(settings, request, frame, _pair(crop), native, paths, shapes)
    if native:
        raise InputError(
            f"--crop {WHOLE_CROP} trains on images of one size, and --size {NATIVE} leaves each as "
            "it is; give their size in px."
        )
    images = dataclasses.replace(settings.images.whole(frame), resize="fit")
    padded = sum(scaled_shape(shape, frame, "fit") != frame for shape in shapes)
    _log.info(
        "Images are scaled to fit into %d x %d px in their own shape, and seen whole%s.",
        *frame[::-1],
        f"; {padded} of {len(shapes)} are padded by reflection" if padded else "",
    )  # fmt: skip
    return dataclasses.replace(settings, images=images)


def differs(settings: NetworkSettings, request: NetworkRequest) -> list[str]:
    """Which of ``--size`` and ``--crop`` ask for something else than the settings have."""
    images, different = settings.images, []
    if request.size is not None:
        native = request.size == NATIVE
        same = (images.resize == "none") if native else images.resize == "fit"
        if isinstance(request.size, tuple) and same:
            one = len(request.size) == 1
            same = max(images.size) == request.size[0] if one else images.size == request.size
        different += [] if same else ["size"]
    if request.crop is not None:
        wanted = images.size if isinstance(request.crop, str) else _pair(request.crop)
        different += [] if images.crop == wanted else ["crop"]
    return different


def _on_crops(
    settings: NetworkSettings,
    request: NetworkRequest,
    frame: Shape,
    crop: Shape,
    native: bool,
    paths: Sequence[Path],
    shapes: Sequence[Shape],
) -> NetworkSettings:
    if min(crop) < _LEAST_CROP:
        raise InputError(f"--crop must be at least {_LEAST_CROP} px a side, got {min(crop)}.")
    if any(side > most for side, most in zip(crop, frame, strict=True)):
        raise InputError(
            f"The crop of {crop[1]} x {crop[0]} px is larger than the images of {frame[1]} x "
            f"{frame[0]} px; choose a smaller --crop or a larger --size."
        )
    images = dataclasses.replace(
        settings.images, size=frame, resize="none" if native else "fit", crop=crop,
        rotation=0.0, reflection=0, center_crop=None,
    )  # fmt: skip
    scaled = [scaled_shape(shape, frame, images.resize) for shape in shapes]
    for path, shape in zip(paths, scaled, strict=True):
        if any(side < least for side, least in zip(shape, crop, strict=True)):
            raise InputError(too_small(path, shape, images))
    _say_how(images, shapes)
    synthesis = _patches_on(crop, frame, settings.synthesis, request.overrides("synthesis"))
    training = settings.training
    asked = request.overrides("training")
    large = images.channels * sum(height * width for height, width in scaled) > memory_for_images()
    if large and "epochs" not in asked and "crops_per_image" not in asked:
        epochs = max(1, round(training.epochs / _CROPS_EACH))
        training = dataclasses.replace(training, epochs=epochs, crops_per_image=_CROPS_EACH)
        _log.info(
            "The images do not fit into memory at once: each is read %d times, for %d crops each "
            "time.", epochs, _CROPS_EACH,
        )  # fmt: skip
    return dataclasses.replace(settings, images=images, synthesis=synthesis, training=training)


def _say_how(images: ImageConfig, shapes: Sequence[Shape]) -> None:
    sides = sorted(max(shape) for shape in shapes)
    if images.resize == "none":
        how = "keep their own size"
        if sides[-1] >= _DIFFERENT * sides[0]:
            _log.warning(
                "The images differ a lot in size (longer sides from %d to %d px) and are not "
                "scaled; where they show the same thing at different scales, give --size in px.",
                sides[0], sides[-1],
            )  # fmt: skip
    else:
        how = "are scaled to fit into {1} x {0} px in their own shape".format(*images.size)
    _log.info(
        "Images %s; the network is trained on crops of %d x %d px from anywhere in them, and "
        "judges them whole.", how, *images.crop[::-1],
    )  # fmt: skip


def _frame(size: Sides, shapes: Sequence[Shape]) -> Shape:
    """(height, width): of the largest image, as asked for, or of the commonest shape."""
    if isinstance(size, str):
        return max(height for height, _ in shapes), max(width for _, width in shapes)
    if len(size) == 2:
        return size[0], size[1]
    (height, width), _ = Counter(shapes).most_common(1)[0]
    factor = size[0] / max(height, width)
    return round(factor * height), round(factor * width)


def _pair(sides: tuple[int, ...]) -> Shape:
    return sides[0], sides[-1]


def _patches_on(
    crop: Shape, frame: Shape, config: SynthesisConfig, asked: Mapping[str, Any]
) -> SynthesisConfig:
    """Patches on crops may be as large as on whole images, as far as a crop has room.

    Args:
        asked: settings that the user named, which stay.
    """
    changed: dict[str, Any] = {}
    for axis, name in enumerate(("height_bounds", "width_bounds")):
        low, high = getattr(config, name)
        if name not in asked:
            changed[name] = low, min(_LARGEST_PATCH, max(low, high * frame[axis] / crop[axis]))
    return dataclasses.replace(config, **changed)
