"""``benchmarks/gpu.sh`` on a machine that lacks things: every stage ends with a clear result."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.sh"
STAGES = [
    "build", "tests", "limits", "synthesis", "peers", "step", "loader", "memcheck", "racecheck",
    "initcheck",
]  # fmt: skip

pytestmark = pytest.mark.skipif(
    not SCRIPT.is_file() or any(shutil.which(name) is None for name in ("bash", "timeout")),
    reason="needs the repository, bash and the coreutils",
)

# torch warns before it names the capability; pip builds, the stages' programs fail.
PYTHON = """#!/bin/bash
echo "$@" >>"$CALLS"
case $1 in
    -c) echo "UserWarning: something" >&2; echo 90 ;;
    -m) [[ $2 == pip ]] ;;
    *report.py) echo page >"$3" ;;
    *) exit 3 ;;
esac
"""


def run(
    folder: Path, commands: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """A copy of the script, with ``commands`` in front of the machine's own."""
    for name in ("benchmarks", "bin", "tests"):
        (folder / name).mkdir()
    shutil.copy(SCRIPT, folder / "benchmarks")
    (folder / "tests" / "test_it.py").write_text("# needs_cuda\n")
    for name, text in commands.items():
        path = folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)
    environment = dict(
        os.environ, PATH=f"{folder / 'bin'}:{os.environ['PATH']}", CALLS=str(folder / "calls")
    )
    environment.pop("PYTHON", None)
    environment.pop("NSA_DATA_ROOT", None)
    return subprocess.run(
        ["bash", folder / "benchmarks" / "gpu.sh", *arguments],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_a_failed_stage_does_not_stop_later_ones(tmp_path: Path) -> None:
    bare = "#!/bin/bash\nexit 0\n"
    sanitizer = '#!/bin/bash\n[[ $* == *kns* ]] || echo "every kernel ran"\n'
    commands = {"python3": PYTHON, "nvcc": bare, "compute-sanitizer": sanitizer}
    done = run(tmp_path, commands, str(tmp_path / "out"))
    assert done.returncode == 1, done.stderr
    rows = [line.split("\t") for line in (tmp_path / "out/stages.tsv").read_text().splitlines()]
    assert [row[0] for row in rows] == STAGES
    passed = {"build", "memcheck", "racecheck", "initcheck"}
    assert {row[0] for row in rows if row[1] == "passed"} == passed
    assert {row[1] for row in rows} == {"passed", "failed (1)", "failed (3)"}
    assert (tmp_path / "out/results_gpu.md").read_text() == "page\n"
    calls = (tmp_path / "calls").read_text()
    assert "NSA_CUDA_ARCHITECTURES=90 " in calls
    assert "tests/test_it.py" in calls


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        ("#!/bin/bash\necho 'this Python has no torch' >&2\nexit 1\n", "this Python has no torch"),
        ("#!/bin/bash\necho 90\n", "there is no folder bottle in"),
    ],
)
def test_what_is_missing_is_said_first(tmp_path: Path, python: str, sentence: str) -> None:
    commands = {"python3": python, "nvcc": "#!/bin/bash\n"}
    done = run(tmp_path, commands, str(tmp_path / "out"), str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"gpu.sh: {sentence}")
    assert not (tmp_path / "out").exists()
