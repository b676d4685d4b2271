"""Whether plans agree where both have something."""

from __future__ import annotations

import numpy as np

from nsa.plan import Plan, table


def assert_same_patches(plan: Plan, usual: Plan) -> None:
    """The images that have patches have those of the other plan."""
    kept = np.isin(usual.column("image"), plan.column("image"))
    rows = usual.rows[kept].copy()
    for column in (table.BLEND_MASK, table.LABEL_MASK):
        for row, other in zip(plan.rows, rows, strict=True):
            pixels = row[table.HEIGHT] * row[table.WIDTH]
            mask, wanted = plan.masks[row[column] :], usual.masks[other[column] :]
            assert (row[column] < 0) == (other[column] < 0)
            assert row[column] < 0 or np.array_equal(mask[:pixels], wanted[:pixels])
        rows[:, column] = plan.rows[:, column]
    assert np.array_equal(plan.rows, rows)
    assert np.array_equal(plan.factors, usual.factors[kept])
