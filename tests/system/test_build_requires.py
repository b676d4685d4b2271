"""The build asks for a CUDA compiler where one is needed, and nowhere else."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("scikit_build_core", reason="scikit-build-core is not installed")

CMAKE = Path(__file__).parents[2] / "cmake"
# A driver with the GPUs that the environment names.
DRIVER = """
#include <cstdlib>
#include <cstring>
extern "C" {
static int found[8], count;
int cuInit(unsigned) {
    const char* list = std::getenv("GPUS");
    for (; *list; list += *list == ',') found[count++] = int(std::strtol(list, (char**)&list, 10));
    return count ? 0 : 100;
}
int cuDeviceGetCount(int* result) { return *result = count, 0; }
int cuDeviceGet(int* device, int index) { return *device = index, 0; }
int cuDeviceGetAttribute(int* value, int attribute, int device) {
    if (attribute != 75 && attribute != 76) return 1;
    return *value = attribute == 75 ? found[device] / 10 : found[device] % 10, 0;
}
}
"""


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The build backend on a machine without toolkit, driver and settings."""
    monkeypatch.syspath_prepend(CMAKE)
    for name in ("CUDACXX", "CUDA_HOME", "SKBUILD_CMAKE_DEFINE", "CMAKE_ARGS"):
        monkeypatch.delenv(name, raising=False)
    spec = importlib.util.spec_from_file_location("nsa_backend", CMAKE / "backend.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(module.gpus, "capabilities", list)
    monkeypatch.setattr(module.sys, "platform", "linux")
    monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    return module


def asked(backend: ModuleType, settings: dict[str, str | list[str]] | None = None) -> bool:
    wanted = backend._compiler(settings)
    assert wanted in ((), backend.COMPILER)
    return bool(wanted)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (None, False),
        ({"cmake.define.NSA_CUDA": "ON"}, True),
        ({"skbuild.cmake.define.NSA_CUDA": "on"}, True),
        ({"cmake.define.NSA_CUDA": ["OFF", "ON"]}, True),
        ({"cmake.define.NSA_CUDA": "OFF"}, False),
        ({"cmake.define.NSA_CUDA": "AUTO"}, False),
        ({"cmake.define.NSA_CUDA_ARCHITECTURES": "90"}, True),
        ({"cmake.define.NSA_CUDA_ARCHITECTURES": "90", "cmake.define.NSA_CUDA": "OFF"}, False),
        ({"cmake.args": "-DNSA_CUDA:STRING=ON"}, True),
        ({"cmake.args": ["-GNinja", "-DNSA_CUDA_ARCHITECTURES=80"]}, True),
        ({"cmake.define.NSA_NATIVE": "ON"}, False),
    ],
)
def test_without_a_gpu_only_who_asks_gets_a_compiler(
    backend: ModuleType, settings: dict[str, str | list[str]] | None, expected: bool
) -> None:
    assert asked(backend, settings) is expected


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("CMAKE_ARGS", "-DNSA_NATIVE=ON -DNSA_CUDA=ON", True),
        ("CMAKE_ARGS", "-DNSA_CUDA=ON -DNSA_CUDA=OFF", False),
        ("SKBUILD_CMAKE_DEFINE", "NSA_NATIVE=ON;NSA_CUDA=ON", True),
    ],
)
def test_the_environment_asks(
    backend: ModuleType, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: bool
) -> None:
    monkeypatch.setenv(variable, value)
    assert asked(backend) is expected


def test_a_gpu_needs_a_compiler_unless_there_is_one(
    backend: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend.gpus, "capabilities", lambda: [90])
    assert asked(backend)
    assert not asked(backend, {"cmake.define.NSA_CUDA": "OFF"})
    monkeypatch.setattr(backend.platform, "machine", lambda: "aarch64")
    assert not asked(backend)
    monkeypatch.setattr(backend.platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("CUDACXX", "/opt/nvcc")
    assert not asked(backend)
    monkeypatch.delenv("CUDACXX")
    monkeypatch.setattr(backend.shutil, "which", lambda *_, **__: "/usr/bin/nvcc")
    assert not asked(backend)


@pytest.mark.parametrize(
    ("gpus", "expected"), [("", ""), ("90,75,90", "75;90"), ("61,121", "121"), ("61", "")]
)
def test_capabilities_come_from_the_driver(tmp_path: Path, gpus: str, expected: str) -> None:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C++ compiler for Linux, which makes the driver")
    (tmp_path / "driver.cpp").write_text(DRIVER)
    library = tmp_path / "libcuda.so.1"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", library, tmp_path / "driver.cpp"], check=True
    )
    done = subprocess.run(
        [sys.executable, CMAKE / "gpus.py"],
        env={"LD_LIBRARY_PATH": str(tmp_path), "GPUS": gpus},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == expected
