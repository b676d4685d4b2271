"""The loop of ``nsa watch``: notice, wait until complete, judge, write."""

from __future__ import annotations

import contextlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from nsa.detectors.detector import Detector
from nsa.errors import InputError
from nsa.folder import AnyRun
from nsa.images.files import is_named_image
from nsa.images.load import describe, worker_count
from nsa.runs.decisions import Decisions, pixel_threshold
from nsa.runs.judging import JudgedFile, judge_files
from nsa.runs.regions import REGIONS, USUAL_QUANTILE
from nsa.runs.watch.changes import Events, Version, scan, version_of
from nsa.runs.watch.identity import check_output, claim, identity_of
from nsa.runs.watch.pending import Pending, Waiting
from nsa.runs.watch.results import UNREADABLE, Results
from nsa.runs.watch.standing import Standing
from nsa.settings.fields import Checked
from nsa.system.console import LiveView, console, counted
from nsa.system.files import make_folder
from nsa.system.interrupt import Interrupted, StopRequest
from nsa.system.lock import FolderLock

_log = logging.getLogger("nsa")

_MOST = 64  # images that are judged between two looks at events and signals
_BATCH_SECONDS = 2.0  # for which they are judged at a time, about
_STEP = 0.5  # seconds: the longest wait, after which signals and the folder are looked at
# Seconds between two looks at the whole folder, and the share of all time that looking may take.
_WITH_EVENTS, _POLL = (10.0, 0.02), (1.0, 0.2)


@dataclass(frozen=True, kw_only=True)
class WatchOptions(Checked):
    """How a folder is watched.

    Attributes:
        settle: seconds for which a file must not change before it is judged, unless its writer has
            closed or renamed it.
        tries: how often a file is read before it counts as unreadable, ``settle`` seconds apart.
        poll: look into the folder every second; False: let the operating system tell.
        once: judge what is there, and end.
        overlays: write pictures.
        drift_level: probability of a false alarm of drift, ever.
    """

    settle: float
    tries: int
    poll: bool
    once: bool
    overlays: bool
    drift_level: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.settle < 0:
            raise InputError(f"--settle must not be negative, got {self.settle:g}.")
        if self.tries < 1:
            raise InputError(f"--tries must be at least 1, got {self.tries}.")
        if not 0 < self.drift_level < 1:
            raise InputError(f"--drift-level must be between 0 and 1, got {self.drift_level:g}.")


def watch(
    run: AnyRun,
    detector: Detector,
    folder: Path,
    output: Path,
    options: WatchOptions,
    *,
    fpr: float | None = None,
    mask_fpr: float | None = None,
    mask_share: float | None = None,
) -> int:
    """Judge the images of a folder and of those below it, and new ones as they appear.

    ``output`` is laid out as :mod:`nsa.runs.watch.results` says. Another call with the same folders
    goes on where this one has ended, however that was.

    Args:
        fpr, mask_fpr, mask_share: see :meth:`nsa.runs.decisions.Decisions.of`.

    Returns:
        How many images were judged: after ``once``, or after a signal.

    Raises:
        InputError: a folder or a rate cannot be used, the folder has vanished, results cannot be
            written, or, with ``once``, files cannot be read. What is judged stays.
        Interrupted: a second Ctrl-C, or one with ``once``.
    """
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise InputError(f"{folder}, which is to be watched, {what}; check the path.")
    folder = folder.resolve()
    check_output(output, folder, run)
    decisions = Decisions.of(run.path, detector, fpr, mask_fpr, mask_share)
    events = None if options.poll or options.once else Events(folder)
    make_folder(output)
    with FolderLock(output), StopRequest() as stop, contextlib.ExitStack() as stack:
        claim(output, identity_of(run, folder, decisions))
        standing = Standing(output, decisions, options.drift_level)
        results = stack.enter_context(
            Results(output, detector, decisions, standing.tell, overlays=options.overlays)
        )
        standing.begin()
        if pixel_threshold(decisions) is None:
            _log.info(
                "No threshold of pixels is known; %s has what lies above the %g quantile of each "
                "image's own map.", REGIONS, USUAL_QUANTILE,
            )  # fmt: skip
        pool = stack.enter_context(ThreadPoolExecutor(worker_count()))
        if events is not None:
            stack.enter_context(events)
        loop = _Loop(detector, folder, options, results, standing, events, pool)
        try:
            with LiveView(standing.draw) as view:
                loop.run(stop, view)
            loop.report(ended=True)
            if options.once and stop.made:
                raise KeyboardInterrupt
        except (KeyboardInterrupt, InputError) as end:
            said = f"{counted(standing.now, 'image')} judged, results in {output}"
            with contextlib.suppress(InputError):  # the disk is full, say, and that is said
                loop.report(ended=True)
            if isinstance(end, KeyboardInterrupt):
                raise Interrupted(f"Interrupted; {said}.") from None
            raise InputError(f"{str(end).rstrip('.')}; {said}.") from end
        console.print(standing.summary(), f"Results in {output}.", soft_wrap=True)
        if options.once and loop.failures:
            told = describe(loop.failures, standing.now + len(loop.failures))
            raise InputError(f"{told} All are listed in {output / UNREADABLE}.")
    return standing.now


