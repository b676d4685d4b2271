"""The review page put together: thumbnails, scores and decisions in one file of HTML."""

from __future__ import annotations

import base64
import hashlib
import heapq
import html
import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nsa.errors import InputError
from nsa.report.overlay import COLOURS, OPACITY, OPAQUE_FROM
from nsa.report.review.pictures import Shown, Shrinker
from nsa.system.console import printable
from nsa.system.files import write_atomically

MOST_IMAGES = 2000  # on a page; more are neither looked through nor fit into its size
_MOST_REGIONS = 30  # of an image
_SCRIPTS = ("text", "model", "verdicts", "pictures", "gallery", "viewer", "charts", "panel", "main")


@dataclass(frozen=True)
class ReviewDecisions:
    """What the calibration of a run says, for a page that tries other thresholds.

    Attributes:
        fpr: the run's false positive rate.
        threshold: raw scores above it are anomalous.
        bounds: up to where the score of each normal image of the calibration is reached, as
            :class:`nsa.metrics.conformal.ConformalThreshold` has them.
    """

    fpr: float
    threshold: float
    bounds: Sequence[float] | npt.NDArray[np.float64]


@dataclass(frozen=True)
class ReviewEntry:
    """An image that was judged.

    Attributes:
        path: as in ``scores.csv``; what verdicts are kept under.
        raw_score: of the detector, finite.
        score: the score that is shown, from 0 to 1; None: the run is not calibrated.
        predicted: ``"normal"``, ``"anomalous"``, or nothing.
        truth: 1: the image is known to be anomalous; 0: normal; None: it is not known.
        defect: the name of its defect.
        regions: x, y, width and height of conspicuous boxes in px of the image, and the highest
            value of the map there; the highest comes first.
        picture: name of the full-size overlay relative to the page, with ``/``; empty: none.
    """

    path: str
    raw_score: float
    score: float | None = None
    predicted: str = ""
    truth: int | None = None
    defect: str | None = None
    regions: Sequence[tuple[int, int, int, int, float]] = ()
    picture: str = ""


@dataclass(order=True)
class _Kept:
    raw: float
    path: str
    entry: ReviewEntry = field(compare=False)
    shown: Shown = field(compare=False)


