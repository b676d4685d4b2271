"""Constants the kernels read, made once per GPU."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from nsa._native.extension import C


@functools.cache
def sine_tables(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Where each length's sine matrices begin, the matrices, and the decay rates; about 24 MB."""
    starts, values, decays = (torch.from_numpy(part).to(device) for part in C.sine_tables())
    return starts, values, decays


@functools.cache  # never dropped: captured graphs go on reading it
def label_table(
    kind: str, channels: int, midpoint: float, steepness: float, device: torch.device
) -> Tensor:
    """float32 (255 channels + 1,): the label of every disk median of the sum over channels.

    Empty for kinds that have no use for the median.
    """
    return torch.from_numpy(C.label_table(kind, channels, midpoint, steepness)).to(device)
