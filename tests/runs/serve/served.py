"""A server in this process, and a detector that waits when it is told to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import httpx
import numpy as np
import numpy.typing as npt
import uvicorn

from nsa.detectors.detector import Detector, Judged
from nsa.runs.decisions import Decisions
from nsa.runs.serve.address import listen, url_of
from nsa.runs.serve.app import make_app
from nsa.runs.serve.limits import Limits
from nsa.runs.serve.service import Service

Pixels = npt.NDArray[np.uint8]
PNG = {"Content-Type": "image/png"}


class PlainDetector(Detector):
    """Judges an image by its mean, once it may.

    Attributes:
        may: judge; not while it is cleared.
        begun: images that it has begun to judge, batch by batch.
    """

    size, channels = (8, 8), 3

    def __init__(self) -> None:
        self.may = threading.Event()
        self.may.set()
        self.begun: list[int] = []

    def score(self, images: Any) -> Any:
        raise NotImplementedError

    def deployable(self) -> Any:
        raise NotImplementedError

    def judge(self, images: Sequence[Pixels]) -> list[Judged]:
        self.begun.append(len(images))
        assert self.may.wait(30)
        if any(image.mean() > 250 for image in images):
            raise ValueError("white")
        found = [float(image.mean()) for image in images]
        return [
            Judged(
                float("nan") if score < 5 else score, np.full(image.shape[:2], score, np.float32)
            )
            for score, image in zip(found, images, strict=True)
        ]


def png(image: Pixels) -> bytes:
    """An RGB or grey image as a file."""
    stored = image if image.ndim == 2 else image[:, :, ::-1]
    return cv2.imencode(".png", stored)[1].tobytes()


def plain(value: int, shape: tuple[int, int] = (8, 8)) -> bytes:
    """A file of one grey."""
    return png(np.full((*shape, 3), value, np.uint8))


@contextlib.contextmanager
def serving(
    detector: Detector,
    decisions: Decisions | None = None,
    token: bytes | None = None,
    batch_size: int = 4,
    max_wait: float = 0.005,
    **limits: int,
) -> Iterator[httpx.Client]:
    """A client of a server of this process."""
    usual = {"max_bytes": 1 << 20, "max_pixels": 10_000, "images": 64, "memory": 1 << 28}
    service = Service(
        "the-run", detector, decisions, Limits(**{**usual, **limits}), batch_size, max_wait
    )
    opened = listen("127.0.0.1", 0, token)
    config = uvicorn.Config(
        make_app(service, token), log_config=None, lifespan="on", ws="none", access_log=False,
        timeout_graceful_shutdown=5,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([opened],))
    thread.start()
    try:
        with httpx.Client(base_url=url_of(opened), timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(20)
        opened.close()
    assert not thread.is_alive()
    assert not service.batcher.alive


def sentence_of(answer: httpx.Response, status: int) -> str:
    """The one sentence of a refusal."""
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert list(said) == ["detail"]
    assert said["detail"].endswith("."), said
    assert "\n" not in said["detail"]
    assert "Traceback" not in said["detail"]
    return said["detail"]
