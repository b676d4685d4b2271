"""Native code with arbitrary arguments: a result or an exception, in a process that may crash.

With ``--effort 2`` and more, all of it is done again by builds with AddressSanitizer and
UndefinedBehaviorSanitizer, and its threads by one with ThreadSanitizer, built in minutes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sanitizers
from shim.build import HOST, KERNELS, MissingError, build_module, build_program  # of tests/cuda

HERE = Path(__file__).parent
# Examples of every entry point.
EXAMPLES = {"extension": 30, "threads": 10, "operators": 60, "functions": 40, "device": 10}
_SHIM = ["-O1", "-g1", f"-fsanitize={sanitizers.MEMORY}", "-fno-sanitize-recover=all"]


@pytest.fixture(scope="session")
def builds(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what is compiled stays from one run of the tests to the next."""
    cache: pytest.Cache | None = getattr(pytestconfig, "cache", None)
    return cache.mkdir("campaigns") if cache else tmp_path_factory.mktemp("builds")


@pytest.fixture(scope="session")
def shim(pytestconfig: pytest.Config, builds: Path) -> Path:
    """The kernels compiled for the host, where tests/cuda has them, too."""
    cache: pytest.Cache | None = getattr(pytestconfig, "cache", None)
    try:
        return build_module((cache.mkdir("shim") if cache else builds) / "module")
    except MissingError as error:
        pytest.skip(f"the kernels cannot be compiled for the host: {error}")


@pytest.fixture
def sanitized(effort: float, builds: Path) -> Path:
    if effort < 2:
        pytest.skip("builds with sanitizers take minutes: --effort 2 and more")
    reason = sanitizers.missing()
    if reason is not None:
        pytest.skip(f"no builds with sanitizers: {reason}")
    return builds


@pytest.mark.parametrize("kind", EXAMPLES)
def test_native_calls(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, fresh_seed: int, effort: float
) -> None:
    more = ["--shim", request.getfixturevalue("shim")] if kind == "device" else []
    run(kind, round(EXAMPLES[kind] * effort), fresh_seed, tmp_path, None, ["--limit", *more])


@pytest.mark.parametrize("instructions", ["baseline", "avx2", "avx512"])
@pytest.mark.parametrize("kind", ["extension", "operators", "functions"])
def test_native_calls_with_sanitizers(
    kind: str, instructions: str, sanitized: Path, tmp_path: Path, fresh_seed: int, effort: float
) -> None:
    extension = sanitizers.build_extension(sanitized / "memory", sanitizers.MEMORY)
    environment = {**sanitizers.environment(sanitizers.MEMORY), "NSA_MAX_ISA": instructions}
    examples = round(EXAMPLES[kind] * effort)
    run(kind, examples, fresh_seed, tmp_path, environment, ["--extension", extension])


def test_device_calls_with_sanitizers(
    sanitized: Path, tmp_path: Path, fresh_seed: int, effort: float
) -> None:
    extension = sanitizers.build_extension(sanitized / "memory", sanitizers.MEMORY)
    kernels = build_module(sanitized / "shim", _SHIM)
    more = ["--extension", extension, "--shim", kernels]
    environment = sanitizers.environment(sanitizers.MEMORY)
    run("device", round(EXAMPLES["device"] * effort), fresh_seed, tmp_path, environment, more)


def test_kernels_with_sanitizers(sanitized: Path, fresh_seed: int, effort: float) -> None:
    """The program of tests/cuda/test_sanitized.py, on other plans and more of them."""
    source = HERE.parent / "cuda" / "sanitized.cpp"
    program = build_program(sanitized / "kernels" / "program", [source, *HOST], KERNELS, _SHIM)
    arguments = [str(fresh_seed % 2**31), str(round(24 * effort))]
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-8000:]


def test_threads_with_sanitizers(
    sanitized: Path, tmp_path: Path, fresh_seed: int, effort: float
) -> None:
    extension = sanitizers.build_extension(sanitized / "threads", sanitizers.THREADS)
    environment = sanitizers.environment(sanitizers.THREADS)
    examples = round(EXAMPLES["threads"] * effort)
    run("threads", examples, fresh_seed, tmp_path, environment, ["--extension", extension])


def run(
    kind: str,
    examples: int,
    seed: int,
    folder: Path,
    environment: dict[str, str] | None,
    more: list[str | Path],
) -> None:
    """Run native_fuzz.py, and say what it was calling where it does not return."""
    note = folder / "note"
    numbers = ["--seed", str(seed), "--examples", str(examples)]
    command = [
        sys.executable,
        HERE / "native_fuzz.py",
        "--kind",
        kind,
        *numbers,
        "--note",
        note,
        *more,
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=folder,
        errors="replace",
    )
    print(done.stdout)
    last = note.read_text(errors="replace") if note.is_file() else ""
    assert done.returncode == 0, f"{done.stderr[-12000:]}\nended with {done.returncode} at\n{last}"
