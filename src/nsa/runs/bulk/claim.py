"""``bulk.json``: what the rows of a folder are of, so that those of two runs never mix."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from nsa.detectors.detector import Detector
from nsa.errors import InputError
from nsa.folder import AnyRun
from nsa.runs.bulk.store import Store
from nsa.runs.decisions import Decisions
from nsa.runs.identity import decision_values, weights_digest
from nsa.runs.outputs import BULK
from nsa.runs.predict.results import GROWING
from nsa.system.readers import parse_json

_FORMAT = 1
_WHY = {
    "format": "of another version of nsa",
    "run": "of another run, or of this one before it was trained again",
    "decision": "of another calibration or --fpr",
    "ignored": "with another mask of what is ignored",
}


def claim_of(run: AnyRun, detector: Detector, decisions: Decisions | None) -> dict[str, Any]:
    """What must be the same for results to be continued, as JSON has it.

    Args:
        detector: that ignores what it is to ignore.
    """
    mask, ignored = None if detector.ignored is None else detector.ignored.one, None
    if mask is not None:
        content = repr(mask.shape).encode() + mask.tobytes()
        ignored = hashlib.blake2b(content, digest_size=16).hexdigest()
    return {
        "format": _FORMAT,
        "run": weights_digest(run),
        "decision": decision_values(decisions),
        "ignored": ignored,
    }


def check_claim(store: Store, claim: dict[str, Any], *, overwrite: bool) -> bool:
    """Check that results may be written: to a new or empty folder, or to one of earlier results.

    Args:
        overwrite: whether these may be of something else.

    Returns:
        Whether there are some.

    Raises:
        InputError: the folder holds something else.
    """
    text = store.text(BULK)
    if text is None:
        if store.is_empty():
            return False
        if store.text("config.yaml") is not None:  # a run has a scores.csv, too
            what = "is that of a run"
        elif any(store.text(name) is not None for name in GROWING):
            what = "holds results of nsa predict --format csv"
        elif overwrite:
            what = "holds no results that --overwrite could replace"
        else:
            what = "is not empty"
        raise InputError(f"The folder {store} {what}; choose another --output.")
    try:
        there = parse_json(text, f"{store}/{BULK}")
    except InputError as error:
        if overwrite:
            return True
        raise InputError(
            f"{str(error).rstrip('.')}; put back a copy of it, or give --overwrite, which judges "
            "all images again."
        ) from error
    differing = next((name for name in claim if there.get(name) != claim[name]), None)
    if differing is not None and not overwrite:
        raise InputError(
            f"The results in {store} are {_WHY[differing]}; choose another --output, or replace "
            "them with --overwrite."
        )
    return True


def write_claim(store: Store, claim: dict[str, Any]) -> None:
    """Say what a folder is.

    Raises:
        InputError: it cannot be written.
    """
    about = "Results of nsa predict --format parquet; scores/ and unreadable/ are tables."
    store.write(BULK, (json.dumps({"about": about, **claim}, indent=2) + "\n").encode())
