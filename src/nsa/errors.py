"""The one exception type for mistakes a user can mend, and how a message names the right word."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any


class InputError(ValueError):
    """A wrong argument, file or option, described in one sentence.

    The message says what was wrong, which file or argument, and what to do. The command line prints
    it without a traceback and exits with status 2; library callers catch it as a ``ValueError``.
    """


def shown(value: Any) -> str:
    """A value in a message: as Python writes it, in no more than a line however large it is."""
    try:
        return " ".join(_SHORT.repr(value).split())
    except Exception:  # an integer beyond Python's limit, an object that cannot be written
        return f"a value of type {type(value).__name__}"


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80
_SHORT.maxlevel = 3


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like ``name``, whatever its case and dashes; None: none is."""
    plain = {_plain(one): one for one in known}
    found = difflib.get_close_matches(_plain(name), plain, n=1)
    return plain[found[0]] if found else None


def hint(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """How a sentence about an unknown name ends: with the nearest known one, or with all of them.

    Args:
        name: what was given.
        known: what may be given.
        otherwise: the ending where nothing is near, with its full stop; None: what there is.
    """
    known = list(known)
    near = nearest(name, known)
    if near is not None:
        return f"did you mean {near!r}?"
    return f"there are {', '.join(known)}." if otherwise is None else otherwise


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
