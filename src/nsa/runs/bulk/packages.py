"""Whether what bulk results are made with is installed: ``nsa[cluster]``."""

from __future__ import annotations

import importlib.util

from nsa.errors import InputError


def need_pyarrow() -> None:
    """Check that it is there, without importing it.

    Raises:
        InputError: it is not.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError(
            "--format parquet needs pyarrow, not installed here; pip install 'nsa[cluster]'."
        )
