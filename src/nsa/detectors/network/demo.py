"""Settings that suit the demo sets and two cores: a minute or a few each."""

from __future__ import annotations

from typing import Any, TypeVar

from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.network.settings import CROP, PAPER, WHOLE
from nsa.settings.options import NATIVE

RequestT = TypeVar("RequestT", bound=NetworkRequest)
# About three minutes with bfloat16: many small steps teach more in that time than few large ones,
# and at this size the finest defects are still several pixels wide.
_TRAINING: dict[str, Any] = {"epochs": 32, "batch_size": 8}
# Muon and skip connections find nearly all defects of cloth after an eighth of that.
_SOON: dict[str, Any] = {**_TRAINING, "epochs": 4}
_OBJECT = {  # by frame
    WHOLE: {"size": [184, 184]},
    CROP: {"size": [184, 184], "center_crop": [168, 168], "crop": [160, 160]},
}
_TEXTURE = {WHOLE: {"size": [168, 168], "center_crop": None, "crop": [160, 160]}}
_IMAGES: dict[str, dict[str, dict[str, Any]]] = {
    "flange": _OBJECT,
    "fabric": _TEXTURE,
    "circuit": {WHOLE: {"size": [256, 256]}},
    "woodscrew": _OBJECT,
    "brushed": _TEXTURE,
}
# Defects of 4 to 12 px in images of 1,536 x 1,152 px: at their own size, with small patches, and
# with small crops, of which two cores see four times as many as of twice the side.
_NATIVE: dict[str, dict[str, dict[str, Any]]] = {
    "circuit": {
        "training": {
            "epochs": 24, "batch_size": 32, "crops_per_image": 32, "image_score": "maximum",
        },
        "synthesis": {
            "patch_pixels": [8, 40], "max_patches": 2,
            "label_midpoint": 7.0, "label_steepness": 1 / 3,
        },
    },
}  # fmt: skip
_NATIVE_CROP = (64,)


def demo_settings(request: RequestT, category: str, *, own_size: bool = True) -> RequestT:
    """The request with settings that suit a demo set, where it has no others.

    Args:
        own_size: whether the detector takes images of their own size.
    """
    soon = category == "fabric" and request.recipe != PAPER
    sections = {"training": _SOON if soon else _TRAINING}
    seen = request.size, request.frame, request.images
    whole = not own_size or request.trial  # which is of whole images
    native = category in _NATIVE and not whole and seen in [(None, None, {}), (NATIVE, None, {})]
    if native:
        sections = _NATIVE[category]
    suited = {name: _under(values, request, name) for name, values in sections.items()}
    if native:
        return request.replace(size=NATIVE, crop=request.crop or _NATIVE_CROP, **suited)
    images: dict[str, Any] = {}
    if request.size is None:
        frames = _IMAGES[category]
        usual = CROP if request.recipe == PAPER and CROP in frames else WHOLE
        images = frames.get(request.frame or usual, {})
    return request.replace(
        **suited, images={**images, **request.images}, frame=None if images else request.frame
    )


def _under(values: dict[str, Any], request: NetworkRequest, section: str) -> dict[str, Any]:
    """A section of the request, with some values for what it does not say."""
    named = request.overrides(section)
    return {
        **getattr(request, section),
        **{name: value for name, value in values.items() if name not in named},
    }