class ReviewPage:
    """A page that is filled image by image and then written; memory holds small pictures only.

    The page is one file that needs nothing else and no network. It sorts and filters the images,
    tries thresholds, and collects verdicts, which it gives as ``verdicts.csv`` with the columns
    ``path`` and ``verdict`` (``good`` or ``bad``). Of more than :data:`MOST_IMAGES` images it shows
    those with the highest raw scores, and counts the others; each of these adds some 25 bytes.

    Args:
        title: its heading.
        planned: how many images come, at most; the more, the smaller are their pictures.
        decisions: of the run's calibration; None: the run is not calibrated.
        map_range: the ends of the colour scale of maps, as of
            :attr:`nsa.detectors.Detector.map_range`.

    Raises:
        InputError: the ends of the scale are not in order.
    """

    def __init__(
        self,
        title: str,
        planned: int,
        decisions: ReviewDecisions | None,
        map_range: tuple[float, float],
    ) -> None:
        low, high = map_range
        if not low < high:
            raise InputError(f"map_range must be two ascending numbers, got {map_range!r}.")
        self._title = printable(title)
        self._decisions = decisions
        self._most = min(max(planned, 1), MOST_IMAGES)
        self._shrink = Shrinker(self._most, map_range)
        self._map_range = map_range
        self._kept: list[_Kept] = []  # a heap, the lowest first
        self._left: list[tuple[float, int | None]] = []  # raw score and truth of those left out
        self._lock = threading.Lock()

    def add(
        self,
        entry: ReviewEntry,
        image: npt.NDArray[np.uint8],
        anomaly_map: npt.NDArray[np.float32],
    ) -> None:
        """Add an image; from any thread, in any order, with the same page in the end.

        Args:
            entry: what is known of it.
            image: uint8 (H, W, C), with C in {1, 3}.
            anomaly_map: float32 (h, w), of any size; drawn over the whole image.
        """
        with self._lock:
            full = len(self._kept) == self._most
            if full and (entry.raw_score, entry.path) <= (self._kept[0].raw, self._kept[0].path):
                self._left.append((entry.raw_score, entry.truth))
                return
        kept = _Kept(entry.raw_score, entry.path, entry, self._shrink(image, anomaly_map))
        with self._lock:
            if len(self._kept) < self._most:
                heapq.heappush(self._kept, kept)
            else:
                out = heapq.heappushpop(self._kept, kept)
                self._left.append((out.raw, out.entry.truth))

    def write(self, path: Path) -> None:
        """Write the page.

        Raises:
            InputError: the file cannot be written; an earlier one is untouched.
        """
        kept = sorted(self._kept, key=_most_anomalous_first)
        script = "".join(_part(f"{name}.js") for name in _SCRIPTS)
        script = f'"use strict";\n(() => {{\n{script}}})();\n'
        style = _part("page.css")
        parts = {
            "policy": _policy(script, style),
            "title": html.escape(self._title),
            "style": style,
            "script": script,
            "data": _json(self._data(kept)),
        }
        # Before anything is put in, and in one pass, so that what is put in is not searched.
        head, tail = (
            re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], half).encode()
            for half in _part("page.html").split("{{pictures}}")
        )
        pieces = [head]
        for number, one in enumerate(kept):
            for kind, text in (("p", one.shown.picture), ("m", one.shown.map)):
                element = f'<script type="text/plain" id="{kind}{number}">{text}</script>\n'
                pieces.append(element.encode())
        write_atomically(path, b"".join([*pieces, tail]))

    def _data(self, kept: list[_Kept]) -> dict[str, Any]:
        decisions = self._decisions
        left = sorted(self._left, key=lambda one: (one[0], -1 if one[1] is None else one[1]))
        return {
            "id": _digest(kept),
            "title": self._title,
            "decisions": decisions
            and {
                "fpr": decisions.fpr,
                "threshold": decisions.threshold,
                "bounds": sorted(float(bound) for bound in decisions.bounds),
            },
            "heat": {
                "range": self._map_range,
                "colours": bytes(COLOURS.tobytes()).hex(),
                "opacity": OPACITY,
                "opaque": OPAQUE_FROM,
            },
            "left": {"raw": [raw for raw, _ in left], "truth": [truth for _, truth in left]},
            "entries": [_entry(one) for one in kept],
        }


def _most_anomalous_first(one: _Kept) -> tuple[float, float, str]:
    score = one.entry.score
    return (-np.inf if score is None else -score, -one.raw, one.path)


def _entry(one: _Kept) -> dict[str, Any]:
    entry = one.entry
    return {
        "path": entry.path,
        "raw": float(entry.raw_score),
        "score": entry.score,
        "predicted": entry.predicted,
        "truth": None if entry.truth is None else int(entry.truth),
        "defect": entry.defect,
        "regions": [[int(v) for v in box[:4]] + [float(box[4])] for box in entry.regions][
            :_MOST_REGIONS
        ],
        "picture": entry.picture,
        "size": one.shown.size,
        "small": one.shown.picture_size,
    }


def _digest(kept: list[_Kept]) -> str:
    """By what a browser knows the page again: its images and their scores."""
    named = json.dumps([(one.path, float(one.raw)) for one in kept])
    return hashlib.blake2b(named.encode(), digest_size=12).hexdigest()


def _json(values: dict[str, Any]) -> str:
    """JSON that ends no element: in HTML ``</script>`` would, wherever it stands."""
    text = json.dumps(values, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


def _policy(script: str, style: str) -> str:
    """What the page may do: run and look like itself, and show files beside it. No network."""

    def source(text: str) -> str:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        return f"'sha256-{digest}'"

    return (
        f"default-src 'none'; script-src {source(script)}; style-src {source(style)}; "
        "img-src data: 'self' file:; base-uri 'none'; form-action 'none'"
    )


def _part(name: str) -> str:
    """A file of this package."""
    return (files("nsa.report.review") / name).read_text(encoding="utf-8")
