"""Run a detector over any number of images."""

from __future__ import annotations

import contextlib
import csv
import os
import unicodedata
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from nsa.detectors.detector import Detector, Judged, Map, Scored, check_scores
from nsa.errors import InputError
from nsa.folder import AnyRun
from nsa.images import read_image
from nsa.images.files import find_all_images
from nsa.images.load import describe, worker_count
from nsa.images.stream import Pixels, groups, map_ahead
from nsa.report.overlay import overlay
from nsa.runs.growing import GrowingTable, partial_name
from nsa.runs.outputs import check_folder
from nsa.runs.working_point import ANOMALOUS, LABEL_COLUMNS, Labels
from nsa.system.console import console, counted
from nsa.system.files import atomic_file, make_folder, remove, write_atomically, write_csv
from nsa.system.interrupt import Interrupted

SCORES, UNREADABLE = "scores.csv", "unreadable.csv"
_TABLES = (SCORES, partial_name(Path(SCORES)).name, UNREADABLE)
_REASONS = ("path", "reason")
_FILES = _PICTURE, _MAP, _MAP_SPREAD = "picture", "map", "map_spread"  # columns that name files
_SPREAD = "spread"
_ENDING = "_spread"  # of the stem of a file with the spread of a map
_LONGEST_STEM = 251  # bytes: with .png, what a file system takes


def predict(
    run: AnyRun,
    detector: Detector,
    inputs: list[Path],
    output: Path,
    *,
    fpr: float | None = None,
    save_maps: bool = False,
    save_spread: bool = False,
    overlays: bool = True,
    overwrite: bool = False,
) -> int:
    """Score images and write ``scores.csv`` and one overlay each.

    Images stream through in groups: memory holds one group and a few images decoded ahead, however
    many there are. The lines of the CSV are ``path``, ``score``, of an ensemble the ``spread``
    between its members, with a rate ``p_value`` and ``label``, and the names of the ``picture``,
    the ``map`` and, where it is saved, the ``map_spread`` of that image. A file that cannot be
    read is left out; when the others are done, ``unreadable.csv`` has every one with its reason.

    ``scores.csv`` is there when all is done. Until then, and after an interruption or a full disk,
    the lines of what is scored are in ``scores.partial.csv``, group by group.

    Args:
        run: the detector's run folder, which knows its calibration.
        inputs: image files and folders of images.
        output: folder to write to; new, or empty.
        fpr: also write a p-value and the label that follows from this false positive rate; None:
            the rate that the training was asked for, if any.
        save_maps: also write each raw map, float32 (H, W), as NPY.
        save_spread: also write the spread between an ensemble's members at each pixel, the same.
        overlays: write the pictures.
        overwrite: replace what an earlier call wrote into ``output``, and nothing else: each file
            when its successor is complete, and at the end what has no successor.

    Returns:
        Number of images.

    Raises:
        InputError: files cannot be read (all others are done), an input or the output cannot be
            used, or the rate cannot be set by the run's calibration.
        Interrupted: Ctrl-C; the message says where the lines are.
    """
    if save_spread and not detector.has_spread:
        raise InputError(
            "--save-spread is how far the members of an ensemble disagree, and this is one detector"
            " alone; leave it out, or make an ensemble with nsa combine."
        )
    fpr = detector.default_fpr if fpr is None else fpr
    labels = None if fpr is None else Labels(run.path, fpr)
    paths = find_all_images(inputs)
    results = [
        _Result(
            path,
            f"{stem}.png" if overlays else "",
            f"{stem}.npy" if save_maps else "",
            f"{stem}{_ENDING}.npy" if save_spread else "",
        )
        for path, stem in zip(paths, _unique_stems(paths, _ENDING * save_spread), strict=True)
    ]
    earlier = _results_in(output)
    planned = {*_TABLES, *(name for one in results for name in one.files)}
    check_folder(output, planned, earlier, [*paths, *run.path.iterdir()], overwrite=overwrite)
    make_folder(output)
    columns = (
        "path", "score", *((_SPREAD,) if detector.has_spread else ()),
        *(LABEL_COLUMNS if labels else ()), _PICTURE, _MAP,
        *((_MAP_SPREAD,) if save_spread else ()),
    )  # fmt: skip
    with GrowingTable(output / SCORES, columns, overwrite=overwrite) as table:
        with _telling_what_is_kept(table):
            failures, anomalous = _judge(detector, results, labels, table)
        table.finish()
    lost = {one.path for one, _ in failures}
    written = {SCORES, *(name for one in results if one.path not in lost for name in one.files)}
    if failures:
        lines = [(one.path, str(reason)) for one, reason in failures]
        write_csv(output / UNREADABLE, _REASONS, lines)
        written.add(UNREADABLE)
    for name in earlier - written:
        remove(output / name)
    if fpr is not None:
        console.print(
            f"{counted(anomalous, 'image')} anomalous at a false positive rate of {fpr:g}."
        )
    console.print(f"{counted(table.lines, 'image')} scored; results in {output}.", soft_wrap=True)
    if failures:
        told = describe([reason for _, reason in failures], len(paths))
        raise InputError(f"{told} All are listed in {output / UNREADABLE}.")
    return table.lines


@dataclass(frozen=True)
class _Result:
    """An image and the names of its picture, map and map's spread; empty: it gets none."""

    path: Path
    picture: str
    map: str
    map_spread: str

    @property
    def files(self) -> list[str]:
        return [name for name in (self.picture, self.map, self.map_spread) if name]


