"""The kernels under AddressSanitizer and UndefinedBehaviorSanitizer, launched on the host."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from shim.build import HOST, KERNELS, build_program, compiler

FLAGS = ["-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def test_no_access_out_of_bounds_and_no_undefined_behaviour(
    shim_folder: Path, tmp_path: Path
) -> None:
    probe = tmp_path / "probe.cpp"
    probe.write_text("int main() {}\n")
    command = [compiler(), *FLAGS, str(probe), "-o", str(tmp_path / "probe")]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"{compiler()} has no sanitizers here")
    source = Path(__file__).parent / "sanitized.cpp"
    program = build_program(shim_folder / "sanitized" / "program", [source, *HOST], KERNELS, FLAGS)
    done = subprocess.run([program], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 100
