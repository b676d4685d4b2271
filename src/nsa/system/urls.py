"""Files in stores that are named by a URL: ``s3://``, ``gs://``, ``az://`` and what fsspec knows.

What goes wrong there is one sentence that names the URL. fsspec and a store's own package are
optional, and imported when the first URL is opened.
"""

from __future__ import annotations

import contextlib
import datetime
import secrets
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from nsa.system.files import write_atomically
from nsa.system.places import cleaned, is_url, protocol_of
from nsa.system.url_errors import explain

# What changes with the content, best first, as fsspec's file systems call it.
_VERSIONS = ("ETag", "etag", "generation", "mtime", "last_modified", "LastModified", "updated")
__all__ = [
    "Entry",
    "is_url",
    "cleaned",
    "joined",
    "walk",
    "entry",
    "exists",
    "read",
    "write",
    "try_writing",
    "remove",
]

_TRIED = ".nsa-write-test"
_AT_ONCE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"}  # a file is there whole


class Entry(NamedTuple):
    """A file in a store.

    Attributes:
        url: what it is called.
        size: in bytes.
        version: another whenever the content is: what the store has, such as an ETag; empty where
            it has nothing.
    """

    url: str
    size: int
    version: str


def joined(url: str, *names: str) -> str:
    """The URL of a file below another URL."""
    return "/".join([cleaned(url), *names])


def walk(url: str, suffixes: Collection[str] = (), *, deep: bool = True) -> Iterator[Entry]:
    """The files below a URL, as they are listed; of a file itself that one.

    Memory holds one page of a listing in S3, elsewhere the entries of one folder.

    Args:
        suffixes: in small letters, with their dots, that the files may have; none: any.
        deep: with all folders below; else what lies directly there.

    Raises:
        InputError: there is nothing, or the store cannot be reached or refuses.
    """
    url = cleaned(url)
    with explain(url):
        store, root = _open(url)
        empty = deep  # a folder of folders alone is there
        for found in _listed(url, store, root, deep=deep):
            empty = False
            name = str(found["name"])
            if not suffixes or name.lower().endswith(tuple(suffixes)):
                yield _entry(url + name[len(root.rstrip("/")) :], found, store)
        if empty:
            raise FileNotFoundError


def entry(url: str) -> Entry:
    """One file as :func:`walk` tells it.

    Raises:
        InputError: there is no such file, or the store cannot be reached or refuses.
    """
    url = cleaned(url)
    with explain(url):
        store, path = _open(url)
        found = store.info(path)
        if found["type"] == "directory":
            raise FileNotFoundError
        return _entry(url, found, store)


def exists(url: str, doing: str = "read") -> bool:
    """Whether there is a file, or a folder with something in it.

    Args:
        doing: what it is asked for, as in ``"Cannot read"``.

    Raises:
        InputError: the store cannot be reached or refuses.
    """
    url = cleaned(url)
    with explain(url, doing):
        store, path = _open(url)
        try:
            if store.info(path)["type"] != "directory":
                return True
            return any(True for _ in _listed(url, store, path))
        except FileNotFoundError:
            return False


def read(url: str) -> bytes:
    """The content of a file.

    Raises:
        InputError: there is no such file, or the store cannot be reached or refuses.
    """
    url = cleaned(url)
    with explain(url):
        store, path = _open(url)
        content: bytes = store.cat_file(path)
        return content


def write(url: str, content: bytes) -> None:
    """Replace a file by ``content``, or leave it as it was: nobody ever reads half of it.

    Raises:
        InputError: the store cannot be reached or refuses.
    """
    url = cleaned(url)
    with explain(url, "write"):
        _write(url, content)


def try_writing(folder: str) -> None:
    """Check that files can be written below a URL.

    Raises:
        InputError: the store cannot be reached or refuses; it names the folder, not a file of ours.
    """
    folder = cleaned(folder)
    with explain(folder, "write"):
        tried = joined(folder, _TRIED)
        _write(tried, b"")
        remove(tried)


def remove(url: str) -> None:
    """Remove a file, if it is there.

    Raises:
        InputError: the store cannot be reached or refuses.
    """
    url = cleaned(url)
    with explain(url, "remove"), contextlib.suppress(FileNotFoundError):
        store, path = _open(url)
        store.rm_file(path)


