"""From an image file in memory to an answer: decoded and drawn by a pool, judged in batches."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from fastapi import HTTPException

import nsa
from nsa.detectors.detector import Detector
from nsa.errors import InputError
from nsa.images.decode import Pixels, image_size, read_image
from nsa.images.load import worker_count
from nsa.images.source import ImageBytes
from nsa.runs.decisions import Decisions
from nsa.runs.serve.answers import Answer, values_of
from nsa.runs.serve.batcher import Batcher
from nsa.runs.serve.limits import BYTES_PER_PIXEL, Lease, Limits, Room
from nsa.runs.serve.metrics import UNDECIDED, Metrics


class Service:
    """A detector, and what stands around it while it is served.

    Args:
        model: name of the run.
        batch_size: most images to judge at once.
        max_wait: seconds that an image waits for others.
    """

    def __init__(
        self,
        model: str,
        detector: Detector,
        decisions: Decisions | None,
        limits: Limits,
        batch_size: int,
        max_wait: float,
    ) -> None:
        self.model, self.decisions, self.limits = model, decisions, limits
        self._detector = detector
        self.room = Room(limits)
        self.metrics = Metrics(model, nsa.__version__)
        self.batcher = Batcher(detector, batch_size, max_wait, self.metrics.batches.observe)
        self._pool = ThreadPoolExecutor(worker_count(), "nsa-images")
        self.metrics.watch(
            "nsa_queue_images", "Images that wait to be judged.", lambda: self.batcher.waiting
        )
        self.metrics.watch(
            "nsa_images_in_flight", "Images of requests being answered.", lambda: self.room.images
        )

    def close(self) -> None:
        """Finish what has begun, and end all threads."""
        self._pool.shutdown()
        self.batcher.close()

    async def answer(
        self, source: ImageBytes, lease: Lease, most_regions: int, picture: bool
    ) -> Answer:
        """Judge an image.

        Raises:
            HTTPException: it has too many pixels, or there is no room for them.
            InputError: it cannot be read or judged.
            DetectorError: the detector is damaged.
        """
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        image = await loop.run_in_executor(self._pool, self._read, source, lease)
        judged = await asyncio.wrap_future(self.batcher.submit(image))
        values = await loop.run_in_executor(
            self._pool, values_of, image, judged, self._detector, self.decisions, most_regions,
            picture,
        )  # fmt: skip
        self.metrics.images.labels(values["predicted"] or UNDECIDED).inc()
        seconds = time.perf_counter() - started
        return Answer(**values, name=source.name, model=self.model, seconds=seconds)

    def _read(self, source: ImageBytes, lease: Lease) -> Pixels:
        width, height = image_size(source)
        if width * height > self.limits.max_pixels:
            raise HTTPException(
                413,
                f"{source} has {width} x {height} px, more than the {self.limits.max_pixels:,} that"
                " the server takes; send it smaller or in parts.",
            )
        lease.take(memory=BYTES_PER_PIXEL * width * height)
        image = read_image(source, self._detector.channels, self._detector.levels)
        try:
            self._detector.check_shape(image.shape[:2])
        except InputError as error:
            raise InputError(f"{source} {error}") from error
        return image
