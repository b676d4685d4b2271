"""The plan's table, in Python and in C++."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from nsa.plan import COLUMNS, Plan, table


def test_columns_are_those_of_the_kernels() -> None:
    header = Path(__file__).parents[2] / "csrc" / "plan" / "table.h"
    names = re.findall(r"^\s+k(\w+),$", header.read_text(), re.MULTILINE)
    snake = tuple(re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower() for name in names)
    assert snake == COLUMNS


def test_constants_index_the_columns() -> None:
    rows = np.arange(2 * len(COLUMNS), dtype=np.int32).reshape(2, -1)
    plan = Plan(rows, np.ones(2, np.float32), np.zeros(0, np.uint8))
    assert len(plan) == 2
    for name in COLUMNS:
        assert np.array_equal(plan.column(name), rows[:, getattr(table, name.upper())])