def _judge(
    detector: Detector, results: list[_Result], labels: Labels | None, table: GrowingTable
) -> tuple[list[tuple[_Result, InputError]], int]:
    """Score images and write their lines, pictures and maps.

    Returns:
        Those that cannot be read, and how many of the others are anomalous.
    """
    low, high = detector.map_range
    waiting: deque[_Result] = deque()  # those that are read but not yet judged
    failures: list[tuple[_Result, InputError]] = []
    anomalous = 0
    threads = worker_count()

    def read(result: _Result) -> Pixels | InputError:
        try:
            return read_image(result.path, detector.channels, detector.levels)
        except InputError as error:
            return error

    def readable(images: Iterator[Pixels | InputError]) -> Iterator[Pixels]:
        for result, image in zip(results, images, strict=True):
            if isinstance(image, InputError):
                failures.append((result, image))
            else:
                waiting.append(result)
                yield image

    def draw(result: _Result, image: Pixels, judged: Judged) -> None:
        folder = table.path.parent
        if result.picture:
            drawn = overlay(image, judged.map, high, low)
            write_atomically(folder / result.picture, _png(drawn))
        for name, pixels in ((result.map, judged.map), (result.map_spread, judged.map_spread)):
            if name and pixels is not None:
                with atomic_file(folder / name) as file:
                    np.save(file, pixels)

    with (
        ThreadPoolExecutor(threads) as pool,
        contextlib.closing(map_ahead(read, results, pool, threads)) as images,
    ):
        for group in groups(readable(images)):
            rows, drawings = [], []
            for image, judged in zip(group, detector.judge(group), strict=True):
                result = waiting.popleft()
                check_scores(_scored(judged.score, judged.map), [result.path])
                row: list[object] = [result.path, repr(judged.score)]
                if detector.has_spread:
                    row.append(repr(judged.spread))
                if labels is not None:
                    p_value, label = labels(judged.score)
                    row += [repr(p_value), label]
                    anomalous += label == ANOMALOUS
                row += [result.picture, result.map]
                rows.append([*row, result.map_spread] if result.map_spread else row)
                drawings.append((result, image, judged))
            table.add(rows)  # before the pictures, so that none is there without its line
            for future in [pool.submit(draw, *one) for one in drawings]:
                future.result()
    return failures, anomalous


@contextlib.contextmanager
def _telling_what_is_kept(table: GrowingTable) -> Iterator[None]:
    """Say after an interruption or an error where the lines are."""
    try:
        yield
    except (KeyboardInterrupt, InputError) as stop:
        kept = "no image was scored"
        if table.lines:
            kept = f"the scores of {counted(table.lines, 'image')} are in {table.partial}"
            if table.path.exists():
                kept += f", and {table.path} is that of the earlier call"
        if isinstance(stop, KeyboardInterrupt):
            raise Interrupted(f"Interrupted; {kept}.") from None
        raise InputError(f"{str(stop).rstrip('.')}; {kept}.") from stop


def _results_in(folder: Path) -> set[str]:
    """Names of the files in a folder that an earlier call wrote there, as its tables say."""
    tables = [folder / name for name in _TABLES[:2]]
    found = {name for table in tables if table.is_file() for name in _named_by(table)}
    others, header = folder / UNREADABLE, ",".join(_REASONS).encode()
    if found and others.is_file() and others.read_bytes().startswith(header):
        found.add(UNREADABLE)
    return found


def _named_by(table: Path) -> set[str]:
    """The table and the files that it names; nothing, if it is none of ours.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with table.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            lines = csv.DictReader(file)
            if lines.fieldnames is None:  # empty, as a kill leaves it, with nothing to lose
                return {table.name}
            if not {_PICTURE, _MAP} <= set(lines.fieldnames or ()):
                return set()
            # Of a line that was cut by a kill they are None, or not whole.
            named = [line.get(column) or "" for line in lines for column in _FILES]
    except (OSError, csv.Error) as error:
        raise InputError(f"{table} cannot be read ({error}); choose another --output.") from error
    ours = {name for name in named if name.endswith((".png", ".npy")) and "/" not in name}
    return {table.name, *ours}


def _scored(score: float, anomaly_map: Map) -> Scored:
    scores = torch.tensor([score], dtype=torch.float64, device="cpu")
    return Scored(scores, torch.from_numpy(anomaly_map)[None])


def _png(picture: npt.NDArray[np.uint8]) -> bytes:
    encoded: npt.NDArray[np.uint8] = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[
        1
    ]
    return encoded.tobytes()


def _unique_stems(paths: list[Path], further: str = "") -> Iterator[str]:
    """A name for each image's results: its stem, with its folder where stems repeat.

    No two are the same for a file system that does not tell capitals from small letters, and none
    is too long for a file's name.

    Args:
        further: with this behind it each name is a second one of the image, for which the same
            holds; empty: there is none.
    """
    stems = Counter(_folded(path.stem) for path in paths)
    taken: set[str] = set()
    for path in paths:
        alone = stems[_folded(path.stem)] == 1
        base = path.stem if alone else f"{path.resolve().parent.name}_{path.stem}"
        name, number = _cut(base, "", further), 2
        while not taken.isdisjoint({_folded(name), _folded(name + further)}):
            name, number = _cut(base, f"_{number}", further), number + 1
        taken |= {_folded(name), _folded(name + further)}
        yield name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _cut(name: str, ending: str, further: str) -> str:
    """The name with an ending, without as many characters before it as are too many with more."""
    while len(os.fsencode(name + ending + further)) > _LONGEST_STEM:
        name = name[:-1]
    return name + ending
