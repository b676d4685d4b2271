"""What ``gpu.sh`` runs: checks what there is, runs the stages of the calls, prints the report last.

Work happens in a scratch folder. ``FOLDER`` gets one archive a call, ``first.tar.gz`` or
``second.tar.gz``: all logs, figures and the report. It is written anew after every stage, so that
what was found survives whatever happens to this process.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import build_site
import report
from runner import Runner, archive, replace_json
from stages import BUILD_SECONDS, CALLS, DEADLINE, Stage, rehearsed

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "benchmarks" / "results_gpu.md"
USAGE = "gpu.sh [first|second] [--site SITE] [--after ARCHIVE] [--rehearse] [FOLDER [DATA_ROOT]]"
_PROBE_SECONDS = 90
_stopped_by: list[int] = []  # signals; at most one


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        fail(f"{message}; usage: {USAGE}")


def fail(sentence: str) -> NoReturn:
    print(f"gpu.sh: {sentence}", file=sys.stderr)
    sys.exit(1)


def options(arguments: list[str]) -> argparse.Namespace:
    if "-h" in arguments or "--help" in arguments:
        print(f"usage: {USAGE}\nbenchmarks/README.md has the rest.")
        sys.exit(0)
    parser = Parser(add_help=False)
    parser.add_argument("--site", type=Path)
    parser.add_argument("--after", type=Path)
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("words", nargs="*")
    chosen = parser.parse_intermixed_args(arguments)
    words = chosen.words
    chosen.calls = [words.pop(0)] if words and words[0] in CALLS else list(CALLS)
    if len(words) > 2:
        fail(f"{words[2]} is one word too many; usage: {USAGE}")
    if words and "/" not in words[0] and not Path(words[0]).is_dir():
        fail(f"unknown word {words[0]}; say first, second, or a folder, such as ./{words[0]}.")
    chosen.folder = Path(words[0] if words else ROOT / "build" / "gpu")
    root = words[1] if len(words) > 1 else os.environ.get("NSA_DATA_ROOT", "")
    chosen.data = Path(root).resolve() if root else None
    if chosen.data is not None and not (chosen.data / "bottle").is_dir():
        fail(f"there is no folder bottle in {root}.")
    if chosen.site is not None and not (chosen.site / "nsa").is_dir():
        fail(f"there is no folder nsa in {chosen.site}.")
    if chosen.after is not None and not chosen.after.is_file():
        fail(f"there is no archive {chosen.after}.")
    return chosen


def main(arguments: list[str]) -> int:
    chosen = options(arguments)
    # Also where a shell ignores Ctrl-C, or every stage would, and none could be stopped.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    with tempfile.TemporaryDirectory(prefix="nsa-gpu-") as name:
        scratch = Path(name)
        environment = _environment(scratch, chosen)
        about = _prepare(scratch, chosen, environment)
        try:
            chosen.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fail(f"{chosen.folder} cannot be made: {error.strerror}; name another folder.")
        passed = True
        for call in chosen.calls:
            passed &= _call(call, scratch, chosen, environment, about)
    _end_if_stopped()
    return 0 if passed else 1


def _stop(number: int, _frame: object) -> None:
    """Leave by the way of all exceptions, which no second signal interrupts."""
    for other in (signal.SIGINT, signal.SIGTERM):
        signal.signal(other, signal.SIG_IGN)
    print("gpu.sh: stopped; what was found so far is kept.", file=sys.stderr)
    _stopped_by.append(number)
    _end_if_stopped()


def _end_if_stopped() -> None:
    """Raise :class:`SystemExit` if a signal came.

    Where it comes while a file is finalized, Python drops what its handler raises, so that whoever
    works on has to ask.
    """
    if _stopped_by:
        sys.exit(128 + _stopped_by[0])


def _call(
    call: str,
    scratch: Path,
    chosen: argparse.Namespace,
    environment: dict[str, str],
    about: dict[str, Any],
) -> bool:
    folder = scratch / call
    folder.mkdir(exist_ok=True)
    replace_json(folder / "machine.json", about)
    before = chosen.after or chosen.folder / "first.tar.gz"
    if call == "second" and not (scratch / "first").is_dir() and before.is_file():
        unpack(before, scratch)
    target = chosen.folder / f"{call}.tar.gz"

    def keep() -> None:
        (scratch / "report.md").write_text(report.render(scratch))
        archive(scratch, target)

    deadline = math.inf if chosen.rehearse else DEADLINE
    runner = Runner(folder, environment, keep, deadline, _end_if_stopped)
    passed = False
    try:
        if about["nsa"]:
            about |= _build(runner, scratch, about, environment)
            replace_json(folder / "machine.json", about)
        groups = CALLS[call]
        if chosen.rehearse:
            earlier = chosen.calls[: chosen.calls.index(call)]
            groups = rehearsed(groups, sum((CALLS[one] for one in earlier), ()))
        passed = not about["nsa"] and runner.run(groups)
    finally:  # also when this process is being stopped
        keep()
        page = (scratch / "report.md").read_text()
        passed &= report.UNWRITTEN not in page
        if not chosen.rehearse and report.measured(scratch):
            PAGE.write_text(page)
        print(f"\n{page}\narchive: {target}", flush=True)
    return passed


def _build(
    runner: Runner, scratch: Path, about: dict[str, Any], environment: dict[str, str]
) -> dict[str, Any]:
    """Build the package for this machine; what it is like afterwards."""
    site = str(scratch / "site")
    print(f"=== build, because {about['nsa']}", flush=True)
    arguments = (site, "--architecture", about["capability"], "--work", str(scratch / "cmake"))
    program = ("build_site.py", *arguments)
    if not runner.run(((Stage("build", program, BUILD_SECONDS, figures=False),),)):
        return {"nsa": "it could not be built"}
    return {"nsa": _probe(environment, site)["nsa"]}


def _environment(scratch: Path, chosen: argparse.Namespace) -> dict[str, str]:
    """What every stage has beyond the environment of this process."""
    environment = {"PYTHONUNBUFFERED": "1", "NSA_REHEARSAL": str(int(chosen.rehearse))}
    if chosen.rehearse:  # nothing is timed, so that one thread and any compiled plan will do
        return {**environment, "OMP_NUM_THREADS": "1", "NSA_DATA_ROOT": "drawn"}
    paths = [str(scratch / "site"), os.environ.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    environment["NUMBA_CACHE_DIR"] = str(scratch / "numba")
    if chosen.data is not None:
        environment["NSA_DATA_ROOT"] = str(chosen.data)
    return environment


def _probe(environment: dict[str, str], *site: str) -> dict[str, Any]:
    program = [sys.executable, str(HERE / "probe.py"), *site]
    try:
        done = subprocess.run(
            program, env={**os.environ, **environment}, capture_output=True, text=True,
            timeout=_PROBE_SECONDS, check=False,
        )  # fmt: skip
        return dict(json.loads(done.stdout.splitlines()[-1]))  # warnings may come before it
    except subprocess.TimeoutExpired:
        fail(f"torch and its GPU did not answer within {_PROBE_SECONDS} s.")
    except (IndexError, ValueError):
        fail(f"{sys.executable} cannot say what it has: {(done.stderr.splitlines() or ['?'])[-1]}")


def _prepare(
    scratch: Path, chosen: argparse.Namespace, environment: dict[str, str]
) -> dict[str, Any]:
    """What the machine has; ``nsa`` says why the package has to be built, if it has to be."""
    why, site = "no site was named", []
    if chosen.site is not None and not chosen.rehearse:
        extension = build_site.carried(chosen.site)
        if isinstance(extension, Path):
            build_site.assemble(extension, scratch / "site")
            site.append(str(scratch / "site"))
        else:
            why = extension
    about = _probe(environment, *site)
    if about["error"]:
        fail(about["error"])
    about["rehearsal"] = chosen.rehearse
    if not site and not chosen.rehearse:
        about["nsa"] = why
    if about["nsa"] and chosen.rehearse:
        fail(f"nsa cannot be rehearsed: {about['nsa']}; install it with pip install '.[test]'.")
    if importlib.util.find_spec("pytest") is None:
        fail("this Python has no pytest, which runs the tests; install it.")
    if about["nsa"] and shutil.which("nvcc") is None:
        fail(
            f"nsa has to be built, because {about['nsa']}, but nvcc is not on PATH; install a "
            "CUDA toolkit, add its bin folder to PATH, or name a --site that was built before."
        )
    if about["nsa"] and (importlib.util.find_spec("pybind11") is None or not shutil.which("cmake")):
        fail(
            f"nsa has to be built, because {about['nsa']}, but pybind11 or cmake is missing; "
            "install them, or name a --site that was built before."
        )
    return about


def unpack(path: Path, scratch: Path) -> None:
    """What the first call found, for the second."""
    try:
        with tarfile.open(path) as packed:
            parts = [part for part in packed.getmembers() if part.name.startswith("first/")]
            packed.extractall(scratch, parts, filter="data")
    except (OSError, tarfile.TarError) as error:
        fail(f"{path} cannot be unpacked: {error}.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
