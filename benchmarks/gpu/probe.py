"""What this Python and this machine have, as JSON: ``probe.py [SITE]``.

``gpu`` or ``error`` says whether torch sees a GPU; ``nsa`` is empty where the package (the one in
``SITE``, which must be on PYTHONPATH) has kernels that run there, else why not.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "numpy", "numba", "opencv-python-headless", "scikit-image", "pytest")
MODULES = (
    "torchvision", "numpy", "numba", "cv2", "sklearn", "skimage", "scipy", "PIL", "safetensors",
    "yaml", "typer", "rich", "matplotlib", "pytest",
)  # fmt: skip


def main(site: str | None = None) -> None:
    rehearsal = os.environ.get("NSA_REHEARSAL") == "1"
    about: dict[str, Any] = {"error": "", "nsa": "", "python": platform.python_version()}
    try:
        import torch
    except ImportError:
        about["error"] = "this Python has no torch; name another with PYTHON=..."
    else:
        if not rehearsal and not torch.cuda.is_available():
            about["error"] = (
                "torch sees no GPU on this machine; run it on one with an NVIDIA GPU, "
                "or rehearse it with --rehearse."
            )
    if not about["error"]:
        about["nsa"] = _usable(site, rehearsal)
        about |= _gpu(rehearsal)
        about |= _machine()
    print(json.dumps(about))


def _usable(site: str | None, rehearsal: bool) -> str:
    if site is None and not rehearsal:
        return ""  # there is nothing to import yet
    try:
        import nsa
        from nsa._native.extension import C
    except Exception as error:
        return f"it does not import: {error}"
    if rehearsal:
        return ""
    if Path(str(site)).resolve() not in Path(str(nsa.__file__)).resolve().parents:
        return f"another nsa comes before it: {nsa.__file__}"
    if C.cuda_missing:
        return f"it has no kernels: {C.cuda_missing}"
    import torch

    from nsa._native.cuda.support import check_device
    from nsa.errors import InputError

    try:
        check_device(torch.device("cuda"))
    except InputError as error:
        return str(error)
    return ""


def _gpu(rehearsal: bool) -> dict[str, Any]:
    if rehearsal:
        return {"gpu": "none, rehearsed on the host", "driver": "none", "cuda": "none"}
    import torch

    properties = torch.cuda.get_device_properties(0)
    return {
        "gpu": properties.name,
        "capability": f"{properties.major}{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "memory_gib": properties.total_memory / 2**30,
        "driver": _line("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
        "cuda": torch.version.cuda,
        "nvidia_smi": _output("nvidia-smi"),
    }


def _machine() -> dict[str, Any]:
    processor = platform.machine()
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        names = [x for x in listing.read_text().splitlines() if x.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
    return {
        "processor": processor,
        "cores": len(os.sched_getaffinity(0)),
        "versions": {name: _version(name) for name in PACKAGES},
        "tools": {
            "nvcc": _line("nvcc", "--version"),
            "compute-sanitizer": _line("compute-sanitizer", "--version"),
            "ncu": _line("ncu", "--version"),
        },
        "missing": [name for name in MODULES if importlib.util.find_spec(name) is None],
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not under this name"


def _output(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return "not on PATH"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip()


def _line(*command: str) -> str:
    """The last line of a tool's answer, which names its version."""
    return (_output(*command).splitlines() or ["no answer"])[-1]


if __name__ == "__main__":
    main(*sys.argv[1:])
