"""What a threshold finds of images that a person has judged bad."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nsa.detectors.detector import Detector
from nsa.errors import InputError
from nsa.images import Contents
from nsa.images.ignored import Ignored
from nsa.images.load import worker_count
from nsa.metrics.conformal import ConformalThreshold
from nsa.runs.decisions import Decisions
from nsa.runs.judging import judge_files
from nsa.runs.verdicts import Verdicts
from nsa.system.console import counted

_log = logging.getLogger("nsa")

Scores = npt.NDArray[np.float64]


def score_files(
    detector: Detector,
    paths: list[Path],
    contents: Contents | None = None,
    ignored: Ignored | None = None,
) -> Scores:
    """Raw scores, float64 (N,), of images, as ``nsa predict`` gives them.

    Args:
        contents: of these paths, to be filled with what the images hold.
        ignored: what does not count of them beside what the detector ignores.

    Raises:
        InputError: an image cannot be read or judged.
    """
    scores = np.zeros(len(paths))
    with ThreadPoolExecutor(worker_count()) as pool:
        for group in judge_files(detector, paths, pool, contents=contents, ignored=ignored):
            for file in group:
                scores[file.number] = file.judged.score
    return scores


def found_of_bad(scores: Scores, decisions: Decisions) -> dict[str, Any]:
    """What decisions come to on images that were judged bad, for ``metrics.json``.

    Args:
        scores: (N,), raw; at least one.

    Returns:
        ``images``, their number; ``found``, how many are above the ``threshold`` for ``fpr``, and
        ``tpr``, their share; ``fpr_for_most`` and ``fpr_for_all``, the smallest rates at which more
        than half and all are, None where none below 1 is enough.
    """
    return {
        "images": len(scores),
        "fpr": decisions.fpr,
        "threshold": decisions.threshold,
        "found": int((scores > decisions.threshold).sum()),
        "tpr": float((scores > decisions.threshold).mean()),
        "fpr_for_most": _rate_for(len(scores) // 2 + 1, scores, decisions.conformal),
        "fpr_for_all": _rate_for(len(scores), scores, decisions.conformal),
    }


def found_of_kept(
    run: Path, detector: Detector, decisions: Decisions, ignored: Ignored | None = None
) -> dict[str, Any] | None:
    """The same of the images that a run's training was told are bad; None: of none.

    Where they are gone the log says so.
    """
    try:
        bad = Verdicts.kept(run).bad
        if not bad:
            return None
        return found_of_bad(score_files(detector, bad, ignored=ignored), decisions)
    except InputError as error:
        _log.warning("What the threshold finds of the images judged bad is not known: %s", error)
        return None


def describe_found(found: dict[str, Any]) -> str:
    """What :func:`found_of_bad` gives, in a sentence."""
    count, above = found["images"], found["found"]
    text = (
        f"Of {counted(count, 'image')} judged bad {above} {'is' if above == 1 else 'are'} above "
        f"the threshold at a false positive rate of {100 * found['fpr']:.3g} %"
    )
    if above == count:
        return f"{text}."
    most, everything = found["fpr_for_most"], found["fpr_for_all"]
    further = []
    if above <= count // 2 and most is not None:
        further.append(f"most from {100 * most:.3g} % on")
    if everything is not None:
        further.append(f"all from {100 * everything:.3g} % on")
    else:
        further.append("not all of them at any rate")
    return f"{text}; {', '.join(further)}."


def _rate_for(count: int, scores: Scores, conformal: ConformalThreshold) -> float | None:
    """The smallest false positive rate at which so many of some images are anomalous."""
    rate = float(np.sort(conformal.p_value(scores))[count - 1])
    return rate if rate < 1 else None
