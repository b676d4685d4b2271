"""numba's decorators with types that survive them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

from nsa.system.compiled import compiled

Function = TypeVar("Function", bound=Callable[..., Any])


def inlined(function: Function) -> Function:
    """Compile a building block into the :func:`entry` that calls it.

    Forced, because a call per row of a mask would take as long as the row itself.
    """
    return cast(Function, numba.njit(forceinline=True)(function))


def entry(function: Function) -> Function:
    """Compile on first use, keep the machine code on disk, release the GIL while it runs.

    numba looks only at the file of the entry itself to tell whether the code on disk is stale:
    after changing another module of this folder, delete ``__pycache__/*.nb?``.
    """
    return cast(Function, compiled(function))
