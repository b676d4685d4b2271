"""Loads the compiled kernels."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


def _load() -> ModuleType:
    try:
        return importlib.import_module("nsa._C")
    except ModuleNotFoundError as error:
        raise ImportError(
            "The compiled part of nsa (nsa._C) is missing: the package was copied or is imported "
            "from a source folder without being built; run `pip install .` in that folder."
        ) from error
    except ImportError as error:
        raise ImportError(
            f"The compiled part of nsa (nsa._C) does not load: {error}. It was built for another "
            "Python, system or C++ library; run `pip install --force-reinstall --no-deps .` again "
            "in this environment."
        ) from error


C: Any = _load()
