"""Run a detector over any number of images."""

from __future__ import annotations

import contextlib
import csv
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from nsa.detectors.detector import Detector
from nsa.errors import InputError
from nsa.folder import AnyRun
from nsa.images.files import find_all_images
from nsa.images.ignored import Ignored
from nsa.images.load import describe, worker_count
from nsa.report.overlay import outline, overlay
from nsa.runs.growing import GrowingTable, partial_name
from nsa.runs.ignoring import ignoring
from nsa.runs.judging import JudgedFile, judge_files
from nsa.runs.map_files import ENDINGS, NPY, map_ending, write_map
from nsa.runs.outputs import check_folder
from nsa.runs.working_point import ANOMALOUS, LABEL_COLUMNS, Labels, pixel_threshold
from nsa.system.console import console, counted
from nsa.system.files import make_folder, remove, write_atomically, write_csv
from nsa.system.interrupt import Interrupted

SCORES, UNREADABLE = "scores.csv", "unreadable.csv"
_TABLES = (SCORES, partial_name(Path(SCORES)).name, UNREADABLE)
_REASONS = ("path", "reason")
# Columns that name files.
_FILES = _PICTURE, _MAP, _MAP_SPREAD, _MASK = "picture", "map", "map_spread", "mask"
_SPREAD, _SHARE = "spread", "defect_share"
_ENDING = "_spread"  # of the stem of a file with the spread of a map
_MASK_ENDING = "_mask"
_LONGEST_STEM = 250  # bytes: with .tiff, what a file system takes


def predict(
    run: AnyRun,
    detector: Detector,
    inputs: list[Path],
    output: Path,
    *,
    fpr: float | None = None,
    mask_fpr: float | None = None,
    mask_share: float | None = None,
    save_maps: bool = False,
    save_spread: bool = False,
    map_format: str | None = None,
    overlays: bool = True,
    overwrite: bool = False,
    ignore: Path | None = None,
) -> int:
    """Score images and write ``scores.csv`` and one overlay each.

    Images stream through in groups: memory holds one group and a few images decoded ahead, however
    many there are. The lines of the CSV are ``path``, ``score``, of an ensemble the ``spread``
    between its members, with a rate ``p_value`` and ``label``, with a rate of pixels the
    ``defect_share`` of the image, and the names of the ``picture``, the ``map`` and, where they are
    saved, the ``map_spread`` and the ``mask`` of that image. A file that cannot be read is left
    out; when the others are done, ``unreadable.csv`` has every one with its reason.

    ``scores.csv`` is there when all is done. Until then, and after an interruption or a full disk,
    the lines of what is scored are in ``scores.partial.csv``, group by group.

    Args:
        run: the detector's run folder, which knows its calibration.
        inputs: image files and folders of images.
        output: folder to write to; new, or empty.
        fpr: also write a p-value and the label that follows from this false positive rate; None:
            the rate that the training was asked for, if any.
        mask_fpr: also write which pixels are defective, as PNG of 0 and 255, at the threshold above
            which at most this share of normal images has any pixel, and outline them in the
            pictures.
        mask_share: the same, at the threshold above which at most this share of a normal image's
            pixels is, on average.
        save_maps: also write each raw map (H, W).
        save_spread: also write the spread between an ensemble's members at each pixel, the same.
        map_format: of their files, ``npy`` (float32) or ``tiff16``, see
            :func:`nsa.runs.map_files.write_map`; None: ``npy``.
        overlays: write the pictures.
        overwrite: replace what an earlier call wrote into ``output``, and nothing else: each file
            when its successor is complete, and at the end what has no successor.
        ignore: what does not count beside what the run ignores, a mask for all images or a folder
            of masks, see :meth:`nsa.images.ignored.Ignored.open`.

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
    if map_format is not None and not (save_maps or save_spread):
        raise InputError("--map-format says how maps are written; add --save-maps.")
    ending = map_ending(map_format or NPY)
    fpr = detector.default_fpr if fpr is None else fpr
    labels = None if fpr is None else Labels(run.path, fpr)
    limit = pixel_threshold(run.path, mask_fpr, mask_share)
    paths = find_all_images(inputs)
    ignored = ignoring(detector, ignore, paths)
    endings = [_ENDING] * save_spread + [_MASK_ENDING] * (limit is not None)
    results = [
        _Result(
            path,
            f"{stem}.png" if overlays else "",
            f"{stem}{ending}" if save_maps else "",
            f"{stem}{_ENDING}{ending}" if save_spread else "",
            f"{stem}{_MASK_ENDING}.png" if limit is not None else "",
        )
        for path, stem in zip(paths, _unique_stems(paths, endings), strict=True)
    ]
    earlier = _results_in(output)
    planned = {*_TABLES, *(name for one in results for name in one.files)}
    read = [*paths, *run.path.iterdir(), *([] if ignore is None else [ignore])]
    check_folder(output, planned, earlier, read, overwrite=overwrite)
    make_folder(output)
    columns = (
        "path", "score", *((_SPREAD,) if detector.has_spread else ()),
        *(LABEL_COLUMNS if labels else ()), *((_SHARE,) if limit is not None else ()), _PICTURE,
        _MAP, *((_MAP_SPREAD,) if save_spread else ()), *((_MASK,) if limit is not None else ()),
    )  # fmt: skip
    with GrowingTable(output / SCORES, columns, overwrite=overwrite) as table:
        with _telling_what_is_kept(table):
            failures, anomalous = _judge(detector, results, labels, limit, table, ignored)
        table.finish()
    scored = [one for index, one in enumerate(results) if index not in failures]
    written = {SCORES, *(name for one in scored for name in one.files)}
    if failures:
        lines = [(paths[index], str(reason)) for index, reason in failures.items()]
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
        told = describe([*failures.values()], len(paths))
        raise InputError(f"{told} All are listed in {output / UNREADABLE}.")
    return table.lines


@dataclass(frozen=True)
class _Result:
    """An image and the names of its picture, map, map's spread and mask; empty: it gets none."""

    path: Path
    picture: str
    map: str
    map_spread: str
    mask: str

    @property
    def files(self) -> list[str]:
        named = (self.picture, self.map, self.map_spread, self.mask)
        return [name for name in named if name]


