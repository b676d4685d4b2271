"""Copies of what lies at URLs: fetched where it is new or has changed, and sent back."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from nsa.errors import InputError
from nsa.system import mirror, sending
from nsa.system.mirror import fetch, send, sent
from nsa.system.places import as_path, named, url_of, with_urls_named
from nsa.system.sending import begin
from nsa.system.urls import Entry, exists, read, remove, walk, write

pytest.importorskip("fsspec")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("NSA_CACHE", str(folder))
    return folder


@pytest.fixture(params=["s3", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder with nothing in it."""
    if request.param == "s3":
        return f"{request.getfixturevalue('s3')}/top"
    return f"memory://{tmp_path.name}-{random.random()}/top"


def fill(url: str, *names: str) -> dict[str, bytes]:
    files = {name: random.randbytes(random.randrange(1, 3000)) for name in names}
    for name, content in files.items():
        write(f"{url}/{name}", content)
    return files


def held(path: Path) -> dict[str, bytes]:
    files = (one for one in path.rglob("*") if one.is_file())
    return {one.relative_to(path).as_posix(): one.read_bytes() for one in files}


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that are read from now on."""
    names: list[str] = []

    def noting(url: str) -> bytes:
        names.append(url)
        return read(url)

    monkeypatch.setattr(mirror, "read", noting)
    return names


@pytest.mark.parametrize(
    "url", ["s3://b", "s3://b/a/ü %41 #?.png", "memory://x/y", "az://c@account/x", "http://h:80/x"]
)
def test_a_place_and_its_url(url: str, cache: Path) -> None:
    path = as_path(url)
    assert path.is_relative_to(cache)
    assert url_of(path) == named(path) == url
    assert path.resolve() == path
    assert as_path(f"{url}/") == path


def test_places_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert as_path("s3:/b") == Path("s3:/b")
    assert as_path(Path("s3:") / "b") == Path("s3:/b")
    assert as_path("~/x") == Path.home() / "x"
    assert as_path("~nobody-here/x") == Path("~nobody-here/x")  # as shells have it
    assert as_path((tmp_path / "x").as_uri()) == tmp_path / "x"
    for path in (tmp_path, Path("s3:/b"), as_path(tmp_path.as_uri())):
        assert url_of(path) is None
        assert named(path) == str(path)
        assert fetch(path) is path
    monkeypatch.delenv("NSA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert as_path("s3://b/x") == (tmp_path / "xdg").resolve() / "nsa" / "s3" / "b" / "x"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the rules forbid
    assert as_path("s3://b/x") == (Path.home() / ".cache").resolve() / "nsa" / "s3" / "b" / "x"


def test_messages_name_urls(cache: Path) -> None:
    path = as_path("s3://bucket/a b/x.png")
    with_urls = with_urls_named(f"Error: '{path}' and {path.parent}; not {cache}, {cache}/s3")
    assert with_urls == (
        f"Error: 's3://bucket/a b/x.png' and s3://bucket/a b; not {cache}, {cache}/s3"
    )
    assert with_urls_named(f"It is in the copy {path}.") == f"It is in the copy {path}."


def test_a_cache_behind_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("NSA_CACHE", str(tmp_path / "link"))
    assert url_of(as_path("s3://b/x").resolve()) == "s3://b/x"


@pytest.mark.parametrize("url", ["s3://b/../x", "s3://b/./x", "s3://../x", "memory://a/\0"])
def test_no_copy_lies_elsewhere(url: str) -> None:
    with pytest.raises(InputError, match="name of a file"):
        as_path(url)


def test_a_key_that_leads_elsewhere(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    for key in ("../../x", "a/../x", "a//x", "./x"):
        listed = iter([Entry(f"s3://b/top/{key}", 1, "e")])
        monkeypatch.setattr(mirror, "walk", lambda *_, _listed=listed, **__: _listed)
        with pytest.raises(InputError, match="rename it there"):
            fetch(as_path("s3://b/top"))
    assert not held(cache)


def test_a_file_and_a_folder_of_one_name(s3: str) -> None:
    fill(f"{s3}/top", "a", "a/b", "empty/c")
    write(f"{s3}/top/empty", b"")
    path = as_path(f"{s3}/top")
    with pytest.raises(InputError, match="/top/a is a file and a folder, too"):
        fetch(path)
    fetch(path, lambda name: name != "a")
    assert sorted(held(path)) == ["a/b", "empty/c"]


def test_what_is_there_is_copied_once(url: str, fetched: list[str]) -> None:
    files = fill(url, "1.png", "a/2.png", "a/b/ü ?.txt")
    path = as_path(url)
    assert fetch(path) == path
    assert held(path) == files
    assert len(fetched) == 3
    fetch(path)
    fetch(as_path(f"{url}/a"))  # the same files, by another name
    fetch(as_path(f"{url}/1.png"))
    assert len(fetched) == 3
    assert sent(path) == set(files)


def test_what_has_changed_is_copied_again(url: str, fetched: list[str]) -> None:
    files = fill(url, "1.png", "a/2.png", "a/3.png", "b/4.png")
    path = fetch(as_path(url))
    fetched.clear()
    time.sleep(0.01)
    files["a/2.png"] = files["a/2.png"][::-1] + b"!"
    files["1.png"] = bytes(255 - value for value in files["1.png"])  # of the same size
    files |= fill(url, "c/5.png")
    for name in ("1.png", "a/2.png"):
        write(f"{url}/{name}", files[name])
    remove(f"{url}/b/4.png")
    del files["b/4.png"]
    fetch(path)
    assert held(path) == files
    assert sorted(fetched) == [f"{url}/{name}" for name in ("1.png", "a/2.png", "c/5.png")]
    assert not (path / "b").exists()


def test_what_is_interrupted_goes_on(
    url: str, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = fill(url, *(f"{number}.png" for number in range(9)))
    monkeypatch.setattr(mirror, "_THREADS", 1)
    path, noting = as_path(url), mirror.read

    def interrupted(one: str) -> bytes:
        if len(fetched) == 4:
            raise KeyboardInterrupt
        return noting(one)

    monkeypatch.setattr(mirror, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(path)
    assert held(path).items() <= files.items()
    assert len(held(path)) == 4
    monkeypatch.setattr(mirror, "read", noting)
    fetch(path)
    assert held(path) == files
    assert len(fetched) == 9


def test_a_copy_that_is_cut_is_copied_again(url: str) -> None:
    files = fill(url, "1.png")
    path = fetch(as_path(url)) / "1.png"
    status = path.stat()
    path.write_bytes(files["1.png"][:-1])
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
    fetch(as_path(url))
    assert path.read_bytes() == files["1.png"]


def test_only_what_is_wanted(url: str, fetched: list[str]) -> None:
    fill(url, "a/1.png", "a/2.txt", "3.txt", "b/c/4.png")
    path = fetch(as_path(url), lambda name: name.endswith(".txt"))
    assert set(held(path)) == {"a/2.txt", "3.txt"}
    assert (path / "b" / "c").is_dir()
    path = fetch(as_path(f"{url}/a"), deep=False)
    assert set(held(path)) == {"1.png", "2.txt"}
    fetch(as_path(url), deep=False)  # removes nothing below
    assert set(held(path)) == {"1.png", "2.txt"}
    assert len(fetched) == 3


def test_a_file_by_itself(url: str) -> None:
    files = fill(url, "a/1.png", "a/1.png.txt")
    path = fetch(as_path(f"{url}/a/1.png"))
    assert path.read_bytes() == files["a/1.png"]
    assert set(held(as_path(url))) == {"a/1.png"}


def test_nothing_there(url: str) -> None:
    with pytest.raises(InputError, match="There is nothing at"):
        fetch(as_path(url))
    assert not as_path(url).exists()


def test_a_file_of_our_own_is_sent_and_never_lost(url: str) -> None:
    files = fill(url, "1.txt", "a/2.txt")
    path = fetch(as_path(url))
    (path / "a" / "2.txt").write_bytes(b"ours")
    (path / "3.txt").write_bytes(b"new")
    assert sent(path) == {"1.txt"}
    fetch(path)
    assert held(path) == {**files, "a/2.txt": b"ours", "3.txt": b"new"}
    send(path)
    assert sent(path) == {"1.txt", "a/2.txt", "3.txt"}
    assert {one.url: read(one.url) for one in walk(url)} == {
        f"{url}/1.txt": files["1.txt"],
        f"{url}/a/2.txt": b"ours",
        f"{url}/3.txt": b"new",
    }
    (path / "3.txt").write_bytes(b"newer")
    fill(url, "4.txt")  # by another machine
    with pytest.raises(InputError, match=r"3\.txt in the copy .* is not at"):
        fetch(path)
    assert (path / "3.txt").read_bytes() == b"newer"


def test_what_was_never_sent_is_still_ours(url: str) -> None:
    path = as_path(url)
    path.mkdir(parents=True)
    (path / "x").write_bytes(b"x")
    assert fetch(path) == path
    assert held(path) == {"x": b"x"}


def test_the_last_files_are_sent_last(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, names = as_path(url), list[str]()
    (path / "run").mkdir(parents=True)
    for name in ("config", "metrics", "a", "z", ".lock", "run/metrics", "run/model"):
        (path / name).write_bytes(b"x")

    def noting(one: str, content: bytes) -> None:
        names.append(one.removeprefix(f"{url}/"))
        write(one, content)

    monkeypatch.setattr(mirror, "write", noting)
    send(path, ("metrics", "config", "absent"))
    assert sorted(names[:3]) == ["a", "run/model", "z"]
    assert names[3:] == ["metrics", "run/metrics", "config"]


def test_a_file_that_changes_while_it_is_sent(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = as_path(url)
    path.mkdir(parents=True)
    (path / "x").write_bytes(b"before")

    def changing(one: str, content: bytes) -> None:
        write(one, content)
        (path / "x").write_bytes(b"after")

    monkeypatch.setattr(mirror, "write", changing)
    send(path)
    assert sent(path) == set()


def test_a_file_that_is_replaced_when_it_is_marked_as_sent(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = as_path(url)
    path.mkdir(parents=True)
    (path / "x").write_bytes(b"first")
    utime = os.utime

    def replacing(*given: object) -> None:
        (path / "new").write_bytes(b"later")  # as long as the first
        (path / "new").replace(path / "x")
        utime(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(os, "utime", replacing)
        patched.setattr(os, "supports_fd", {*os.supports_fd, replacing})
        send(path)
    assert sent(path) == set()
    send(path)
    assert read(f"{url}/x") == b"later"


def test_a_folder_is_sent_while_it_is_worked_on(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sending, "_SECONDS", 0.05)
    path = as_path(url)
    begin(path)
    path.mkdir(parents=True)

    def wait_until(done: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not done():
            assert time.monotonic() < end
            time.sleep(0.02)

    with sending.sending(path, ("last",)):
        (path / "state").write_bytes(b"1")
        wait_until(lambda: exists(f"{url}/state") and "state" in sent(path))
        fetch(path)  # what is here counts
        with monkeypatch.context() as broken:
            broken.setattr(mirror, "write", lambda *_: refuse("Gone."))
            (path / "state").write_bytes(b"22")
            wait_until(lambda: "Not sent yet: Gone." in caplog.text)
        wait_until(lambda: read(f"{url}/state") == b"22")
        (path / "state").unlink()
        (path / "last").write_bytes(b"3")
    assert [one.url for one in walk(url)] == [f"{url}/last"]
    with pytest.raises(InputError, match="is not empty"):
        begin(path)
    begin(path, overwrite=True)


def refuse(why: str) -> None:
    raise InputError(why)


@pytest.mark.parametrize("way", ["full", "file"])
def test_a_cache_that_takes_nothing(
    url: str, cache: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    fill(url, "a/1.png")
    if way == "full":
        monkeypatch.setattr(mirror.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    else:
        cache.write_bytes(b"")
    with pytest.raises(InputError, match="NSA_CACHE"):
        fetch(as_path(url))
