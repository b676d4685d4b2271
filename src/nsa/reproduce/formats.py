"""Tables as Markdown, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nsa.reproduce.cells import Cell, Figure, Table, Tables
from nsa.reproduce.statistics import Estimate, PairedTest

if TYPE_CHECKING:
    from nsa.reproduce.papers import Paper

MINUS = "\N{MINUS SIGN}"
CSV_COLUMNS = (
    "table", "metric", "protocol", "row", "average", "system", "seeds", "mean",
    "standard_error", "paper_mean", "paper_standard_error", "difference", "runs",
)  # fmt: skip


def beside(table: Table, where: str) -> str:
    """A sentence on what stands beside our figures; empty if nothing does.

    Args:
        where: such as ``"In brackets"``.
    """
    if not table.has_paper:
        return ""
    difference = " and our difference from it" if table.has_differences else ""
    return f" {where} the paper's figure{difference}."


def number(value: Estimate | Figure | None) -> str:
    """``97.7 +- 0.3`` with the proper sign, or a dash."""
    if value is None:
        return "-"
    if value.error is None:
        return f"{value.mean:.1f}"
    return f"{value.mean:.1f} \N{PLUS-MINUS SIGN} {value.error:.1f}"


def signed(difference: float | None) -> str:
    """``+0.2`` with a true minus sign; empty where there is nothing to compare."""
    if difference is None:
        return ""
    text = f"{difference:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", MINUS)


def row_title(name: str) -> str:
    return name.replace("rcxr_", "rCXR ").replace("_", " ")


def markdown(tables: Tables, paper: Paper, summary: str) -> str:
    """One Markdown document with all tables and their tests."""
    parts = [f"# {paper.title}", "", summary, ""]
    if any(table.shortened for table in tables.shown):
        parts += [f"**{paper.shortened}**", ""]
    for table in tables.shown:
        notes = [table.note_title] if table.has_notes else []
        rule = ["---", *["---:"] * len(table.columns), *["---"] * len(notes)]
        parts += [f"## {table.title}", "", f"{table.caption}{beside(table, 'In brackets')}", ""]
        parts += [_line(["", *table.columns.values(), *notes]), _line(rule)]
        for row in table.rows:
            cells = [_markdown_cell(cell) for cell in row.cells.values()]
            cells += [row.note] if notes else []
            title = row_title(row.name)
            parts.append(_line([f"**{title}**" if row.is_average else title, *cells]))
        parts += ["", *_markdown_tests(tables.tests.get(table.name, ()), paper)]
    return "\n".join(parts).rstrip() + "\n"


def p_value(p: float | None) -> str:
    """``0.03``, ``< 0.001``, or why there is none."""
    if p is None:
        return "too few pairs"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown_cell(cell: Cell) -> str:
    if cell.paper is None:
        return number(cell.ours)
    if cell.ours is None:
        return f"({number(cell.paper)})"
    theirs = [number(cell.paper), signed(cell.difference)]
    return f"{number(cell.ours)} ({', '.join(filter(None, theirs))})"


def _markdown_tests(tests: Sequence[PairedTest], paper: Paper) -> list[str]:
    if not tests:
        return []
    lines = [
        "Wilcoxon's signed-rank test over pairs of the same category and seed, two-sided; "
        "adjusted by Holm's method for the tests of this table.",
        "",
        _line(["systems", "pairs", "median difference", "p", "p adjusted"]),
        _line(["---", "---:", "---:", "---:", "---:"]),
    ]
    for test in tests:
        names = f"{paper.systems[test.first]} {MINUS} {paper.systems[test.second]}"
        lines.append(
            _line([names, str(test.pairs), signed(test.median), p_value(test.p),
                   p_value(test.adjusted)])
        )  # fmt: skip
    return [*lines, ""]


def csv_rows(tables: Sequence[Table]) -> list[list[str | float | None]]:
    """All tables as the rows of one CSV, a line a cell: numbers in percent, unrounded."""
    rows: list[list[str | float | None]] = []
    for table in tables:
        for row in table.rows:
            for system, cell in row.cells.items():
                ours, theirs = cell.ours, cell.paper
                rows.append(
                    [
                        table.name, table.metric, table.protocol, row.name,
                        int(row.is_average), system, ours.count if ours else 0,
                        ours.mean if ours else None, ours.error if ours else None,
                        theirs.mean if theirs else None, theirs.error if theirs else None,
                        cell.difference, row.note,
                    ]
                )  # fmt: skip
    return rows


def latex(tables: Sequence[Table], paper: Paper) -> str:
    """Every table as a ``table*`` environment; needs the packages booktabs and graphicx."""
    parts = [r"% \usepackage{booktabs,graphicx}"]
    for table in tables:
        count = len(table.columns)
        notes = [_escape(table.note_title)] if table.has_notes else []
        heads = [rf"\multicolumn{{3}}{{c}}{{{_escape(title)}}}" for title in table.columns.values()]
        rules = [rf"\cmidrule(lr){{{2 + 3 * i}-{4 + 3 * i}}}" for i in range(count)]
        caption = f"{table.title}. {table.caption} {paper.shortened if table.shortened else ''}"
        parts += [
            "", r"\begin{table*}", r"\centering",
            rf"\caption{{{_escape(caption.strip())}}}", rf"\label{{{table.name}}}",
            r"\resizebox{\linewidth}{!}{%",
            rf"\begin{{tabular}}{{l{'rrr' * count}{'l' * len(notes)}}}", r"\toprule",
            " & ".join(["", *heads, *["" for _ in notes]]) + r" \\", "".join(rules),
            " & ".join(["", *["ours & paper & diff."] * count, *notes]) + r" \\", r"\midrule",
        ]  # fmt: skip
        for row in table.rows:
            cells = [
                " & ".join(map(_math, (number(c.ours), number(c.paper), signed(c.difference))))
                for c in row.cells.values()
            ]
            cells += [_escape(row.note)] if notes else []
            title = _escape(row_title(row.name))
            line = [rf"\textbf{{{title}}}" if row.is_average else title, *cells]
            parts.append(" & ".join(line) + r" \\")
        parts += [r"\bottomrule", r"\end{tabular}}", r"\end{table*}"]
    return "\n".join(parts) + "\n"


def _math(text: str) -> str:
    if text in ("", "-"):
        return text
    inner = text.replace("\N{PLUS-MINUS SIGN}", r"\pm").replace(MINUS, "-")
    return f"${inner}$"


# LaTeX in the fonts of old has no such sign outside of formulas.
_SPECIAL = {"\N{PLUS-MINUS SIGN}": r"$\pm$",
            "&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
            "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
            "\\": r"\textbackslash{}"}  # fmt: skip


def _escape(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in text)
