"""Run a detector over any number of images."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import numpy as np

from nsa.detectors.detector import Detector
from nsa.errors import InputError
from nsa.folder import AnyRun
from nsa.images.files import find_all_images
from nsa.images.ignored import Ignored
from nsa.images.load import describe, worker_count
from nsa.metrics.conformal import rate_text
from nsa.report.pixels import png
from nsa.report.review import ReviewPage
from nsa.runs.decisions import (
    ANOMALOUS,
    DECIDED,
    PREDICTED,
    Decisions,
    decided,
    pixel_threshold,
    say_undecided,
)
from nsa.runs.growing import GrowingTable
from nsa.runs.ignoring import ignoring
from nsa.runs.judging import JudgedFile, judge_files
from nsa.runs.located import Located, draw, locate
from nsa.runs.map_files import NPY, map_ending, write_map
from nsa.runs.outputs import check_folder
from nsa.runs.predict.results import (
    MAP,
    MAP_SPREAD,
    MASK,
    PICTURE,
    REASONS,
    SCORES,
    TABLES,
    UNREADABLE,
    Result,
    name_results,
    results_in,
)
from nsa.runs.regions import COCO, REGIONS, RegionTables
from nsa.runs.review import REVIEW, page_entry, start_page
from nsa.system.console import console, counted
from nsa.system.files import make_folder, remove, write_atomically, write_csv
from nsa.system.interrupt import Interrupted
from nsa.system.lock import FolderLock
from nsa.system.places import named

_SPREAD, _SHARE = "spread", "defect_share"


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
    review: bool = True,
    overwrite: bool = False,
    ignore: Path | None = None,
) -> int:
    """Score images and write ``scores.csv``, ``regions.csv`` and one overlay each.

    Images stream through in groups: memory holds one group and a few images decoded ahead, however
    many there are. The columns of the CSV are ``path``; ``predicted``, normal or anomalous, and
    ``score``, from 0 to 1, both empty where the run is not calibrated, see :class:`Decisions`;
    ``raw_score``, the detector's own, of an ensemble with the ``spread`` between its members;
    ``defect_share``, that of the image's pixels which are defective; and the names of the
    ``picture``, the ``map`` and, where they are saved, the ``map_spread`` and the ``mask``. A file
    that cannot be read is left out; when the others are done, ``unreadable.csv`` has every one with
    its reason. ``regions.csv`` and ``regions.json`` have the regions of every image, see
    :class:`nsa.runs.regions.RegionTables`.

    ``scores.csv`` is there when all is done. Until then, and after an interruption or a full disk,
    the lines of what is scored are in ``scores.partial.csv``, group by group.

    Args:
        run: the detector's run folder, which knows its calibration.
        inputs: image files and folders of images.
        output: folder to write to; new, or empty.
        fpr, mask_fpr, mask_share: see :meth:`Decisions.of`. With one of the latter two, which
            pixels are defective is also written as PNG of 0 and 255.
        save_maps: also write each raw map (H, W).
        save_spread: also write the spread between an ensemble's members at each pixel, the same.
        map_format: of their files, ``npy`` (float32) or ``tiff16``, see
            :func:`nsa.runs.map_files.write_map`; None: ``npy``.
        overlays: write the pictures.
        review: write ``review.html``, a page to look through the images with.
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
    decisions = Decisions.of(run.path, detector, fpr, mask_fpr, mask_share)
    masks = mask_fpr is not None or mask_share is not None
    paths = find_all_images(inputs)
    ignored = ignoring(detector, ignore, paths)
    results = name_results(
        paths, pictures=overlays, maps=ending if save_maps else None,
        spreads=ending if save_spread else None, masks=masks,
    )  # fmt: skip
    earlier = results_in(output)
    planned = {*TABLES, *(name for one in results for name in one.files)}
    read = [*paths, *run.path.iterdir(), *([] if ignore is None else [ignore])]
    check_folder(output, planned, earlier, read, overwrite=overwrite)
    make_folder(output)
    columns = (
        "path", *DECIDED, *((_SPREAD,) if detector.has_spread else ()), _SHARE, PICTURE,
        MAP, *((MAP_SPREAD,) if save_spread else ()), *((MASK,) if masks else ()),
    )  # fmt: skip
    page = start_page(run, detector, len(paths), decisions) if review else None
    with (
        FolderLock(output),
        GrowingTable(output / SCORES, columns, overwrite=overwrite) as table,
        RegionTables(output, overwrite=overwrite) as regions,
    ):
        job = _Job(detector, results, decisions, table, regions, page, ignored)
        with _telling_what_is_kept(table):
            job.judge()
            if not table.lines:  # what an earlier call wrote is worth more than nothing
                raise InputError(_told_of(job.failures, paths, output))
            if page is not None:
                page.write(output / REVIEW)
            regions.finish()
        table.finish()
        _tidy(job, results, earlier, output, has_page=page is not None)
    failures = job.failures
    if decisions is None:
        say_undecided(run.path)
    else:
        console.print(
            f"{counted(job.anomalous, 'image')} anomalous at a false positive rate of "
            f"{rate_text(decisions.fpr)}, set by "
            f"{counted(len(decisions.conformal.scores), 'normal image')}.",
            soft_wrap=True,
        )
    console.print(
        f"{counted(table.lines, 'image')} scored; results in {named(output)}.", soft_wrap=True
    )
    if failures:
        raise InputError(_told_of(failures, paths, output))
    return table.lines


