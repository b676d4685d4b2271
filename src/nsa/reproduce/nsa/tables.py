"""The tables of the NSA paper, filled with our results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nsa.reproduce.cells import Cell, Figure, Row, Table, Tables
from nsa.reproduce.nsa import paper
from nsa.reproduce.nsa.paper import OBJECTS, QUOTED, TEXTURES, XRAYS, Column
from nsa.reproduce.nsa.systems import SYSTEMS
from nsa.reproduce.statistics import Key, PairedTest, average_over, estimate, paired_tests

if TYPE_CHECKING:
    from nsa.reproduce.results import Result

_MVTEC = (*OBJECTS, *TEXTURES)


@dataclass(frozen=True)
class TableSpec:
    """What a table of the paper shows.

    Attributes:
        name: such as ``"table-1"``.
        title: for a heading.
        metric: as in a result's metrics.
        categories: its rows, without averages.
        columns: the paper's figures by system, those quoted from others included.
    """

    name: str
    title: str
    metric: str
    categories: tuple[str, ...]
    columns: Mapping[str, Column]

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems that we run too."""
        return tuple(name for name in self.columns if name not in QUOTED)


TABLES: dict[str, tuple[TableSpec, ...]] = {
    "1": (
        TableSpec(
            "table-1", "Table 1: image AUROC, MVTec AD", "image_auroc", _MVTEC, paper.TABLE_1
        ),
    ),
    "2": (
        TableSpec(
            "table-2", "Table 2: pixel AUROC, MVTec AD", "pixel_auroc", _MVTEC, paper.TABLE_2
        ),
    ),
    "3": (TableSpec("table-3", "Table 3: image AUROC, rCXR", "image_auroc", XRAYS, paper.TABLE_3),),
    "7": (
        TableSpec(
            "table-7-image", "Table 7: image AUROC of the variants of NSA (logistic), MVTec AD",
            "image_auroc", _MVTEC, paper.TABLE_7_IMAGE,
        ),
        TableSpec(
            "table-7-pixel", "Table 7: pixel AUROC of the variants of NSA (logistic), MVTec AD",
            "pixel_auroc", _MVTEC, paper.TABLE_7_PIXEL,
        ),
    ),
    "8": (
        TableSpec("table-8", "Table 8: AU-PRO to FPR 0.3, MVTec AD", "au_pro", _MVTEC,
                  paper.TABLE_8),
    ),
}  # fmt: skip


_CAPTIONS = {
    "paper": "the paper's protocol: centre crop 224 of 256, maps padded",
    "whole_image": "whole images, without a crop",
}
PROTOCOLS = tuple(_CAPTIONS)


def build(numbers: Sequence[str], results: Sequence[Result]) -> Tables:
    """All the tables of those numbers that have a result, with paired tests between systems."""
    shown, further = (build_tables(numbers, results, protocol) for protocol in PROTOCOLS)
    return Tables(shown, further, {table.name: _tests(table, results) for table in shown})


def build_table(
    spec: TableSpec, results: Sequence[Result], protocol: str = "paper"
) -> Table | None:
    """Fill a table; None where no result belongs into it.

    Categories without a result are left out. Averages are over the categories shown, and the
    paper's figure beside one is the printed average if these are all of them, else the mean of
    the paper's figures for the same categories. Categories that the paper does not have stand in
    their own group.
    """
    ours = _by_system(spec, results, protocol)
    if not ours:
        return None
    present = {category for values in ours.values() for category in values}
    systems = [name for name in spec.systems if name in ours]
    systems += [name for name in ours if name not in systems]
    systems += [name for name in QUOTED if present & set(spec.columns.get(name, {}))]
    used = [r for r in results if r.system in ours and r.category in present]
    groups = [("object average", [c for c in OBJECTS if c in present and c in spec.categories])]
    groups.append(("texture average", [c for c in TEXTURES if c in present]))
    groups.append(("", [c for c in XRAYS if c in present]))
    known = {c for _, group in groups for c in group}
    groups.append(("", sorted(present - known)))
    rows = []
    for average, categories in groups:
        for category in categories:
            cells = {s: _cell(spec, s, category, ours.get(s, {})) for s in systems}
            mine = [r for r in used if r.category == category]
            rows.append(Row(category, False, cells, _note(mine)))
        if average and len(categories) > 1:
            rows.append(_average_row(spec, average, categories, systems, ours, used))
    everything = [c for c in _MVTEC if c in present and c in known]
    if len(everything) > 1:
        rows.append(_average_row(spec, "overall average", everything, systems, ours, used))
    titles = {s: QUOTED.get(s) or SYSTEMS[s].title for s in systems}
    caption = "Percent, mean \N{PLUS-MINUS SIGN} standard error over seeds; "
    return Table(
        spec.name, spec.title, spec.metric, protocol, f"{caption}{_CAPTIONS[protocol]}.",
        titles, rows, any(r.shortened for r in used),
    )  # fmt: skip


