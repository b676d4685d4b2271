"""``benchmarks/gpu.sh`` without a GPU: a rehearsal of all its stages, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.sh"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

# What a stage measures and keeps, beyond its log.
FIGURES = {
    "first": ["launch", "limits", "synthesis", "step", "tests-device", "tests-training"],
    "second": [  # and what the first call rehearsed
        "peers", "counters", "trace_step", "forms", "bottle", "tests-too_large", "loader",
    ],
}  # fmt: skip
# A row of every table: what it begins with, and how many there are at least.
ROWS = {
    "| synthesis at batch ": 2,
    "| training at 224 px": 1,
    "| bottle, ": 4,
    "| first | ": 10,
    "| second | ": 8,
    "| blend and label, plan on the device | ": 2,
    "| the same, captured in a graph | ": 2,
    "| label | ": 2,
    "| normalise to bfloat16 | ": 2,
    "| blend_images | ": 1,
    "| label_tiles | ": 1,
    "| cv2.seamlessClone on ": 1,
    "| nsa on the GPU": 1,
    "| synthesis and network, images ": 2,
    "| network alone | ": 1,
    "| optimiser | ": 1,
    "| default | ": 1,
    "| with ": 5,
    "| `aten::": 10,
    "| 2 | ": 3,
    "| 320 | the paper ": 1,
    "The same network gets ": 1,
}


def run(
    *arguments: object, timeout: float = 60, **environment: str
) -> subprocess.CompletedProcess[str]:
    settings = {**os.environ, "PYTHON": sys.executable, **environment}
    settings.pop("NSA_DATA_ROOT", None)
    return subprocess.run(
        ["bash", str(SCRIPT), *map(str, arguments)],
        env=settings, capture_output=True, text=True, check=False, timeout=timeout,
    )  # fmt: skip


def test_every_stage_is_rehearsed(tmp_path: Path) -> None:
    page = SCRIPT.with_name("results_gpu.md")
    before = page.read_text() if page.is_file() else None
    done = run("--rehearse", tmp_path / "out", timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "first.tar.gz",
        "second.tar.gz",
    ]
    with tarfile.open(tmp_path / "out" / "second.tar.gz") as packed:  # has both calls
        packed.extractall(tmp_path, filter="data")
    for call, names in FIGURES.items():
        stages = json.loads((tmp_path / call / "stages.json").read_text())
        assert {stage["result"] for stage in stages} == {"passed"}
        for stage in stages:
            assert (tmp_path / call / f"{stage['name'].replace(' ', '_')}.log").is_file()
        for name in names:
            assert json.loads((tmp_path / call / f"{name}.json").read_text()), name
    report = (tmp_path / "report.md").read_text()
    assert report.startswith("# A rehearsal on the host: no figure of this page counts\n")
    assert "could not be written" not in report
    for beginning, count in ROWS.items():
        found = sum(line.startswith(beginning) for line in report.splitlines())
        assert found >= count, beginning
    assert done.stdout.rstrip().endswith(f"{report}\narchive: {tmp_path / 'out'}/second.tar.gz")
    assert (page.read_text() if page.is_file() else None) == before


def bare(folder: Path, torch: str) -> dict[str, str]:
    """An environment with little on PATH, and a module in place of torch."""
    (folder / "torch.py").write_text(torch)
    (folder / "bin").mkdir()
    for name in ("bash", "dirname"):
        (folder / "bin" / name).symlink_to(str(shutil.which(name)))
    return {"PATH": str(folder / "bin"), "PYTHONPATH": str(folder)}


A_GPU = """
class cuda:
    def is_available(): return True
    def get_device_properties(_):
        from types import SimpleNamespace
        return SimpleNamespace(name="G", major=9, minor=0, multi_processor_count=1, total_memory=1)
class version:
    cuda = "13.0"
"""


@pytest.mark.parametrize(
    ("torch", "sentence"),
    [
        ("raise ImportError", "this Python has no torch; name another with PYTHON=..."),
        ("class cuda:\n    def is_available(): return False", "torch sees no GPU on this machine"),
        (A_GPU, "nsa has to be built, because no site was named, but nvcc is not on PATH;"),
    ],
)
def test_what_is_missing_is_said_first(tmp_path: Path, torch: str, sentence: str) -> None:
    done = run(tmp_path / "out", **bare(tmp_path, torch))
    assert done.returncode == 1
    assert done.stderr.startswith(f"gpu.sh: {sentence}"), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["third"], "unknown word third; say first, second, or a folder, such as ./third."),
        (["first", "{}/out", "{}", "more"], "more is one word too many; usage: gpu.sh [first|"),
        (["--fast"], "unrecognized arguments: --fast; usage: gpu.sh [first|second]"),
        (["{}/out", "{}"], "there is no folder bottle in {}."),
        (["--site", "{}"], "there is no folder nsa in {}."),
        (["--after", "{}/first.tar.gz"], "there is no archive {}/first.tar.gz."),
    ],
)
def test_bad_use_gets_one_sentence(tmp_path: Path, words: list[str], sentence: str) -> None:
    done = run(*(word.format(tmp_path) for word in words))
    assert done.returncode == 1
    assert done.stderr.startswith(f"gpu.sh: {sentence.format(tmp_path)}"), done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_usage_is_told() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: gpu.sh [first|second]")


def test_a_python_that_is_missing_is_named() -> None:
    done = run(PYTHON="python-of-nowhere")
    assert done.returncode == 1
    assert done.stderr == "gpu.sh: there is no python-of-nowhere; name one with PYTHON=...\n"
