"""One page from what the calls of gpu.sh left behind, whichever of their stages succeeded.

report.py ARCHIVE_OR_FOLDER [PAGE]      prints it, or writes PAGE
"""

from __future__ import annotations

import json
import sys
import tarfile
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import report_goals
import report_synthesis
import report_training

CALLS = ("first", "second")
UNWRITTEN = "could not be written"
Figures = dict[str, Any]
Section = tuple[str, Callable[[Figures], list[str]]]

_SECTIONS: tuple[Section, ...] = (
    ("synthesis", report_synthesis.synthesis),
    ("counters", report_synthesis.counters),
    ("peers", report_synthesis.peers),
    ("step", report_training.step),
    ("loader", report_training.loader),
    ("forms", report_training.forms),
    ("trace_step", report_training.trace),
    ("bottle", report_training.bottle),
)


def load(folder: Path) -> Figures:
    """What both calls measured, by the name of the stage; the second call's figures count.

    ``limits`` are those of the call that measured the synthesis, whose shares they give.
    """
    found: Figures = {call: _load_call(folder / call) for call in CALLS}
    for call in CALLS:
        found |= {name: value for name, value in found[call].items() if name != "limits"}
        if "synthesis" in found[call] or "limits" not in found:
            found["limits"] = found[call].get("limits")
    return found


def measured(folder: Path) -> bool:
    """Whether any section of the page has figures."""
    found = load(folder)
    return any(name in found for name, _ in _SECTIONS)


def _load_call(folder: Path) -> Figures:
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def render(folder: Path) -> str:
    """The page.

    Args:
        folder: with what a call left in ``first`` and ``second``.
    """
    figures = load(folder)
    about = figures.get("machine", {})
    title = "# On a GPU"
    if about.get("rehearsal"):
        title = "# A rehearsal on the host: no figure of this page counts"
    lines = [title, "", "Written by `benchmarks/gpu.sh`. Times are medians, with quartiles."]
    for name, section in (
        ("machine", _machine),
        ("goals", report_goals.goals),
        ("stages", _stages),
        ("failures", _failures),
    ):
        lines += ["", *_written(name, section, figures)]
    for name, section in _SECTIONS:
        if figures.get(name):
            lines += ["", *_written(name, section, figures)]
    return "\n".join(lines) + "\n"


def _written(name: str, section: Callable[[Figures], list[str]], figures: Figures) -> list[str]:
    """A section, or why there is none: figures of a stage that was stopped may be incomplete."""
    try:
        return section(figures)
    except Exception:
        return [f"The section {name} {UNWRITTEN}:", "", "```", traceback.format_exc(), "```"]


def _machine(figures: Figures) -> list[str]:
    about = figures["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    lines = [f"- GPU: {about['gpu']}"]
    if not about["rehearsal"]:
        lines[0] += (
            f", {about['multiprocessors']} multiprocessors, {about['memory_gib']:.0f} GiB, "
            f"driver {about['driver']}, CUDA {about['cuda']}"
        )
    lines += [
        f"- host: {about['processor']}, {about['cores']} cores",
        f"- Python {about['python']}, {versions}",
        *(f"- {name}: {version}" for name, version in about["tools"].items()),
    ]
    if about["missing"]:
        lines.append(f"- Python modules that are missing: {', '.join(about['missing'])}")
    if about["nsa"]:
        lines.append(f"- **nsa did not run: {about['nsa']}**")
    limits = figures.get("limits")
    if limits:
        lines += [
            f"- copy inside the memory: {limits['copy_bytes_per_second'] / 1e12:.2f} TB/s, read "
            "and written",
            f"- float32 product of {limits['side']} x {limits['side']}: "
            f"{limits['float32_flops'] / 1e12:.1f} TFLOP/s",
        ]
    return lines


def _stages(figures: Figures) -> list[str]:
    lines = ["| call | stage | result | s | its last line |", "|---|---|---|--:|---|"]
    for call in CALLS:
        for stage in figures[call].get("stages", []):
            last = stage["last"].replace("|", "/").strip("= ")
            lines.append(
                f"| {call} | {stage['name']} | {stage['result']} | {stage['seconds']:.0f} | "
                f"{last} |"
            )
    return lines


def _failures(figures: Figures) -> list[str]:
    """Stages, the kernel that failed first, and tests that did not pass; of each call."""
    lines = []
    for call in CALLS:
        lines += [
            f"- {call} call: stage {stage['name']} {stage['result']}"
            for stage in figures[call].get("stages", [])
            if stage["result"] != "passed" and not stage["result"].startswith("left out")
        ]
        launch = figures[call].get("launch")
        if launch and launch["begun"]:
            before = ", ".join(launch["ran"]) or "none"
            lines.append(f"- first launch: **{launch['begun']}** did not end; before it: {before}")
        for name, tests in figures[call].items():
            if name.startswith("tests-"):
                lines += [f"- {call} call: {test} failed" for test in tests["failed"]]
                lines += [f"- {call} call: {test} did not finish" for test in tests["unfinished"]]
    return ["## What failed", "", *(lines or ["Nothing, as far as it ran."])]


def main(source: Path, page: Path | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        if not source.is_dir():
            with tarfile.open(source) as packed:
                packed.extractall(name, filter="data")
            source = Path(name)
        text = render(source)
    if page is None:
        print(text)
    else:
        page.write_text(text)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: report.py ARCHIVE_OR_FOLDER [PAGE]")
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    except (OSError, tarfile.TarError) as error:
        why = getattr(error, "strerror", None) or "it cannot be unpacked"
        sys.exit(f"report.py: {sys.argv[1]} is no archive of gpu.sh: {why}.")
