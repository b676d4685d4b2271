"""The kinds of labels in C++: their words, and the values they make of disk medians."""

from __future__ import annotations

import typing

import numpy as np
import pytest

from nsa._native.extension import C
from nsa.errors import InputError
from nsa.settings.config import Variant
from nsa.settings.methods import LabelKind


def slow_table(kind: str, channels: int, midpoint: float, steepness: float) -> np.ndarray:
    """Eq. 13 and 14 of the paper for every sum over channels, in float64."""
    mean = np.arange(255 * channels + 1) / channels
    if kind == "continuous":
        return mean
    with np.errstate(over="ignore"):  # exp of a large number: the label is 0
        return 1 / (1 + np.exp(-steepness * (mean - midpoint)))


@pytest.mark.parametrize("kind", ["continuous", "logistic"])
@pytest.mark.parametrize("channels", [1, 3])
def test_tables_of_medians_equal_the_formula(kind: str, channels: int) -> None:
    random = np.random.default_rng(channels)
    rules = [(15.0, 1 / 6), (7.0, 1 / 3), (0.0, 1e3), (255.0, 1e3), (255.0, 1e-6)]
    rules += list(zip(random.uniform(0, 255, 50), random.uniform(0, 5, 50), strict=True))
    for midpoint, steepness in rules:
        table = C.label_table(kind, channels, midpoint, steepness)
        assert table.dtype == np.float32
        wanted = slow_table(kind, channels, midpoint, steepness)
        # Half a unit of float32's last place, and what two libraries' exp may differ by.
        np.testing.assert_allclose(table, wanted, rtol=1.001 * 2**-24, atol=1e-45)


@pytest.mark.parametrize("kind", ["binary", "factor"])
def test_other_kinds_read_no_median(kind: str) -> None:
    assert C.label_table(kind, 3, 15.0, 1 / 6).size == 0


def test_the_kernels_know_the_words_of_the_settings() -> None:
    assert C.label_kinds == typing.get_args(LabelKind)
    assert C.variants == typing.get_args(Variant)
    images, labels = np.zeros((1, 4, 4, 1), np.uint8), np.zeros((1, 4, 4), np.float32)
    plan = np.zeros((0, 20), np.int32), np.zeros(0, np.float32), np.zeros(0, np.uint8)
    with pytest.raises(InputError, match="'soft' is not a label kind"):
        C.label_cpu(images, images, *plan, "soft", "paper", 15.0, 0.2, labels, 1)
    with pytest.raises(InputError, match="'printed' is not a variant"):
        C.label_cpu(images, images, *plan, "binary", "printed", 15.0, 0.2, labels, 1)
