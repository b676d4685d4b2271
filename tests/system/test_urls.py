"""Files in stores that URLs name: in S3, in memory and on a disk."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nsa.errors import InputError
from nsa.system import urls
from nsa.system.places import as_path, cleaned
from nsa.system.urls import (
    Entry,
    entry,
    exists,
    is_url,
    joined,
    read,
    remove,
    try_writing,
    walk,
    write,
)

pytest.importorskip("fsspec")


@pytest.fixture(params=["s3", "memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty folder of each kind."""
    if request.param == "s3":
        return f"{request.getfixturevalue('s3')}/top"
    return (
        f"memory://{tmp_path.name}-{random.random()}/top"
        if request.param == "memory"
        else (tmp_path / "top").as_uri()
    )


def content() -> bytes:
    return random.randbytes(random.randrange(1, 3000))


@pytest.mark.parametrize("url", ["s3://b", "gs://b/x", "S3://b", "abfs+x://a@b/c", "file:///x"])
def test_what_is_a_url(url: str) -> None:
    assert is_url(url)


@pytest.mark.parametrize("place", ["s3:/b", "C://x", "./s3://b", "://x", "", "a b://c", "s3:", 3])
def test_what_is_no_url(place: object) -> None:
    assert not is_url(place)
    assert not is_url(Path(str(place)))


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("S3://Bucket/a/", "s3://Bucket/a"),
        ("s3://bucket//a///b//", "s3://bucket/a/b"),
        ("file:///a//b/", "file:///a/b"),
        ("memory:///a/", "memory:///a"),
        ("az://container@account/x", "az://container@account/x"),
    ],
)
def test_slashes_do_not_matter(url: str, clean: str) -> None:
    assert cleaned(url) == clean
    assert joined(url, "x.png") == f"{clean}/x.png"


@pytest.mark.parametrize("url", ["s3://", "gs:///", "s3://///"])
def test_nothing_behind_the_protocol(url: str) -> None:
    with pytest.raises(InputError, match="names nothing"):
        cleaned(url)


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("file://x/y", "file:///x/y"), ("File://x", "file:///x"),
        ("local://./x.png", "local:///./x.png"), ("file://localhost/x", "file:///x"),
    ],
)  # fmt: skip
def test_a_file_of_another_machine(url: str, meant: str) -> None:
    for use in (cleaned, as_path):
        with pytest.raises(InputError, match=r"names a file of the machine") as refused:
            use(url)
        assert str(refused.value).endswith(f"has three slashes, as in {meant}.")


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="password") as refused:
        read("sftp://me:geheim@host/x.png")
    assert "geheim" not in str(refused.value)


def test_files_are_written_found_read_and_removed(store: str) -> None:
    files = {f"{store}/{name}": content() for name in ("1.png", "a/ü %41.PNG", "a/b/c d.txt")}
    for url, value in files.items():
        assert not exists(url)
        write(url, value)
        assert exists(url)
        assert read(url) == value
    found = {one.url: one for one in walk(store)}
    assert {url: len(value) for url, value in files.items()} == {
        url: one.size for url, one in found.items()
    }
    assert all(entry(url) == one for url, one in found.items())
    assert sorted(walk(f"{store}/")) == sorted(found.values())
    assert [one.url for one in walk(store, {".txt"})] == [f"{store}/a/b/c d.txt"]
    assert {one.url for one in walk(store, [".png"])} == set(files) - {f"{store}/a/b/c d.txt"}
    assert exists(f"{store}/a")
    for url in files:
        remove(url)
        remove(url)  # it is no longer there
        assert not exists(url)


def test_a_file_and_what_only_begins_alike(store: str) -> None:
    for name in ("a", "ab/c", "a.png"):
        write(f"{store}/x/{name}", content())
    assert [one.url for one in walk(f"{store}/x/a")] == [f"{store}/x/a"]
    assert [one.url for one in walk(f"{store}/x/a.png", [".png"])] == [f"{store}/x/a.png"]
    assert [one.url for one in walk(f"{store}/x/ab")] == [f"{store}/x/ab/c"]


