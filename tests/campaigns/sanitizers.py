"""Builds of the compiled extension with sanitizers, and the processes that load them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEMORY = "address,undefined"
THREADS = "thread"
# The first library of a process, and what it is told.
_LIBRARIES = {MEMORY: ("libasan.so", "libstdc++.so"), THREADS: ("libtsan.so",)}
_OPTIONS = {
    # Python and torch keep memory until the end. What cannot be allocated is an exception, too.
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=4096",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    # Only the extension was built for it: what others do without being seen is no race.
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:halt_on_error=1",
}


def missing() -> str | None:
    """Why nothing can be built with sanitizers here; None: it can."""
    for name in ("cmake", _compiler()):
        if shutil.which(name) is None:
            return f"there is no {name}"
    try:
        import pybind11  # noqa: F401
    except ImportError:
        return "pybind11 is not installed"
    for libraries in _LIBRARIES.values():
        for name in libraries:
            if not Path(_library(name)).is_file():
                return f"{_compiler()} has no {name}"
    return None


def build_extension(folder: Path, sanitizers: str) -> Path:
    """``nsa._C`` without CUDA, built in ``folder``, where the next build goes on."""
    import pybind11

    options = {
        "NSA_SANITIZE": sanitizers,
        "NSA_CUDA": "OFF",
        "Python_EXECUTABLE": sys.executable,
        "pybind11_DIR": pybind11.get_cmake_dir(),
        "CMAKE_CXX_COMPILER": _compiler(),
    }
    defined = [f"-D{name}={value}" for name, value in options.items()]
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    _run(["cmake", "-S", ROOT, "-B", folder, *generator, *defined])
    _run(["cmake", "--build", folder, "--parallel"])
    return folder / f"_C{sysconfig.get_config_var('EXT_SUFFIX')}"


def environment(sanitizers: str) -> dict[str, str]:
    """Variables of a process that loads what was built with these sanitizers."""
    libraries = " ".join(_library(name) for name in _LIBRARIES[sanitizers])
    return {**os.environ, "LD_PRELOAD": libraries, **_OPTIONS}


def _compiler() -> str:
    return os.environ.get("CXX") or "g++"


def _library(name: str) -> str:
    done = subprocess.run(
        [_compiler(), f"-print-file-name={name}"], capture_output=True, text=True, check=False
    )
    return str(Path(done.stdout.strip()).resolve())


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}{done.stderr}")
