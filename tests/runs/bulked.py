"""What tests of bulk scoring share: a stand-in for a detector, and its tables read back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from watched import Brightness, make_run

from nsa.runs.bulk.predict import predict_bulk

CALIBRATION = [0.01 * number for number in range(1, 40)]


class Bulk:
    """A folder of images, and what is scored of it."""

    def __init__(self, root: Path, scores: Sequence[float] | None = CALIBRATION) -> None:
        self.images, self.output = root / "in", root / "out"
        self.images.mkdir(exist_ok=True)
        self.run = make_run(root / "run", scores)
        self.detector = Brightness()

    def score(self, *sources: object, **options: Any) -> int:
        """The images of the folder, or of other sources."""
        named = [str(one) for one in sources or [self.images]]
        return predict_bulk(self.run, self.detector, named, str(self.output), **options)

    def rows(self, folder: str = "scores") -> list[dict[str, Any]]:
        return rows_in(self.output / folder)

    def names(self, folder: str = "scores") -> list[str]:
        """Paths below the folder of images, sorted; one that is there twice is twice."""
        return sorted(
            str(Path(row["path"]).relative_to(self.images.resolve())) for row in self.rows(folder)
        )

    def parts(self, folder: str = "scores") -> list[Path]:
        return sorted((self.output / folder).glob("*.parquet"))


def rows_in(folder: Path) -> list[dict[str, Any]]:
    """All rows of a folder of Parquet files, as others read it."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return []
    found: list[dict[str, Any]] = pq.read_table(folder).to_pylist()
    return found
