"""The build backend: scikit-build-core's, which asks for a CUDA compiler only where one is needed.

The compiler's wheels are a download of 115 MB and take longer to unpack than the rest to build.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from pathlib import Path

import gpus
from scikit_build_core import build as _build
from scikit_build_core.build import (  # noqa: F401
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

Settings = dict[str, str | list[str]] | None

COMPILER = (
    "nvidia-cuda-nvcc>=13.1,<14",
    "nvidia-cuda-cccl>=13.1,<14",
    "nvidia-cuda-runtime>=13.1,<14",
    "nvidia-cuda-crt>=13.1,<14",
    "nvidia-nvvm>=13.1,<14",
)


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    return [*_build.get_requires_for_build_wheel(config_settings), *_compiler(config_settings)]


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    return [*_build.get_requires_for_build_editable(config_settings), *_compiler(config_settings)]


def _compiler(settings: Settings) -> tuple[str, ...]:
    has_wheels = sys.platform == "linux" and platform.machine() == "x86_64"
    return COMPILER if has_wheels and wants_kernels(settings) and not has_compiler() else ()


def wants_kernels(settings: Settings) -> bool:
    """Whether ``cmake/cuda_compiler.cmake`` will look for a compiler."""
    wanted = _defined("NSA_CUDA", settings).upper() or "AUTO"
    if wanted == "AUTO":
        return bool(_defined("NSA_CUDA_ARCHITECTURES", settings) or gpus.capabilities())
    return wanted in ("ON", "1", "TRUE", "YES", "Y")


def has_compiler() -> bool:
    """Whether this machine has a toolkit, by the same rule as ``cmake/cuda_compiler.cmake``."""
    home = os.environ.get("CUDA_HOME")
    return bool(
        os.environ.get("CUDACXX")
        or shutil.which("nvcc")
        or (home and shutil.which("nvcc", path=Path(home, "bin")))
    )


def _defined(name: str, settings: Settings) -> str:
    """A CMake variable, from where scikit-build-core takes it; empty: it is not set."""
    given = {key.removeprefix("skbuild."): value for key, value in (settings or {}).items()}
    arguments = given.get("cmake.args", "")
    texts = [arguments] if isinstance(arguments, str) else arguments
    texts = [*texts, *(os.environ.get(key, "") for key in ("SKBUILD_CMAKE_ARGS", "CMAKE_ARGS"))]
    found = _last(name, texts)  # which CMake reads after the definitions
    value = given.get(f"cmake.define.{name}")
    if value and not found:
        return value if isinstance(value, str) else value[-1]
    return found or _last(name, [os.environ.get("SKBUILD_CMAKE_DEFINE", "")])


def _last(name: str, texts: list[str]) -> str:
    found = re.findall(rf"(?:^|[\s;]|-D){name}(?::\w+)?=([^\s;]*)", " ".join(texts))
    return found[-1].strip("\"'") if found else ""