def _write(url: str, content: bytes) -> None:
    store, path = _open(url)
    parent, _, name = path.rpartition("/")
    if protocol_of(url) in _AT_ONCE:
        store.pipe_file(path, content)
        return
    store.makedirs(parent or "/", exist_ok=True)
    if protocol_of(url) in ("file", "local"):
        write_atomically(Path(path), content)
        return
    unfinished = f"{parent}/.{name}.{secrets.token_hex(8)}"
    try:
        store.pipe_file(unfinished, content)
        store.mv(unfinished, path)
    except BaseException:
        with contextlib.suppress(Exception):  # what failed first is what counts
            store.rm_file(unfinished)
        raise


def _open(url: str) -> tuple[Any, str]:
    """The file system of a URL, and what that calls the place."""
    import fsspec  # not before: only URLs need it

    options: dict[str, Any] = {}
    if protocol_of(url) in ("s3", "s3a"):
        # Five attempts of s3fs, each of five of botocore, would be a minute until a host that is
        # not there is given up; and asking for the size first doubles the requests for images.
        network = {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 1}}
        of_user = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
        network |= {"max_pool_connections": 32}
        options = {"config_kwargs": {**network, **of_user}, "max_concurrency": 1}
    # Not fsspec.url_to_fs, to which :: in a name is a store within another.
    kind = fsspec.get_filesystem_class(protocol_of(url))
    options |= {"use_listings_cache": False, **kind._get_kwargs_from_urls(url)}
    return kind(**options), str(kind._strip_protocol(url))


def _listed(url: str, store: Any, root: str, *, deep: bool = True) -> Iterator[dict[str, Any]]:
    """The files below a place, as :func:`walk` takes them."""
    if deep and protocol_of(url) in ("s3", "s3a"):
        return _pages(store, root)
    return _folders(store, root, deep=deep)


def _pages(store: Any, root: str) -> Iterator[dict[str, Any]]:
    """The files below a place in S3, a page of the listing at a time; fsspec would hold them all.

    Raises:
        FileNotFoundError: there is no such bucket.
    """
    bucket, _, prefix = root.partition("/")
    # "a" is the file a and the folder a/, and neither the file ab nor what lies in it.
    asked: dict[str, Any] = {"Bucket": bucket, "Prefix": f"{prefix}/" if prefix else ""}
    if prefix:
        with contextlib.suppress(FileNotFoundError):
            found = store.info(root)
            if found["type"] == "file":
                yield found
    while True:
        page = store.call_s3("list_objects_v2", **asked)
        for found in page.get("Contents", ()):
            if not found["Key"].endswith("/"):  # which stands for an empty folder
                yield {**found, "name": f"{bucket}/{found['Key']}", "size": found["Size"]}
        if not page.get("IsTruncated"):
            return
        asked["ContinuationToken"] = page["NextContinuationToken"]


def _folders(store: Any, root: str, *, deep: bool = True) -> Iterator[dict[str, Any]]:
    """The files below a place, folder by folder.

    ``walk`` of fsspec leaves out folders that cannot be listed, and says nothing.
    """
    left = [root]
    while left:
        folder = left.pop()
        inner = []
        for found in store.ls(folder, detail=True):
            same = found["name"].rstrip("/") == folder.rstrip("/")
            if found["type"] != "directory":
                # On a disk there are pipes, too, which nobody may write to.
                if found["type"] != "other" and not found["name"].endswith("/"):
                    yield found
            elif deep and not same:
                inner.append(found["name"])
        left += reversed(inner)


def _entry(url: str, found: dict[str, Any], store: Any) -> Entry:
    if found.get("size") is None:  # listings of web servers do not say it
        found = store.info(found["name"])
    values = [found.get(name) for name in (*_VERSIONS, "created")]
    version = next((value for value in values if value not in (None, "")), "")
    if isinstance(version, datetime.datetime):
        version = version.timestamp()
    size = found.get("size")
    return Entry(url, -1 if size is None else int(size), str(version).strip('"'))
