"""URLs on the command line: which options take one in the place of a path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nsa.errors import InputError
from nsa.system.places import as_path, is_url, refuse_cut

_DATA = ("data_root", "normal_dir", "ignore", "images", "normals", "config", "verdicts")
_TAKE_URLS: dict[str, tuple[str, ...]] = {
    "train": (*_DATA, "output", "resume", "resume_from"),
    "evaluate": (*_DATA, "run", "output"),
    "calibrate": (*_DATA, "run"),
    "predict": (*_DATA, "run", "output"),
    "combine": (*_DATA, "runs"),
    "watch": ("run",),
    "export": (*_DATA, "run"),
    "serve": ("run",),
    "synthesize": _DATA,
    "reproduce": _DATA,
}


def with_urls(command: str, name: str, called: str, given: Any, read: Any) -> Any:
    """The value of an option or argument; a path is made anew, of a URL it has lost a slash.

    Args:
        command, name: whose value it is.
        called: what a person calls that, such as ``--output``.
        given: what stands on the command line, text or several.
        read: what has been made of that.

    Raises:
        InputError: it takes no URL, or the URL or path cannot be used.
    """
    several = isinstance(read, list | tuple)
    texts, values = (given or (), read) if several else ([given], [read])
    for text in texts:
        if isinstance(text, str):
            refuse_cut(text)
    takes_urls = name in _TAKE_URLS.get(command, ())
    if not all(isinstance(value, Path) for value in values):
        if takes_urls:  # by itself, and not always by a copy
            _check_visible(called, [as_path(text) for text in texts if not is_url(text)])
        return read
    if any(map(is_url, texts)) and not takes_urls:
        raise InputError(f"{called} takes no URL; name a file or folder of this machine.")
    found = [as_path(text) for text in texts]
    _check_visible(called, found)
    return found if several else found[0]


def _check_visible(called: str, paths: Sequence[Path]) -> None:
    """Refuse what cannot be looked at, which whoever asks whether it is there would not expect."""
    for path in paths:
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise InputError(
                f"{called} {path} cannot be looked at: {error.strerror or error}; check the path, "
                "and who may read its folders."
            ) from error
