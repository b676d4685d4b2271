"""Packages whose names are imported when they are first asked for.

What only lists files or prints help then need not wait for torch, numba or matplotlib.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any


def lazily(package: str, **names: tuple[str, ...]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package, which gets a ``__dir__`` as well.

    Args:
        package: its ``__name__``.
        names: the public names of each of its modules; none may be called like a module, which
            would hide it. The modules themselves are there too.
    """
    homes = {name: module for module, of_module in names.items() for name in of_module}

    def listed() -> list[str]:
        public = {name for name in names if "." not in name}
        return sorted({*vars(sys.modules[package]), *homes, *public})

    vars(sys.modules[package])["__dir__"] = listed

    def load(name: str) -> Any:
        if name in homes:
            value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        elif name in names:
            value = importlib.import_module(f"{package}.{name}")
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, value)
        return value

    return load
