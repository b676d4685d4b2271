"""Campaigns: attacks in numbers, each on what one promise of the package says.

``python -m pytest tests/campaigns`` tries what continuous integration affords; ``--effort 50``
fifty times as much. The seed that ``tests/conftest.py`` prints says what is tried.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--effort",
        type=float,
        default=1.0,
        help="campaigns: how many times as much is tried as continuous integration affords",
    )


def pytest_report_header(config: pytest.Config) -> str:
    return f"effort of campaigns: {config.getoption('effort', default=1.0):g}"


@pytest.fixture(scope="session")
def effort(pytestconfig: pytest.Config) -> float:
    """How many times as much is to be tried; 1 where the option is unknown: in the whole suite."""
    return float(pytestconfig.getoption("effort", default=1.0))
