"""Serve a detector until a signal ends it."""

from __future__ import annotations

import signal
import socket

import uvicorn

from nsa.detectors.detector import Detector
from nsa.folder import AnyRun
from nsa.runs.decisions import Decisions
from nsa.runs.serve.address import url_of
from nsa.runs.serve.app import make_app
from nsa.runs.serve.limits import Limits
from nsa.runs.serve.service import Service
from nsa.system.console import console
from nsa.system.interrupt import ending_signals

_GRACE = 30  # seconds for requests that have begun, when a signal has come


def serve(
    run: AnyRun,
    detector: Detector,
    decisions: Decisions | None,
    listening: socket.socket,
    token: bytes | None,
    limits: Limits,
    *,
    batch_size: int,
    max_wait: float,
) -> None:
    """Answer requests at a socket until Ctrl-C or SIGTERM; then finish those that have begun.

    Those that take longer than half a minute more are cut off, and a second Ctrl-C waits for none.

    Args:
        decisions: None: images get no label.
        token: that clients must send; None: none is asked for.
        batch_size: most images to judge at once.
        max_wait: seconds that an image waits for others.
    """
    name = run.path.resolve().name
    service = Service(name, detector, decisions, limits, batch_size, max_wait)
    config = uvicorn.Config(
        make_app(service, token), log_config=None, log_level="warning", access_log=False,
        lifespan="on", ws="none", proxy_headers=False, server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )  # fmt: skip
    server = uvicorn.Server(config)
    previous = {
        number: signal.signal(number, server.handle_exit) for number in ending_signals()
    }  # that of a closed terminal, too, of which uvicorn does not know
    console.print(f"Serving {run.path} at {url_of(listening)}; Ctrl-C ends it.", soft_wrap=True)
    try:
        server.run([listening])
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    console.print("Stopped.")