@pytest.mark.parametrize("name", ["a::b.png", "a::file:b", "a b#c?d%41.png", "*[x].png", " a "])
def test_names_are_what_they_are(store: str, name: str) -> None:
    if store.startswith("memory") and "::" in name:
        pytest.skip("that of fsspec takes it for a protocol")
    write(f"{store}/{name}", b"this")
    write(f"{store}/other", b"that")
    assert read(f"{store}/{name}") == b"this"
    assert entry(f"{store}/{name}") in list(walk(store))
    remove(f"{store}/{name}")
    assert not exists(f"{store}/{name}")
    assert exists(f"{store}/other")


def test_a_folder_with_nothing_in_it(s3: str) -> None:
    s3fs = pytest.importorskip("s3fs")
    bucket = s3.removeprefix("s3://")
    for key in ("new/", "new/deeper/"):  # as consoles make folders
        s3fs.S3FileSystem().call_s3("put_object", Bucket=bucket, Key=key, Body=b"")
    assert not exists(f"{s3}/new")
    write(f"{s3}/new/deeper/x", b"")
    assert exists(f"{s3}/new")


def test_the_version_changes_with_the_content(store: str) -> None:
    url = f"{store}/x.bin"
    write(url, b"abc")
    before = next(walk(store))
    assert before.version
    assert entry(url) == before
    time.sleep(0.01)  # of a file it is the time
    write(url, b"xyz")
    after = next(walk(store))
    assert (after.url, after.size) == (before.url, before.size)
    assert after.version != before.version


def test_what_is_not_there(store: str) -> None:
    write(f"{store}/x", b"x")
    assert not exists(f"{store}/y")
    for use in (read, entry, lambda url: list(walk(url))):
        with pytest.raises(InputError, match=f"nothing at {store}/y; check"):
            use(f"{store}/y")
    with pytest.raises(InputError):
        entry(store)  # a folder
    with pytest.raises(InputError):
        read(store)


