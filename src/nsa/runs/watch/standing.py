"""How a watch goes, for a person at a terminal, a log, and other programs."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from statistics import median

from rich.console import Group
from rich.table import Table
from rich.text import Text

from nsa.metrics.drift import DriftAlarm
from nsa.runs.decisions import ANOMALOUS, NORMAL, Decisions
from nsa.runs.watch.results import Line
from nsa.system.console import console, counted, duration, printable
from nsa.system.files import write_atomically

_log = logging.getLogger("nsa")

STATUS = "status.json"
_MINUTE = 60.0  # seconds: over which the rate is taken, and between lines of the log
_BETWEEN_FILES = 1.0  # seconds between two of status.json; a minute where nothing has happened
_LATENCIES, _SHOWN = 100, 5  # the last images
UNCALIBRATED = "the run is not calibrated; nsa calibrate does that, with normal images"


@dataclass(frozen=True)
class Drifted:
    """The image that gave the alarm: its line in ``scores.csv``, its path, when it was judged."""

    image: int
    path: str
    time: str


class Standing:
    """Counts, rate, latency and drift of all that is judged into one folder.

    Args:
        folder: of the results.
        decisions: None: the run is not calibrated, so nothing is normal, and no drift is known.
        level: see :class:`nsa.metrics.drift.DriftAlarm`.

    Attributes:
        now: how many images this call has judged.
    """

    def __init__(self, folder: Path, decisions: Decisions | None, level: float) -> None:
        self._path = folder / STATUS
        self._drift: DriftAlarm | None = None
        if decisions is not None:
            self._drift = DriftAlarm(decisions.conformal.scores, decisions.threshold, level)
        self._drifted: Drifted | None = None
        self._labels: Counter[str] = Counter()
        self._ended: deque[float] = deque()  # when the images of the last minute were judged
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._last: deque[Line] = deque(maxlen=_SHOWN)
        self._begin = time.monotonic()
        self._live = False
        self._written = self._logged = float("-inf")
        self._logged_count = 0
        self._state: tuple[int, int, int] | None = None  # as it was written last
        self.now = self.waiting = self.unreadable = 0

    @property
    def judged(self) -> int:
        """How many images all calls have judged."""
        return self._labels.total()

    def begin(self) -> None:
        """What was told until here is of earlier calls."""
        self._live, self._begin, self._logged = True, time.monotonic(), time.monotonic()
        if self._drift is None:
            _log.warning(
                "Raw scores only, and drift is not watched for: %s.",
                UNCALIBRATED,
            )
        if self._drifted is not None:
            _log.warning("%s", self._alarm(self._drifted, "of an earlier call"))

    def tell(self, line: Line) -> None:
        """Count the next image that is judged."""
        self._labels[line.label] += 1
        if self._drift is not None and self._drift.add(line.raw):
            self._drifted = Drifted(self.judged, line.path, line.time)
            if self._live:
                _log.warning("%s", self._alarm(self._drifted, "now"))
        if self._live:
            if line.label == ANOMALOUS:
                _log.info("Anomalous: %s (raw score %.4g).", line.path, line.raw)
            self.now += 1
            self._ended.append(time.monotonic())
            self._last.append(line)

    def took(self, seconds: Iterable[float]) -> None:
        """Note how long new images took, from their appearance until their lines were written."""
        self._latencies.extend(seconds)

    def report(self, *, waiting: int, unreadable: int, ended: bool = False) -> None:
        """Write ``status.json`` and a line of the log, if it is time or the watch has ended."""
        self.waiting, self.unreadable = waiting, unreadable
        now = time.monotonic()
        state = (self.judged, waiting, unreadable)
        pause = _MINUTE if state == self._state else _BETWEEN_FILES
        if ended or now - self._written >= pause:
            self._written, self._state = now, state
            write_atomically(self._path, json.dumps(self._values(ended), indent=2) + "\n")
        due = now - self._logged >= _MINUTE and self.now > self._logged_count
        if due and not console.is_terminal:
            self._logged, self._logged_count = now, self.now
            _log.info("%s", self.summary())

    def summary(self) -> str:
        """In one line."""
        parts = [f"{counted(self.judged, 'image')} judged"]
        if self._drift is not None:
            share = f" ({100 * self._share:.1f} %)" if self.judged else ""
            parts.append(f"{self._labels[ANOMALOUS]} anomalous{share}")
        parts += [f"{self.unreadable} unreadable"] * bool(self.unreadable)
        parts.append(f"{self._rate():.1f} images/s in the last minute")
        if self._latencies:
            parts.append(f"{median(self._latencies):.1f} s from appearance to result")
        return f"{', '.join(parts)}; drift: {self._drift_in_words()}."

    def draw(self) -> Group:
        """For a terminal."""
        table = Table(title="Watching", title_justify="left", show_header=False)
        table.add_column()
        table.add_column(justify="right")
        if self._drift is None:
            table.add_row("judged", str(self.judged))
        else:
            table.add_row("normal", str(self._labels[NORMAL]))
            table.add_row("anomalous", f"{self._labels[ANOMALOUS]} ({100 * self._share:.1f} %)")
        table.add_row("unreadable", str(self.unreadable))
        table.add_row("waiting", str(self.waiting))
        table.add_row("images/s, last minute", f"{self._rate():.1f}")
        latency = f"{median(self._latencies):.1f} s" if self._latencies else "-"
        table.add_row("from appearance to result", latency)
        table.add_row("drift", Text(self._drift_in_words(), "bold red" if self._drifted else ""))
        table.add_row("for", duration(time.monotonic() - self._begin))
        lines = [
            Text(printable(f"{Path(one.path).name}: {one.label or 'judged'}, {one.raw:.4g}"),
                 "red" if one.label == ANOMALOUS else "dim", overflow="ellipsis", no_wrap=True)
            for one in self._last
        ]  # fmt: skip
        return Group(table, *lines)

    @property
    def _share(self) -> float:
        return self._labels[ANOMALOUS] / max(1, self.judged)

    def _rate(self) -> float:
        now = time.monotonic()
        while self._ended and now - self._ended[0] > _MINUTE:
            self._ended.popleft()
        return len(self._ended) / min(_MINUTE, max(now - self._begin, 1.0))

    def _drift_in_words(self) -> str:
        drift = self._drift
        if drift is None:
            return "not known"
        if self._drifted is not None:
            return f"ALARM at image {self._drifted.image}"
        distance = drift.distance
        return "none" if distance is None else f"none (distance {distance:.2f})"

    def _alarm(self, drifted: Drifted, when: str) -> str:
        assert self._drift is not None
        distance = self._drift.distance
        far = "" if distance is None else (
            f" The last of them lie {distance:.2f} from the calibration's (Kolmogorov-Smirnov, "
            "from 0 to 1)."
        )  # fmt: skip
        return (
            f"DRIFT ALARM {when}, at image {drifted.image} ({drifted.path}, {drifted.time}): the "
            "scores of images that are called normal have moved, by chance in "
            f"{100 * self._drift.level:g} % of all watches at most.{far} Look at camera, light and "
            "product; rates hold again after nsa calibrate with images of today."
        )

    def _values(self, ended: bool) -> dict[str, object]:
        drift, calibrated = self._drift, self._drift is not None
        values: dict[str, object] = {
            "state": "ended" if ended else "watching",
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "judged": self.judged,
            "normal": self._labels[NORMAL] if calibrated else None,
            "anomalous": self._labels[ANOMALOUS] if calibrated else None,
            "anomalous_share": self._share if calibrated and self.judged else None,
            "unreadable": self.unreadable,
            "waiting": self.waiting,
            "images_per_second": self._rate(),
            "latency_seconds": median(self._latencies) if self._latencies else None,
        }
        if drift is None:
            values["drift"] = {"known": False, "why": UNCALIBRATED}
            return values
        since = self._drifted
        values["drift"] = {
            "known": True,
            "alarm": since is not None,
            "image": None if since is None else since.image,
            "path": None if since is None else since.path,
            "time": None if since is None else since.time,
            "level": drift.level,
            "capital": drift.capital,
            "largest_capital": drift.largest,
            "normal_images": drift.count,
            "distance": drift.distance,
        }
        return values
