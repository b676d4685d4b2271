"""What tests of the console and of progress share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """The package's logger, put back as it was."""
    logger = logging.getLogger("nsa")
    before = logger.handlers[:], logger.level, logger.propagate
    logger.handlers.clear()  # of commands that ran in this process
    logger.propagate = True
    yield logger
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])
