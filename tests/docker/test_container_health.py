"""The check of ``docker/Dockerfile``: of servers alone, at the port that they were given."""

from __future__ import annotations

import importlib.util
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "docker" / "healthcheck.py"


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("healthcheck", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("command", "port"),
    [
        ("python nsa serve runs/good-001 --host 0.0.0.0", 8000),
        ("/sbin/docker-init -- nsa serve runs/good-001 --port 9001 --fpr 0.1", 9001),
        ("nsa serve --port=81 runs/serve", 81),
        ("nsa train --normal-dir runs/serve", None),
        ("nsa --help", None),
    ],
)
def test_it_knows_where_a_server_listens(check: ModuleType, command: str, port: int | None) -> None:
    assert check.port_of([*command.split(), ""]) == port


@pytest.fixture
def answering() -> Iterator[HTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(self.server.status if self.path == "/healthz" else 404)  # type: ignore[attr-defined]
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_it_fails_where_the_server_does(
    check: ModuleType, answering: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # is not asked
    port = answering.server_port
    answering.status = 200  # type: ignore[attr-defined]
    check.ask(port)
    answering.status = 503  # type: ignore[attr-defined]
    with pytest.raises(SystemExit, match="503"):
        check.ask(port)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(SystemExit, match="No answer from the server"):
        check.ask(port)
