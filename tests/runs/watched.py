"""What tests of watching share: a detector that needs no training, and a watch in a thread."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from torch import Tensor, nn

from nsa.detectors.detector import Detector, Judged, Scored
from nsa.images.stream import Pixels
from nsa.runs.calibrate import Calibration
from nsa.runs.watch import WatchOptions, watch
from nsa.system.interrupt import StopRequest

DEADLINE = 60.0  # seconds, on a busy machine; what is waited for takes one or two


class Brightness(Detector):
    """The brighter, the more anomalous: maps and scores from 0 to 1."""

    size, channels = (8, 8), 1
    before: Callable[[], None] = staticmethod(lambda: None)

    def score(self, images: Tensor) -> Scored:
        raise NotImplementedError

    def deployable(self) -> tuple[nn.Module, dict[str, str]]:
        raise NotImplementedError

    def judge(self, images: Sequence[Pixels]) -> list[Judged]:
        self.before()
        maps = [image[:, :, 0].astype(np.float32) / 255 for image in images]
        return [Judged(float(one.mean()), one) for one in maps]


def make_run(path: Path, scores: Sequence[float] | None = None, **settings: Any) -> Any:
    """A run folder, calibrated by some scores."""
    path.mkdir(parents=True, exist_ok=True)
    if scores is not None:
        paths = [f"{number}.png" for number in range(len(scores))]
        Calibration(paths, np.array(scores)).write(path)
    return SimpleNamespace(path=path, settings=SimpleNamespace(to_dict=lambda: settings))


def image_bytes(brightness: int, side: int = 8) -> bytes:
    """A grey PNG."""
    pixels = np.full((side, side), brightness, np.uint8)
    pixels[0, 0] = 255
    return cv2.imencode(".png", pixels)[1].tobytes()


def put(path: Path, brightness: int = 50) -> Path:
    """An image that is there as a whole at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}.part")
    hidden.write_bytes(image_bytes(brightness))
    return hidden.replace(path)


def options(**changes: Any) -> WatchOptions:
    usual = {
        "settle": 0.05, "tries": 2, "poll": False, "once": False, "overlays": False,
        "drift_level": 0.01,
    }  # fmt: skip
    return WatchOptions(**{**usual, **changes})


def wait_until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, "waited for in vain"
        time.sleep(0.01)


@contextlib.contextmanager
def logged() -> Iterator[list[str]]:
    """What the log says while the block lasts, whoever else listens."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    log, handler = logging.getLogger("nsa"), Handler()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        log.setLevel(level)
        log.removeHandler(handler)


class Watched:
    """A folder that is watched by a thread."""

    def __init__(self, root: Path) -> None:
        self.folder, self.output = root / "in", root / "out"
        self.folder.mkdir(exist_ok=True)
        self.run = make_run(root / "run", [0.01 * number for number in range(1, 40)])
        self.detector = Brightness()
        self.error: BaseException | None = None

    def judge(self, **changes: Any) -> int:
        """In this thread."""
        return watch(self.run, self.detector, self.folder, self.output, options(**changes))

    def lines(self, name: str = "scores.csv") -> list[dict[str, str]]:
        """What a table has that grows at this moment: whole lines."""
        path = self.output / name
        text = path.read_text() if path.is_file() else ""
        heading, *lines = [one.split(",") for one in text[: text.rfind("\n") + 1].splitlines()] or [
            []
        ]
        return [dict(zip(heading, line, strict=True)) for line in lines]

    def names(self, name: str = "scores.csv") -> list[str]:
        """Of all files in a table, from the folder on."""
        return [str(Path(line["path"]).relative_to(self.folder)) for line in self.lines(name)]

    @contextlib.contextmanager
    def going(self, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Iterator[None]:
        """Watch while the block lasts."""
        stop = threading.Event()
        made = property(lambda _: stop.is_set(), lambda *_: None)

        def work() -> None:
            try:
                self.judge(**changes)
            except BaseException as error:
                self.error = error

        thread = threading.Thread(target=work)
        with monkeypatch.context() as patched:
            patched.setattr(StopRequest, "made", made, raising=False)
            thread.start()
            try:
                # Status is written once the folder has been looked at, with events on.
                wait_until(lambda: (self.output / "status.json").exists() or not thread.is_alive())
                yield
            finally:
                stop.set()
                thread.join()
