"""numba's compiler, with a cache on disk that helps where it works and hurts nobody elsewhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def compiled(function: Callable[..., Any]) -> Any:
    """Compile on first use, keep the machine code on disk, release the GIL while it runs.

    Where no folder can be written, as in containers, where the disk is full or what is kept is
    damaged, every process compiles for itself. numba is imported here, so that a program that
    calls nothing compiled need not wait for it.
    """
    import numba

    dispatcher: Any = numba.njit(nogil=True)(function)
    if _has_place():
        with contextlib.suppress(RuntimeError):  # numba looked for one and found none
            dispatcher._cache = _forgiving_cache(function)
    return dispatcher


def _has_place() -> bool:
    """Whether numba knows where to look; without a home it would make a folder called "~" here."""
    if os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME"):
        return True
    return Path(os.path.expanduser("~")).is_absolute()  # noqa: PTH111 - as numba asks, "~" for none


def _forgiving_cache(function: Callable[..., Any]) -> Any:
    """numba's cache, to which files that cannot be read, understood or written are as good as none.

    Raises:
        RuntimeError: there is no place for one.
    """
    from numba.core import caching

    numbas: Any = caching
    cache = numbas.FunctionCache(function)
    load, save = cache.load_overload, cache.save_overload

    def load_overload(*arguments: Any) -> Any:
        try:
            return load(*arguments)
        except Exception:  # a damaged pickle raises anything; begin anew
            with contextlib.suppress(OSError):
                cache.flush()
            return None

    def save_overload(*arguments: Any) -> None:
        with contextlib.suppress(Exception):
            save(*arguments)

    cache.load_overload, cache.save_overload = load_overload, save_overload
    return cache
