"""What decides the results of a run: its weights and its decisions, as JSON has them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from nsa.errors import InputError
from nsa.folder import CONTENTS, HELD_OUT, AnyRun
from nsa.runs.decisions import Decisions

# Of a run, what its detector does not read.
_OTHER_FILES = (
    CONTENTS, HELD_OUT, "checkpoint.safetensors", "calibration_pixels.safetensors", "config.yaml",
)  # fmt: skip


def decision_values(decisions: Decisions | None) -> dict[str, Any] | None:
    """What says how images are decided, and by which calibration; None: nothing is decided."""
    if decisions is None:
        return None
    scores, limit = decisions.conformal.scores.tobytes(), decisions.pixels
    return {
        "calibration": hashlib.blake2b(scores, digest_size=16).hexdigest(),
        "fpr": decisions.fpr,
        "threshold": decisions.threshold,
        "pixels": None if limit is None else [limit.of, limit.rate, limit.threshold],
    }


def weights_digest(run: AnyRun) -> str:
    """Of the settings and the weights of a run, and of its members."""
    digest = hashlib.blake2b(digest_size=16)
    values = run.settings.to_dict()
    values.pop("recipe", None)  # earlier versions do not know it, and settings say all it decides
    digest.update(json.dumps(values, sort_keys=True, default=str).encode())
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
