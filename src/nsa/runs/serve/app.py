"""The routes of the server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

import nsa
from nsa.errors import InputError
from nsa.runs.serve.answers import Answer, FileRefusal, Refusal
from nsa.runs.serve.body import FIELD, OTHER_KINDS, read_images
from nsa.runs.serve.guard import OPEN, PREDICT, Guard
from nsa.runs.serve.service import Service

Result = TypeVar("Result")
_BINARY = {"type": "string", "format": "binary"}
_FILES = {"type": "array", "items": _BINARY, "description": "An image file, or several."}
_BODY = {
    "required": True,
    "content": {
        **{kind: {"schema": _BINARY} for kind in ("image/*", *OTHER_KINDS)},
        "multipart/form-data": {
            "schema": {"type": "object", "required": [FIELD], "properties": {FIELD: _FILES}}
        },
    },
}
_REFUSALS = {
    400: "The form is damaged.",
    401: "The token is missing or wrong.",
    408: "The body came in too slowly.",
    413: "The body, an image or the number of images is too large.",
    415: "The body is of no kind of image.",
    422: "The image cannot be read or judged.",
    500: "The detector failed.",
    503: "The server is busy; Retry-After says for how many seconds to wait.",
}
_GONE = 499  # the client, who gets no answer


def make_app(service: Service, token: bytes | None) -> FastAPI:
    """The application that answers for a service, which it closes when it ends.

    Args:
        token: that clients must send; None: none is asked for.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    # The pages of documentation would load scripts from elsewhere.
    app = FastAPI(
        title="nsa", version=nsa.__version__, lifespan=lifespan, docs_url=None, redoc_url=None,
        description=f"Judges images by the run {service.model}.",
    )  # fmt: skip
    app.add_middleware(Guard, token=token, metrics=service.metrics)
    _add_refusals(app)

    @app.post(
        PREDICT,
        response_model=Answer | list[Answer | FileRefusal],
        responses={
            status: {"model": Refusal, "description": why} for status, why in _REFUSALS.items()
        },
        openapi_extra={"requestBody": _BODY},
    )
    async def predict(
        request: Request,
        picture: Annotated[
            bool, Query(description="Also draw the heat map over the image, as PNG in base64.")
        ] = False,
        regions: Annotated[int, Query(ge=0, description="List at most so many regions.")] = 100,
    ) -> Answer | list[Answer | FileRefusal]:
        """Judge the image in the body, or those in a form.

        Of one image the answer is an object. Of several files in a form it is a list in their
        order, with ``detail`` and ``status`` in place of the values of one that cannot be judged.
        """
        with service.room.lease() as lease:
            images = await read_images(request, service.limits, lease)
            work = asyncio.gather(
                *(service.answer(one, lease, regions, picture) for one in images),
                return_exceptions=len(images) > 1,
            )
            found: list[Any] = await _unless_gone(request, work)
        if len(images) == 1:
            answer: Answer = found[0]
            return answer
        return [
            one if isinstance(one, Answer) else _of_a_file(image.name, one)
            for image, one in zip(images, found, strict=True)
        ]

    @app.get(OPEN)
    async def healthz() -> JSONResponse:
        """Whether images are judged, and by what."""
        decisions, alive = service.decisions, service.batcher.alive
        return JSONResponse(
            {
                "status": "ok" if alive else "failed",
                "run": service.model,
                "version": nsa.__version__,
                "calibrated": decisions is not None,
                "fpr": decisions and decisions.fpr,
            },
            200 if alive else 503,
        )

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Counts and times, in the text form of Prometheus."""
        return Response(service.metrics.text(), media_type=service.metrics.media_type)

    @app.get("/")
    async def root() -> dict[str, str]:
        """What there is."""
        return {
            "run": service.model,
            "predict": f"POST {PREDICT}",
            "health": OPEN,
            "metrics": "/metrics",
            "description": "/openapi.json",
        }

    return app


def _add_refusals(app: FastAPI) -> None:
    """Make one sentence of everything that goes wrong."""

    @app.exception_handler(InputError)
    async def unusable(_request: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)

    @app.exception_handler(RequestValidationError)
    async def wrong(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = first["loc"][-1]
        return JSONResponse({"detail": f"The parameter {place} is wrong: {first['msg']}."}, 422)

    @app.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=_GONE)


def _of_a_file(name: str | None, error: BaseException) -> FileRefusal:
    """What is said of one of several files.

    Raises:
        BaseException: the error, where it is not the file's.
    """
    if isinstance(error, InputError):
        return FileRefusal(name=name, status=422, detail=str(error))
    if isinstance(error, HTTPException) and error.status_code == 413:
        return FileRefusal(name=name, status=413, detail=error.detail)
    raise error


async def _unless_gone(request: Request, work: Awaitable[Result]) -> Result:
    """The result of some work, which is cancelled when nobody waits for it any more.

    Args:
        request: whose body has been read.

    Raises:
        ClientDisconnect: nobody does.
    """

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        tasks: list[asyncio.Future[Any]] = [working, leaving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
