"""Build the package as a folder for PYTHONPATH, without a network and without pip.

    build_site.py SITE --architecture 90                              for this Python
    build_site.py SITE --architecture 90 --headers include/python3.12     for that of the headers

The second needs nothing of the other Python but its headers, so that a machine with another
version can prepare the site of a machine with a GPU (same operating system and processor).
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
STAMP = "built-from.txt"  # beside the extension: what it was made of


def sources() -> str:
    """A digest of everything the extension is compiled from."""
    digest = hashlib.sha256()
    parts = [ROOT / "CMakeLists.txt", *(ROOT / "cmake").rglob("*"), *(ROOT / "csrc").rglob("*")]
    for path in sorted(part for part in parts if part.is_file()):
        digest.update(f"{path.relative_to(ROOT)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def suffix(headers: Path | None) -> str:
    """How the name of an extension ends, for this Python or for that of some headers.

    Raises:
        SystemExit: there are no such headers.
    """
    own = str(sysconfig.get_config_var("EXT_SUFFIX"))
    if headers is None:
        return own
    listing = headers / "patchlevel.h"
    if not (headers / "Python.h").is_file() or not listing.is_file():
        raise SystemExit(f"build_site.py: {headers} has no Python.h; name a folder that has it.")
    major, minor = (
        re.findall(rf"define PY_{part}_VERSION\s+(\d+)", listing.read_text())[0]
        for part in ("MAJOR", "MINOR")
    )
    return re.sub(r"cpython-\d+", f"cpython-{major}{minor}", own)


def compile_extension(work: Path, architecture: str, headers: Path | None) -> Path:
    """Compile it below ``work``, whatever its compilers warn of.

    Raises:
        subprocess.CalledProcessError: CMake or a compiler failed, and said why.
    """
    cmake_folder = subprocess.run(
        [sys.executable, "-m", "pybind11", "--cmakedir"],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout.strip()  # fmt: skip
    options = {
        "NSA_CUDA_ARCHITECTURES": architecture,
        "NSA_WARNINGS_AS_ERRORS": "OFF",
        "Python_EXECUTABLE": sys.executable,
        "pybind11_DIR": cmake_folder,
    }
    if headers is not None:
        # CMake insists on headers of the Python that it runs. These come before them, and an
        # extension links nothing of Python, so that headers and name are all that differs.
        options["CMAKE_CXX_FLAGS"] = f"-I{headers.resolve()}"
        options["PYTHON_MODULE_EXTENSION"] = suffix(headers)
    settings = [f"-D{name}={value}" for name, value in options.items()]
    subprocess.run(["cmake", "-S", str(ROOT), "-B", str(work), *settings], check=True)
    subprocess.run(["cmake", "--build", str(work), "--parallel"], check=True)
    return work / f"_C{suffix(headers)}"


def assemble(extension: Path, site: Path) -> None:
    """A folder for PYTHONPATH: the Python files of this checkout beside a compiled extension."""
    if site.exists():
        shutil.rmtree(site)
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(ROOT / "src" / "nsa", site / "nsa", ignore=ignored)
    shutil.copy2(extension, site / "nsa")


def carried(site: Path) -> Path | str:
    """The extension of a site that was built before, or why it is of no use."""
    extension = site / "nsa" / f"_C{suffix(None)}"
    if not extension.is_file():
        return f"{extension} is missing"
    stamp = site / "nsa" / STAMP
    if not stamp.is_file() or stamp.read_text().strip() != sources():
        return "it was built from other sources than these"
    return extension


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS)
    parser.add_argument("site", type=Path)
    parser.add_argument("--architecture", required=True)
    parser.add_argument("--headers", type=Path)
    parser.add_argument("--work", type=Path, help="where to compile; beside the site by default")
    chosen = parser.parse_args()
    digest = sources()
    work = chosen.work or chosen.site.with_name(f"{chosen.site.name}-cmake")
    try:
        extension = compile_extension(work, chosen.architecture, chosen.headers)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"build_site.py: {error}")
    assemble(extension, chosen.site)
    (chosen.site / "nsa" / STAMP).write_text(f"{digest}\n")
    print(f"built {extension.name} for {chosen.architecture}")


if __name__ == "__main__":
    main()
