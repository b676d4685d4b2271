"""What stands before every request: the token, and counting."""

from __future__ import annotations

import hmac
import logging
import time

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nsa.runs.serve.batcher import DetectorError
from nsa.runs.serve.metrics import Metrics

_log = logging.getLogger("uvicorn.error")  # which shows tracebacks

OPEN = "/healthz"  # to everybody, as what watches over servers needs it
PREDICT = "/predict"
_PATHS = (OPEN, PREDICT, "/metrics", "/openapi.json", "/")


class Guard:
    """Middleware that asks for the token and counts requests.

    Whoever is refused before all of the body is there is disconnected, so that nothing more comes.

    Args:
        token: that every request but those of :data:`OPEN` must send; None: none is asked for.
    """

    def __init__(self, app: ASGIApp, token: bytes | None, metrics: Metrics) -> None:
        self._app, self._token, self._metrics = app, token, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status: int | None = None  # until the answer begins
        headers = Headers(scope=scope)
        unread = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers

        async def received() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message.get("more_body", False)
            return message

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if unread:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        path = scope["path"]
        try:
            if path == OPEN or self._is_known(headers):
                await self._app(scope, received, sent)
            else:
                said = "Send the server's token as Authorization: Bearer TOKEN."
                refusal = _refusal(401, said, {"WWW-Authenticate": "Bearer"})
                await refusal(scope, received, sent)
        except DetectorError as error:
            _log.error("%s", error)
            await _refusal(500, str(error))(scope, received, sent)
        except Exception:
            _log.exception("A request failed")
            if status is None:  # else it is cut off
                said = "The server failed at this request; its log says why."
                await _refusal(500, said)(scope, received, sent)
        finally:
            named = path if path in _PATHS else "other"
            self._metrics.requests.labels(named, status or 500).inc()
            if named == PREDICT:
                self._metrics.seconds.observe(time.perf_counter() - started)

    def _is_known(self, headers: Headers) -> bool:
        if self._token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        # The time it takes says nothing of how much is right.
        right = hmac.compare_digest(given.strip().encode(), self._token)
        return right and scheme.lower() == "bearer"


def _refusal(status: int, said: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": said}, status, headers)
