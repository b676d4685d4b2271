"""The run folder: one training run, with everything needed to use, judge and continue it.

config.yaml             all settings; a valid ``--config`` file
model.safetensors       the trained weights of a network
metrics.json            scores as fractions, configuration, times, hardware, versions
scores.csv              one line per test image
log.csv                 mean loss and learning rate per epoch
loss.png, examples.png  pictures
synthesis.png           what a network is trained on
checkpoint.safetensors  only while the training is unfinished
calibration.csv         scores of held-out normal images, once there are any
calibration_pixels.safetensors  what pixel thresholds need of their maps
ignore.png              which pixels of all images do not count, if the training was told
calibration_ignore.png  the same of the calibration
training_images.safetensors  what the training images hold, so that copies of them are known
held_out_images.safetensors  the same of those that the training held out, whatever calibrates it
verdicts_used.csv       what a person has said of further images, where it was trained with that
tensorboard/            event files, with ``--logger tensorboard``
mlflow.json             which run of an MLflow store this is, with ``--logger mlflow``
onnxruntime.onnx        what judges by ONNX Runtime, once it was asked for; :mod:`nsa.graphs.kept`
members/                the runs that an ensemble is made of

A method may keep its detector in other files: gaussian.safetensors and gaussian.yaml, say.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

from nsa.errors import InputError, shown
from nsa.settings.fields import Checked, convert, from_dict, reading
from nsa.settings.options import TrainRequest
from nsa.system.console import as_argument
from nsa.system.files import check_utf8, make_folder, to_yaml, write_atomically
from nsa.system.lock import is_unused
from nsa.system.mirror import fetch
from nsa.system.places import as_path
from nsa.system.readers import read_json, read_yaml
from nsa.system.sending import begin, sending

if TYPE_CHECKING:
    from typing_extensions import Self

_log = logging.getLogger("nsa")

FORMAT_VERSION = 1
_CONFIG = "config.yaml"
CONTENTS = "training_images.safetensors"
HELD_OUT = "held_out_images.safetensors"
VERDICTS = "verdicts_used.csv"  # not as the review page calls it, which anybody may put there
MEMBERS = "members"  # folder of the runs that an ensemble is made of
IGNORED = "ignore.png"
SYNTHESIS = "synthesis.png"
CALIBRATED_IGNORED = "calibration_ignore.png"
# What a training writes before it has learnt anything.
_FIRST = (_CONFIG, CONTENTS, IGNORED, VERDICTS, SYNTHESIS)
START = "resume_from"
_PLACES = ("data_root", "normal_dir", "device", "precision", "threads")
_SELDOM = ("ignore", "logger")  # places that are said only where there are some


class AnySettings(Protocol):
    """What every method's settings have in common."""

    @property
    def category(self) -> str: ...

    def to_dict(self) -> dict[str, Any]: ...


SettingsT = TypeVar("SettingsT", bound=AnySettings)


@dataclass(frozen=True)
class Run(Generic[SettingsT]):
    """A run folder of any method, and the settings in its ``config.yaml``.

    Attributes:
        path: the folder.
        settings: what decides the outcome.
        places: ``data_root``, ``normal_dir``, ``device``, ``precision`` and ``threads`` of the
            training, and ``ignore`` and ``logger`` where they were asked for.
    """

    path: Path
    settings: SettingsT
    places: dict[str, Any]

    @classmethod
    def open(cls, path: Path, settings_of: Callable[[dict[str, Any]], SettingsT]) -> Self:
        """Open an existing run folder.

        Args:
            settings_of: makes the settings of the values in ``config.yaml``.

        Raises:
            InputError: it is no run folder, of a format this version does not know, or damaged.
        """
        values = read_config(path)
        try:
            settings = settings_of(values)
            places = {name: values.get(name) for name in _PLACES}
            places |= {name: values[name] for name in _SELDOM if name in values}
            TrainRequest.read(places)
        except InputError as error:
            raise InputError(f"{path / 'config.yaml'} is damaged: {error}") from error
        return cls(path, settings, places)

    def training_times(self) -> dict[str, float]:
        """What the run's own ``metrics.json`` says of the training; empty before there is one.

        Whoever asks writes that file anew: where it is damaged only the times are lost.
        """
        if not (self.path / "metrics.json").is_file():
            return {}
        try:
            times = Metrics.read(self.path).times
        except InputError as error:
            _log.warning("%s The times of the training are lost.", error)
            return {}
        return {name: value for name, value in times.items() if name != "evaluation_seconds"}


AnyRun: TypeAlias = Run[Any]


@dataclass(frozen=True, kw_only=True)
class Metrics(Checked):
    """What is read again of a run's ``metrics.json``.

    Attributes:
        image_auroc, pixel_auroc, au_pro, image_average_precision, image_f1_max,
        pixel_average_precision: fractions; None where the test set did not allow it.
        au_pro_05, pixel_f1_max, segmentation_f1: the same; None also in files of earlier versions,
            and the last where there was no threshold.
        times: of the training and its evaluation.
    """

    image_auroc: float | None
    pixel_auroc: float | None
    au_pro: float | None
    image_average_precision: float | None
    image_f1_max: float | None
    pixel_average_precision: float | None
    au_pro_05: float | None = None
    pixel_f1_max: float | None = None
    segmentation_f1: float | None = None
    times: dict[str, float]

    @classmethod
    def read(cls, run: Path) -> Metrics:
        """Those of a run folder.

        Raises:
            InputError: the file is missing or damaged.
        """
        path = run / "metrics.json"
        values = read_json(path)
        with reading(path, f"nsa evaluate {as_argument(run)} writes it again"):
            return from_dict(cls, {name: values[name] for name in cls.names() if name in values})

    @classmethod
    def names(cls) -> list[str]:
        """Of all fields."""
        return [field.name for field in dataclasses.fields(cls)]


