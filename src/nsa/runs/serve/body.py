"""The images of a request, read as they come in and never beyond a limit."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
from fastapi import HTTPException, Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from nsa.images.source import ImageBytes
from nsa.runs.serve.limits import Lease, Limits

FIELD = "file"
OTHER_KINDS = ("application/octet-stream", "application/dicom")  # beside image/*
_SECONDS = 60.0  # for a body to come in
_LONGEST = 200  # characters of a name in messages
_HINT = (
    "send the image as the body with its own Content-Type, such as image/png, or in the field "
    f"{FIELD} of a multipart form"
)


async def read_images(request: Request, limits: Limits, lease: Lease) -> list[ImageBytes]:
    """The images in a request's body, at least one.

    Raises:
        HTTPException: there is none (422), it is too large (413), of another kind (415), damaged
            (400) or too slow (408).
        starlette.requests.ClientDisconnect: nobody waits any more.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form = kind == "multipart/form-data"
    if not form and not kind.startswith("image/") and kind not in OTHER_KINDS:
        raise HTTPException(415, f"The Content-Type {kind[:80]!r} is no image; {_HINT}.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.max_bytes:
        raise _too_large(limits)
    lease.take(images=1)
    body = _limited(request, limits, lease)
    try:
        with anyio.fail_after(_SECONDS):
            if form:
                return await _read_form(request, body, limits, lease)
            content = b"".join([chunk async for chunk in body])
    except TimeoutError:
        raise HTTPException(
            408, f"The request did not come in within {_SECONDS:g} s; send it again."
        ) from None
    if not content:
        raise HTTPException(422, f"The body is empty; {_HINT}.")
    return [ImageBytes(content)]


async def _read_form(
    request: Request, body: AsyncGenerator[bytes, None], limits: Limits, lease: Lease
) -> list[ImageBytes]:
    parser = MultiPartParser(request.headers, body, max_files=limits.images, max_fields=100)
    parser.spool_max_size = limits.max_bytes  # in memory, which is counted, and not on a disk
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:  # the latter by older ones of starlette
        told = error.message if isinstance(error, MultiPartException) else str(error)
        raise HTTPException(400, f"The form cannot be read: {told.rstrip('.')}.") from None
    except KeyError:  # no boundary, in older versions
        raise HTTPException(400, "The form cannot be read: it has no boundary.") from None
    try:
        sent = [one for one in form.getlist(FIELD) if isinstance(one, UploadFile)]
        if not sent:
            raise HTTPException(422, f"The form has no file in its field {FIELD!r}; {_HINT}.")
        lease.take(images=len(sent) - 1)
        return [
            ImageBytes(await one.read(), (one.filename or "")[:_LONGEST] or None) for one in sent
        ]
    finally:
        await form.close()


async def _limited(request: Request, limits: Limits, lease: Lease) -> AsyncGenerator[bytes, None]:
    """The body as it comes in, whatever its header says of its length."""
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > limits.max_bytes:
            raise _too_large(limits)
        lease.take(memory=len(chunk))
        yield chunk


def _too_large(limits: Limits) -> HTTPException:
    return HTTPException(
        413,
        f"The body has more than the {limits.max_bytes:,} bytes that the server takes; send fewer "
        "or smaller images.",
    )
