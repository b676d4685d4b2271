"""Train a finished run further, into a new run folder: what is checked before anything is written.

Images that were judged good are trained on besides the run's own, all of them: those that were
false alarms are the most anomalous normal images of many, so that held out they would set
thresholds too high. What calibrates the new run are the images that the first one held out, which
neither has seen. Whether thresholds hold for images like the false alarms is for other images to
say: judge some more, and ``nsa calibrate`` with them.

The new folder keeps all verdicts that it was trained with, those of the run before it too.
"""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsa.detectors.detector import Detector
from nsa.detectors.hidden import ignored_by
from nsa.detectors.method import AnyMethod, Fitting
from nsa.detectors.registry import find_method, method_of
from nsa.errors import InputError
from nsa.folder import MEMBERS, START, AnyRun
from nsa.images import Contents, Dataset, Sample, open_dataset
from nsa.images.contents import example
from nsa.images.load import load_contents
from nsa.runs.calibrate import FILE, Calibration
from nsa.runs.copies import kept_held_out, kept_training_contents
from nsa.runs.verdicts import Verdicts
from nsa.settings.options import TrainRequest
from nsa.system.console import as_argument, console, counted
from nsa.system.places import named
from nsa.training.distributed import Ranks

_log = logging.getLogger("nsa")


@dataclass(frozen=True)
class Begun:
    """A training that is checked, and not yet in a folder.

    Attributes:
        method: of the run.
        dataset: the images.
        fitting: what to do with them.
        verdicts: all that it knows of.
        places: see :class:`nsa.folder.Run`, and from which run and verdicts it comes, if any.
    """

    method: AnyMethod
    dataset: Dataset
    fitting: Fitting[Any]
    verdicts: Verdicts
    places: dict[str, Any]


def further_method(request: TrainRequest) -> AnyMethod:
    """The method of the run that is to be trained further.

    Raises:
        InputError: there is no run, or it is of another method than asked for.
    """
    assert request.resume_from is not None
    method = method_of(request.resume_from)
    if request.method is not None and find_method(request.method) is not method:
        raise InputError(
            f"--method {request.method} begins anew: {request.resume_from} holds a run of another "
            "method; leave one of them out."
        )
    return method


def begin_further(request: TrainRequest, ranks: Ranks, *, profile: bool = False) -> Begun:
    """Check what is asked for, with a finished run to go on from.

    Args:
        request: with absolute paths; of images only where they have moved.
        ranks, profile: see :func:`nsa.runs.train.train`.

    Raises:
        InputError: the run has not finished, its images are gone, an option contradicts it, or the
            verdicts cannot be used.
    """
    method, start = further_method(request), request.resume_from
    assert start is not None
    whole = start.parent.parent
    if start.parent.name == MEMBERS and (whole / "config.yaml").is_file():
        raise InputError(
            f"{start} is part of the run in {whole}, which holds images out of it; give "
            "--resume-from that."
        )
    run: AnyRun = method.open_run(start)
    detector = method.load(run, "cpu")  # says what an unfinished run lacks
    if request.data_root is not None or request.normal_dir is not None:
        run.places.update(request.places())
    if request.ignore is not None:  # a folder of masks that has moved
        run.places["ignore"] = named(request.ignore)
    try:
        dataset = open_dataset(
            run.places["data_root"], run.settings.category, run.places["normal_dir"]
        )
    except InputError as error:
        raise InputError(
            f"{str(error).rstrip('.')}: the images that {start} was trained on are needed to go "
            "on; if they have moved, say where with --data-root or --normal-dir."
        ) from error
    kept = Verdicts.kept(start)
    new = _new_verdicts(run, detector, request.verdicts)
    verdicts = new.after(kept)
    added = len(verdicts.good) - len(kept.good)
    fitting = method.further(run, request, added, ranks, profile=profile)
    _say_what_is_new(run, request, added, verdicts)
    dataset = dataset.ignoring(ignored_by(start, run.places.get("ignore")))
    dataset = dataclasses.replace(dataset, further=[Sample(path) for path in verdicts.good])
    places = {**run.places, "threads": request.threads or run.places["threads"]}
    places |= {**fitting.places(), START: named(start)}
    if request.logger is not None:
        places["logger"] = [*request.logger]
    if request.verdicts is not None:
        places["verdicts"] = named(request.verdicts)
    return Begun(method, dataset, fitting, verdicts, places)


def with_verdicts(run: Path, dataset: Dataset) -> Dataset:
    """The data set of a run that has begun, with the further images that it is trained on.

    Raises:
        InputError: one is gone, or the table of them is damaged.
    """
    further = [Sample(path) for path in Verdicts.kept(run).good]
    return dataclasses.replace(dataset, further=further)


def _new_verdicts(run: AnyRun, detector: Detector, source: Path | None) -> Verdicts:
    """The verdicts of a table, without good images that the run knows already.

    Raises:
        InputError: the table or an image cannot be used, verdicts contradict each other, or a
            normal image of the run is judged bad.
    """
    if source is None:
        return Verdicts([], [])
    verdicts = Verdicts.read(source)
    contents = load_contents(
        verdicts.paths, detector.channels, console.is_terminal, detector.levels
    )
    good, bad = verdicts.divide(contents)
    trained = kept_training_contents(run)
    known = set() if trained is None else set(trained.names())
    held = _held_out(run.path)
    _refuse_bad(bad, known | held, run.path, source)
    names, firsts = good.names(), good.firsts()
    new = [row for row, name in enumerate(names) if firsts[row] == row and name not in known | held]
    if len(new) < len(good):
        _log.info(
            "%d of the %s judged good are not trained on once more: %d were held out or trained "
            "on, the others are copies.",
            len(good) - len(new), counted(len(good), "image"),
            sum(name in known | held for name in names),
        )  # fmt: skip
    return Verdicts([verdicts.good[row] for row in new], verdicts.bad)


def _held_out(run: Path) -> set[str]:
    """Digests of the images that a run's training held out.

    Of older runs they are known as long as they calibrate the run.
    """
    held = kept_held_out(run)
    if held is not None:
        return set(held.names())
    if not (run / FILE).is_file():
        return set()
    calibration = Calibration.read(run)
    return set(calibration.contents or []) if calibration.by_training else set()


def _refuse_bad(bad: Contents, known: set[str], run: Path, source: Path) -> None:
    """Refuse verdicts that call images bad which the run takes for normal ones."""
    wrong = {row: row for row, name in enumerate(bad.names()) if name in known}
    if wrong:
        raise InputError(
            f"{source} judges {counted(len(wrong), 'image')} bad, {example(wrong, bad, bad)}, that "
            f"{run} was trained on, or held out, as normal; take such images away and train anew."
        )


def _say_what_is_new(run: AnyRun, request: TrainRequest, added: int, verdicts: Verdicts) -> None:
    """Say what is trained on, and what the new run will lack."""
    if request.verdicts is not None:
        _log.info(
            "Further training of %s: %s judged good and not known yet, of %d in all; %d judged bad "
            "only tell what the threshold finds.",
            run.path, counted(added, "image"), len(verdicts.good), len(verdicts.bad),
        )  # fmt: skip
    if (run.path / FILE).is_file() and not Calibration.read(run.path).by_training:
        _log.warning(
            "%s was calibrated with other images than its training held out; the new run is "
            "calibrated with those held out, if any, until nsa calibrate gets others: %s",
            run.path, f"nsa calibrate {as_argument(request.output or Path('RUN'))} FOLDER",
        )  # fmt: skip
