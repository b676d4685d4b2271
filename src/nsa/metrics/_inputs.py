"""Checks and conversions shared by every metric.

Tensors are known by what they offer, so that metrics of arrays need not wait for torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from nsa.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Values: TypeAlias = "npt.ArrayLike | Tensor"
Floats: TypeAlias = npt.NDArray[np.floating[Any]]  # float32 or float64
Booleans: TypeAlias = npt.NDArray[np.bool_]


def to_numpy(values: Values, name: str) -> npt.NDArray[Any]:
    """An array of any dtype from numbers, nested sequences, an array or a tensor on any device.

    Raises:
        InputError: rows of different lengths.
    """
    if hasattr(values, "detach"):
        tensor = cast("Tensor", values).detach().cpu()
        if tensor.is_floating_point() and tensor.element_size() < 4:
            tensor = tensor.float()  # NumPy has no bfloat16
        return tensor.numpy()
    try:
        return np.asarray(values)
    except ValueError:
        raise InputError(
            f"{name} must be a regular array, got rows of different lengths."
        ) from None


def labels_and_scores(labels: Values, scores: Values) -> tuple[Booleans, Floats]:
    """Both flattened; they have the same shape and both classes occur."""
    truth, values = _truth_and_values(labels, scores, "labels", "scores")
    if truth.all() or not truth.any():
        classes = "defective" if truth.any() else "normal"
        what = f"all {truth.size} labels are {classes}" if truth.size else "there are no labels"
        raise InputError(f"The metric needs normal and defective labels, but {what}.")
    return truth.ravel(), values.ravel()


def masks_and_maps(masks: Values, maps: Values) -> tuple[Booleans, Floats]:
    """Both of shape (N, H, W); normal and defective pixels occur."""
    truth, values = _truth_and_values(masks, maps, "masks", "maps")
    if values.ndim != 3:
        raise InputError(f"maps must have the shape (N, H, W), got {values.shape}.")
    if not truth.any():
        raise InputError("No mask marks a defective pixel, so there is no region to overlap with.")
    if truth.all():
        raise InputError("The masks mark every pixel, so a false positive rate does not exist.")
    return truth, values


def _truth_and_values(
    truth: Values, values: Values, truth_name: str, values_name: str
) -> tuple[Booleans, Floats]:
    """Both as arrays of the same shape; what cannot be in this order is refused."""
    given, judged = to_numpy(truth, truth_name), to_numpy(values, values_name)
    if judged.dtype == bool and given.dtype != bool:
        raise InputError(
            f"{values_name} are booleans, but {truth_name} are not; {truth_name} come first, then "
            f"{values_name}."
        )
    numbers = _scores_array(judged, values_name)
    labels = _labels_array(given, truth_name, f"; {truth_name} come first, then {values_name}.")
    if labels.shape != numbers.shape:
        raise InputError(
            f"{truth_name} and {values_name} must have the same shape, got {labels.shape} and "
            f"{numbers.shape}."
        )
    return labels, numbers


def _scores_array(array: npt.NDArray[Any], name: str) -> Floats:
    """A contiguous float32 or float64 array; narrower types widen without loss.

    Raises:
        InputError: no numbers, complex numbers, NaN or infinity.
    """
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


def _labels_array(array: npt.NDArray[Any], name: str, hint: str) -> Booleans:
    """What must be 0/1 or booleans, as a contiguous boolean array."""
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} must be 0 (normal) or 1 (defective), got {array.dtype}{hint}")
    truth = np.ascontiguousarray(array != 0)
    strange = array != truth  # NaN differs too
    if strange.any():
        found = array[strange].flat[0]
        raise InputError(f"{name} must be 0 (normal) or 1 (defective), got {found}{hint}")
    return truth
