"""The nodes of a cluster, and whether they are as this machine is."""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nsa.errors import InputError
from nsa.system.files import open_unfinished
from nsa.system.places import CACHE, cache_folder, url_of

_SECONDS_TO_ANSWER = 120.0  # for nodes that start a process and import this package
_SECONDS_TO_SEE = 5.0  # for what has just been written, on a network drive
_NAMES = 5  # of a folder's entries that must be seen


@dataclass(frozen=True)
class Versions:
    """What must be the same on all nodes, so that results do not depend on where a job is done."""

    nsa: str
    ray: str
    python: str

    @classmethod
    def here(cls) -> Versions:
        """Of this process."""
        import ray

        return cls(version("nsa"), ray.__version__, platform.python_version())

    def difference(self, theirs: Versions) -> str | None:
        """What another process has otherwise than this one, for a message; None: nothing."""
        for name, shown in (("nsa", "nsa"), ("ray", "Ray"), ("python", "Python")):
            own, other = getattr(self, name), getattr(theirs, name)
            if own != other:
                return f"has {shown} {other} instead of {own}"
        return None


@dataclass(frozen=True)
class Seen:
    """What a node found.

    Attributes:
        versions: its own.
        missing: the first folder that it does not see as this machine does.
    """

    versions: Versions
    missing: str | None


def check_nodes(results: Sequence[Path] = (), data: Sequence[Path] = ()) -> None:
    """Check that every node that does jobs is fit for them: its versions, and what it sees.

    Args:
        results: folders that all write to; a file is put into each meanwhile.
        data: folders, or files, that all read.

    Raises:
        InputError: a node has other versions, does not see a path, or does not answer.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    own = Versions.here()
    look_there = ray.remote(num_cpus=0, max_retries=0)(look)
    with _marked(results) as marks:
        asked = {
            look_there.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote({**marks, **_names(data)}): node
            for node in working_nodes()
        }
        answered, silent = (
            ray.wait(list(asked), num_returns=len(asked), timeout=_SECONDS_TO_ANSWER)
            if asked
            else ([], [])
        )
        for answer in answered:
            _check(own, answer, _address(asked[answer]))
    alive = {node["NodeID"] for node in working_nodes()}
    for answer in silent:
        if asked[answer]["NodeID"] in alive:
            raise InputError(
                f"The node {_address(asked[answer])} did not answer within "
                f"{_SECONDS_TO_ANSWER:.0f} s; look at it with ray status, or end Ray there."
            )


def _check(own: Versions, answer: Any, node: str) -> None:
    import ray
    from ray.exceptions import NodeDiedError, RayError, TaskUnschedulableError

    try:
        seen: Seen = ray.get(answer)
    except (NodeDiedError, TaskUnschedulableError):  # it is lost, and others do the jobs
        return
    except RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(
            f"nsa {own.nsa} does not start on the node {node} ({reason}); install it there as it "
            "is here."
        ) from error
    different = own.difference(seen.versions)
    if different is not None:
        raise InputError(f"The node {node} {different}; install the same versions everywhere.")
    if seen.missing is not None:
        raise InputError(_unseen(Path(seen.missing), node))


def _unseen(path: Path, node: str) -> str:
    url = url_of(path)
    if url is not None:
        return (
            f"The node {node} does not see the copy of {url} in {cache_folder()} of this machine; "
            f"name a folder on a drive that all nodes share by {CACHE} in the environment, here "
            "and where Ray is started."
        )
    return (
        f"The node {node} does not see {path} as this machine does; results and all that jobs read "
        "must lie on a drive that all nodes share, at the same path."
    )


def look(expected: Mapping[str, str | list[str]]) -> Seen:
    """What a node finds, which runs there.

    Args:
        expected: by path the text of a file, or names that lie in a folder.
    """
    until = time.monotonic() + _SECONDS_TO_SEE
    for path, content in expected.items():
        while not _is_seen(Path(path), content):
            if time.monotonic() > until:
                folder = Path(path).parent if isinstance(content, str) else path
                return Seen(Versions.here(), str(folder))
            time.sleep(0.2)
    return Seen(Versions.here(), None)


def _is_seen(path: Path, content: str | list[str]) -> bool:
    if isinstance(content, str):
        try:
            return path.read_text(encoding="ascii") == content
        except OSError:
            return False
    return path.exists() and all((path / name).exists() for name in content)


def _names(data: Sequence[Path]) -> dict[str, list[str]]:
    """Some names of what lies in every folder; a file has none."""
    found: dict[str, list[str]] = {}
    for path in data:
        names: list[str] = []
        if path.is_dir():
            with os.scandir(path) as entries:
                names = [entry.name for entry in itertools.islice(entries, _NAMES)]
        found[str(path.absolute())] = names
    return found


@contextlib.contextmanager
def _marked(folders: Sequence[Path]) -> Iterator[dict[str, str]]:
    """Files with a word in each folder while the block lasts, by path.

    Their names are those of unfinished files, so that one that is left, because this process was
    killed, goes as those do.
    """
    with contextlib.ExitStack() as stack:
        marks: dict[str, str] = {}
        for folder in folders:
            word = secrets.token_hex(16)
            try:
                file = stack.enter_context(open_unfinished(folder.absolute() / f"shared-{word}"))
                stack.callback(Path(file.name).unlink, missing_ok=True)
                file.write(word.encode())
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                raise InputError(
                    f"Cannot write to {folder}: {error.strerror or error}; choose another --output."
                ) from error
            marks[file.name] = word
        yield marks


def working_nodes() -> list[dict[str, Any]]:
    """The nodes that live and have processors for tasks; a head often has none."""
    import ray

    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]


def _address(node: Mapping[str, Any]) -> str:
    return str(node["NodeManagerAddress"])
