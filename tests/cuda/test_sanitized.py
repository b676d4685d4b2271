"""The kernels' code under AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CSRC = HERE.parents[1] / "csrc"
SOURCES = (
    "emulation/emulate.cpp",
    "device/schedule.cpp",
    "blend/check_plan.cpp",
    "blend/sine.cpp",
    "blend/sine_pack.cpp",
)


def test_no_access_out_of_bounds_and_no_undefined_behaviour(tmp_path: Path) -> None:
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("there is no C++ compiler to build with sanitizers")
    probe = tmp_path / "probe.cpp"
    probe.write_text("int main() {}\n")
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    if subprocess.run(
        [compiler, *flags, probe, "-o", tmp_path / "probe"], capture_output=True, check=False
    ).returncode:
        pytest.skip(f"{compiler} has no sanitizers here")
    program = tmp_path / "sanitized"
    command = [compiler, "-std=c++17", "-O1", "-pthread", *flags, "-ffp-contract=off"]
    sources = [HERE / "sanitized.cpp", *(CSRC / name for name in SOURCES)]
    subprocess.run([*command, f"-I{CSRC}", *sources, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 100
