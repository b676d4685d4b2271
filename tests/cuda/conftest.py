"""Skips what needs a GPU where there is none, saying why."""

from __future__ import annotations

import pytest
import torch

from nsa._native import C


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = None
    if C.cuda_missing:
        reason = f"no kernels: {C.cuda_missing}"
    elif not torch.cuda.is_available():
        reason = "torch sees no GPU"
    for item in items:
        if reason and item.get_closest_marker("needs_cuda"):
            item.add_marker(pytest.mark.skip(reason=reason))
