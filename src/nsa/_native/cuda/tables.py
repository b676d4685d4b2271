"""Constants the kernels read, made once per GPU."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from nsa._native import C


@functools.cache
def sine_tables(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Where each length's sine matrices begin, the matrices, and the decay rates; about 24 MB."""
    starts, values, decays = (torch.from_numpy(part).to(device) for part in C.sine_tables())
    return starts, values, decays


@functools.cache  # never dropped: captured graphs go on reading it
def label_table(
    logistic: bool, channels: int, midpoint: float, steepness: float, device: torch.device
) -> Tensor:
    """float32 (255 channels + 1,): the label of every disk median of the sum over channels."""
    return torch.from_numpy(label_values(logistic, channels, midpoint, steepness)).to(device)


def label_values(
    logistic: bool, channels: int, midpoint: float, steepness: float
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """The values of :func:`label_table`, eq. 13 or 14 of the NSA paper."""
    mean = np.arange(255 * channels + 1, dtype=np.float64) / channels
    if not logistic:
        return mean.astype(np.float32)
    with np.errstate(over="ignore"):  # exp of a large number: the label is 0
        return (1 / (1 + np.exp(-steepness * (mean - midpoint)))).astype(np.float32)
