"""What the server does not take, and how little of it it reads."""

from __future__ import annotations

import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator

import httpx
import pytest
from served import PNG, PlainDetector, plain, sentence_of, serving

FORM = "multipart/form-data"


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with serving(PlainDetector()) as client:
        yield client


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _bomb(side: int) -> bytes:
    """A PNG of a few kilobytes with very many pixels."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((side // 8 + 1) * 1000))
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", rows)
        + _chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "kind", "status", "said"),
    [
        (plain(90)[:-30], "image/png", 422, "The image cannot be read"),
        (b"no image", "image/png", 422, "it is not an image or is damaged"),
        (b"<svg/>", "image/svg+xml", 422, "it is not an image or is damaged"),
        (bytes(128) + b"DICM", "application/dicom", 422, "The image"),
        (b"", "image/png", 422, "The body is empty"),
        (b"{}", "application/json", 415, "The Content-Type 'application/json' is no image"),
        (b"x", "", 415, "is no image"),
        (b"x", FORM, 400, "The form cannot be read"),
        (b"x", f"{FORM}; boundary=b", 400, "The form cannot be read"),
        (b"--b--\r\n", f"{FORM}; boundary=b", 422, "no file in its field 'file'"),
        (_bomb(8000), "image/png", 413, "8000 x 8000 px, more than the 10,000"),
        (_bomb(1_000_000), "image/png", 422, "million pixels"),
    ],
)  # fmt: skip
def test_what_is_no_image(client, content, kind, status, said):
    answer = client.post("/predict", content=content, headers={"Content-Type": kind})
    assert said in sentence_of(answer, status)


def test_parameters_that_are_wrong(client):
    answer = client.post("/predict?regions=-1", content=plain(90), headers=PNG)
    assert "regions" in sentence_of(answer, 422)


def test_a_body_of_no_known_length_is_cut_off(client):
    sent = 0

    def zeros() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1 << 10):
            sent += 1 << 16
            yield bytes(1 << 16)

    answer = client.post("/predict", content=zeros(), headers=PNG)
    assert "more than the 1,048,576 bytes" in sentence_of(answer, 413)
    assert sent < 1 << 25  # what lies between, in buffers of the system, and not all of it
    form = client.post("/predict", content=zeros(), headers={"Content-Type": f"{FORM}; boundary=b"})
    assert form.status_code in (400, 413)


def test_a_form_is_cut_off(client):
    answer = client.post("/predict", files={"file": ("a.png", bytes(2 << 20))})
    assert "more than the 1,048,576 bytes" in sentence_of(answer, 413)


def test_two_gigabytes_are_refused_before_they_come(client):
    with _connected(client) as connection:
        connection.sendall(_head(2 << 30))
        started = time.monotonic()
        answer = b""
        while more := connection.recv(4096):  # until it is closed
            answer += more
        assert time.monotonic() - started < 5
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer


def _connected(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port), 10)


def _head(length: int) -> bytes:
    return (
        f"POST /predict HTTP/1.1\r\nHost: here\r\nContent-Type: image/png\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


def _until(condition: object) -> None:
    end = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_busy_server_says_so_and_comes_back():
    detector = PlainDetector()
    detector.may.clear()
    with serving(detector, images=2) as client:
        answers: list[httpx.Response] = []

        def ask() -> None:
            answers.append(client.post("/predict", content=plain(90), headers=PNG))

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        _until(lambda: "nsa_images_in_flight 2.0" in client.get("/metrics").text)
        refused = client.post("/predict", content=plain(90), headers=PNG)
        assert "busy" in sentence_of(refused, 503)
        assert refused.headers["retry-after"] == "1"
        many = client.post("/predict", files=[("file", plain(90))] * 3)
        assert many.status_code in (400, 413, 503)
        detector.may.set()
        for thread in threads:
            thread.join()
        assert [one.status_code for one in answers] == [200, 200]
        ask()
        assert answers[-1].status_code == 200
        several = client.post("/predict", files=[("file", plain(90))] * 3)
        assert several.status_code in (400, 413)  # never, not later


def test_memory_is_bounded():
    with serving(PlainDetector(), memory=10_000) as client:
        said = sentence_of(client.post("/predict", content=plain(90, (60, 60)), headers=PNG), 413)
        assert "more memory than the server has" in said
        assert client.post("/predict", content=plain(90), headers=PNG).status_code == 200


def test_who_leaves_is_not_judged():
    detector = PlainDetector()
    detector.may.clear()
    with serving(detector, batch_size=1) as client:
        with _connected(client) as first, _connected(client) as second:
            first.sendall(_head(len(plain(90))) + plain(90))
            _until(lambda: detector.begun == [1])
            second.sendall(_head(len(plain(91))) + plain(91))
            _until(lambda: "nsa_queue_images 1.0" in client.get("/metrics").text)
        _until(lambda: 'status="499"} 2.0' in client.get("/metrics").text)
        detector.may.set()
        assert client.post("/predict", content=plain(92), headers=PNG).status_code == 200
        assert detector.begun == [1, 1]
        assert "nsa_images_in_flight 0.0" in client.get("/metrics").text


def test_the_token_is_asked_for():
    with serving(PlainDetector(), token=b"secret-word") as client:
        assert client.get("/healthz").status_code == 200
        for wrong in ({}, {"Authorization": "Bearer secret"}, {"Authorization": "secret-word"},
                      {"Authorization": "Bearer secret-word\xe9".encode("latin-1")}):  # fmt: skip
            answer = client.post("/predict", content=plain(90), headers={**PNG, **wrong})
            assert "token" in sentence_of(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert client.get("/metrics", headers=wrong).status_code == 401
        right = {"Authorization": "Bearer secret-word"}
        assert client.post("/predict", content=plain(9), headers={**PNG, **right}).is_success
        assert 'path="/metrics",status="401"} 4.0' in client.get("/metrics", headers=right).text


def test_a_detector_that_fails_is_one_sentence(client, caplog):
    damaged = sentence_of(client.post("/predict", content=plain(0), headers=PNG), 500)
    assert "not finite; its weights are damaged" in damaged
    assert "log says why" in sentence_of(
        client.post("/predict", content=plain(255), headers=PNG), 500
    )
    assert "ValueError: white" in caplog.text
    assert client.get("/healthz").status_code == 200
