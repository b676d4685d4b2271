"""A table of a paper filled with our results, as rows and cells that any format can print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nsa.reproduce.statistics import Estimate, PairedTest


class Figure(NamedTuple):
    """A printed number: mean and standard error in percent; None where the paper gives none."""

    mean: float
    error: float | None


@dataclass(frozen=True)
class Cell:
    """One system on one category, or another pair of row and column, in percent.

    Attributes:
        ours: None where nothing is finished.
        paper: None where the paper has a dash, or does not know the category.
        comparable: whether both are of the same thing, so that their difference says something.
    """

    ours: Estimate | None
    paper: Figure | None
    comparable: bool = True

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's."""
        if self.ours is None or self.paper is None or not self.comparable:
            return None
        return self.ours.mean - self.paper.mean


@dataclass(frozen=True)
class Row:
    """One category or level, or an average.

    Attributes:
        name: of what.
        is_average: whether it is one, or a sum.
        cells: by column, in the order of the table's columns.
        note: what is behind it, such as seeds and epochs.
    """

    name: str
    is_average: bool
    cells: dict[str, Cell]
    note: str


@dataclass(frozen=True)
class Table:
    """A table of a paper with our results.

    Attributes:
        name: such as ``"table-1"``.
        title: for a heading.
        metric: what is measured, for the CSV.
        protocol: ``"paper"`` or ``"whole_image"``.
        caption: what a figure is, in sentences.
        columns: name -> title.
        rows: in the order in which they are shown.
        shortened: whether any work behind it was shorter than its preset says.
        note_title: head of the column of notes.
        drawn: the rows are steps along an axis, so that a page shows them as lines too.
    """

    name: str
    title: str
    metric: str
    protocol: str
    caption: str
    columns: dict[str, str]
    rows: list[Row]
    shortened: bool
    note_title: str = "runs"
    drawn: bool = False

    @property
    def has_notes(self) -> bool:
        return any(row.note for row in self.rows)

    @property
    def has_paper(self) -> bool:
        """Whether any of the paper's figures stands beside ours."""
        return any(cell.paper is not None for row in self.rows for cell in row.cells.values())

    @property
    def has_differences(self) -> bool:
        return any(cell.difference is not None for row in self.rows for cell in row.cells.values())


@dataclass(frozen=True)
class Tables:
    """All tables that a report prints.

    Attributes:
        shown: in the paper's protocol.
        further: in other protocols, for the CSV only.
        tests: name of a table -> paired tests between its systems.
    """

    shown: list[Table]
    further: list[Table] = field(default_factory=list)
    tests: Mapping[str, Sequence[PairedTest]] = field(default_factory=dict)
