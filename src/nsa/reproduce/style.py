"""The page's style sheet: light and dark, wide screen and phone."""

# Eighteen lines apart from each other on both backgrounds: hues repeat, dashed and then dotted.
_LIGHT = ("#1f77b4", "#c2570c", "#2b8a3e", "#c2255c", "#7048e8", "#111111")
_DARK = ("#74b9ff", "#ffa94d", "#69db7c", "#faa2c1", "#b197fc", "#f1f3f5")


def _lines(colours: tuple[str, ...]) -> str:
    count = len(colours)
    return "".join(
        f".c{i},.c{i + count},.c{i + 2 * count}{{stroke:{c}}}" for i, c in enumerate(colours)
    )


STYLE = f"""
:root{{--ink:#1c1e21;--soft:#5c636a;--paper:#ffffff;--band:#f3f5f7;--rule:#d9dee3;--link:#1f5fa8;
--up:#1d7a3a;--down:#b3261e;--warn:#fff4d6}}
*{{box-sizing:border-box}}
body{{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}}
main{{max-width:76rem;margin:0 auto;padding:1.25rem}}
h1{{font-size:1.7rem;line-height:1.2;margin:.5rem 0}}
h2{{font-size:1.25rem;margin:2.5rem 0 .25rem}}
h3{{font-size:1rem;margin:1.5rem 0 .5rem}}
p{{max-width:48rem;margin:.5rem 0;color:var(--soft)}}
small{{font-size:.78rem;font-weight:400;color:var(--soft)}}
a{{color:var(--link)}}
nav{{display:flex;flex-wrap:wrap;gap:.25rem 1rem;margin:1rem 0}}
.warning{{background:var(--warn);color:var(--ink);padding:.6rem .9rem;border-radius:.4rem}}
.scroll{{width:fit-content;max-width:100%;overflow-x:auto;margin:.75rem 0;
border:1px solid var(--rule);border-radius:.4rem}}
table{{border-collapse:collapse;min-width:min(24rem,80vw);font-variant-numeric:tabular-nums}}
th,td{{padding:.4rem .7rem;text-align:right;vertical-align:top;white-space:nowrap}}
thead th{{font-size:.85rem;border-bottom:2px solid var(--rule);vertical-align:bottom;
white-space:normal;min-width:6.5rem}}
tbody tr+tr{{border-top:1px solid var(--rule)}}
th:first-child{{text-align:left;position:sticky;left:0;background:var(--paper)}}
tbody th:first-child{{white-space:normal;min-width:11rem;max-width:14rem;
border-right:1px solid var(--rule)}}
td b{{font-weight:600}}
td small,tbody th small{{display:block}}
.average,.average th:first-child{{background:var(--band)}}
.missing{{color:var(--soft)}}
.up{{color:var(--up)}}.down{{color:var(--down)}}
summary{{cursor:pointer;color:var(--link)}}
.legend{{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;color:var(--ink);font-size:.9rem}}
.legend svg{{width:1.6rem;height:.6rem;margin-right:.4rem}}
.charts{{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(16rem,100%),1fr));gap:1rem;
max-width:62rem}}
.cases{{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(13rem,100%),1fr));gap:1rem}}
figure{{margin:0}}
figcaption{{font-size:.85rem;color:var(--soft);margin:.2rem 0}}
img{{width:100%;height:auto;border-radius:.3rem;display:block}}
.chart svg{{width:100%;height:auto}}
.rows{{max-width:44rem;margin:1rem 0 .5rem}}
svg text{{font-size:9.5px;fill:var(--soft)}}
.mid{{text-anchor:middle}}.end{{text-anchor:end}}
.grid{{stroke:var(--rule);stroke-width:.7;fill:none}}
.limit{{stroke:var(--soft);stroke-dasharray:4 3;fill:none}}
.line{{fill:none;stroke-width:1.8;stroke-linejoin:round}}
.c6,.c7,.c8,.c9,.c10,.c11{{stroke-dasharray:5 3}}
.c12,.c13,.c14,.c15,.c16,.c17{{stroke-dasharray:1.5 2.5}}
.paper{{opacity:.45;stroke-width:1.2}}
{_lines(_LIGHT)}
@media (prefers-color-scheme:dark){{
:root{{--ink:#e8eaed;--soft:#a5adb5;--paper:#15181b;--band:#1f2428;--rule:#353c43;--link:#8ab8f0;
--up:#69c983;--down:#ff8f86;--warn:#4a3b12}}
{_lines(_DARK)}
}}
@media (max-width:40rem){{
main{{padding:.8rem}}
th,td{{padding:.35rem .5rem}}
tbody th:first-child{{min-width:6.2rem;max-width:7.5rem}}
}}
@media print{{.scroll{{overflow:visible;border:0}}}}
"""
