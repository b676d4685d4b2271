"""Calls of operators and of the functions around them, with tensors and arrays that are spoiled."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import native_calls
import numpy as np
import torch
from native_calls import Arguments, Draw, Scene, pick
from torch import Tensor

import nsa
from nsa._native.cuda import operators as device_operators
from nsa.blend import blend
from nsa.images import apply_augmentation
from nsa.label import difference_label, label
from nsa.plan import Plan, object_masks
from nsa.plan.augmentation import Augmentation

OPERATORS = ("blend", "seamless_clone", "label", "object_masks")
FUNCTIONS: dict[str, Any] = {
    "nsa.seamless_clone of arrays": nsa.seamless_clone,
    "nsa.seamless_clone of tensors": nsa.seamless_clone,
    "nsa.blend.blend": blend,
    "nsa.label.label": label,
    "nsa.difference_label": difference_label,
    "nsa.plan.object_masks": object_masks,
    "nsa.images.apply_augmentation": apply_augmentation,
}
_PARTS: dict[str, Any] = {"plan": Plan, "augmentation": Augmentation}  # arguments of several arrays
_OTHER_DTYPES = [
    torch.bool, torch.int8, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32,
    torch.float64, torch.complex64, torch.uint16, torch.uint64, torch.float8_e4m3fn,
]  # fmt: skip


@st.composite
def spoiled_tensor(draw: Draw, tensor: Tensor) -> Any:
    """A tensor with other values, shape, layout, type or device; or none at all."""
    how = pick(draw, ["array", "array", "array", "meta", "dtype", "kind", "strides"])
    if how == "array":
        found = draw(native_calls.spoiled_array(tensor.numpy()))
        try:
            return torch.from_numpy(found)
        except (TypeError, ValueError):  # no array, or one that cannot be a tensor
            return tensor[:0]
    if how == "meta":
        return tensor.to("meta")
    if how == "dtype":
        return tensor.to(pick(draw, _OTHER_DTYPES))
    if how == "strides":
        wide = torch.cat([tensor, tensor], -1)[..., ::2]
        ways = [wide, tensor[..., :1].expand(tensor.shape), tensor.transpose(0, -1)]
        return pick(draw, [*ways, tensor.t()] if tensor.ndim == 2 else ways)
    ways = [tensor.to_sparse(), tensor.clone().as_subclass(torch.nn.Buffer), tensor[0:0]]
    if tensor.is_floating_point():
        ways += [tensor.clone().requires_grad_(), torch._neg_view(tensor)]
    return pick(draw, ways)


@st.composite
def spoiled_call(draw: Draw, arguments: Arguments) -> Arguments:
    """As :func:`native_calls.spoiled_some`, with tensors as tensors."""
    names = sorted(arguments)
    wrong = dict(arguments)
    for name in draw(st.lists(st.sampled_from(names), max_size=2, unique=True)):
        value = arguments[name]
        if name in _PARTS:  # arrays stay arrays, whatever they hold
            part = draw(st.integers(0, len(value) - 1))
            other = draw(native_calls.spoiled(value[part]))
            if isinstance(other, type(value[part])):
                wrong[name] = (*value[:part], other, *value[part + 1 :])
        elif isinstance(value, Tensor):
            wrong[name] = draw(spoiled_tensor(value))
        else:
            wrong[name] = draw(native_calls.spoiled(value))
    return wrong


def operator_call(name: str, draw: Draw, scene: Scene) -> Arguments:
    """Of ``torch.ops.nsa.<name>``: a valid call."""
    made = {
        "blend": native_calls.blend_cpu,
        "seamless_clone": native_calls.clone_cpu,
        "label": native_calls.label_cpu,
        "object_masks": native_calls.object_masks_cpu,
    }[name](draw, scene)
    for output in ("out", "labels", "threads", *(("masks",) if name == "object_masks" else ())):
        made.pop(output, None)
    return _as_tensors(made)


def function_call(name: str, draw: Draw, scene: Scene) -> Arguments:
    """Of a function of ``FUNCTIONS``: a valid call."""
    if name.startswith("nsa.seamless_clone"):
        return _clone(name.endswith("arrays"), draw, scene)
    if name == "nsa.blend.blend":
        given = operator_call("blend", draw, scene)
        made = {
            "images": _planar(given["images"]),
            "plan": (scene.rows, scene.factors, scene.masks),
        }
        return {**made, "mode": given["mode"], "sources": _planar(given["sources"])}
    if name == "nsa.label.label":
        given = operator_call("label", draw, scene)
        made = {"images": _planar(given["original"]), "blended": _planar(given["blended"])}
        return {**made, "plan": (scene.rows, scene.factors, scene.masks), "kind": given["kind"]}
    if name == "nsa.difference_label":
        given = operator_call("label", draw, scene)
        pair = {side: _planar(given[side]) for side in ("original", "blended")}
        mask = torch.from_numpy(scene.noise(scene.count, 1, scene.height, scene.width) // 128)
        rule = {name: given[name] for name in ("midpoint", "steepness", "variant")}
        return {**pair, "mask": mask, "label": given["kind"], **rule}
    if name == "nsa.plan.object_masks":
        given = operator_call("object_masks", draw, scene)
        return {**given, "images": _planar(given["images"])}
    images = _planar(torch.from_numpy(scene.images()))
    crop = int(scene.random.integers(1, scene.height + 1)), 1 + scene.width // 2
    shift = [scene.random.integers(0, 1 + side - cut, scene.count, dtype=np.int32)
             for side, cut in zip((scene.height, scene.width), crop, strict=True)]  # fmt: skip
    angle = scene.random.uniform(-180, 180, scene.count).astype(np.float32)
    flip = scene.random.integers(0, 2, scene.count, dtype=np.uint8)
    return {"images": images, "augmentation": (angle, *shift, flip, crop)}


def call_function(name: str, arguments: Arguments) -> Any:
    """Call one of ``FUNCTIONS``, with the plan and the augmentation made of their parts."""
    given = dict(arguments)
    for part, made in _PARTS.items():
        if part in given:
            given[part] = made(*given[part])
    return FUNCTIONS[name](**given)


def call_device_operator(name: str, arguments: Arguments) -> Any:
    """The CUDA implementation of an operator, on a device that the host plays."""
    return getattr(device_operators, name)(**arguments)


def _clone(arrays: bool, draw: Draw, scene: Scene) -> Arguments:
    given = native_calls.clone_cpu(draw, scene)
    images = {"src": given["sources"], "dst": given["destinations"]}
    if draw(st.integers(0, 5)) == 0:  # an alpha channel, or grey over colour
        images["src"] = np.concatenate([images["src"], images["src"][..., :1]], 3)[..., -4:]
    mask, centers, flags = given["masks"], given["centers"], {"flags": given["flags"]}
    if arrays or draw(st.booleans()):  # one image
        if not scene.count:
            images = {name: np.zeros((1, *v.shape[1:]), np.uint8) for name, v in images.items()}
            mask, centers = np.zeros((1, *mask.shape[1:]), np.uint8), np.zeros((1, 2), np.int64)
        images = {name: value[0] for name, value in images.items()}
        center = tuple(centers[0].tolist())
        if arrays:
            return {**images, "mask": mask[0], "center": center, **flags}
        made = {name: torch.from_numpy(value).permute(2, 0, 1) for name, value in images.items()}
        return {**made, "mask": torch.from_numpy(mask[0]), "center": center, **flags}
    made = {name: _planar(torch.from_numpy(value)) for name, value in images.items()}
    masks = torch.from_numpy(mask[:, None])
    return {**made, "mask": masks, "center": torch.from_numpy(centers), **flags}


def _planar(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2)


def _as_tensors(arguments: Arguments) -> Arguments:
    return {
        name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for name, value in arguments.items()
    }
