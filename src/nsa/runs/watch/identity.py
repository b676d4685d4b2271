"""Which run, folder and decision a folder of results belongs to: lines of two must not mix."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from nsa.errors import InputError
from nsa.folder import CONTENTS, HELD_OUT, AnyRun
from nsa.runs.decisions import Decisions
from nsa.runs.outputs import check_folder
from nsa.system.files import write_atomically
from nsa.system.readers import read_json

IDENTITY = "watch.json"
_FORMAT = 1
# Of a run, what its detector does not read.
_OTHER_FILES = (
    CONTENTS, HELD_OUT, "checkpoint.safetensors", "calibration_pixels.safetensors", "config.yaml",
)  # fmt: skip
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
    decision = None
    if decisions is not None:
        scores = decisions.conformal.scores.tobytes()
        limit = decisions.pixels
        decision = {
            "calibration": hashlib.blake2b(scores, digest_size=16).hexdigest(),
            "fpr": decisions.fpr,
            "threshold": decisions.threshold,
            "pixels": None if limit is None else [limit.of, limit.rate, limit.threshold],
        }
    return {
        "format": _FORMAT, "weights": _digest(run), "folder": str(folder), "decision": decision,
    }  # fmt: skip


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


def _digest(run: AnyRun) -> str:
    """Of the settings and the weights of a run, and of its members."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps(run.settings.to_dict(), sort_keys=True, default=str).encode())
    for path in sorted(run.path.rglob("*")):
        if path.suffix in (".safetensors", ".yaml") and path.name not in _OTHER_FILES:
            digest.update(path.relative_to(run.path).as_posix().encode())
            try:
                with path.open("rb") as file:
                    while block := file.read(1 << 20):
                        digest.update(block)
            except OSError as error:
                raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    return digest.hexdigest()