def test_more_files_than_a_page_of_a_listing(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {f"{s3}/many/{number}" for number in range(23)}
    for name in names:
        write(name, b"")
    store, _ = urls._open(s3)
    store.call_s3("put_object", Bucket=s3.removeprefix("s3://"), Key="many/inner/", Body=b"")
    asked = store.call_s3
    short = {"MaxKeys": 5}
    monkeypatch.setattr(store, "call_s3", lambda method, **more: asked(method, **short, **more))
    assert {one.url for one in walk(f"{s3}/many")} == names
    assert {one.url for one in walk(s3)} == names


def test_a_listing_is_a_stream() -> None:
    class Endless:
        def call_s3(self, _method: str, **asked: str) -> dict[str, object]:
            number = int(asked.get("ContinuationToken", "0"))
            keys = [{"Key": f"{number}/{i}", "Size": 1, "ETag": '"e"'} for i in range(3)]
            return {"Contents": keys, "IsTruncated": True, "NextContinuationToken": number + 1}

    pages = urls._pages(Endless(), "bucket")
    assert [next(pages)["name"] for _ in range(7)][-1] == "bucket/2/0"


def refused(url: str, monkeypatch: pytest.MonkeyPatch, **environment: str | None) -> str:
    """What is said of a URL in another environment."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    for name, value in environment.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as said:
        list(walk(url))
    return str(said.value)


def test_a_folder_is_tried_before_it_is_written(store: str, tmp_path: Path) -> None:
    try_writing(f"{store}/new")
    assert not exists(f"{store}/new")  # an empty folder may be left where there are such
    write(f"{store}/new/x", b"x")
    assert exists(f"{store}/new")
    (tmp_path / "a").mkdir()
    assert not exists((tmp_path / "a").as_uri())


def test_a_folder_that_cannot_be_written_is_named_as_it_was(s3: str) -> None:
    with pytest.raises(InputError, match=f"Cannot write {s3}-other/x: there is no such bucket"):
        try_writing(f"{s3}-other/x")


def test_no_such_bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(f"{s3}-other/x", monkeypatch)
    assert said == f"Cannot read {s3}-other/x: there is no such bucket; check its name."
    with pytest.raises(InputError, match=r"Cannot write .* no such bucket"):
        write(f"{s3}-other/x", b"x")


def test_no_credentials(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(s3, monkeypatch, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    assert said.startswith(f"There are no valid credentials for {s3} (Unable to locate")
    assert said.endswith("; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or run "
                         "aws configure.")  # fmt: skip


def test_a_profile_that_there_is_not(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(s3, monkeypatch, AWS_PROFILE="nobody")
    assert said.endswith("(nobody) could not be found; check AWS_PROFILE in the environment.")


def test_an_endpoint_without_a_protocol(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(s3, monkeypatch, AWS_ENDPOINT_URL="localhost:9000")
    assert said.startswith(f"Cannot read {s3}: ")
    assert said.endswith("must begin with http:// or https://.")


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_a_wrong_endpoint_is_given_up_soon(
    s3: str, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begun = time.monotonic()
    said = refused(s3, monkeypatch, AWS_ENDPOINT_URL=f"http://{host}:{port}")
    assert said.startswith(f"Cannot read {s3}: the store was not reached")
    assert f"{host}:{port}" in said
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("error", [PermissionError("Forbidden"), OSError("odd"), KeyError("x")])
def test_what_a_store_raises_is_a_sentence(
    store: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    write(f"{store}/x", b"x")
    opened, _ = urls._open(store)

    def fail(*_: object, **__: object) -> None:
        raise error

    own = "cat_file" in vars(opened)  # of a store that works by coroutines
    monkeypatch.setattr(opened if own else type(opened), "cat_file", fail)
    with pytest.raises(InputError, match=f"{store}/x") as said:
        read(f"{store}/x")
    assert str(said.value).endswith(".")
    assert "refused" in str(said.value) or not isinstance(error, PermissionError)


def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = (tmp_path / "x.json").as_uri()
    write(url, b"before")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match="No space left"):
        write(url, b"after")
    assert read(url) == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_an_unknown_protocol() -> None:
    with pytest.raises(InputError, match=r"foo://bucket/x is of no kind of store"):
        read("foo://bucket/x")


@pytest.mark.parametrize(
    ("url", "lacking", "said"),
    [
        ("s3://b/x", "s3fs", "s3:// needs s3fs: pip install 'nsa[s3]'."),
        ("s3://b/x", "fsspec", "s3:// needs s3fs: pip install 'nsa[s3]'."),
        ("gs://b/x", "gcsfs", "gs:// needs gcsfs: pip install 'nsa[gs]'."),
        ("az://b/x", "adlfs", "az:// needs adlfs: pip install 'nsa[az]'."),
        ("sftp://host/x", "paramiko", "sftp:// needs a package, not installed"),
    ],
)
def test_a_package_that_is_missing(url: str, lacking: str, said: str) -> None:
    code = f"""
import sys
sys.modules[{lacking!r}] = None
from nsa.errors import InputError
from nsa.system.urls import read
try:
    read({url!r})
except InputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said in done.stdout


def test_a_url_is_known_without_fsspec() -> None:
    code = "import sys; from nsa.system.urls import *; sys.exit(is_url('s3://x') - 1)"
    more = "assert not {'fsspec', 's3fs', 'asyncio'} & set(sys.modules); "
    code = code.replace("sys.exit", more + "sys.exit")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_entries_say_what_they_are() -> None:
    assert Entry("s3://b/x", 3, "e")._asdict() == {"url": "s3://b/x", "size": 3, "version": "e"}


def test_a_web_server_says_sizes_of_single_files_only() -> None:
    class Web:
        def ls(self, folder: str, detail: bool) -> Iterator[dict[str, object]]:
            assert detail
            return iter([{"name": f"{folder}/x.png", "size": None, "type": "file"}])

        def info(self, name: str) -> dict[str, object]:
            return {"name": name, "size": 7, "type": "file", "ETag": '"e"'}

    (found,) = urls._folders(Web(), "https://host/a")
    assert urls._entry("https://host/a/x.png", found, Web()) == Entry(
        "https://host/a/x.png", 7, "e"
    )
