"""What a command can be asked for: frozen dataclasses whose fields are its options.

An option lives in one place, its field: the name on the command line and in a YAML file, the type,
the help text, and the setting that it is short for. The command line makes its options from these
fields, see :mod:`nsa.cli.options`.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsa.errors import InputError, shown
from nsa.settings.fields import Checked, convert
from nsa.system.mirror import fetch
from nsa.system.places import as_path, named
from nsa.system.readers import read_yaml

if TYPE_CHECKING:
    from typing_extensions import Self

# Written by a run into its config.yaml, which is a valid options file itself.
STAMPS = ("format_version", "nsa_version")
_OPTION, _SECTION = "option", "section"  # keys of a field's metadata


@dataclass(frozen=True, kw_only=True)
class Option:
    """What is to be said of an option, apart from its name and type.

    Attributes:
        help: for ``--help``; ends in the default in brackets.
        flags: on the command line, where that is not the name with dashes.
        panel: heading that ``--help`` shows it under.
        low, high: bounds of a whole number.
        required: whether it must be given.
        parse: makes the value of what the command line or a YAML file says.
        null: what ``null`` in a YAML file means; None: as if the option was not given.
        section: the section of settings in which it stands for the field of its name.
    """

    help: str
    flags: tuple[str, ...] = ()
    panel: str | None = None
    low: int | None = None
    high: int | None = None
    required: bool = False
    parse: Callable[[Any], Any] | None = None
    null: Any = None
    section: str | None = None

    def check(self, name: str, value: Any) -> None:
        """Raise :class:`InputError` unless a value is within the bounds."""
        low, high = self.low, self.high
        if (low is not None and value < low) or (high is not None and value > high):
            raise InputError(f"{name} must be from {low} to {high}, got {shown(value)}.")


def option(help: str, *, default: Any = None, **more: Any) -> Any:
    """A field of a request that is an option; None means that it was not given.

    Args:
        help, more: see :class:`Option`.
    """
    about = Option(help=help, **more)
    if about.required:
        return field(metadata={_OPTION: about})
    return field(default=default, metadata={_OPTION: about})


def section() -> Any:
    """A field of a request that is a section of a YAML file: settings by name."""
    return field(default_factory=dict, metadata={_SECTION: True})


@dataclass(frozen=True, kw_only=True)
class Request(Checked):
    """What a command was asked for; options that were not given are None.

    Raises:
        InputError: a value has the wrong type or is out of range.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, one in self.options().items():
            if getattr(self, name) is not None:
                one.check(name, getattr(self, name))

    @classmethod
    def options(cls) -> dict[str, Option]:
        """The options by name, in the order in which they are declared."""
        found = dataclasses.fields(cls)
        return {one.name: one.metadata[_OPTION] for one in found if _OPTION in one.metadata}

    @classmethod
    def sections(cls) -> list[str]:
        """Names of the sections that a YAML file may have."""
        return [one.name for one in dataclasses.fields(cls) if _SECTION in one.metadata]

    @classmethod
    def read(cls, values: Mapping[str, Any], source: str = "") -> Self:
        """From values as a YAML file or the command line has them; names must be known.

        Args:
            source: the file, for messages.

        Raises:
            InputError: a value has the wrong type.
        """
        options = cls.options()
        read = {}
        for name, given in values.items():
            if name in cls.sections():
                if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
                    where = f" in {source}" if source else ""
                    raise InputError(f"{name!r}{where} must be a section of names and values.")
                read[name] = dict(given)
                continue
            value = options[name].null if given is None else given
            if value is not None:
                parse = options[name].parse
                read[name] = value if parse is None else parse(value)
        return cls(**read)

    def given(self) -> dict[str, Any]:
        """What was given, as plain values for YAML: :meth:`read` makes the same request of them."""
        values = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        return {
            name: _plain(value)
            for name, value in values.items()
            if value is not None and value != {}
        }

    def overrides(self, name: str) -> dict[str, Any]:
        """The settings of a section that were given, in it or by an option that is short for it."""
        found = dict(getattr(self, name))
        for short, one in self.options().items():
            value = getattr(self, short)
            if one.section == name and value is not None:
                found[short] = None if one.null is not None and value == one.null else value
        return found

    def replace(self, **changes: Any) -> Self:
        """A copy with some options changed."""
        return dataclasses.replace(self, **changes)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return named(value) if isinstance(value, Path) else value


