"""What a person has said of images: ``verdicts.csv``, as the review page gives it.

Its columns are ``path``, as in ``scores.csv``, and ``verdict``, good or bad. A run that was trained
further with verdicts keeps all that it knows of in a file of the same form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nsa.errors import InputError, shown
from nsa.folder import VERDICTS
from nsa.images import Contents
from nsa.images.files import list_missing
from nsa.system.console import counted
from nsa.system.files import write_csv
from nsa.system.mirror import fetch
from nsa.system.places import as_path
from nsa.system.readers import read_csv

COLUMNS = PATH, VERDICT = "path", "verdict"
GOOD, BAD = "good", "bad"


@dataclass(frozen=True)
class Verdicts:
    """Which images are normal and which are defective, as a person has seen them.

    Attributes:
        good, bad: their files, absolute, in the order of the table; each is there once.
    """

    good: list[Path]
    bad: list[Path]

    @classmethod
    def read(cls, source: Path) -> Verdicts:
        """Those of a table; the images themselves are not read.

        Relative paths are looked up in the current folder, then beside the table.

        Raises:
            InputError: it cannot be read or is empty, a verdict is another word, an image does not
                exist, or has both verdicts.
        """
        rows = read_csv(fetch(source), COLUMNS)
        if not rows:
            raise InputError(f"{source} has no verdicts; judge images on the review page first.")
        said: dict[Path, str] = {}
        missing = []
        for row in rows:
            verdict = row[VERDICT].strip().lower()
            if verdict not in (GOOD, BAD):
                raise InputError(
                    f"{source} says {shown(row[VERDICT])} of {row[PATH]}; a verdict is {GOOD} or "
                    f"{BAD}."
                )
            path = _find(row[PATH], source.parent)
            if path is None:
                missing.append(row[PATH])
            elif said.setdefault(path, verdict) != verdict:
                raise InputError(
                    f"{source} judges {row[PATH]} both {GOOD} and {BAD}; leave one of them out."
                )
        if missing:
            raise InputError(
                f"{source} judges {counted(len(missing), 'file')} that cannot be found from the "
                f"current folder or its own: {list_missing(missing, 3)}; put them back, or leave "
                "out their lines."
            )
        return cls._of(said)

    @classmethod
    def kept(cls, run: Path) -> Verdicts:
        """Those that a run was trained with; none where it was not.

        Raises:
            InputError: the table is damaged, or an image is gone.
        """
        return cls.read(run / VERDICTS) if (run / VERDICTS).is_file() else cls([], [])

    @classmethod
    def _of(cls, said: Mapping[Path, str]) -> Verdicts:
        return cls(*([path for path in said if said[path] == word] for word in (GOOD, BAD)))

    def __len__(self) -> int:
        return len(self.good) + len(self.bad)

    @property
    def paths(self) -> list[Path]:
        """All files, the good ones first."""
        return [*self.good, *self.bad]

    def divide(self, contents: Contents) -> tuple[Contents, Contents]:
        """What the good and the bad images hold.

        Args:
            contents: of :attr:`paths`.

        Raises:
            InputError: the same pixels are good under one name and bad under another.
        """
        count = len(self.good)
        good, bad = contents.take(range(count)), contents.take(range(count, len(self)))
        for row, other in bad.copies_of(good).items():
            raise InputError(
                f"{self.bad[row]} is judged {BAD}, but {self.good[other]}, which holds the same "
                f"pixels, {GOOD}; leave one of them out."
            )
        return good, bad

    def after(self, earlier: Verdicts) -> Verdicts:
        """These and earlier ones; of an image with both the later one counts."""
        said = dict.fromkeys(earlier.good, GOOD) | dict.fromkeys(earlier.bad, BAD)
        return self._of(said | dict.fromkeys(self.good, GOOD) | dict.fromkeys(self.bad, BAD))

    def write(self, run: Path) -> None:
        """Keep them in a run folder.

        Raises:
            InputError: it cannot be written to.
        """
        lines = [(path, GOOD) for path in self.good] + [(path, BAD) for path in self.bad]
        write_csv(run / VERDICTS, COLUMNS, lines)


def _find(name: str, beside: Path) -> Path | None:
    """The file that a table names; None: there is none."""
    if not name:
        return None
    try:
        places = (as_path(name), beside / name)
    except InputError:  # nothing can be called that
        return None
    found = next((path for path in places if path.is_file()), None)
    # The parent alone is resolved, so that a link stays the name that a person knows.
    return None if found is None else found.parent.resolve() / found.name
