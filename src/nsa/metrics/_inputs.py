"""Checks and conversions shared by every metric."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from nsa.errors import InputError

Floats: TypeAlias = npt.NDArray[np.floating[Any]]  # float32 or float64
Booleans: TypeAlias = npt.NDArray[np.bool_]


def scores_array(values: npt.ArrayLike | torch.Tensor, name: str) -> Floats:
    """``values`` as a contiguous float32 or float64 array; narrower types widen without loss.

    Raises:
        InputError: no numbers, complex numbers, NaN or infinity.
    """
    array = _to_numpy(values, name)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} must be numbers, got {array.dtype}.")
    if array.dtype.itemsize > 2 and array.dtype != np.float32:
        array = np.ascontiguousarray(array, dtype=np.float64)
    else:
        array = np.ascontiguousarray(array, dtype=np.float32)
    # NaN carries through min and max, which are far cheaper than a test of every value.
    if array.size and not (np.isfinite(array.min()) and np.isfinite(array.max())):
        raise InputError(f"{name} hold NaN or infinity; check the model that produced them.")
    return array


def labels_array(values: npt.ArrayLike | torch.Tensor, name: str) -> Booleans:
    """``values``, which must be 0/1 or booleans, as a contiguous boolean array."""
    array = _to_numpy(values, name)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} must be 0 (normal) or 1 (defective), got {array.dtype}.")
    truth = np.ascontiguousarray(array != 0)
    strange = array != truth  # NaN differs too
    if strange.any():
        found = array[strange].flat[0]
        raise InputError(f"{name} must be 0 (normal) or 1 (defective), got {found}.")
    return truth


def scores_and_labels(
    scores: npt.ArrayLike | torch.Tensor, labels: npt.ArrayLike | torch.Tensor
) -> tuple[Floats, Booleans]:
    """Both flattened; they have the same shape and both classes occur."""
    values, truth = scores_array(scores, "scores"), labels_array(labels, "labels")
    _same_shape(values, truth, "scores", "labels")
    if truth.all() or not truth.any():
        kind = "defective" if truth.any() else "normal"
        what = f"all {truth.size} labels are {kind}" if truth.size else "there are no labels"
        raise InputError(f"The metric needs normal and defective labels, but {what}.")
    return values.ravel(), truth.ravel()


def maps_and_masks(
    maps: npt.ArrayLike | torch.Tensor, masks: npt.ArrayLike | torch.Tensor
) -> tuple[Floats, Booleans]:
    """Both of shape (N, H, W); normal and defective pixels occur."""
    values, truth = scores_array(maps, "maps"), labels_array(masks, "masks")
    _same_shape(values, truth, "maps", "masks")
    if values.ndim != 3:
        raise InputError(f"maps must have the shape (N, H, W), got {values.shape}.")
    if not truth.any():
        raise InputError("No mask marks a defective pixel, so there is no region to overlap with.")
    if truth.all():
        raise InputError("The masks mark every pixel, so a false positive rate does not exist.")
    return values, truth


def _same_shape(values: Floats, truth: Booleans, first: str, second: str) -> None:
    if values.shape != truth.shape:
        raise InputError(
            f"{first} and {second} must have the same shape, got {values.shape} and {truth.shape}."
        )


def _to_numpy(values: npt.ArrayLike | torch.Tensor, name: str) -> npt.NDArray[Any]:
    if isinstance(values, torch.Tensor):
        values = values.detach()
        if values.dtype == torch.bfloat16:  # which NumPy does not have
            values = values.float()
        return values.cpu().numpy()
    try:
        return np.asarray(values)
    except ValueError:
        raise InputError(
            f"{name} must be a regular array, got rows of different lengths."
        ) from None