def parse_names(text: str) -> tuple[str, ...]:
    """Names by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parse_seeds(text: str) -> tuple[int, ...]:
    """A number of seeds, or seeds by commas.

    Raises:
        InputError: it is neither, or a seed is named twice.
    """
    parts = parse_names(text)
    if not parts or not all(part.isdecimal() for part in parts):
        raise InputError(
            f"--seeds must be a number of seeds or a list by commas such as 0,1,2, got {text!r}."
        )
    numbers = tuple(int(part) for part in parts)
    if "," in text:
        twice = next((number for number in numbers if numbers.count(number) > 1), None)
        if twice is not None:
            raise InputError(f"--seeds: seed {twice} is named twice; name each once.")
        return numbers
    if not 1 <= numbers[0] <= 1000:
        raise InputError(f"--seeds must be 1 to 1000 seeds, got {numbers[0]}.")
    return tuple(range(numbers[0]))


CLUSTER = "auto, or HOST:PORT, of a Ray cluster that does the jobs. [default: this machine does]"
"""Help of the option ``--cluster``, which several commands have."""

NONE = "none"  # of an option whose setting may be None
LOGGERS = "tensorboard", "mlflow"


def parse_background(value: object) -> float | str:
    """What ``--background`` and a YAML file's ``background`` mean: a number, or ``"none"``.

    Raises:
        InputError: it is neither.
    """
    if isinstance(value, str) and value.lower() == NONE:
        return NONE
    with contextlib.suppress(InputError, ValueError):
        number: float = convert("", float(value) if isinstance(value, str) else value, float)
        return number
    raise InputError(f"--background must be a number from 0 to 255 or none, got {shown(value)}.")


NATIVE, WHOLE_CROP = "native", "whole"  # instead of the sides of images, and of crops
Sides = str | tuple[int, ...]  # such a word, one side for both, or height and width


def parse_sides(option: str, word: str) -> Callable[[object], Sides]:
    """What an option means that takes ``word``, one side, or two, as in ``768x1024``.

    In a YAML file two sides are a list. The result is checked where it is used.
    """

    def parse(value: object) -> Sides:
        if value == word:
            return word
        with contextlib.suppress(InputError, ValueError):
            if isinstance(value, str):
                value = [int(part) for part in value.lower().split("x")]
            sides: tuple[int, ...] = convert("", value, tuple[int, ...])
            if 1 <= len(sides) <= 2 and min(sides) >= 1:
                return sides
        raise InputError(
            f"{option} must be a number of pixels, height and width such as 768x1024, or {word}, "
            f"got {shown(value)}."
        )

    return parse


@dataclass(frozen=True, kw_only=True)
class TrainRequest(Request):
    """What every method's training can be asked for."""

    # What depends on the layouts and methods there are is said by nsa.detectors.registry.
    data_root: Path | None = option("Folder of categories, or one such category.")
    category: str | None = option(
        "Folder below --data-root; its name also chooses the preset, unless the layout is that of "
        "another data set. Several by commas, or all: each is trained by itself, into a folder of "
        "its own below --output."
    )
    normal_dir: tuple[Path, ...] | None = option(
        "Instead of --data-root: a plain folder of good images. May be given several times."
    )
    method: str | None = option("How anomalies are detected.")
    ignore: Path | None = option(
        "Mask of pixels that do not count, whatever is there: one that is white there, of all "
        "images, or a folder with a mask an image, named by the image's stem. It is kept with the "
        "run, and used wherever that is."
    )
    seed: int | None = option(
        "Fixes all that is drawn at random: initial weights, order, augmentation, anomalies, "
        "held-out images; --threads fixes the rounding too. [default: 0]"
    )
    holdout: float | None = option(
        "Share of the training images that is held out, to set thresholds by; with 0 images get no "
        "labels before nsa calibrate. [default: of 30 images or more a tenth, but from 19 to 200 "
        "and at most a third; of fewer none; nsa+gaussian: 0.2]"
    )
    fpr: float | None = option(
        "False positive rate at which images are called anomalous from then on. [default: the "
        "smallest that the held-out images can set, which is 1 of n + 1]"
    )
    device: str | None = option("auto, cpu or cuda. [default: auto]")
    precision: str | None = option(
        "bf16, fp32, or auto: bf16 where the hardware has it. [default: auto]"
    )
    threads: int | None = option(
        "Threads on the CPU, which decide how sums are rounded: the same number and seed give the "
        "same weights, bit for bit, on any number of cores of one kind (fewer cores than threads "
        "are slow), and a run goes on with its own. Without it a network's training of more than "
        "a minute tries how many are fastest, and again when other programs come or go; its sums "
        "are then rounded now so, now so, and its weights are never quite those of another run. "
        "On a GPU nothing fixes the rounding. [default: as many as there are cores for this "
        "process, or fewer where that is faster]",
        low=1,
        high=1024,
    )
    logger: tuple[str, ...] | None = option(
        f"What the training also reports to: {' or '.join(LOGGERS)} (pip install 'nsa[NAME]'), or "
        f"{NONE}. May be given several times; a run that goes on goes on with its own. It changes "
        "nothing in the results. [default: none]"
    )
    resume_from: Path | None = option(
        "Train the finished run in this folder further, into a new one, with its settings: a fifth "
        "of its epochs at 0.3 of its learning rate, or --epochs and --learning-rate; a Gaussian "
        "detector is fitted again. What it held out stays held out and calibrates anew."
    )
    verdicts: Path | None = option(
        "With --resume-from: table of the review page (path,verdict). Images judged good are "
        "trained on, too; those judged bad never are, but tell what the threshold finds."
    )
    output: Path | None = option("New folder for the results. [default: runs/<category>-<number>]")

    def __post_init__(self) -> None:
        super().__post_init__()
        names = self.logger or ()
        for name in names:
            if name not in (*LOGGERS, NONE):
                raise InputError(
                    f"--logger must be one of {', '.join((*LOGGERS, NONE))}, got {shown(name)}."
                )
        if NONE in names and len(names) > 1:
            raise InputError(f"--logger {NONE} goes with no other; leave it or the others out.")

    def held_out(self) -> dict[str, float]:
        """What was asked for about images that are held out, by name; part of overrides."""
        asked = {"holdout": self.holdout, "fpr": self.fpr}
        return {name: value for name, value in asked.items() if value is not None}

    def loggers(self) -> tuple[str, ...]:
        """Names of what the training also reports to."""
        return tuple(dict.fromkeys(name for name in self.logger or () if name != NONE))

    def absolute(self) -> Self:
        """The same with absolute paths of the images, so that files are named alike ever after."""
        folders, ignore = self.normal_dir, self.ignore
        single = {
            name: None if path is None else path.resolve()
            for name in ("data_root", "resume_from", "verdicts")
            for path in [getattr(self, name)]
        }
        return self.replace(
            **single,
            ignore=None if ignore is None else as_path(ignore).resolve(),
            normal_dir=None if folders is None else [folder.resolve() for folder in folders],
        )

    def places(self) -> dict[str, str | list[str] | None]:
        """Where the images lie, absolute, as a run folder keeps it."""
        given = self.absolute()
        root, folders = given.data_root, given.normal_dir
        ignore = {} if given.ignore is None else {"ignore": named(given.ignore)}
        return {
            "data_root": None if root is None else named(root),
            "normal_dir": None if folders is None else [named(folder) for folder in folders],
            **ignore,
        }


def read_options(path: Path) -> dict[str, Any]:
    """An options file without what a run stamps into it; names are not checked.

    Raises:
        InputError: the file is missing or is not YAML.
    """
    return {name: value for name, value in read_yaml(fetch(path)).items() if name not in STAMPS}
