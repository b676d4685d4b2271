"""What one of many trainings is at, as its log says."""

from __future__ import annotations

import re
from pathlib import Path

from nsa.jobs.attempt import last_lines

_EVALUATES, _PREPARES = "evaluates", "prepares"
# How lines begin after which it is at something else; the last one in a log counts. What ended an
# earlier attempt is followed by the preparations of the next.
_LINES = (
    (re.compile(r"(epoch \d+/\d+, .*)"), None),
    (re.compile(r"(\d+ of \d+: .*)\."), None),  # a part of a compound method
    (re.compile(r"Trained in |Fitted in |The (training|fit) in .* is complete"), _EVALUATES),
    (re.compile(r"Continuing |Stopped |Interrupted|Error: "), _PREPARES),
)


def state_of(log: Path) -> str:
    """In a few words, such as ``"epoch 3/30, loss 0.0412"``, ``"prepares"`` or ``"evaluates"``."""
    for line in reversed(last_lines(log)):
        for pattern, state in _LINES:
            found = pattern.match(line)
            if found:
                return state or found[1]
    return _PREPARES