def build_tables(
    numbers: Sequence[str], results: Sequence[Result], protocol: str = "paper"
) -> list[Table]:
    """All the tables of those numbers that have a result."""
    built = [build_table(spec, results, protocol) for n in numbers for spec in TABLES[n]]
    return [table for table in built if table is not None]


ByCategory = dict[str, dict[int, float]]


def _by_system(spec: TableSpec, results: Sequence[Result], protocol: str) -> dict[str, ByCategory]:
    """System -> category -> seed -> percent, for what belongs into the table."""
    elsewhere = {name for specs in TABLES.values() for one in specs for name in one.columns}
    values: dict[str, ByCategory] = {}
    for result in results:
        if result.category not in spec.categories and (
            result.category in (*_MVTEC, *XRAYS) or spec.categories == XRAYS
        ):
            continue  # another data set; a category of the user's own joins MVTec AD's
        if result.system not in spec.columns and result.system in elsewhere:
            continue
        value = result.metric(spec.metric, protocol)
        if value is not None:
            by_seed = values.setdefault(result.system, {}).setdefault(result.category, {})
            by_seed[result.seed] = 100 * value
    return {name: values[name] for name in SYSTEMS if name in values}


def _cell(spec: TableSpec, name: str, category: str, ours: Mapping[str, dict[int, float]]) -> Cell:
    figure = spec.columns.get(name, {}).get(category)
    seeds = ours.get(category)
    return Cell(estimate(list(seeds.values())) if seeds else None, figure)


def _average_row(
    spec: TableSpec,
    name: str,
    categories: list[str],
    systems: list[str],
    ours: Mapping[str, ByCategory],
    used: Sequence[Result],
) -> Row:
    every = {"object average": OBJECTS, "texture average": TEXTURES}.get(name, _MVTEC)
    cells = {}
    for one in systems:
        column = spec.columns.get(one, {})
        if len(categories) == len(every):
            figure = column.get(name)
        elif all(category in column for category in categories):
            figure = Figure(sum(column[c].mean for c in categories) / len(categories), None)
        else:
            figure = None
        cells[one] = Cell(average_over(categories, ours.get(one, {})), figure)
    note = _note([r for r in used if r.category in categories])
    if len(categories) < len(every):
        note = f"{len(categories)} of {len(every)} categories, {note}"
    return Row(name, True, cells, note)


def _note(results: Sequence[Result]) -> str:
    """Seeds and epochs behind a row: ``"2 seeds, 40 of 320 epochs"``."""
    per_cell: dict[tuple[str, str], int] = {}
    for result in results:
        key = (result.system, result.category)
        per_cell[key] = per_cell.get(key, 0) + 1
    fewest, most = min(per_cell.values()), max(per_cell.values())
    seeds = str(most) if fewest == most else f"{fewest} to {most}"
    note = f"{seeds} seed{'s' if most > 1 else ''}"
    if any(result.shortened for result in results):
        done = sorted({r.epochs for r in results})
        full = sorted({r.preset_epochs for r in results})
        note += f", shortened: {_span(done)} of {_span(full)} epochs"
    else:
        note += f", {_span(sorted({r.epochs for r in results}))} epochs"
    return note


def _span(values: list[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]}-{values[-1]}"


def _tests(table: Table, results: Sequence[Result]) -> list[PairedTest]:
    """Paired tests over the categories of a table, in percent."""
    rows = {row.name for row in table.rows if not row.is_average}
    values: dict[str, dict[Key, float]] = {name: {} for name in table.columns}
    for result in results:
        value = result.metric(table.metric, table.protocol)
        if result.system in values and result.category in rows and value is not None:
            values[result.system][result.category, result.seed] = 100 * value
    return paired_tests({name: column for name, column in values.items() if column})
