"""Scripts that start a Ray cluster, in a network and a tree of processes of their own.

Nothing of it meets the machine's network or another cluster, and nothing is left of it afterwards.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

_TESTS = Path(__file__).parents[1]
_UNSHARE = [
    "unshare", *([] if hasattr(os, "geteuid") and os.geteuid() == 0 else ["--map-root-user"]),
    "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
]  # fmt: skip


@functools.cache
def _why_not() -> str | None:
    """Why there can be no such cluster here."""
    if importlib.util.find_spec("ray") is None:
        return "Ray is not installed"
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return "there is no unshare, which gives a cluster a network of its own"
    tried = subprocess.run(
        [*_UNSHARE, "sh", "-c", "ip link set lo up"], capture_output=True, text=True, check=False
    )
    return None if tried.returncode == 0 else f"no network of its own: {tried.stderr.strip()}"


def run_isolated(script: str, folder: Path, timeout: float = 400.0) -> dict[str, Any]:
    """Run a script of this folder, and return what it has written to ``found.json``.

    Args:
        script: its name; its argument is ``folder``.
        folder: for all that it writes.
    """
    reason = _why_not()
    if reason is not None:
        pytest.skip(reason)
    paths = [str(_TESTS), str(_TESTS / "jobs"), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    environment.pop("RAY_ADDRESS", None)
    command = [
        *_UNSHARE, "sh", "-c", 'ip link set lo up; exec "$0" "$@"',
        sys.executable, str(_TESTS / "jobs" / script), str(folder),
    ]  # fmt: skip
    short = tempfile.mkdtemp(prefix="ray")  # the names of sockets are limited
    try:
        with (folder / "said.log").open("wb") as log:
            subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**environment, "RAY_TMPDIR": short}, timeout=timeout, check=False,
            )  # fmt: skip
    finally:
        shutil.rmtree(short, ignore_errors=True)
    try:
        found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    except OSError:
        pytest.fail(f"{script} has ended early:\n{(folder / 'said.log').read_text()[-6000:]}")
    return found
