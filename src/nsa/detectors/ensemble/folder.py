"""The run folder of an ensemble: its members below it, and how each is standardised.

members/01-nsa/, ...  the members' runs without their pictures
ensemble.yaml         how each member is standardised; written when all else is there
held_out.csv          the normal images that did it: path, digest, and the score of every member
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from nsa.detectors.ensemble.settings import EnsembleSettings
from nsa.detectors.ensemble.standard import Standard
from nsa.errors import InputError, shown
from nsa.folder import MEMBERS, Run
from nsa.images import Contents
from nsa.settings.fields import Checked, from_dict, reading, to_dict
from nsa.system.files import to_yaml, write_atomically, write_csv
from nsa.system.readers import read_csv, read_yaml

HELD_OUT = "held_out.csv"
SCALES = "ensemble.yaml"
_FORMAT = 1


class EnsembleRun(Run[EnsembleSettings]):
    """A run that combines finished ones."""

    @property
    def is_combined(self) -> bool:
        """Whether there is a detector."""
        return is_combined(self.path)


def is_combined(path: Path) -> bool:
    """Whether the members of a run are standardised, which is the last thing that it takes."""
    return (path / SCALES).is_file()


def open_run(path: Path) -> EnsembleRun:
    """Open an existing run folder.

    Raises:
        InputError: it is no run folder of this method, or of a format this version does not know.
    """
    return EnsembleRun.open(path, EnsembleSettings.from_dict)


@dataclass(frozen=True, kw_only=True)
class Scales(Checked):
    """By what a member's scores and maps are standardised.

    Attributes:
        name: of the member and of its folder.
        scores, maps: see :mod:`nsa.detectors.ensemble.standard`.
    """

    name: str
    scores: Standard
    maps: Standard


def write_scales(run: Path, scales: Sequence[Scales]) -> None:
    """Write :data:`SCALES`.

    Raises:
        InputError: it cannot be written.
    """
    values = [to_dict(one) for one in scales]
    write_atomically(run / SCALES, to_yaml({"format": _FORMAT, "members": values}))


def read_scales(run: Path) -> list[Scales]:
    """What :func:`write_scales` wrote, of at least two members.

    Raises:
        InputError: it is gone, damaged or of another version.
    """
    path = run / SCALES
    values = read_yaml(path)
    found = values.get("format")
    if found != _FORMAT:
        raise InputError(
            f"{path} has the format {shown(found)}, but this version of nsa reads {_FORMAT}; "
            "combine the runs again."
        )
    with reading(path, "combine the runs again"):
        listed = values.get("members")
        if not isinstance(listed, list) or len(listed) < 2:
            raise InputError("it names less than two members.")
        return [_member(one) for one in listed]


def check_members(run: Path, names: Sequence[str]) -> None:
    """Check that :data:`SCALES` names the runs that lie below a run, each once.

    Raises:
        InputError: it does not.
    """
    folder = run / MEMBERS
    there = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    if sorted(names) != there:
        raise InputError(
            f"{run / SCALES} names the members {', '.join(names)}, but in {folder} there is "
            f"{', '.join(there) or 'nothing'}; put back what is gone, or combine the runs again."
        )


def _member(values: Any) -> Scales:
    if not isinstance(values, dict):
        raise InputError(f"a member is {shown(values)}.")
    standards = {
        name: from_dict(Standard, values[name]) for name in ("scores", "maps") if name in values
    }
    return from_dict(Scales, {**values, **standards})


def write_held_out(run: Path, contents: Contents, scores: dict[str, npt.NDArray[Any]]) -> None:
    """Write :data:`HELD_OUT`.

    Args:
        contents: of n held-out images.
        scores: (n,) of each member, by its name.

    Raises:
        InputError: it cannot be written.
    """
    columns = {name: values.tolist() for name, values in scores.items()}
    lines = zip(contents.paths, contents.names(), *columns.values(), strict=True)
    write_csv(run / HELD_OUT, ("path", "content", *columns), lines)


def held_out_contents(run: Path) -> list[str]:
    """The digests of the images that :data:`HELD_OUT` names.

    Raises:
        InputError: it is gone or damaged.
    """
    return [row["content"] for row in read_csv(run / HELD_OUT, ("path", "content"))]
