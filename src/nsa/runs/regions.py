"""Where an image is anomalous: connected regions of its map, and their tables."""

from __future__ import annotations

import csv
import json
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from nsa.errors import InputError
from nsa.runs.growing import GrowingTable
from nsa.system.files import atomic_file

if TYPE_CHECKING:
    from typing_extensions import Self

REGIONS, COCO = "regions.csv", "regions.json"
USUAL_QUANTILE = 0.99
_STRIP = 1 << 20  # pixels that are summed up at a time, in float64


class Region(NamedTuple):
    """Connected pixels of a map above a threshold.

    Attributes:
        x, y: left column and top row of its box, in pixels from 0.
        width, height: of its box, in pixels.
        area: its pixels.
        share: of the image's pixels, in (0, 1].
        peak, mean: largest and mean value of the map in it, raw.
    """

    x: int
    y: int
    width: int
    height: int
    area: int
    share: float
    peak: float
    mean: float


COLUMNS = ("path", "region", *Region._fields)


def find_regions(
    anomaly_map: npt.NDArray[np.float32],
    threshold: float,
    ignored: npt.NDArray[np.bool_] | None = None,
) -> list[Region]:
    """The regions of a map above a threshold, those with the highest peak first.

    Pixels that touch at a side or a corner are of one region. NaN is above nothing.

    Args:
        anomaly_map: float32 (H, W).
        threshold: pixels above it are anomalous, compared in float32 as masks are.
        ignored: (H, W), True where a pixel is of no region, whatever its value.

    Returns:
        Regions of equal peaks are ordered by their boxes, from the top, then from the left.

    Raises:
        InputError: ``ignored`` has another shape than the map.
    """
    above = anomaly_map > threshold
    if ignored is not None:
        if ignored.shape != above.shape:
            raise InputError(
                f"ignored must have the shape of the map, {above.shape}, got {ignored.shape}."
            )
        above &= ~ignored
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(above.view(np.uint8), connectivity=8)
    peaks, sums = np.full(count, -np.inf, np.float32), np.zeros(count)
    rows = max(1, _STRIP // above.shape[1])
    for first in range(0, above.shape[0], rows):
        strip = slice(first, first + rows)
        inside = above[strip]
        of = np.asarray(labels[strip][inside], np.int32)
        values = anomaly_map[strip][inside]
        np.maximum.at(peaks, of, values)
        sums += np.bincount(of, values, count)
    x, y, width, height, area = boxes[1:].T  # 0 is what lies outside
    peaks, means = peaks[1:], sums[1:] / area
    order = np.lexsort((x, y, -peaks))
    columns = (x, y, width, height, area, area / above.size, peaks, means)
    return [*map(Region._make, zip(*(values[order].tolist() for values in columns), strict=True))]


def usual_threshold(anomaly_map: npt.NDArray[np.float32]) -> float:
    """The map's own 0.99 quantile, where nothing says which values are defective.

    In a map (H, W) whose largest value is that of a hundredth of its pixels, none is above it.
    """
    return float(np.quantile(anomaly_map, USUAL_QUANTILE))


class RegionTables:
    """``regions.csv`` and ``regions.json`` of images that stream by, each whole or not at all.

    Until :meth:`finish`, and after whatever ends the process, the lines are in
    ``regions.partial.csv``, as :class:`nsa.runs.growing.GrowingTable` keeps them. Memory holds no
    region.

    The lines of the CSV are :data:`COLUMNS`, the regions of an image numbered from 1. The JSON has
    the same regions as results of detection in COCO's format: ``image_id``, ``category_id`` 1,
    ``bbox`` (x, y, width, height) and the ``score``, the raw peak, and beyond what that asks for
    ``file_name``, ``area`` and ``region``.

    It is used by a ``with`` block, which leaves nothing of tables without a line.

    Args:
        folder: where they are written.
        overwrite: whether they may replace what an earlier call left unfinished.

    Attributes:
        partial: the file that grows.

    Raises:
        InputError: it cannot be written, or another process is at it.
    """

    def __init__(self, folder: Path, *, overwrite: bool = False) -> None:
        self._table = GrowingTable(folder / REGIONS, COLUMNS, overwrite=overwrite)
        self._coco = folder / COCO
        self._numbers = array("q")  # of the images that have regions
        self.partial = self._table.partial

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._table.__exit__()

    def add(self, path: Path | str, number: int, regions: Sequence[Region]) -> None:
        """Write the regions of an image; when this returns they outlast the process.

        Args:
            path: of the image, as ``scores.csv`` has it.
            number: its line in ``scores.csv``, from 1 below the heading: the ``image_id``.
            regions: see :func:`find_regions`; none: the image gets no line.

        Raises:
            InputError: the file cannot be written; no line is cut.
        """
        if regions:
            self._table.add((path, index, *one) for index, one in enumerate(regions, 1))
            self._numbers.append(number)

    def finish(self) -> None:
        """Give the tables their names, in place of earlier ones.

        Raises:
            InputError: they cannot be written; the lines stay where they are.
        """
        with atomic_file(self._coco) as file:
            file.write(b"[")
            separator = b"\n"
            for result in self._results():
                file.write(separator + json.dumps(result).encode())
                separator = b",\n"
            file.write(b"\n]\n")
        self._table.finish()

    def _results(self) -> Iterator[dict[str, Any]]:
        """What the JSON has, from the lines that were written."""
        numbers = iter(self._numbers)
        image = 0
        with self.partial.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            for line in csv.DictReader(file):
                x, y, width, height, area = (int(line[name]) for name in Region._fields[:5])
                region = int(line["region"])
                image = next(numbers) if region == 1 else image
                yield {
                    "image_id": image,
                    "file_name": line["path"],
                    "category_id": 1,
                    "bbox": [x, y, width, height],
                    "area": area,
                    "score": float(line["peak"]),
                    "region": region,
                }
