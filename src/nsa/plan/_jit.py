"""numba's decorators with types that survive them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

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
    compiled = numba.njit(nogil=True)(function)
    # Where neither this folder nor a cache folder of the user can be written, as in some
    # containers, there is no place for a cache, and every process compiles for itself.
    with contextlib.suppress(RuntimeError):
        compiled.enable_caching()
    return cast(Function, compiled)
