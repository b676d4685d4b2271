"""No command uses a network unless it is told to: tried where none is, and every use refused."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent / "offline"


@functools.cache
def _without_network() -> list[str]:
    """What gives a command a network of its own, without even a loopback; nothing: not here."""
    if shutil.which("unshare") is None:
        return []
    prefix = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--net"]
    tried = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return prefix if tried.returncode == 0 else []


def run_offline(folder: Path, *arguments: object) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run Python where no network can be used, and return what it tried to use of one.

    Returns:
        What came of it, and the records of ``sitecustomize.py``.
    """
    records = folder / "sockets"
    paths = [str(_HERE), str(_HERE.parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "NSA_TEST_SOCKETS": str(records),
    }
    done = subprocess.run(
        [*_without_network(), sys.executable, *map(str, arguments)],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    return done, records.read_text()


def test_no_step_from_images_to_a_file_uses_a_network(tmp_path: Path) -> None:
    done, records = run_offline(tmp_path, _HERE / "offline_commands.py", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in records.splitlines()]
    assert {line[1] for line in lines} == {"begins"}, records
    assert len({line[0] for line in lines}) >= 2  # one of them trains


@pytest.mark.parametrize(
    ("what", "script"),
    [
        ("socket.__new__", "import socket; socket.socket()"),
        ("socket.getaddrinfo", "import socket; socket.getaddrinfo('example.org', 80)"),
        ("socket.getaddrinfo", "import urllib.request as u; u.urlopen('http://example.org')"),
    ],
)
def test_a_use_is_seen_wherever_it_is(tmp_path: Path, what: str, script: str) -> None:
    caught = f"try:\n    {script}\nexcept Exception as error:\n    print(type(error).__name__)"
    in_child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {caught!r}])"
    for program in (caught, in_child):  # whatever is made of the refusal
        (tmp_path / "sockets").unlink(missing_ok=True)
        done, records = run_offline(tmp_path, "-c", program)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() in ("PermissionError", "URLError")
        assert any(line.endswith(f" {what}") for line in records.splitlines()), records


def test_there_is_no_network_where_that_can_be_arranged(tmp_path: Path) -> None:
    if not _without_network():
        pytest.skip("no network of its own can be given to a process here")
    done, _ = run_offline(tmp_path, "-c", "print(open('/proc/net/dev').read())")
    names = [line.split(":")[0].strip() for line in done.stdout.splitlines()[2:] if line.strip()]
    assert names == ["lo"]
