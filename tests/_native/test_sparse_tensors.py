"""Tensors that are not dense have no pixels in memory, and are refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import nsa
from nsa.errors import InputError

IMAGES = torch.zeros((1, 3, 9, 9), dtype=torch.uint8)
MASK = torch.ones((1, 1, 9, 9), dtype=torch.uint8)
CENTER = torch.tensor([[4, 4]])


@pytest.mark.parametrize(
    "call",
    [
        lambda: nsa.object_masks(IMAGES.to_sparse(), 0, 1),
        lambda: nsa.difference_label(IMAGES, IMAGES.to_sparse()),
        lambda: nsa.difference_label(IMAGES, IMAGES, MASK.to_sparse()),
        lambda: nsa.seamless_clone(IMAGES.to_sparse(), IMAGES, MASK, CENTER, 1),
        lambda: nsa.seamless_clone(IMAGES, IMAGES.to_sparse(), MASK, CENTER, 1),
        lambda: nsa.seamless_clone(IMAGES, IMAGES, MASK.to_sparse(), CENTER, 1),
        lambda: nsa.seamless_clone(IMAGES, IMAGES, MASK, CENTER.to_sparse(), 1),
    ],
)
def test_sparse_tensors_are_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(InputError, match=r"layout torch\.sparse_coo"):
        call()
