"""A full disk, and one that cannot be written to, at any change that a command makes to files.

Nothing that was there is damaged, nothing half is left, the command says in a sentence what is
wrong, and with space again it does its work.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from forks import Fault
from places import COMMANDS, Faults, Place, sentence, some
from test_kills import KILLS, attempts, finish

FAULTS = (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO)
_ENDLESS = 2**40
_ON_SMALL_DISKS = ("train_gaussian", "predict", "calibrate_again", "synthesize")


def attempt(place: Place, name: str, fault: Fault, *, removal: bool = False) -> None:
    """Let a command fail, and check what it says and what is there then and later.

    Args:
        removal: whether what fails is the removal of a file, which may then be left.
    """
    ended = place.run(name, fault)
    if ended.status == 0:  # the change was one that it could do without
        assert removal, f"passed in silence: {ended.said}"
        place.check_stopped(name, tidy=False)
        return
    sentence(ended)
    place.check_stopped(name, tidy=not removal)
    finish(place, name)


@pytest.mark.parametrize("name", KILLS)
def test_a_change_that_fails(name: str, place: Place, attempts_seed: int, effort: float) -> None:
    """A disk stays full until somebody makes space; of the others one call fails."""
    count = attempts(KILLS[name] * effort)
    expected = place.undisturbed(name)
    random = np.random.default_rng([attempts_seed, list(COMMANDS).index(name)])
    kinds = [int(kind) for kind in random.permutation(FAULTS)]
    with Faults() as faults:
        for number, point in enumerate(some(expected.points(), count, random)):
            kind, change = kinds[number % len(kinds)], expected.change(point)
            removal = "remove" in change
            if kind == errno.ENOSPC and (removal or "truncate" in change):
                kind = errno.EIO  # these need no space
            last = _ENDLESS if kind == errno.ENOSPC else point
            with faults.of(f"{errno.errorcode[kind]} at {change}"):
                place.begin()
                attempt(place, name, Fault(point, last, kind), removal=removal)


@pytest.fixture
def small_disk(place: Place) -> Iterator[Path]:
    """The folder of the attempts as a file system of its own."""
    shutil.rmtree(place.path, ignore_errors=True)
    place.path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", str(place.path)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk needs the right to mount one")
    yield place.path
    subprocess.run(["umount", str(place.path)], check=True)


def resize(path: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(path)], check=True)


@pytest.mark.parametrize("name", _ON_SMALL_DISKS)
def test_a_disk_that_fills_up(
    name: str, place: Place, attempts_seed: int, effort: float, request: pytest.FixtureRequest
) -> None:
    count = attempts((1 if name == "predict" else 0.2) * effort)
    place.undisturbed(name)
    path: Path = request.getfixturevalue("small_disk")
    random = np.random.default_rng([attempts_seed, list(COMMANDS).index(name)])
    for _ in range(count):
        place.fill()
        usage = os.statvfs(path)
        used = (usage.f_blocks - usage.f_bfree) * usage.f_frsize
        place.run(name)
        usage = os.statvfs(path)
        needed = (usage.f_blocks - usage.f_bfree) * usage.f_frsize - used
        place.fill()
        resize(path, used + int(random.integers(0, max(4096, needed)) // 4096 * 4096))
        ended = place.run(name)
        if ended.status != 0:
            sentence(ended)
            place.check_stopped(name, tidy=True)
        resize(path, 2**30)
        if ended.status != 0:
            finish(place, name)
        else:
            place.check_finished(name)
