"""Images of many requests, judged together by the one thread that has the detector."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

import torch

from nsa.detectors.detector import Detector, Judged, Scored, check_scores
from nsa.errors import InputError
from nsa.images.stream import Pixels, groups


class DetectorError(RuntimeError):
    """The detector fails, whatever the image; the message is one sentence."""


class _Job(NamedTuple):
    image: Pixels
    since: float
    done: Future[Judged]


class Batcher:
    """Collects images while others are judged, and for a moment more.

    An image is judged as soon as there are ``size`` of them or it has waited for ``wait`` seconds;
    while the detector is busy, it waits anyway. Images may have different shapes:
    :meth:`Detector.judge` brings them to one where it can.

    Args:
        size: most images to judge at once.
        wait: seconds.
        count: called with the number of images of each batch.
    """

    def __init__(
        self, detector: Detector, size: int, wait: float, count: Callable[[int], None]
    ) -> None:
        self._detector, self._size, self._wait, self._count = detector, size, wait, count
        self._waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="nsa-judge", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Images that nobody has begun to judge."""
        return self._waiting.qsize()

    @property
    def alive(self) -> bool:
        """Whether images are judged."""
        return self._thread.is_alive()

    def submit(self, image: Pixels) -> Future[Judged]:
        """Have an image judged, uint8 (H, W, channels); who cancels in time spares the work."""
        done: Future[Judged] = Future()
        self._waiting.put(_Job(image, time.monotonic(), done))
        return done

    def close(self) -> None:
        """Judge what waits, then end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        closing = False
        while not closing:
            jobs, closing = self._collect()
            jobs = [job for job in jobs if job.done.set_running_or_notify_cancel()]
            if jobs:
                self._count(len(jobs))
                self._judge(jobs)

    def _collect(self) -> tuple[list[_Job], bool]:
        """The next batch, and whether it is the last."""
        jobs: list[_Job] = []
        job = self._waiting.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) == self._size:
                return jobs, False
            left = jobs[0].since + self._wait - time.monotonic()
            try:
                job = self._waiting.get(timeout=max(0.0, left))
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _judge(self, jobs: Sequence[_Job]) -> None:
        try:
            found = judge(self._detector, [job.image for job in jobs])
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].done.set_exception(error)
            else:  # so that no image costs the answers of others
                for job in jobs:
                    self._judge([job])
            return
        for job, judged in zip(jobs, found, strict=True):
            job.done.set_result(judged)


def judge(detector: Detector, images: Sequence[Pixels]) -> list[Judged]:
    """Judge images of any shapes, in groups that fit into memory.

    Raises:
        DetectorError: a score or a map is not finite.
    """
    found = [one for group in groups(images) for one in detector.judge(group)]
    for one in found:
        score = torch.tensor([one.score], dtype=torch.float64, device="cpu")
        try:
            check_scores(Scored(score, torch.from_numpy(one.map)[None]), ["an image"])
        except InputError as error:
            raise DetectorError(str(error)) from error
    return found