def read_config(path: Path) -> dict[str, Any]:
    """The values in a run folder's ``config.yaml``.

    Raises:
        InputError: it is no run folder, or of a format this version does not know.
    """
    config = path / _CONFIG
    if not path.exists():
        raise InputError(f"{path} does not exist; name a run folder.")
    if not config.is_file():
        raise InputError(f"{path} is not a run folder: there is no config.yaml in it.")
    values = read_yaml(config)
    found = values.get("format_version")
    if found is None:
        raise InputError(f"{config} is damaged: it does not say its format_version.")
    if found != FORMAT_VERSION:
        raise InputError(
            f"{path} was written by nsa {values.get('nsa_version', 'of unknown version')} in "
            f"format {shown(found)}, but this nsa {_version()} reads format {FORMAT_VERSION}; "
            "install the version that wrote it."
        )
    return values


def started_from(path: Path) -> Path | None:
    """The run whose training the one in a folder continues; None: it began anew.

    Raises:
        InputError: it is no run folder, or damaged.
    """
    named = read_config(path).get(START)
    with reading(path / _CONFIG, "put back a copy of it"):
        return None if named is None else fetch(convert(START, named, Path))


def create_run(
    path: Path, settings: AnySettings, places: dict[str, Any], method: str | None = None
) -> None:
    """Begin a run in the folder ``path``, which is locked and else empty.

    Args:
        places: ``data_root``, ``normal_dir``, ``device``, ``precision`` and ``threads``.
        method: by which :mod:`nsa.detectors.registry` knows who opens it; None: the default.

    Raises:
        InputError: the folder is read-only or holds something already.
    """
    need_unused(path)
    stamps = {"format_version": FORMAT_VERSION, "nsa_version": _version()}
    named = {} if method is None else {"method": method}
    values = {**stamps, **places, **named, **settings.to_dict()}
    write_atomically(path / _CONFIG, to_yaml(values))


def need_unused(path: Path) -> None:
    """Check that a run can begin in a folder.

    Raises:
        InputError: it holds something already.
    """
    if (path / _CONFIG).exists():
        raise InputError(
            f"{path} already holds a run; choose another --output, or --resume "
            f"{as_argument(path)} to continue that run."
        )
    if not is_unused(path):
        raise InputError(f"The folder {path} is not empty; choose another --output.")


@contextlib.contextmanager
def changing(path: Path) -> Iterator[None]:
    """Send a run that a block changes to its URL, if it has one, when the block ends.

    Raises:
        InputError: the store cannot be reached or refuses.
    """
    later = f"nsa train --resume {as_argument(path)} sends them"
    with sending(path, ("metrics.json", _CONFIG), later):
        yield


def change_run(path: Path, changes: dict[str, Any]) -> None:
    """Note in a run folder what differs from now on, such as where its images lie.

    Args:
        changes: values of ``config.yaml`` by name.

    Raises:
        InputError: the folder cannot be written to.
    """
    before = read_config(path)
    after = {**before, **changes}
    if after != before:
        write_atomically(path / _CONFIG, to_yaml(after))


def need_begun(path: Path) -> None:
    """Check that a run that is to be continued had begun, and was not stopped right before.

    Raises:
        InputError: it had not.
    """
    if path.is_dir() and is_unused(path):
        raise InputError(
            f"No run has begun in {path}, or it was stopped before anything was written; start it "
            f"with --output {path} instead of --resume."
        )


@contextlib.contextmanager
def beginning(path: Path) -> Iterator[None]:
    """Remove the run of a folder if the block fails before there is more of it than its settings.

    Nothing is lost then, and the command that began it may be given again.
    """
    try:
        yield
    except BaseException:
        if is_unused(path, apart_from=_FIRST):
            with contextlib.suppress(OSError):  # what failed first is what counts
                for name in _FIRST:
                    (path / name).unlink(missing_ok=True)
        raise


def _version() -> str:
    from importlib.metadata import version  # not before: --help does without

    return version("nsa")


def make_output(path: Path | None, category: str) -> Path:
    """Create the folder of a new run; by default ``runs/<category>-<first free number>``.

    Raises:
        InputError: it cannot be created or written to.
    """
    # Or nothing could read what a long training has written.
    check_utf8(Path("runs") / category if path is None else path)
    if path is not None:
        begin(path)
        make_folder(path)
        return path
    make_folder(Path("runs"))
    number = 0
    while True:
        number += 1
        path = as_path(Path("runs") / f"{category}-{number:03d}")  # the category may be anything
        try:
            path.mkdir()  # and not what another process makes at this moment
        except FileExistsError:
            continue
        except OSError:
            make_folder(path)  # says why not
        return path
