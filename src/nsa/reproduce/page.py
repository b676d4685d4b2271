"""One HTML page with tables, tests, curves and cases, complete in itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from nsa.reproduce.charts import curve_charts
from nsa.reproduce.formats import (
    CAPTION,
    MINUS,
    PROTOCOL_NAMES,
    SHORTENED,
    number,
    p_value,
    row_title,
    signed,
)
from nsa.reproduce.results import Result
from nsa.reproduce.statistics import PairedTest
from nsa.reproduce.style import STYLE
from nsa.reproduce.systems import SYSTEMS
from nsa.reproduce.tables import Cell, Table

_PREFERRED = "nsa_logistic"  # whose cases are shown: the paper's final system


def page(
    tables: Sequence[Table],
    tests: Mapping[str, Sequence[PairedTest]],
    results: Sequence[Result],
    pictures: Path,
    summary: str,
) -> str:
    """The whole page as HTML.

    Args:
        tables: in the paper's protocol.
        tests: by name of the table.
        results: all of the folder, for curves and cases.
        pictures: folder that the results' pictures are relative to.
        summary: a sentence about all of it.
    """
    body = [f"<h1>Reproduction of the NSA paper's tables</h1><p>{escape(summary)}</p>"]
    if any(table.shortened for table in tables):
        body.append(f'<p class="warning">{escape(SHORTENED)}</p>')
    links = [f'<a href="#{t.spec.name}">{escape(t.spec.title.split(",")[0])}</a>' for t in tables]
    links += ['<a href="#curves">Curves</a>', '<a href="#cases">Cases</a>']
    body.append(f"<nav>{''.join(links)}</nav>")
    for table in tables:
        body.append(_table(table) + _tests(tests.get(table.spec.name, ())))
    body += [_curves(results), _cases(results, pictures)]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>NSA reproduction</title><style>{STYLE}</style></head>\n"
        f"<body><main>{chr(10).join(body)}</main></body></html>\n"
    )


def _table(table: Table) -> str:
    heads = "".join(f'<th scope="col">{escape(t)}</th>' for t in table.columns.values())
    rows = []
    for row in table.rows:
        cells = "".join(_cell(cell) for cell in row.cells.values())
        kind = ' class="average"' if row.is_average else ""
        rows.append(
            f'<tr{kind}><th scope="row">{escape(row_title(row.name))}'
            f"<small>{escape(row.note)}</small></th>{cells}</tr>"
        )
    return (
        f'<section id="{table.spec.name}"><h2>{escape(table.spec.title)}</h2>'
        f"<p>{escape(_explanation(table))}</p>"
        f'<div class="scroll" tabindex="0"><table><thead><tr><th></th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _explanation(table: Table) -> str:
    text = CAPTION.replace("In brackets the", "Below it the")
    return f"{text} In {PROTOCOL_NAMES[table.protocol]}."


def _cell(cell: Cell) -> str:
    if cell.ours is None:
        theirs = (
            "\N{EN DASH}" if cell.paper is None else f"<small>paper {number(cell.paper)}</small>"
        )
        return f'<td class="missing">{theirs}</td>'
    theirs = ""
    if cell.paper is not None and cell.difference is not None:
        side = "up" if cell.difference >= 0.05 else "down" if cell.difference <= -0.05 else "same"
        theirs = (
            f"<small>paper {number(cell.paper)}</small>"
            f'<small class="{side}">{signed(cell.difference)}</small>'
        )
    return f"<td><b>{number(cell.ours)}</b>{theirs}</td>"


def _tests(tests: Sequence[PairedTest]) -> str:
    if not tests:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(SYSTEMS[t.first].title)} {MINUS} '
        f"{escape(SYSTEMS[t.second].title)}</th><td>{t.pairs}</td><td>{signed(t.median)}</td>"
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


def _curves(results: Sequence[Result]) -> str:
    systems = [name for name in SYSTEMS if any(r.system == name for r in results)]
    legend = "".join(
        f'<span><svg viewBox="0 0 20 8"><path class="line c{i}" d="M0 4h20"/></svg>'
        f"{escape(SYSTEMS[name].title)}</span>"
        for i, name in enumerate(systems)
    )
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
    return (
        '<section id="curves"><h2>ROC and PRO curves</h2><p>Mean over seeds. The dashed line '
        f'marks the limit of the AU-PRO.</p><p class="legend">{legend}</p>'
        f"{''.join(parts) or '<p>The test sets allow none.</p>'}</section>"
    )


def _cases(results: Sequence[Result], pictures: Path) -> str:
    """Best and worst cases of one system and its first seed, for every category."""
    parts = []
    for category in _categories(results):
        mine = [r for r in results if r.category == category and r.values["cases"]]
        if not mine:
            continue
        chosen = min(mine, key=lambda r: (r.system != _PREFERRED, r.system, r.seed))
        figures = "".join(_case(case, pictures) for case in chosen.values["cases"])
        parts.append(
            f"<h3>{escape(row_title(category))} <small>{escape(SYSTEMS[chosen.system].title)}, "
            f'seed {chosen.seed}</small></h3><div class="cases">{figures}</div>'
        )
    return (
        '<section id="cases"><h2>Best and worst cases</h2><p>The most certain defects; then the '
        "defects with the lowest score, and the normal image with the highest. Left the image with "
        "the true defect outlined, right its heat map.</p>"
        f"{''.join(parts) or '<p>There are no test images.</p>'}</section>"
    )


def _case(case: Mapping[str, object], pictures: Path) -> str:
    path = pictures / str(case["image"])
    caption = f"{case['kind']}: {str(case['defect']).replace('_', ' ')}, score {case['score']:.3f}"
    if not path.is_file():  # someone tidied up; the numbers remain
        return f"<figure><figcaption>{escape(caption)} (picture missing)</figcaption></figure>"
    encoded = base64.b64encode(path.read_bytes()).decode()
    return (
        f'<figure><img src="data:image/png;base64,{encoded}" alt="{escape(caption)}" '
        f'loading="lazy"><figcaption>{escape(caption)}</figcaption></figure>'
    )


def _categories(results: Sequence[Result]) -> list[str]:
    return sorted({result.category for result in results})
