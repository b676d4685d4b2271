"""Files that have appeared or changed, and wait until they are complete."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from nsa.runs.watch.changes import Version, version_of


@dataclass
class Waiting:
    """A file that is to be judged.

    Attributes:
        path: of the file.
        version: as it was seen last.
        noticed: when it was noticed first, by the clock of its :class:`Pending`.
        since: when it was last seen to change, or tried in vain.
        complete: whether its writer has closed or renamed it since.
        tries: how often this version could not be read.
    """

    path: Path
    version: Version
    noticed: float
    since: float
    complete: bool = False
    tries: int = 0


class Pending:
    """Files in the order in which they were noticed.

    Args:
        settle: seconds for which a file must not change before it is judged, unless its writer has
            closed or renamed it.
        clock: seconds that only grow.
    """

    def __init__(self, settle: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._settle, self._clock = settle, clock
        self._files: dict[Path, Waiting] = {}

    def __len__(self) -> int:
        return len(self._files)

    def notice(
        self, path: Path, version: Version, *, changed: bool = False, complete: bool = False
    ) -> None:
        """Let a file wait.

        Args:
            version: as it is now.
            changed: whether it was changed just now, even if its version does not tell.
            complete: see :class:`Waiting`.
        """
        now = self._clock()
        one = self._files.setdefault(path, Waiting(path, version, now, now))
        # After it was closed some systems tell of new permissions as of a change.
        if one.version != version or (changed and not one.complete):
            self._begin_again(one, version)
        one.complete |= complete

    def take(self, most: int) -> list[Waiting]:
        """Files that are complete; they no longer wait. Those that are gone do not, either."""
        now, taken, gone = self._clock(), list[Waiting](), list[Waiting]()
        for one in self._files.values():
            if len(taken) == most:
                break
            if self._due(one) > now:
                continue
            version = version_of(one.path)
            if version is None:
                gone.append(one)
            elif version != one.version:
                self._begin_again(one, version)
            else:
                taken.append(one)
        for one in (*taken, *gone):
            del self._files[one.path]
        return taken

    def put_back(self, ones: Iterable[Waiting]) -> None:
        """Let files wait that were taken, to be judged another time: those that are there."""
        for one in ones:
            version = version_of(one.path)
            if version is None or one.path in self._files:
                continue
            one.since, one.complete = self._clock(), False
            if version != one.version:
                self._begin_again(one, version)
            self._files[one.path] = one

    def seconds_left(self) -> float | None:
        """Until the next file may be complete; None: none waits."""
        if not self._files:
            return None
        return max(0.0, min(map(self._due, self._files.values())) - self._clock())

    def _due(self, one: Waiting) -> float:
        # Some writers make an empty file first, and open it again to fill it.
        whole = one.complete and one.version.size > 0
        return one.since if whole else one.since + self._settle

    def _begin_again(self, one: Waiting, version: Version) -> None:
        one.version, one.since, one.complete, one.tries = version, self._clock(), False, 0
