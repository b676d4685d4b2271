"""What is a URL, where on this machine its copy lies, and of which URL a path is the copy.

The latter two follow from the names alone: the copy of ``s3://bucket/a/b`` is
``~/.cache/nsa/s3/bucket/a/b``. So a place is a ``Path`` wherever it is used, and its URL is what is
shown and kept.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from nsa.errors import InputError, shown

CACHE = "NSA_CACHE"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)  # one letter is a drive
# With one slash it is a path, and most likely a mistake.
_CUT = re.compile(r"(s3a?|gs|gcs|az|abfss?|https?):/(?!/)(.+)", re.DOTALL)
_PASSWORD = re.compile(r"[^/@]*:[^/]*@")
LONGEST_NAME = 255  # bytes of a file's name, of the common file systems
_LONGEST_PATH = 4095  # bytes, of Linux


def is_url(place: object) -> bool:
    """Whether a text is a URL and no path; ``Path`` leaves a single slash of two, so ask before."""
    return isinstance(place, str) and _URL.match(place) is not None


def protocol_of(url: str) -> str:
    """What stands before ``://``, in small letters."""
    found = _URL.match(url)
    assert found is not None
    return found[1].lower()


def cleaned(url: str) -> str:
    """A URL without slashes at its end, and without those that stand twice by mistake.

    Raises:
        InputError: there is nothing behind the protocol, a password in it, or a file is said to be
            on another machine.
    """
    found = _URL.match(url)
    if found is None:
        raise InputError(f"{shown(url)} is no URL; write it as in s3://bucket/folder.")
    protocol, rest = found[1].lower(), found[2]
    if _PASSWORD.match(rest):
        raise InputError(
            f"A {protocol}:// URL holds a password, which results would repeat; leave it out, and "
            "give it as the store's package reads it."
        )
    if protocol in ("file", "local") and rest[:1] not in ("", "/"):
        host, _, below = rest.partition("/")
        raise InputError(
            f"{url} names a file of the machine {host}; one of this machine has three slashes, as "
            f"in {protocol}:///{below if host == 'localhost' else rest}."
        )
    rooted = "/" if rest.startswith("/") and protocol in ("file", "local", "memory") else ""
    parts = [part for part in rest.split("/") if part]
    if not parts and not rooted:
        raise InputError(f"{url} names nothing; write the bucket and the path behind it.")
    return f"{protocol}://{rooted}{'/'.join(parts)}"


def cache_folder() -> Path:
    """The folder of all copies: ``NSA_CACHE``, else as XDG's rules say."""
    named = os.environ.get(CACHE)
    if named:
        return _expanded(named).resolve()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "")
    return (caches if caches.is_absolute() else _expanded("~/.cache")).resolve() / "nsa"


def _expanded(path: str | os.PathLike[str]) -> Path:
    # That of pathlib fails for a user without a home, and for one that there is not.
    return Path(os.path.expanduser(path))  # noqa: PTH111


def as_path(place: str | os.PathLike[str]) -> Path:
    """A path, of a URL that of its copy, whether that is there or not; of ``file://`` the file's.

    Raises:
        InputError: the URL names nothing, or no file can be called that.
    """
    path = _as_path(place)
    wrong = _why_impossible(path)
    if wrong is not None:
        raise InputError(f"{shown(str(place))} cannot be the name of a file: {wrong}; check it.")
    return path


def _as_path(place: str | os.PathLike[str]) -> Path:
    if not is_url(place):
        return _expanded(place)
    url = cleaned(str(place))
    protocol, _, rest = url.partition("://")
    if protocol in ("file", "local"):
        return Path(rest)
    parts = rest.strip("/").split("/")
    if any(part in (".", "..") for part in parts):
        raise InputError(f"{shown(url)} has a part that is no name of a file; write it without.")
    return cache_folder().joinpath(protocol, *parts)


def _why_impossible(path: Path) -> str | None:
    """Why no file system takes a path, of which even looking whether it is there fails."""
    try:
        sizes = [len(os.fsencode(part)) for part in path.parts]
    except UnicodeEncodeError:
        return "it holds what is no character"
    if "\0" in str(path):
        return "it holds a zero"
    if max(sizes, default=0) > LONGEST_NAME:
        return f"a part of it is longer than {LONGEST_NAME} bytes"
    if sum(sizes) + len(sizes) > _LONGEST_PATH:
        return f"it is longer than {_LONGEST_PATH} bytes"
    return None


def url_of(path: Path) -> str | None:
    """The URL of which an absolute path is the copy; None: it is a file of this machine alone."""
    try:
        parts = path.relative_to(cache_folder()).parts
    except ValueError:
        return None
    return f"{parts[0]}://{'/'.join(parts[1:])}" if len(parts) > 1 else None


def named(path: Path) -> str:
    """What a person calls a file or a folder: its URL where it is a copy, else its path."""
    return url_of(path) or str(path)


def with_urls_named(text: str) -> str:
    """A message in which copies are called by their URLs; where one is ``the copy``, it stays."""
    below = re.escape(str(cache_folder()) + os.sep)
    return re.sub(rf"(?<!the copy ){below}([A-Za-z][A-Za-z0-9+.-]+)[/\\\\]", r"\1://", text)


def refuse_cut(text: str) -> None:
    """Refuse a URL with a slash too few, unless there is a folder that is called so.

    Raises:
        InputError: it is one.
    """
    found = _CUT.fullmatch(text)
    if found is not None and not Path(f"{found[1]}:").exists():
        raise InputError(f"{text} does not exist; did you mean {found[1]}://{found[2]}?")


def unnamed(name: str) -> str:
    """The path that :func:`named` wrote into a file."""
    return str(as_path(name)) if is_url(name) else name
