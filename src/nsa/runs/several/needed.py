"""Files and folders that jobs read, so that every machine which does some must see them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nsa.system.places import as_path, url_of

_WEIGHTS = "weights"
_OF_THE_COMMAND = ("output", "config")  # the one is looked at apart, the other read before the jobs


def needed_by(*asked: Any) -> list[Path]:
    """What requests and jobs name, each once, but for copies of URLs that are yet to be made.

    Args:
        asked: dataclasses, of which paths are taken, and weights that are a file or a folder.

    Raises:
        InputError: no file can be called as the weights are.
    """
    found = dict.fromkeys(path for one in asked for path in _named(one))
    return [path for path in found if url_of(path) is None or path.exists()]


def _named(asked: Any) -> Iterator[Path]:
    for field in dataclasses.fields(asked):
        value = getattr(asked, field.name)
        if field.name not in _OF_THE_COMMAND:
            values = value if isinstance(value, tuple) else (value,)
            yield from (one for one in values if isinstance(one, Path))
        section = value if isinstance(value, dict) else {field.name: value}
        weights = section.get(_WEIGHTS)
        if weights is not None and (path := as_path(str(weights))).exists():  # else it is a name
            yield path