class _Loop:
    """What happens again and again.

    Attributes:
        failures: why files that were new to this call cannot be read.
    """

    def __init__(
        self,
        detector: Detector,
        folder: Path,
        options: WatchOptions,
        results: Results,
        standing: Standing,
        events: Events | None,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._detector, self._folder, self._options = detector, folder, options
        self._results, self._standing = results, standing
        self._events, self._pool = events, pool
        self._pending = Pending(options.settle)
        self._place = _place(folder)
        self._batch = 4
        self._start = self._next_look = 0.0
        self.failures: list[InputError] = []

    def run(self, stop: StopRequest, view: LiveView) -> None:
        """Judge until a signal comes or, with ``once``, nothing is left.

        Raises:
            InputError: the folder has vanished, or results cannot be written.
        """
        self._look()
        _log.info(
            "%s in %s to be judged%s.", counted(len(self._pending), "image"), self._folder,
            "" if self._options.once else "; new ones as they appear, until Ctrl-C",
        )  # fmt: skip
        self._start = time.monotonic()
        wait = 0.0
        while not stop.made:
            self._note_changes(wait)
            batch = self._pending.take(self._batch)
            if batch:
                self._judge(batch)
            self.report()
            view.update()
            if _place(self._folder) != self._place or (self._events and self._events.folder_gone):
                raise InputError(
                    f"{self._folder}, which is watched, has vanished; give the command again when "
                    "it is back"
                )
            left = self._pending.seconds_left()
            if self._options.once and left is None:
                return
            if not self._options.once and time.monotonic() >= self._next_look:
                self._look()
            wait = 0.0 if batch else min(_STEP, _STEP if left is None else left)

    def report(self, *, ended: bool = False) -> None:
        """Tell how it goes."""
        waiting, unreadable = len(self._pending), len(self._results.unreadable)
        self._standing.report(waiting=waiting, unreadable=unreadable, ended=ended)

    def _look(self) -> None:
        """Note what is in the folder."""
        begin = time.monotonic()
        for path, version in scan(self._folder):
            self._notice(path, version)
        now = time.monotonic()
        usual, share = _POLL if self._events is None else _WITH_EVENTS
        self._next_look = now + max(usual, (now - begin) / share)

    def _note_changes(self, seconds: float) -> None:
        """Note what happens, for so long if nothing does."""
        if self._events is None:
            time.sleep(seconds)
            return
        for change in self._events.wait(seconds):
            if change.is_folder:
                for path, version in scan(change.path):
                    self._notice(path, version)
            elif is_named_image(change.path) and (found := version_of(change.path)) is not None:
                self._notice(change.path, found, changed=True, complete=change.complete)

    def _notice(
        self, path: Path, version: Version, *, changed: bool = False, complete: bool = False
    ) -> None:
        if not self._results.knows(path, version):
            self._pending.notice(path, version, changed=changed, complete=complete)

    def _judge(self, batch: list[Waiting]) -> None:
        """Judge files, and write what belongs to those that have not changed meanwhile."""
        begin = time.monotonic()
        failures: dict[int, InputError] = {}
        paths, again = [one.path for one in batch], []
        with contextlib.closing(judge_files(self._detector, paths, self._pool, failures)) as groups:
            for group in groups:
                done: list[tuple[JudgedFile, Waiting]] = []
                for file in group:
                    one = batch[file.number]
                    # A file that is gone was whole before it went.
                    same = version_of(one.path) in (None, one.version)
                    done += [(file, one)] * same
                    again += [one] * (not same)
                files = [(file, one.path, one.version) for file, one in done]
                self._results.write(files, self._pool)
                now = time.monotonic()
                new = [one.noticed for _, one in done if one.noticed > self._start]
                self._standing.took(now - noticed for noticed in new)
        self._pending.put_back(again)
        self._count(batch, failures)
        seconds = max(time.monotonic() - begin, 1e-3)
        self._batch = max(1, min(_MOST, round(_BATCH_SECONDS * len(batch) / seconds)))

    def _count(self, batch: list[Waiting], failures: dict[int, InputError]) -> None:
        """Let files wait again that cannot be read, unless they were tried often enough."""
        given_up = []
        for number, error in failures.items():
            one = batch[number]
            one.tries += 1
            if one.tries < self._options.tries or version_of(one.path) != one.version:
                self._pending.put_back([one])
            else:
                given_up.append((one.path, one.version, str(error)))
                self.failures.append(error)
                _log.warning("%s", error)
        if given_up:
            self._results.fail(given_up)


def _place(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another that takes its name; None: there is none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