def _told_of(failures: dict[int, InputError], paths: list[Path], output: Path) -> str:
    """List the images that cannot be read; what is said of them."""
    lines = [(paths[index], reason) for index, reason in failures.items()]
    write_csv(output / UNREADABLE, REASONS, lines)
    told = describe([*failures.values()], len(paths))
    return f"{told} All are listed in {output / UNREADABLE}."


def _tidy(
    job: _Job, results: list[Result], earlier: set[str], output: Path, *, has_page: bool
) -> None:
    """Remove what an earlier call wrote and this one did not."""
    scored = [one for index, one in enumerate(results) if index not in job.failures]
    written = {SCORES, REGIONS, COCO, *(name for one in scored for name in one.files)}
    written |= {REVIEW} if has_page else set()
    for name in earlier - written:
        remove(output / name)


class _Job:
    """Images that are judged, and what is written of each.

    Attributes:
        failures: why which of them cannot be read, by their places in ``results``.
        anomalous: how many of the others are anomalous.
    """

    def __init__(
        self,
        detector: Detector,
        results: list[Result],
        decisions: Decisions | None,
        table: GrowingTable,
        regions: RegionTables,
        page: ReviewPage | None,
        ignored: Ignored | None,
    ) -> None:
        self._detector, self._results, self._decisions = detector, results, decisions
        self._table, self._regions, self._page = table, regions, page
        self._ignored = ignored
        self.failures: dict[int, InputError] = {}
        self.anomalous = 0

    def judge(self) -> None:
        """Judge all of them, group by group."""
        paths = [result.path for result in self._results]
        with (
            ThreadPoolExecutor(worker_count()) as pool,
            contextlib.closing(
                judge_files(self._detector, paths, pool, self.failures, ignored=self._ignored)
            ) as judged_files,
        ):
            for group in judged_files:
                maps = [file.judged.map for file in group]
                located = list(pool.map(lambda one: locate(one, self._decisions), maps))
                first = self._table.lines + 1
                # Before the pictures, so that none is there without its line.
                self._table.add([self._row(*one) for one in zip(group, located, strict=True)])
                for line, file, one in zip(count(first), group, located):
                    self._regions.add(paths[file.number], line, one.regions)
                waiting = [
                    pool.submit(self._write, *one) for one in zip(group, located, strict=True)
                ]
                for future in waiting:
                    future.result()

    def _row(self, file: JudgedFile, located: Located) -> list[object]:
        """The line of an image in the table."""
        result, judged = self._results[file.number], file.judged
        said = decided(self._decisions, [judged.score])
        self.anomalous += said[PREDICTED][0] == ANOMALOUS
        row: list[object] = [result.path, *(said[name][0] for name in DECIDED)]
        if self._detector.has_spread:
            row.append(judged.spread)
        marked = pixel_threshold(self._decisions) is not None
        row += [float(located.mask.mean()) if marked else "", result.picture, result.map]
        return [*row, *(name for name in (result.map_spread, result.mask) if name)]

    def _write(self, file: JudgedFile, located: Located) -> None:
        """The picture, the maps and the mask of an image, and its place on the page."""
        folder, result, judged = self._table.path.parent, self._results[file.number], file.judged
        if result.picture:
            drawn = draw(file.image, judged.map, self._detector, located)
            write_atomically(folder / result.picture, png(drawn))
        if result.mask:
            write_atomically(folder / result.mask, png(located.mask.astype(np.uint8) * 255))
        for name, pixels in ((result.map, judged.map), (result.map_spread, judged.map_spread)):
            if name and pixels is not None:
                write_map(folder / name, pixels)
        if self._page is not None:
            entry = page_entry(
                result.path, judged.score, self._decisions, located.regions, picture=result.picture
            )
            self._page.add(entry, file.image, judged.map)


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
