"""The transcribed tables agree with each other, which no misread digit would."""

from __future__ import annotations

import pytest

from nsa.gaussian import DISTRIBUTIONS
from nsa.model.backbones import NETWORKS
from nsa.reproduce.gaussian import paper
from nsa.reproduce.statistics import estimate
from nsa.settings.presets import PRESETS


@pytest.mark.parametrize("column", range(len(paper.APPROACHES)))
def test_table_viii_averages_to_table_v(column: int) -> None:
    """So the standard error of the paper is the one over categories."""
    found = estimate([row[column] for row in paper.TABLE_VIII.values()])
    mean, error = paper.TABLE_V[paper.APPROACHES[column]]
    assert found.mean == pytest.approx(mean, abs=0.06)
    assert found.error == pytest.approx(error, abs=0.11)


def test_tables_repeat_the_same_run() -> None:
    assert paper.TABLE_I["full"] == paper.TABLE_II["efficientnet_b4"]
    assert paper.TABLE_I["full"] == paper.TABLE_III["full"]


def test_names_and_lengths() -> None:
    assert set(paper.TABLE_VIII) == {name for name in PRESETS if not name.startswith("rcxr")}
    assert set(paper.TABLE_I) | set(paper.TABLE_III) == set(DISTRIBUTIONS)
    printed = {*paper.TABLE_II, *paper.TABLE_VII}
    assert set(NETWORKS) - printed == {f"efficientnet_lite{variant}" for variant in range(3)}
    assert printed <= set(NETWORKS)
    for table in (paper.TABLE_II, paper.TABLE_VII):
        for name, column in table.items():
            assert len(column) == len(NETWORKS[name].channels) + 1
