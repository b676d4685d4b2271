"""``nsa serve`` as a process: how it begins, refuses to begin, and ends."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from tiny import nsa, picture, sentence, write


def test_a_port_in_use_is_one_sentence(network_run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = sentence(nsa("serve", network_run, "--port", port))
    assert f"Port {port} of 127.0.0.1 is in use" in said


def test_other_machines_need_a_token(network_run, tmp_path, monkeypatch):
    monkeypatch.delenv("NSA_TOKEN", raising=False)
    for host in ("0.0.0.0", "::"):
        said = sentence(nsa("serve", network_run, "--host", host, "--port", 0))
        assert "so a token is needed" in said
    token = tmp_path / "token"
    for content in ("", "two words\n", "gr\u00fcn"):
        token.write_text(content)
        said = sentence(nsa("serve", network_run, "--host", "0.0.0.0", "--token-file", token))
        assert "one word of ASCII characters" in said
    assert "Cannot read" in sentence(nsa("serve", network_run, "--token-file", tmp_path / "none"))
    monkeypatch.setenv("NSA_TOKEN", " ")
    assert sentence(nsa("serve", network_run)).startswith("Error: NSA_TOKEN must hold")


def test_what_cannot_be_served(network_run, tmp_path, monkeypatch):
    monkeypatch.delenv("NSA_TOKEN", raising=False)
    assert "is not a run folder" in sentence(nsa("serve", tmp_path))
    assert "calibrat" in sentence(nsa("serve", network_run, "--port", 0, "--fpr", 0.1))
    said = sentence(nsa("serve", network_run, "--host", "no.such.host.invalid"))
    assert "--host no.such.host.invalid is not known" in said
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: name != "fastapi" and found(name, *more)
    )
    said = sentence(nsa("serve", network_run))
    assert said == "Error: nsa serve needs fastapi, not installed here; pip install 'nsa[serve]'."


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_finishes_what_has_begun(network_run, tmp_path, number):
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("it is ignored, as nohup has it, and stays so")
    path, token = tmp_path / "image.png", tmp_path / "token"
    write(path, picture(1)[0])
    token.write_text("a-word\n")
    server, url = _serve(network_run, "--token-file", token)
    try:
        assert httpx.get(f"{url}/healthz").json()["calibrated"] is False
        assert httpx.get(f"{url}/metrics").status_code == 401
        content = path.read_bytes()
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 30) as connection:
            connection.sendall(
                b"POST /predict HTTP/1.1\r\nHost: here\r\nContent-Type: image/png\r\n"
                b"Authorization: Bearer a-word\r\nContent-Length: %d\r\n\r\n"
                % len(content)
                + content[:100]
            )
            _until_in_flight(url)
            server.send_signal(number)
            time.sleep(0.5)  # which the request outlasts
            connection.sendall(content[100:])
            answer = b""
            while more := connection.recv(1 << 16):
                answer += more
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        assert b'"raw_score":' in answer
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz")
        said = server.communicate(timeout=60)[1]
    finally:
        server.kill()
    assert server.returncode == 0, said
    assert said.splitlines()[-1] == "Stopped."
    assert "Traceback" not in said


def _until_in_flight(url: str) -> None:
    end = time.monotonic() + 20
    token = {"Authorization": "Bearer a-word"}
    while "nsa_images_in_flight 1.0" not in httpx.get(f"{url}/metrics", headers=token).text:
        assert time.monotonic() < end
        time.sleep(0.05)


def _serve(run: Path, *options: object) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-W", "error", "-m", "nsa", "serve", run, "--port", 0, *options]
    environment = {name: value for name, value in os.environ.items() if name != "NSA_TOKEN"}
    server = subprocess.Popen(
        [*map(str, command), "--device", "cpu", "--threads", "1"], stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL, text=True, env=environment,
    )  # fmt: skip
    assert server.stderr is not None
    line = server.stderr.readline()
    found = re.search(r"at (http://127\.0\.0\.1:\d+);", line)
    assert found, line + server.communicate(timeout=60)[1]
    return server, found[1]
