"""What campaigns of kills and full disks attempt: commands, and how their files are compared."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from forks import NOTHING, Ended, Fault, Running, Server
from tiny import GAUSSIAN, picture, write, write_config, write_product

_PRODUCT = ("--data-root", "data", "--category", "disc", "--config", "options.yaml")
_BOTH = ("--method", "nsa+gaussian", "--network", "resnet18", "--weights", "random")
_FITTING = (*GAUSSIAN, "--data-root", "data", "--config", "gaussian.yaml")
COMMANDS: dict[str, tuple[str, ...]] = {
    "train": ("train", *_PRODUCT, "--output", "new"),
    "train_gaussian": (
        "train", *_FITTING, "--category", "disc", "--output", "new",
        "--fpr", "0.5", "--holdout", "0.3",
    ),
    "train_several": ("train", *_FITTING, "--category", "all", "--output", "new"),
    # Ten of twelve images are held out.
    "train_both": ("train", *_BOTH, "--holdout", "0.83", *_PRODUCT, "--output", "new"),
    "calibrate": ("calibrate", "run", "normals"),
    "calibrate_again": ("calibrate", "fit", "normals", "--overwrite"),
    "predict": ("predict", "run", "photos", "--output", "new", "--save-maps"),
    "predict_scores": ("predict", "fit", "photos", "--output", "new", "--fpr", "0.5"),
    "combine": ("combine", "run", "fit", "--normals", "normals", "--output", "new"),
    "evaluate": ("evaluate", "run"),
    "evaluate_elsewhere": ("evaluate", "fit", "--output", "new"),
    "export": ("export", "fit", "--output", "detector.pt2"),
    "synthesize": ("synthesize", *_PRODUCT, "--output", "synthesis.png"),
    "reproduce": (
        "reproduce", "--data-root", "data", "--categories", "disc", "--config", "options.yaml",
        "--output", "new", "--table", "8", "--methods", "fpi", "--seeds", "1",
    ),
}  # fmt: skip

_WITH_TIMES = ("times", "harness_seconds", "training_seconds", "images_per_second",
               "evaluation_seconds")  # fmt: skip
_ONLY_WHOLE = {".html": b"</html>", ".md": b"", ".log": b"", ".tex": b""}  # times are in them
_UNFINISHED = (
    "checkpoint.safetensors",
    "/log.csv",
    ".partial.csv",
    ".log",
    ".lock",
    "members/01-gaussian/gaussian.safetensors",  # whole, but its calibration comes later
)  # what may lie there to go on with, or says whose a job was

Files = dict[str, str]


@dataclass(frozen=True)
class Undisturbed:
    """What a command does when nothing happens.

    Attributes:
        before: the files at its start.
        after: the files at its end.
        ended: the command.
        seconds: how long it takes.
    """

    before: Files
    after: Files
    ended: Ended
    seconds: float

    def change(self, point: int) -> str:
        """What a change is, for a reader."""
        what, _, path = self.ended.changes[point - 1].partition(" ")
        return f"change {point} of {len(self.ended.changes)}: {what} {Path(path).name}"

    def points(self) -> list[int]:
        """First, middle and last of every streak of like changes, counted from 1."""
        points: set[int] = set()
        position = 0
        for _, streak in groupby(self.ended.changes):
            count = len(list(streak))
            points |= {position + 1, position + (count + 1) // 2, position + count}
            position += count
        return sorted(points)


class Place:
    """A folder in which commands are attempted, each time from the same beginning.

    It is always the same folder, since paths are among what the commands write.

    Attributes:
        path: the folder.
    """

    def __init__(self, server: Server, scratch: Path) -> None:
        self.server, self.path = server, scratch / "work"
        self._prepared = scratch / "prepared"
        self._known: dict[str, Undisturbed] = {}
        self.path.mkdir()
        write_product(self.path / "data", train=12)
        write_config(self.path / "options.yaml", epochs=1)
        (self.path / "gaussian.yaml").write_text("gaussian: {size: [72, 72]}\n")
        for index in range(10):
            write(self.path / "normals" / f"{index}.png", picture(500 + index)[0])
        for index in range(6):
            write(self.path / "photos" / f"{index}.png", picture(600 + index, index % 2 == 0)[0])
        for command in (
            ("train", *_PRODUCT, "--output", "run"),
            ("train", *_FITTING, "--category", "disc", "--output", "fit",
             "--fpr", "0.5", "--holdout", "0.3"),
        ):  # fmt: skip
            ended = server.run(self.path, *command)
            assert ended.status == 0, ended.said
        self.path.rename(self._prepared)
        self._digests: dict[tuple[int, int, int], str] = {}
        self._beginning = self._files_of(self._prepared)

    def begin(self) -> None:
        """Everything as it was before the first command."""
        if self.path.exists():
            shutil.rmtree(self.path)
        shutil.copytree(self._prepared, self.path, copy_function=os.link)

    def fill(self) -> None:
        """The same where the folder is a file system of its own, and stays."""
        for entry in self.path.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        shutil.copytree(self._prepared, self.path, dirs_exist_ok=True)

    def start(self, name: str) -> Running:
        return self.server.start(self.path, *COMMANDS[name])

    def run(self, name: str, fault: Fault = NOTHING) -> Ended:
        return self.server.run(self.path, *COMMANDS[name], fault=fault)

    def go_on(self, name: str) -> Ended:
        """Give the command again, or what continues it, or what replaces its finished results."""
        command = COMMANDS[name]
        begun = (
            self.path / "new" / ("categories.yaml" if name == "train_several" else "config.yaml")
        )
        if name.startswith("train") and begun.is_file():
            return self.server.run(self.path, "train", "--resume", "new")
        ended = self.server.run(self.path, *command)
        if ended.status == 2 and "--overwrite" in ended.said:
            return self.server.run(self.path, *command, "--overwrite")
        if ended.status == 2 and "already holds a run" in ended.said:
            return self.server.run(self.path, "train", "--resume", "new")
        return ended

    def undisturbed(self, name: str) -> Undisturbed:
        """What a command does when nothing happens."""
        if name not in self._known:
            self.begin()
            start = time.monotonic()
            ended = self.run(name)
            assert ended.status == 0, ended.said
            seconds = time.monotonic() - start
            self._known[name] = Undisturbed(self._beginning, self.files(), ended, seconds)
        return self._known[name]

    def files(self) -> Files:
        """What every file here holds, times apart."""
        return self._files_of(self.path)

    def check_stopped(self, name: str, *, tidy: bool) -> None:
        """Check that a command that was stopped left every file whole: as before, or as at its end.

        Args:
            tidy: whether it had the time to remove what it had not finished.
        """
        expected, found = self.undisturbed(name), self.files()
        lost = expected.before.keys() - found.keys()
        assert not lost, f"removed: {lost}"
        for path, content in found.items():
            ours = (expected.before.get(path), expected.after.get(path))
            if content in ours or path.endswith(_UNFINISHED):
                continue
            assert path.rpartition("/")[2].startswith("."), f"damaged: {path}: {content[:300]}"
            assert not tidy, f"left: {path}"

    def check_finished(self, name: str) -> None:
        """Check that all is as if nothing had happened, and nothing is left over."""
        expected, found = self.undisturbed(name).after, self.files()
        assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
        different = [path for path, content in expected.items() if found[path] != content]
        assert not different, f"differ: {different}"

    def _files_of(self, root: Path) -> Files:
        return {
            str(path.relative_to(root)): self._content(path)
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }

    def _content(self, path: Path) -> str:
        status = path.stat()
        if path.suffix == ".safetensors" and status.st_size > 1e6:
            # The same bytes are read once; a change of any kind gives another time.
            key = (status.st_ino, status.st_mtime_ns, status.st_size)
            if key not in self._digests:
                self._digests[key] = hashlib.blake2b(path.read_bytes()).hexdigest()
            return self._digests[key]
        return _comparable(path)


def _comparable(path: Path) -> str:
    """What a file holds, times apart."""
    content = path.read_bytes()
    if path.suffix in _ONLY_WHOLE:
        return f"whole: {content.rstrip().endswith(_ONLY_WHOLE[path.suffix])}"
    if path.suffix == ".pt2":
        return f"whole: {zipfile.is_zipfile(path)}"
    try:
        if path.suffix == ".json":
            return json.dumps(_without_times(json.loads(content)))
        if path.name == "summary.csv":
            rows = list(csv.DictReader(io.StringIO(content.decode())))
            return json.dumps(_without_times(rows))
    except ValueError as error:
        return f"damaged: {error}"
    return hashlib.blake2b(content).hexdigest()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_times(part) for name, part in value.items() if name not in _WITH_TIMES
        }
    return [_without_times(part) for part in value] if isinstance(value, list) else value


def some(points: list[int], count: int, random: np.random.Generator) -> list[int]:
    """So many of the points, spread over all of them; all where there are no more."""
    number = min(len(points), count)
    shares = np.array_split(np.array(points), number)
    return [int(random.choice(share)) for share in shares]


class Faults:
    """Collects what attempts find, so that one does not hide the next; raised at the end."""

    def __init__(self) -> None:
        self._found: list[str] = []

    @contextlib.contextmanager
    def of(self, attempt: object) -> Iterator[None]:
        try:
            yield
        except AssertionError as error:
            self._found.append(f"{attempt}: {error}")

    def __enter__(self) -> Faults:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            assert not self._found, "\n\n".join([f"{len(self._found)} faults", *self._found])


def sentence(ended: Ended) -> None:
    """Check that a command that failed said why, in one sentence."""
    assert ended.status == 2, (ended.status, ended.said)
    assert "Traceback" not in ended.said, ended.said
    assert "Exception ignored" not in ended.said, ended.said
    last = ended.said.strip().splitlines()[-1]
    assert last.startswith("Error: "), ended.said
    assert last.endswith((".", ")", "?")), last
