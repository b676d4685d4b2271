"""Settings as YAML text, most of it wrong in one place or more."""

from __future__ import annotations

import json

import hypothesis.strategies as st

from nsa.detectors.registry import methods
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.settings.fields import to_dict

Draw = st.DrawFn

SCALARS = [
    "1", "0", "-1", "2.0", "2.5", "1e-3", "1e3", "1e400", "-1e400", ".nan", ".inf", "-.inf",
    "7" * 20, "7" * 400, "7" * 6000, "0x" + "f" * 6000, "0x1f", "0o17", "017", "1_000",
    "190:20:30", "01", "true", "yes", "on", "null", "~", "''", '""', "x", "all", "none", "bottle",
    "auto", "cpu", "fp32", "nsa", "gaussian", "released", "2024", "2024-01-01", "2024-13-45",
    "2024-01-01 25:61:61", "!!binary eA==", "!!binary x", "!!float abc", "!!int abc",
    "!!bool maybe", "!!timestamp no", "!!set {a, b}", "!!omap [a: 1]", "!!omap x", "!!pairs x",
    "!!null x", "!!python/object/apply:os.getcwd []", "!!python/name:os.system", "!unknown x",
    "'a: b'", '"\\0"', '"\\ud800"', '"\\x1b[31m"', '"\\n\\n"', "'" + "x" * 3000 + "'", "/nowhere",
    "..", "~nobody/x", "'[bold]x[/bold]'", "é", "日本",
]  # fmt: skip
BOMB = "&a0 [x, x, x, x, x, x, x, x, x, x]"  # each further level holds ten of the one before


def bomb(levels: int) -> str:
    """A few hundred bytes that stand for 10^levels values."""
    lists = [BOMB] + [f"&a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "[" + ", ".join(lists) + "]"


SHAPES = [
    "[{0}]", "[{0}, {0}]", "[{0}, 1, 2]", "[]", "{{}}", "{{a: {0}}}", "{{{0}: 1}}", "{{1: {0}}}",
    "{{? [a] : {0}}}", "&x [*x]", "&y {{a: *y}}", "*nothing", "{{<<: {0}}}", "{{<<: [{0}]}}",
    "[[{0}]]", "{0} # note", "|\n  {0}",
]  # fmt: skip
DEEP = ["[" * n + "]" * n for n in (50, 1500, 20_000)] + [
    "{a: " * n + "1" + "}" * n for n in (50, 1500)
]


_SECTIONS = {"synthesis": SynthesisConfig, "images": ImageConfig, "training": TrainConfig}


def _names() -> dict[str, list[str]]:
    """Every option and section of every method, and the settings of each section."""
    found: dict[str, list[str]] = {}
    for method in methods().values():
        found |= {name: [] for name in method.request.options()}
        for section in method.request.sections():
            found[section] = [
                name for name, one in method.request.options().items() if one.section == section
            ]
    for section, config in _SECTIONS.items():
        found[section] += list(config.__dataclass_fields__)
    return found


NAMES = _names()
# Of each setting, and of the options that are short for one.
DEFAULTS = {
    name: json.dumps(value) for one in _SECTIONS.values() for name, value in to_dict(one()).items()
}


@st.composite
def values(draw: Draw) -> str:
    """One value, as it stands behind a name."""
    kind = draw(st.integers(0, 20))
    if kind == 0:
        return draw(st.sampled_from(DEEP))
    if kind == 1:
        return bomb(draw(st.integers(2, 9)))
    scalar = draw(st.one_of(st.sampled_from(SCALARS), st.floats().map(str), st.integers().map(str)))
    if kind < 8 and "\n" not in scalar:
        return draw(st.sampled_from(SHAPES)).format(scalar)
    return scalar


def _value(draw: Draw, name: str) -> str:
    """A value for a setting: its default as often as not."""
    return DEFAULTS[name] if name in DEFAULTS and draw(st.booleans()) else draw(values())


@st.composite
def documents(draw: Draw) -> str:
    """A file of options by name, some in sections; now and then no mapping at all."""
    if draw(st.integers(0, 30)) == 0:
        return draw(values())
    lines = []
    names = draw(st.lists(st.sampled_from(sorted(NAMES)), min_size=1, max_size=3, unique=True))
    for name in names:
        inner = NAMES[name]
        if not inner or draw(st.integers(0, 9)) == 0:
            lines.append(f"{name}: {_value(draw, name)}")
            continue
        lines.append(f"{name}:")
        for one in draw(st.lists(st.sampled_from(inner), min_size=1, max_size=3, unique=True)):
            lines.append(f"  {one}: {_value(draw, one)}")
    if draw(st.integers(0, 7)) == 0:
        key = draw(
            st.sampled_from(
                [
                    "1",
                    "null",
                    "[a]",
                    "2024-01-01",
                    "unknown",
                    "''",
                    "epoch",
                    ".nan",
                    "true",
                    "7" * 5000,
                ]
            )
        )
        lines.append(f"{key}: 1")
    return "\n".join(lines) + "\n"


@st.composite
def damaged_texts(draw: Draw, valid: bytes) -> bytes:
    """A valid file with one of its lines changed, or with any bytes in it."""
    lines = valid.decode().splitlines()
    number = draw(st.integers(0, len(lines) - 1))
    name, colon, _ = lines[number].partition(":")
    how = draw(st.integers(0, 5))
    if how < 3 and colon:
        lines[number] = f"{name}: {draw(values())}"
    elif how == 3:
        del lines[number]
    elif how == 4:
        lines[number] = lines[number].removeprefix("  ")
    content = "\n".join(lines).encode(errors="surrogatepass") + b"\n"
    if how == 5:
        at = draw(st.integers(0, len(content)))
        content = (
            content[:at] + draw(st.binary(max_size=6)) + content[at + draw(st.integers(0, 9)) :]
        )
    return content
