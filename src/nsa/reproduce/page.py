"""One HTML page with tables, tests, curves and cases, complete in itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from nsa.reproduce.cells import Cell, Table, Tables
from nsa.reproduce.charts import curve_charts, legend, row_chart
from nsa.reproduce.formats import MINUS, beside, number, p_value, row_title, signed
from nsa.reproduce.papers import Paper
from nsa.reproduce.results import Result
from nsa.reproduce.statistics import PairedTest
from nsa.reproduce.style import STYLE


def page(
    tables: Tables, paper: Paper, results: Sequence[Result], pictures: Path, summary: str
) -> str:
    """The whole page as HTML.

    Args:
        results: all of the folder, for curves and cases.
        pictures: folder that the results' pictures are relative to.
        summary: a sentence about all of it.
    """
    body = [f"<h1>{escape(paper.title)}</h1><p>{escape(summary)}</p>"]
    if any(table.shortened for table in tables.shown):
        body.append(f'<p class="warning">{escape(paper.shortened)}</p>')
    sections = [(table.name, table.title.split(",")[0]) for table in tables.shown]
    curves, cases = _curves(results, paper), _cases(results, pictures, paper)
    sections += [("curves", "Curves")] + ([("cases", "Cases")] if cases else [])
    links = "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title in sections)
    body.append(f"<nav>{links}</nav>")
    for table in tables.shown:
        body.append(_table(table) + _tests(tables.tests.get(table.name, ()), paper))
    body += [curves, cases]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(paper.title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main>{chr(10).join(body)}</main></body></html>\n"
    )


def _table(table: Table) -> str:
    heads = "".join(f'<th scope="col">{escape(t)}</th>' for t in table.columns.values())
    rows = []
    for row in table.rows:
        cells = "".join(_cell(cell) for cell in row.cells.values())
        style = ' class="average"' if row.is_average else ""
        rows.append(
            f'<tr{style}><th scope="row">{escape(row_title(row.name))}'
            + (f"<small>{escape(row.note)}</small>" if row.note else "")
            + f"</th>{cells}</tr>"
        )
    return (
        f'<section id="{table.name}"><h2>{escape(table.title)}</h2>'
        f"<p>{escape(table.caption + beside(table, 'Below it'))}</p>"
        f'<div class="scroll" tabindex="0"><table><thead><tr><th></th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        f"{row_chart(table) if table.drawn else ''}</section>"
    )


def _cell(cell: Cell) -> str:
    if cell.ours is None:
        theirs = (
            "\N{EN DASH}" if cell.paper is None else f"<small>paper {number(cell.paper)}</small>"
        )
        return f'<td class="missing">{theirs}</td>'
    theirs = ""
    if cell.paper is not None:
        theirs = f"<small>paper {number(cell.paper)}</small>"
    if cell.difference is not None:
        side = "up" if cell.difference >= 0.05 else "down" if cell.difference <= -0.05 else "same"
        theirs += f'<small class="{side}">{signed(cell.difference)}</small>'
    return f"<td><b>{number(cell.ours)}</b>{theirs}</td>"


def _tests(tests: Sequence[PairedTest], paper: Paper) -> str:
    if not tests:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(paper.systems[t.first])} {MINUS} '
        f"{escape(paper.systems[t.second])}</th><td>{t.pairs}</td><td>{signed(t.median)}</td>"
        f"<td>{escape(p_value(t.p))}</td><td>{escape(p_value(t.adjusted))}</td></tr>"
        for t in tests
    )
    return (
        "<details><summary>Paired tests between systems</summary>"
        "<p>Wilcoxon's signed-rank test over pairs of the same category and seed, two-sided; "
        "adjusted by Holm's method for the tests of this table. Seeds of one category share its "
        "test images, so pairs are not fully independent.</p>"
        '<div class="scroll" tabindex="0"><table><thead><tr><th></th><th>pairs</th>'
        "<th>median difference</th><th>p</th><th>p adjusted</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def _curves(results: Sequence[Result], paper: Paper) -> str:
    systems = [name for name in paper.systems if any(r.system == name for r in results)]
    parts = []
    for category in _categories(results):
        found = {
            name: [
                r.values["curves"] for r in results if (r.system, r.category) == (name, category)
            ]
            for name in systems
        }
        charts = curve_charts(found)
        if charts:
            parts.append(f"<h3>{escape(row_title(category))}</h3>")
            parts.append(f'<div class="charts">{charts}</div>')
    names = legend([paper.systems[name] for name in systems])
    pro = any("pro" in result.values["curves"] for result in results)
    title = "ROC and PRO curves" if pro else "ROC curves"
    explanation = (
        "Mean over seeds and folds."
        if not pro
        else ("Mean over seeds. The dashed line marks the limit of the AU-PRO.")
    )
    return (
        f'<section id="curves"><h2>{title}</h2><p>{explanation}</p><p class="legend">{names}</p>'
        f"{''.join(parts) or '<p>The test sets allow none.</p>'}</section>"
    )


def _cases(results: Sequence[Result], pictures: Path, paper: Paper) -> str:
    """Best and worst cases of one system and its first seed, for every category; or nothing."""
    parts = []
    for category in _categories(results):
        mine = [r for r in results if r.category == category and r.values["cases"]]
        if not mine:
            continue
        chosen = min(mine, key=lambda r: (r.system != paper.preferred, r.system, r.seed))
        figures = "".join(_case(case, pictures) for case in chosen.values["cases"])
        parts.append(
            f"<h3>{escape(row_title(category))} <small>{escape(paper.systems[chosen.system])}, "
            f'seed {chosen.seed}</small></h3><div class="cases">{figures}</div>'
        )
    if not parts:
        return ""
    return (
        '<section id="cases"><h2>Best and worst cases</h2><p>The most certain defects; then the '
        "defects with the lowest score, and the normal image with the highest. Left the image with "
        "the true defect outlined, right its heat map.</p>"
        f"{''.join(parts)}</section>"
    )


def _case(case: Mapping[str, object], pictures: Path) -> str:
    path = pictures / str(case["image"])
    caption = f"{case['kind']}: {str(case['defect']).replace('_', ' ')}, score {case['score']:.2g}"
    if not path.is_file():  # someone tidied up; the numbers remain
        return f"<figure><figcaption>{escape(caption)} (picture missing)</figcaption></figure>"
    encoded = base64.b64encode(path.read_bytes()).decode()
    return (
        f'<figure><img src="data:image/png;base64,{encoded}" alt="{escape(caption)}" '
        f'loading="lazy"><figcaption>{escape(caption)}</figcaption></figure>'
    )


def _categories(results: Sequence[Result]) -> list[str]:
    return sorted({result.category for result in results})
