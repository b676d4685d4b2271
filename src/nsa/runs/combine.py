"""Make one detector of several finished ones: ``nsa combine``.

The members' runs are copied below the new one, without their pictures, so that it needs no other
folder. Held-out normal images, which no member was trained on, standardise what each of them says.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsa.detectors.ensemble.fit import HeldOut, make_ensemble, standardise
from nsa.detectors.ensemble.folder import HELD_OUT, SCALES, EnsembleRun, Scales, open_run
from nsa.detectors.ensemble.settings import NAME, EnsembleSettings
from nsa.detectors.method import Fitted, Fitting
from nsa.errors import InputError
from nsa.folder import (
    CALIBRATED_IGNORED,
    CONTENTS,
    IGNORED,
    MEMBERS,
    beginning,
    create_run,
    make_output,
    read_config,
)
from nsa.folder import HELD_OUT as HELD_OUT_CONTENTS
from nsa.images import Contents, Dataset, open_dataset
from nsa.runs.calibrate import FILE as CALIBRATION
from nsa.runs.calibrate import PIXELS_FILE as PIXELS
from nsa.runs.members import Member, find_held_out, open_members
from nsa.runs.work import Trained, work
from nsa.system.console import as_argument
from nsa.system.device import choose_device, own_threads
from nsa.system.files import atomic_file, make_folder, need_space, remove
from nsa.system.interrupt import Interrupted
from nsa.system.lock import FolderLock, empty_folder, is_unused
from nsa.system.places import named

_log = logging.getLogger("nsa")

_KEPT = (".yaml", ".safetensors", ".csv", ".json")  # what a member's files end in, but pictures
_NOT_KEPT = ("trace.json", "checkpoint.safetensors")
# Of an ensemble, before the metrics.
_OURS = (
    "config.yaml", CONTENTS, IGNORED, HELD_OUT, SCALES, HELD_OUT_CONTENTS, PIXELS, CALIBRATION,
    "scores.csv", "examples.png",
)  # fmt: skip


def combine(
    runs: Sequence[Path], output: Path, normals: Sequence[Path] = (), device: str | None = None
) -> Trained:
    """Make one detector of the detectors of finished runs, then evaluate it.

    What a call left in ``output`` that was stopped is done again.

    Args:
        runs: two or more run folders of one product, whose images have one size.
        output: new run folder.
        normals: files and folders of held-out normal images; empty: those that the members were
            calibrated with.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        InputError: a run, the images or the output cannot be used.
        Interrupted: Ctrl-C.
    """
    where = choose_device(device or "auto")
    _check_output(output)
    members = open_members(runs, where.type)
    held = find_held_out(members, normals)
    settings = EnsembleSettings(
        category=next(iter(members.values())).run.settings.category,
        members={name: named(member.run.path.resolve()) for name, member in members.items()},
        normals=[named(path.resolve()) for path in normals],
    )
    places, dataset = _find_dataset(members, settings.category)
    fitting = _Combining(settings, members, held, where.type)
    places |= {"device": where.type, "precision": "fp32", "threads": own_threads(None, where.type)}
    folder = make_output(output, settings.category)
    with _interruptible(), FolderLock(folder):
        _clear(folder, settings)
        create_run(folder, settings, places)
        with beginning(folder):
            return work(open_run(folder), dataset, fitting, "Give the command again.")


class _Combining(Fitting[EnsembleRun]):
    """Members at hand, and the images to standardise them by."""

    def __init__(
        self, settings: EnsembleSettings, members: Mapping[str, Member], held: HeldOut, device: str
    ) -> None:
        self.settings, self.device, self.precision = settings, device, "fp32"
        self._members, self._held = members, held
        self._detectors = {name: member.detector for name, member in members.items()}
        first = next(iter(self._detectors.values()))
        self.test_size, self.channels, self.levels = first.size, first.channels, first.levels
        trained = [one.trained for one in members.values() if one.trained is not None]
        self.contents = Contents.joined(trained) if trained else None
        self._scales: list[Scales]
        self._scores: dict[str, npt.NDArray[np.float64]]

    def load(self, run: EnsembleRun, dataset: Dataset) -> None:  # noqa: ARG002
        """See :meth:`Fitting.load`; what may still fail does so before a member is copied."""
        self._scales, self._scores = standardise(self._detectors, self._held)
        files = [path for one in self._members.values() for path in _files(one.run.path)]
        need_space(run.path, sum(path.stat().st_size for path in files))

    def fit(self, run: EnsembleRun, dataset: Dataset) -> Fitted:  # noqa: ARG002
        """See :meth:`Fitting.fit`."""
        for name, member in self._members.items():
            _copy(member.run.path, run.path / MEMBERS / name)
        detector = make_ensemble(run, self._detectors, self._held, self._scales, self._scores)
        times = [one.run.training_times().get("training_seconds") for one in self._members.values()]
        known = [seconds for seconds in times if seconds is not None]
        held_out = self._held.contents, self._held.calibrate(detector)
        return Fitted(detector, {"training_seconds": sum(known)} if known else {}, held_out)


def _find_dataset(
    members: Mapping[str, Member], category: str
) -> tuple[dict[str, object], Dataset]:
    """The images of the product where a member still finds them, and how it names them."""
    for member in members.values():
        places = {name: member.run.places[name] for name in ("data_root", "normal_dir")}
        ignored = member.ignored
        if "ignore" in member.run.places:
            places["ignore"] = member.run.places["ignore"]
        with contextlib.suppress(InputError):
            dataset = open_dataset(places["data_root"], category, places["normal_dir"])
            return places, dataset.ignoring(ignored)
    _log.warning("The images that the members were trained with are gone: there is no test set.")
    return {"data_root": None, "normal_dir": None}, Dataset(category, [])


def _files(run: Path) -> Iterator[Path]:
    """What of a run folder becomes part of an ensemble."""
    for path in sorted(run.iterdir()):
        kept = path.suffix in _KEPT and path.name not in _NOT_KEPT
        kept = kept or path.name in (IGNORED, CALIBRATED_IGNORED)
        if kept and not path.name.startswith(".") and path.is_file():
            yield path


def _copy(run: Path, target: Path) -> None:
    """Copy a run without its pictures."""
    make_folder(target)
    for path in _files(run):
        try:
            source = path.open("rb")
        except OSError as error:
            raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
        with source, atomic_file(target / path.name) as file:
            shutil.copyfileobj(source, file, 1 << 20)


def _unfinished(folder: Path) -> bool:
    """Whether a folder holds an ensemble, and nothing else, that was stopped before its metrics."""
    if not (folder / "config.yaml").is_file():
        return False
    others = {
        entry.name for entry in folder.iterdir() if not entry.name.startswith(".")
    }.difference(_OURS, (MEMBERS,))
    return not others and read_config(folder).get("method") == NAME


def _check_output(folder: Path) -> None:
    """Refuse early what :func:`nsa.folder.create_run` would refuse after all the work."""
    if folder.is_dir() and not is_unused(folder) and not _unfinished(folder):
        what = "already holds a run" if (folder / "config.yaml").exists() else "is not empty"
        raise InputError(f"The folder {folder} {what}; choose another --output.")


def _clear(folder: Path, settings: EnsembleSettings) -> None:
    """Remove what a stopped call left.

    Raises:
        InputError: that is a detector already, of other runs or images.
    """
    if _unfinished(folder):
        begun = open_run(folder)
        if begun.is_combined and begun.settings != settings:
            raise InputError(
                f"{folder} holds an ensemble of other runs or images, which lacks its results "
                f"alone (nsa train --resume {as_argument(folder)}); choose another --output."
            )
        if (folder / MEMBERS).is_dir():
            empty_folder(folder / MEMBERS)
            (folder / MEMBERS).rmdir()
        for name in reversed(_OURS):
            remove(folder / name)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Say after an interruption how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("Interrupted; give the same command again.") from None
