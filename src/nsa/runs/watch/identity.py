"""Which run, folder and decision a folder of results belongs to: lines of two must not mix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nsa.errors import InputError
from nsa.folder import AnyRun
from nsa.runs.decisions import Decisions
from nsa.runs.identity import decision_values, weights_digest
from nsa.runs.outputs import check_folder
from nsa.system.files import write_atomically
from nsa.system.readers import read_json

IDENTITY = "watch.json"
_FORMAT = 1
_WHY = {
    "format": "of another version of nsa",
    "weights": "of another run, or of this one before it was trained again",
    "folder": "of another folder",
    "decision": "of another calibration or rate",
}


def identity_of(run: AnyRun, folder: Path, decisions: Decisions | None) -> dict[str, Any]:
    """What must be the same for results to be continued, as JSON has it.

    Args:
        folder: that is watched, resolved.
    """
    return {
        "format": _FORMAT,
        "weights": weights_digest(run),
        "folder": str(folder),
        "decision": decision_values(decisions),
    }


def check_output(output: Path, folder: Path, run: AnyRun) -> None:
    """Check that a watch may write into a folder: it is new or empty, or of an earlier watch.

    Raises:
        InputError: it holds something else, or lies in the folder that is watched.
    """
    if output.resolve().is_relative_to(folder):
        raise InputError(
            f"--output {output} lies in {folder}, which is watched, so its own pictures would be "
            "judged; choose another --output."
        )
    if not (output / IDENTITY).is_file():
        check_folder(output, (), (), run.path.iterdir(), overwrite=False)


def claim(output: Path, identity: dict[str, Any]) -> None:
    """Make a folder, which is locked, that of a watch, or check that it is this one's already.

    Raises:
        InputError: it is that of another.
    """
    path = output / IDENTITY
    if not path.is_file():
        write_atomically(path, json.dumps(identity, indent=2) + "\n")
        return
    there = read_json(path)
    for name, value in identity.items():
        if there.get(name) != value:
            raise InputError(f"The results in {output} are {_WHY[name]}; choose another --output.")
