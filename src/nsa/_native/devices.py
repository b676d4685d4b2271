"""Which devices the kernels run on."""

from __future__ import annotations

from torch import Tensor

from nsa._native.cuda.support import check_device
from nsa.errors import InputError


def check_devices(**tensors: Tensor) -> None:
    """Raise :class:`InputError` unless all tensors are on one device that has kernels."""
    first_name, first = next(iter(tensors.items()))
    for name, tensor in tensors.items():
        if tensor.device != first.device:
            raise InputError(
                f"{first_name} is on {first.device} and {name} on {tensor.device}; "
                "move both to one device."
            )
    if first.device.type == "cuda":
        check_device(first.device)
    elif first.device.type != "cpu":
        raise InputError(
            f"{first_name} is on {first.device}, for which there are no kernels; "
            "move it to the CPU or to an NVIDIA GPU."
        )