def _judge(
    detector: Detector,
    results: list[_Result],
    labels: Labels | None,
    limit: float | None,
    table: GrowingTable,
    ignored: Ignored | None = None,
) -> tuple[dict[int, InputError], int]:
    """Score images and write their lines, pictures, maps and masks.

    Args:
        limit: pixels above it are defective; None: nobody asks.

    Returns:
        Why which of them cannot be read, and how many of the others are anomalous.
    """
    low, high = detector.map_range
    failures: dict[int, InputError] = {}
    anomalous = 0

    def draw(file: JudgedFile) -> None:
        folder, result, judged = table.path.parent, results[file.number], file.judged
        defective = None if limit is None else judged.map > limit
        if result.picture:
            drawn = overlay(file.image, judged.map, high, low)
            if defective is not None:
                outline(drawn, defective)
            write_atomically(folder / result.picture, _png(drawn))
        if defective is not None:
            write_atomically(folder / result.mask, _png(defective.astype(np.uint8) * 255))
        for name, pixels in ((result.map, judged.map), (result.map_spread, judged.map_spread)):
            if name and pixels is not None:
                write_map(folder / name, pixels)

    paths = [result.path for result in results]
    with (
        ThreadPoolExecutor(worker_count()) as pool,
        contextlib.closing(
            judge_files(detector, paths, pool, failures, ignored=ignored)
        ) as judged_files,
    ):
        for group in judged_files:
            rows = []
            for number, _, judged in group:
                result = results[number]
                row: list[object] = [result.path, repr(judged.score)]
                if detector.has_spread:
                    row.append(repr(judged.spread))
                if labels is not None:
                    p_value, label = labels(judged.score)
                    row += [repr(p_value), label]
                    anomalous += label == ANOMALOUS
                if limit is not None:
                    row.append(repr(float(np.mean(judged.map > limit))))
                row += [result.picture, result.map]
                rows.append([*row, *(name for name in (result.map_spread, result.mask) if name)])
            table.add(rows)  # before the pictures, so that none is there without its line
            for future in [pool.submit(draw, one) for one in group]:
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
    ours = {
        name for name in named if name.endswith((".png", *ENDINGS.values())) and "/" not in name
    }
    return {table.name, *ours}


def _png(picture: npt.NDArray[np.uint8]) -> bytes:
    stored = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    encoded: npt.NDArray[np.uint8] = cv2.imencode(".png", stored)[1]
    return encoded.tobytes()


def _unique_stems(paths: list[Path], endings: Sequence[str] = ()) -> Iterator[str]:
    """A name for each image's results: its stem, with its folder where stems repeat.

    No two are the same for a file system that does not tell capitals from small letters, and none
    is too long for a file's name.

    Args:
        endings: with each of these behind it a name is a further one of the image, for which the
            same holds.
    """
    longest = max(endings, key=len, default="")
    stems = Counter(_folded(path.stem) for path in paths)
    taken: set[str] = set()
    for path in paths:
        alone = stems[_folded(path.stem)] == 1
        base = path.stem if alone else f"{path.resolve().parent.name}_{path.stem}"
        name, number = _cut(base, "", longest), 2
        while not taken.isdisjoint(every := {_folded(name + end) for end in ("", *endings)}):
            name, number = _cut(base, f"_{number}", longest), number + 1
        taken |= every
        yield name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _cut(name: str, ending: str, further: str) -> str:
    """The name with an ending, without as many characters before it as are too many with more."""
    while len(os.fsencode(name + ending + further)) > _LONGEST_STEM:
        name = name[:-1]
    return name + ending
