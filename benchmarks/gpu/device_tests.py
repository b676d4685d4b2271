"""The tests that need a GPU: ``device_tests.py FOLDER device|training|too_large|failed``.

A process a file: after an illegal access nothing more runs on the GPU in the same one. Only files
with such tests, since to import the others takes longer, and a few at a time. ``failed`` are those
that did not pass in the first call. What is known so far is in ``tests-WHICH.json`` at any time.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MARK = "pytest.mark.needs_cuda"
TOO_LARGE = "too_large"  # in the name of the test that takes the whole GPU
AT_A_TIME = 3
WHICH = ("device", "training", TOO_LARGE, "failed")
_LINE = re.compile(r"^(\S+::.+?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b")
_BEGUN = re.compile(r"^(\S+::\S.*?)\s*$")


def files() -> list[str]:
    """Test files with tests that need a GPU, relative to the repository."""
    return sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if re.search(rf"^[^#\n'\"]*{re.escape(MARK)}", path.read_text(), re.MULTILINE)
    )


def chosen(which: str, folder: Path) -> list[list[str]]:
    """Arguments of pytest, a list a process."""
    training = [name for name in files() if "training" in Path(name).name]
    if which == "device":
        return [[name] for name in files() if name not in training]
    if which == "training":
        return [[name, "-k", f"not {TOO_LARGE}"] for name in training]
    if which == TOO_LARGE:
        return [[name, "-k", TOO_LARGE] for name in training]
    again: dict[str, list[str]] = {}
    for path in sorted((folder.parent / "first").glob("tests-*.json")):
        before = json.loads(path.read_text())
        for name in before["failed"] + before["unfinished"]:
            again.setdefault(name.partition("::")[0], []).append(name)
    return list(again.values())


def read(log: str) -> dict[str, Any]:
    """How each test ended, from what ``pytest -v`` printed, also of a process that died."""
    ended: dict[str, str] = {}
    begun: set[str] = set()
    for line in log.splitlines():
        if match := _LINE.match(line):
            # An error while cleaning up comes after PASSED; the worse counts.
            if ended.get(match[1]) not in ("FAILED", "ERROR"):
                ended[match[1]] = match[2]
        elif match := _BEGUN.match(line):
            begun.add(match[1])
    return {
        "passed": sum(word == "PASSED" for word in ended.values()),
        "skipped": sum(word == "SKIPPED" for word in ended.values()),
        "failed": [name for name, word in ended.items() if word in ("FAILED", "ERROR")],
        "unfinished": sorted(begun - set(ended)),
    }


def gather(logs: list[Path]) -> dict[str, Any]:
    parts = [read(log.read_text()) for log in logs]
    return {name: sum((part[name] for part in parts[1:]), parts[0][name]) for name in parts[0]}


def main(folder: str, which: str) -> int:
    if which not in WHICH:
        print(f"which tests? {', '.join(WHICH)}, not {which}")
        return 2
    waiting = chosen(which, Path(folder))
    if not waiting:
        print("nothing failed before" if which == "failed" else "there are no such tests")
        return 0 if which == "failed" else 1
    logs, statuses = [], []
    running: list[subprocess.Popen[bytes]] = []
    try:
        while waiting or running:
            while waiting and len(running) < AT_A_TIME:
                arguments = waiting.pop(0)
                name = Path(arguments[0].partition("::")[0]).stem
                logs.append(Path(folder, f"tests-{which}-{name}.log"))
                command = [
                    sys.executable, "-m", "pytest", "-m", "needs_cuda", "-W", "default",
                    "-p", "no:cacheprovider", "-v", "--durations", "5", *arguments,
                ]  # fmt: skip
                with logs[-1].open("w") as log:
                    running.append(
                        subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
                    )
            time.sleep(0.2)
            statuses += [done.returncode for done in running if done.poll() is not None]
            running = [process for process in running if process.poll() is None]
            _write(folder, which, logs)
    except KeyboardInterrupt:  # which they get too; pytest then tells what failed so far
        for process in running:
            process.wait()
        statuses.append(1)
    found = _write(folder, which, logs)
    for name in found["failed"]:
        print(f"FAILED {name}")
    for name in found["unfinished"]:
        print(f"NOT FINISHED {name}")
    print(
        f"{found['passed']} passed, {len(found['failed'])} failed, {found['skipped']} skipped, "
        f"{len(found['unfinished'])} not finished"
    )
    rehearsal = os.environ.get("NSA_REHEARSAL") == "1"
    if found["passed"] == 0 and not (rehearsal and found["skipped"]):
        return 1  # where there is a GPU, to skip all is a failure
    return max(statuses)


def _write(folder: str, which: str, logs: list[Path]) -> dict[str, Any]:
    found = gather(logs)
    path = Path(folder, f"tests-{which}.json")
    new = path.with_suffix(".new")
    new.write_text(json.dumps(found, indent=1))
    new.replace(path)
    return found


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
