"""Score any number of images into Parquet files, and continue where an earlier call has ended."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from pathlib import Path

import nsa
from nsa.detectors.detector import Detector
from nsa.detectors.registry import TORCH
from nsa.errors import InputError
from nsa.folder import AnyRun
from nsa.metrics.conformal import rate_text
from nsa.runs.bulk.claim import check_claim, claim_of, write_claim
from nsa.runs.bulk.files import open_sources
from nsa.runs.bulk.here import judge_here
from nsa.runs.bulk.store import open_store
from nsa.runs.bulk.work import Judge, Work
from nsa.runs.decisions import Decisions, say_undecided
from nsa.runs.ignoring import ignoring
from nsa.system.console import console, counted
from nsa.system.urls import is_url


def predict_bulk(
    run: AnyRun,
    detector: Detector,
    sources: Sequence[str],
    output: str,
    *,
    cluster: str | None = None,
    device: str = "auto",
    engine: str = TORCH,
    fpr: float | None = None,
    ignore: Path | None = None,
    overwrite: bool = False,
) -> int:
    """Score the images of folders, with all that lie below them, of files and of URLs.

    ``output`` gets two tables in Parquet files: ``scores/``, a row an image
    (:data:`nsa.runs.bulk.rows.SCORES`), and ``unreadable/``, a row a file that cannot be read.
    Memory holds neither the files' names nor the rows, only 16 bytes for each row that is there.

    Another call with the same ``output`` and run judges the files that are new or changed and those
    that could not be read, whatever ended the one before. When it has ended, each file has one row,
    of its latest version. Rows of files that are gone and of other sources stay, so a table can be
    filled a folder at a time; each has its path.

    Args:
        run: the detector's run folder, which knows its calibration.
        sources: paths and URLs.
        output: a folder, or the URL of one: new, empty, or of an earlier call.
        cluster: address of the Ray cluster that judges; None: this process does.
        device, engine: of the detectors on the cluster, see :func:`nsa.load`.
        fpr: see :meth:`nsa.runs.decisions.Decisions.of`.
        ignore: a mask of what does not count of all images.
        overwrite: forget what earlier calls wrote there.

    Returns:
        How many images were scored.

    Raises:
        InputError: files cannot be read (all others are done), a source or the output cannot be
            used, or the rate cannot be set by the run's calibration.
        Interrupted: Ctrl-C; what was scored stays.
    """
    decisions = Decisions.of(run.path, detector, fpr)
    if ignoring(detector, ignore, ()) is not None:
        raise InputError(
            f"--format parquet takes one mask for all images, and --ignore {ignore} is a folder; "
            "name a mask."
        )
    opened, store = open_sources(sources), open_store(output)
    claim = claim_of(run, detector, decisions)
    check_claim(store, claim, overwrite=overwrite)
    about = {
        "nsa_version": nsa.__version__,
        "nsa_run": claim["run"],
        "nsa_fpr": None if decisions is None else decisions.fpr,
    }
    awaited = "the next images" if cluster is None else "the cluster"
    work = Work(store, opened, about, awaited)
    places = [Path(one.place) for one in opened if not is_url(one.place)]
    with contextlib.ExitStack() as stack:
        judge: Judge = functools.partial(judge_here, detector, decisions)
        if cluster is not None:
            from nsa.runs.bulk.cluster import Loading, cluster_judge

            judge = stack.enter_context(
                cluster_judge(
                    cluster, Loading(run.path, device, engine, detector.ignored), decisions, places
                )
            )
        stack.enter_context(store.lock())
        there = check_claim(store, claim, overwrite=overwrite)
        if overwrite:
            work.forget()
        if overwrite or not there:
            write_claim(store, claim)
        work.run(judge)
    standing = work.standing
    if decisions is None:
        say_undecided(run.path)
    else:
        new = f" ({standing.anomalous} of them new)" if work.rows > standing.judged else ""
        console.print(
            f"{work.anomalous} of {counted(work.rows, 'image')} anomalous{new} at a false positive "
            f"rate of {rate_text(decisions.fpr)}, set by "
            f"{counted(len(decisions.conformal.scores), 'normal image')}.",
            soft_wrap=True,
        )
    before = f", {standing.known} known from before" if standing.known else ""
    console.print(
        f"{counted(standing.judged, 'image')} scored{before}; results in {store}, "
        f"{counted(work.rows, 'row')} in the table.",
        soft_wrap=True,
    )
    if standing.unreadable:
        total = standing.known + standing.judged + standing.unreadable
        raise InputError(
            f"{standing.unreadable} of {counted(total, 'file')} cannot be read "
            f"({work.first_unreadable.rstrip('.')}); {store}/unreadable has all, and the "
            "same command tries them again."
        )
    return standing.judged
