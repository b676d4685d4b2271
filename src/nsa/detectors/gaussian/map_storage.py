"""The model of heat maps as tensors and plain values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nsa.errors import InputError
from nsa.gaussian.feature_grid import MOST_POSITIONS, FeatureGrid
from nsa.gaussian.map_model import MapModel
from nsa.settings.fields import Checked, from_dict


@dataclass(frozen=True, kw_only=True)
class _Described(Checked):
    """What the settings file says of a model.

    Attributes:
        levels: of its grid.
        kept: how many channels of each.
        sides: rows and columns of its grid.
        scale: of its distances.
    """

    levels: tuple[int, ...]
    kept: tuple[int, ...]
    sides: tuple[int, int]
    scale: float

    def __post_init__(self) -> None:
        super().__post_init__()
        rows, columns = self.sides
        if (
            not 0 < rows * columns <= MOST_POSITIONS
            or len(self.kept) != len(self.levels)
            or min(*self.sides, *self.kept, *self.levels) < 1
            or not self.scale > 0
        ):
            raise InputError("the heat map's levels, features, sides or scale are out of range.")


def pack(model: MapModel) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by name, of the whitening only the triangle that is not zero; and plain values."""
    grid = model.grid
    rows, columns = _triangle(model.mean.shape[1])
    tensors = {
        "kept": torch.cat(grid.kept),
        "mean": model.mean,
        "whitening": model.whitening[:, rows, columns],
    }
    described = {
        "levels": list(grid.levels),
        "kept": [len(kept) for kept in grid.kept],
        "sides": list(grid.sides),
        "scale": model.scale,
    }
    return tensors, described


def unpack(tensors: Mapping[str, Tensor], described: dict[str, Any]) -> MapModel:
    """The inverse of :func:`pack`.

    Raises:
        InputError: they are not those of a model.
    """
    values = from_dict(_Described, described)
    size = sum(values.kept)
    own = values.sides[0] * values.sides[1]
    found = {name: (value.dtype, tuple(value.shape)) for name, value in tensors.items()}
    for positions, dtype in ((own, torch.float32), (1, torch.float64)):
        triangle = size * (size + 1) // 2
        wanted = {
            "kept": (torch.int64, (size,)),
            "mean": (dtype, (positions, size)),
            "whitening": (dtype, (positions, triangle)),
        }
        if found == wanted:
            break
    else:
        raise InputError("the tensors of the heat map are not those of its settings.")
    if int(tensors["kept"].min()) < 0:
        raise InputError("the heat map keeps channels that there are not.")
    rows, columns = _triangle(size)
    whitening = torch.zeros(positions, size, size, dtype=dtype, device="cpu")
    whitening[:, rows, columns] = tensors["whitening"]
    kept = tuple(torch.split(tensors["kept"], list(values.kept)))
    grid = FeatureGrid(values.levels, kept, values.sides)
    return MapModel(grid, tensors["mean"], whitening, values.scale)


def _triangle(size: int) -> tuple[Tensor, Tensor]:
    indices = torch.tril_indices(size, size, device="cpu")
    return indices[0], indices[1]
