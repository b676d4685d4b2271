"""A store that lets nobody in, or is gone, ends bulk scoring; a single file of it is a row."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bulked import Bulk
from stores import s3_store
from watched import image_bytes, put

from nsa.errors import InputError
from nsa.runs.bulk import here
from nsa.runs.bulk.cluster import _sentence
from nsa.system import urls
from nsa.system.url_errors import NothingThereError, NotReachedError, StoreError, explain

COUNT, GROUP = 70, 64


@pytest.fixture
def images() -> Iterator[str]:
    """The URL of images in S3."""
    with s3_store() as bucket:
        for number in range(COUNT):
            urls.write(f"{bucket}/images/{number:02d}.png", image_bytes(number))
        yield f"{bucket}/images"


@pytest.fixture
def bulk(tmp_path: Path) -> Bulk:
    return Bulk(tmp_path)


def forget_stores() -> None:
    """Have those that are opened next look at the environment, as another process would."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()


def refused(bulk: Bulk, *images: object) -> str:
    """What ends the call, of which no file is said to be unreadable."""
    with pytest.raises(InputError) as said:
        bulk.score(*images)
    assert bulk.rows("unreadable") == []
    return str(said.value)


def test_without_credentials_the_call_ends(
    bulk: Bulk, images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a worker that has none, though whoever lists the files has."""
    read = here.read

    def reading(place: str) -> bytes:
        with contextlib.suppress(KeyError):
            monkeypatch.delenv("AWS_ACCESS_KEY_ID")
            forget_stores()
        return read(place)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(here, "read", reading)
        said = refused(bulk, images)
    assert said.startswith(f"There are no valid credentials for {images}/")
    assert said.endswith(f"aws configure; 0 images of this call scored in {bulk.output}.")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    forget_stores()
    assert bulk.score(images) == COUNT


def test_a_store_that_is_lost_ends_the_call_and_the_same_continues(
    bulk: Bulk, images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, address = here.read, os.environ["AWS_ENDPOINT_URL"]
    done, lost = threading.Semaphore(0), threading.Event()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"

    def reading(place: str) -> bytes:
        number = int(Path(place).stem)
        if number <= GROUP:
            content = read(place)
            done.release()
            return content
        if number == GROUP + 1 and not lost.is_set():
            for _ in range(GROUP + 1):
                done.acquire()
            monkeypatch.setenv("AWS_ENDPOINT_URL", nowhere)
            forget_stores()
            lost.set()
        lost.wait()
        return read(place)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(here, "read", reading)
        said = refused(bulk, images)
    assert "the store was not reached, or the connection was lost" in said
    assert said.endswith(f"try again; {GROUP + 1} images of this call scored in {bulk.output}.")
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    forget_stores()
    assert bulk.score(images) == COUNT - GROUP - 1
    assert len(bulk.rows()) == COUNT


@pytest.fixture
def in_memory(tmp_path: Path) -> str:
    """The URL of images in a store of this process."""
    pytest.importorskip("fsspec")
    url = f"memory:///{tmp_path.name}"
    for number in range(COUNT):
        urls.write(f"{url}/{number:02d}.png", image_bytes(number))
    return url


def fail(
    monkeypatch: pytest.MonkeyPatch, error: Exception, fails: Callable[[int, int], bool]
) -> None:
    """Let a store raise an error for files, by their number and how often one was asked for."""
    store, _ = urls._open("memory:///x")
    give, asked, lock = type(store).cat_file, Counter[int](), threading.Lock()

    def cat_file(self: object, path: str, **more: object) -> bytes:
        number = int(Path(path).stem)
        with lock:
            before = asked[number]
            asked[number] += 1
        if fails(number, before):
            raise error
        content: bytes = give(self, path, **more)
        return content

    monkeypatch.setattr(type(store), "cat_file", cat_file)
    monkeypatch.setattr(here, "_WAITS", (0.0, 0.0))


def test_single_files_are_rows(bulk: Bulk, in_memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = PermissionError("Access Denied")
    fail(monkeypatch, refusal, lambda number, _: number < here._IN_A_ROW - 1)
    urls.write(f"{in_memory}/20.png", b"no image")
    read = here.read

    def reading(place: str) -> bytes:
        if place.endswith("21.png"):  # it is gone since it was listed
            urls.remove(place)
        return read(place)

    monkeypatch.setattr(here, "read", reading)
    lacking = here._IN_A_ROW - 1 + 2
    with pytest.raises(InputError, match=f"^{lacking} of {COUNT} files cannot be read"):
        bulk.score(in_memory)
    reasons = {Path(row["path"]).name: row["reason"] for row in bulk.rows("unreadable")}
    assert "is refused" in reasons["00.png"]
    assert "There is nothing at" in reasons["21.png"]
    assert len(reasons) == lacking
    assert len(bulk.rows()) == COUNT - lacking


def test_a_store_that_gives_no_file_ends_the_call(
    bulk: Bulk, in_memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, PermissionError("Access Denied"), lambda *_: True)
    said = refused(bulk, in_memory)
    assert said.startswith(f"Access to {in_memory}/")
    assert f"; nor were the {here._IN_A_ROW - 1} files before it given; 0 images of this" in said


def test_a_lost_connection_is_tried_again(
    bulk: Bulk, in_memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, asyncio.TimeoutError(), lambda _, before: before < len(here._WAITS))
    assert bulk.score(in_memory) == COUNT
    assert bulk.rows("unreadable") == []


@pytest.mark.parametrize("first", [0, GROUP - 3, COUNT - 5])
def test_files_that_a_store_never_sends_are_rows(
    first: int, bulk: Bulk, in_memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before others, between them, and at the end, where only earlier ones show the store."""
    fail(monkeypatch, asyncio.TimeoutError(), lambda number, _: first <= number < first + 5)
    with pytest.raises(InputError, match=f"^5 of {COUNT} files cannot be read .*was not reached"):
        bulk.score(in_memory)
    names = sorted(Path(row["path"]).name for row in bulk.rows("unreadable"))
    assert names == [f"{number:02d}.png" for number in range(first, first + 5)]
    assert len(bulk.rows()) == COUNT - 5


@pytest.mark.parametrize("first", [0, 20, GROUP - 3, COUNT - 1])
@pytest.mark.parametrize("more", [False, True], ids=["alone", "before a folder"])
def test_where_a_connection_stays_lost_what_came_before_is_scored(
    first: int, more: bool, bulk: Bulk, in_memory: str
) -> None:
    put(bulk.images / "a.png")
    sources = [in_memory, bulk.images] if more else [in_memory]
    with pytest.MonkeyPatch.context() as patch:
        # No file comes twice, as if the store were lost with the one that is the first not to come.
        fail(patch, asyncio.TimeoutError(), lambda number, before: number >= first or before > 0)
        said = refused(bulk, *sources)
    assert said.startswith(f"Cannot read {in_memory}/")
    assert said.endswith(f"{first} images of this call scored in {bulk.output}.")
    assert len(bulk.rows()) == first
    assert bulk.score(*sources) == COUNT - first + more


class _Answer(Exception):  # noqa: N818 - as that of botocore
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


@pytest.mark.parametrize(
    ("raised", "code", "kind"),
    [
        (PermissionError, "ExpiredToken", StoreError),
        (PermissionError, "InvalidAccessKeyId", StoreError),
        (OSError, "InvalidToken", StoreError),
        (PermissionError, "AccessDenied", InputError),
        (PermissionError, "InvalidObjectState", InputError),
        (FileNotFoundError, "NoSuchKey", NothingThereError),
        (ConnectionResetError, "", NotReachedError),
        (asyncio.TimeoutError, "", NotReachedError),
        (type("ReadTimeout", (type("Timeout", (OSError,), {}),), {}), "", NotReachedError),
        (ModuleNotFoundError, "", StoreError),
        (OSError, "InvalidRange", InputError),
    ],
)
def test_what_is_no_fault_of_one_file(
    raised: type[Exception], code: str, kind: type[InputError]
) -> None:
    with pytest.raises(InputError) as said, explain("s3://bucket/x.png"):
        raise raised("Said.") from _Answer(code)
    assert type(said.value) is kind
    if code in ("ExpiredToken", "InvalidToken"):
        assert str(said.value).startswith("Access to s3://bucket/x.png is refused (Said); check")


@pytest.mark.parametrize("kind", [InputError, StoreError])
def test_it_comes_whole_from_a_machine_of_a_cluster(kind: type[InputError]) -> None:
    """Ray hands over the text of a traceback."""
    try:
        with explain("s3://bucket/x.png"):
            try:
                raise PermissionError("Forbidden")
            except PermissionError as error:
                raise kind("Access to s3://bucket/x.png is refused; mend that.") from error
    except InputError:
        told = Exception(f"Failed to process the data block.\n{traceback.format_exc()}")
    assert _sentence(told) == "Access to s3://bucket/x.png is refused; mend that."
