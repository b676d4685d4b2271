"""Compiles the real ``.cu`` files with the shim, by the machine's C++ compiler."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

from shim.translate import translate

HERE = Path(__file__).parent
CSRC = HERE.parents[2] / "csrc"
KERNELS = tuple(sorted(CSRC.glob("*/*_cuda.cu")))
# What the launches need of the host's code.
HOST = tuple(
    CSRC / name
    for name in (
        "device/device_plan.cpp",
        "device/schedule.cpp",
        "plan/check.cpp",
        "plan/rows_by_image.cpp",
        "label/kinds.cpp",
        "blend/sine.cpp",
        "blend/sine_pack.cpp",
    )
)
SHIM = tuple(path for path in sorted(HERE.glob("*.cpp")) if path.name != "module.cpp")
WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Werror", "-Wno-unknown-pragmas")
# Few blocks, so that each takes several items of all but the smallest launches.
DEVICE = (
    "-x", "c++", "-D__CUDACC__", "-D__CUDA_ARCH__=900", "-DNSA_MOST_BLOCKS=32",
    "-include", "cuda_runtime.h",
)  # fmt: skip


class MissingError(RuntimeError):
    """Something that the build needs is not on this machine."""


def compiler() -> str:
    """The C++ compiler: ``$CXX``, else GCC, else Clang."""
    wanted = os.environ.get("CXX")
    found = shutil.which(wanted) if wanted else shutil.which("g++") or shutil.which("clang++")
    if found is None:
        raise MissingError(f"there is no {wanted or 'C++ compiler'}")
    return found


def load_module(folder: Path) -> ModuleType:
    """The extension ``nsa_shim``, built in ``folder``."""
    spec = importlib.util.spec_from_file_location("nsa_shim", build_module(folder))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build_module(folder: Path, more: Sequence[str] = ()) -> Path:
    """The file of the extension ``nsa_shim``; its objects stay in ``folder`` for the next build.

    Args:
        more: flags of the compiler.
    """
    try:
        import pybind11
    except ImportError as error:
        raise MissingError("pybind11 is not installed") from error
    includes = [pybind11.get_include(), sysconfig.get_path("include")]
    if not (Path(includes[1]) / "Python.h").is_file():
        raise MissingError("Python's headers are not installed")
    flags = ["-O2", "-fPIC", "-fvisibility=hidden", "-DNSA_WITH_CUDA", *more]
    flags += [option for path in includes for option in ("-isystem", path)]
    link = ["-shared"]
    if os.uname().sysname == "Darwin":
        link += ["-undefined", "dynamic_lookup"]  # Python's own functions
    target = folder / f"nsa_shim{sysconfig.get_config_var('EXT_SUFFIX')}"
    _build(target, [HERE / "module.cpp", *HOST], KERNELS, flags, link)
    return target


def build_program(
    target: Path, sources: Sequence[Path], kernels: Sequence[Path], flags: Sequence[str]
) -> Path:
    """A program of C++ sources and ``.cu`` files; its objects stay beside it."""
    _build(target, sources, kernels, flags, [])
    return target


def _build(
    target: Path,
    sources: Sequence[Path],
    kernels: Sequence[Path],
    flags: Sequence[str],
    link: Sequence[str],
) -> None:
    folder = target.parent
    folder.mkdir(parents=True, exist_ok=True)
    common = [
        compiler(), "-std=c++17", "-pthread", "-ffp-contract=off", *WARNINGS, *flags,
        f"-I{HERE}", f"-I{CSRC}",
    ]  # fmt: skip
    with (folder / "lock").open("w") as lock, ThreadPoolExecutor(os.cpu_count()) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another session may build here
        jobs = [(common, source) for source in sources]
        for kernel in kernels:
            translated = folder / f"{kernel.stem}.cpp"
            translated.write_text(translate(kernel.read_text(), str(kernel)))
            jobs.append(([*common, *DEVICE], translated))
        jobs += [(common, source) for source in SHIM]
        objects = list(pool.map(lambda job: _compile(folder, *job), jobs))
        fresh = target.with_name(f"fresh-{target.name}")  # an older one may be loaded
        _run([common[0], "-pthread", *flags, *link, *map(str, objects), "-o", str(fresh)])
        fresh.replace(target)


def _compile(folder: Path, command: list[str], source: Path) -> Path:
    """The object of a source, compiled unless nothing that went into it has changed."""
    target = folder / f"{source.parent.name}-{source.stem}.o"
    dependencies, known = target.with_suffix(".d"), target.with_suffix(".key")
    whole = [*command, "-MMD", "-MF", str(dependencies), "-c", str(source), "-o", str(target)]
    if not (known.is_file() and target.is_file()) or known.read_text() != _key(whole, dependencies):
        known.unlink(missing_ok=True)
        _run(whole)
        known.write_text(_key(whole, dependencies))
    return target


def _key(command: list[str], dependencies: Path) -> str:
    """Digest of the compiler, its command, and the files that it read, as it listed them."""
    digest = hashlib.sha256("\0".join([_version(command[0]), *command]).encode())
    for name in dependencies.read_text().replace("\\\n", " ").split()[1:]:
        path = Path(name)
        digest.update(path.read_bytes() if path.is_file() else b"gone")
    return digest.hexdigest()


@functools.cache
def _version(compiler: str) -> str:
    return subprocess.run(
        [compiler, "--version"], capture_output=True, text=True, check=True
    ).stdout


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
