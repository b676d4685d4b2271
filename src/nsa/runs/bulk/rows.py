"""What the tables hold of a file, with its types; and what is known of one that was read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from nsa.detectors.detector import Judged
from nsa.images.stream import Pixels
from nsa.runs.bulk.files import File, name_of
from nsa.runs.bulk.keys import LENGTH, key_of
from nsa.runs.decisions import ANOMALOUS, Decisions, pixel_threshold
from nsa.runs.located import locate

PATH, KEY, PREDICTED, JUDGED_AT, REASON = "path", "key", "predicted", "judged_at", "reason"
_BOX = pa.struct([(name, pa.int32()) for name in ("x", "y", "width", "height")])
_REGION = pa.struct(
    [
        ("box", _BOX), ("area", pa.int64()), ("share", pa.float64()),
        ("peak", pa.float64()), ("mean", pa.float64()),
    ]
)  # fmt: skip
_FILE = [(PATH, pa.string()), ("size", pa.int64()), ("version", pa.string())]
SCORES = pa.schema(
    [
        *_FILE,
        ("sha256", pa.string()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        (PREDICTED, pa.string()),
        ("score", pa.float64()),
        ("raw_score", pa.float64()),
        ("spread", pa.float64()),
        ("defect_share", pa.float64()),
        ("regions", pa.list_(_REGION)),
        (JUDGED_AT, pa.timestamp("us", "UTC")),
        (KEY, pa.binary(LENGTH)),
    ]
)
UNREADABLE = pa.schema([*_FILE, (REASON, pa.string())])
# Of files as they are read, one after the other: a row of either table.
OUTCOMES = SCORES.append(pa.field(REASON, pa.string()))


class Opened(NamedTuple):
    """A file that was read.

    Attributes:
        file: which.
        sha256: of its content, in hexadecimal digits; empty: there is none.
        image: uint8 (H, W, channels); None: it cannot be judged.
        reason: why not, a sentence.
    """

    file: File
    sha256: str
    image: Pixels | None
    reason: str = ""

    @property
    def nbytes(self) -> int:
        return 0 if self.image is None else self.image.nbytes


def outcomes(
    opened: Sequence[Opened], judgements: Sequence[Judged], decisions: Decisions | None
) -> pa.Table:
    """The rows of files, as :data:`OUTCOMES`.

    Args:
        judgements: of those that have an image.
    """
    now, marked = datetime.now(timezone.utc), pixel_threshold(decisions) is not None
    left = iter(judgements)
    rows = [
        {**_of_file(one.file), REASON: _without_path(one.reason, one.file.place)}
        if one.image is None
        else _of_image(one, one.image, next(left), decisions, now, marked)
        for one in opened
    ]
    return pa.Table.from_pylist(rows, OUTCOMES)


def unreadable(place: str, reason: str) -> pa.Table:
    """The row of something that is no file, such as a folder, as :data:`OUTCOMES`."""
    return pa.Table.from_pylist([{PATH: name_of(place), REASON: reason}], OUTCOMES)


def anomalous_in(rows: pa.Table) -> int:
    """How many images of a table are called anomalous."""
    return pc.sum(pc.equal(rows[PREDICTED], ANOMALOUS)).as_py() or 0


def _without_path(reason: str, place: str) -> str:
    """A sentence that begins with a path, which has a column of its own."""
    for name in (place, name_of(place)):
        reason = reason.removeprefix(f"{name} ")
    return reason


def _of_file(file: File) -> dict[str, Any]:
    name, size, version = name_of(file.place), file.size, file.version
    return {
        PATH: name,
        "size": None if size < 0 else size,
        "version": version,
        KEY: key_of(name, size, version),
    }


def _of_image(
    opened: Opened,
    image: Pixels,
    judged: Judged,
    decisions: Decisions | None,
    now: datetime,
    marked: bool,
) -> dict[str, Any]:
    located = locate(judged.map, decisions)
    return {
        **_of_file(opened.file),
        "sha256": opened.sha256,
        "height": image.shape[0],
        "width": image.shape[1],
        PREDICTED: decisions and decisions.label(judged.score),
        "score": decisions and decisions.score(judged.score),
        "raw_score": judged.score,
        "spread": judged.spread,
        "defect_share": float(located.mask.mean()) if marked else None,
        "regions": [
            {
                "box": {"x": one.x, "y": one.y, "width": one.width, "height": one.height},
                "area": one.area, "share": one.share, "peak": one.peak, "mean": one.mean,
            }
            for one in located.regions
        ],
        JUDGED_AT: now,
    }  # fmt: skip
