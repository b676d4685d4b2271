"""Any name that a file system takes: images are scored and listed by it, sentences say it."""

from __future__ import annotations

import csv
import os
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from fuzzing import explore
from tiny import nsa, picture, sentence, write
from torch import Tensor, nn

from nsa.detectors.detector import Detector, Scored
from nsa.folder import Run
from nsa.images.files import IMAGE_SUFFIXES
from nsa.runs.calibrate import Calibration
from nsa.runs.predict import predict

_ODD = [
    "[bold]x[/bold]", "[/]", "[red", "]", "{0}", "%s", "$HOME", "~", "-x", "--fpr", "a,b", 'a"b',
    "a'b", "a;b", "a\tb", "a\nb", "a\r", "\x1b[31m", "\x7f", " ", " a ", "a.", "..a", "CON",
    "scores", "é", "e\u0301", "日本", "\U0001f600", "\u202ea", "\u2028", "\ufeff", "ß", "İ",
    "\uff10", "²", "a" * 200, "é" * 110, "\U0001f600" * 60, "scores.csv", "*", "?",
]  # fmt: skip


def _names() -> st.SearchStrategy[bytes]:
    """Names without an ending, as the file system has them."""
    odd = st.sampled_from(_ODD).map(os.fsencode)
    free = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=40)
    encoded = free.map(lambda text: text.encode(errors="surrogatepass"))
    latin = st.binary(min_size=1, max_size=30).map(
        lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_")
    )
    return st.one_of(odd, encoded, latin).map(lambda raw: raw[:240].lstrip(b".") or b"x")


class Flat(Detector):
    """Calls every image normal everywhere."""

    size, channels = (32, 32), 3

    def score(self, images: Tensor, ignored: Tensor | None = None) -> Scored:  # noqa: ARG002
        return Scored(torch.zeros(len(images)), torch.zeros((len(images), *self.size)))

    def deployable(self) -> tuple[nn.Module, dict[str, str]]:
        raise NotImplementedError


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A picture to be copied."""
    path = tmp_path / "one.png"
    write(path, picture(1)[0])
    return path


def test_predicted_images(one: Path, tmp_path: Path, fresh_seed: int, effort: float) -> None:
    folder, output = tmp_path / "images", tmp_path / "out"
    endings = st.sampled_from(
        sorted({b".png", b".PNG", b".Jpg", *(os.fsencode(end) for end in IMAGE_SUFFIXES)})
    )
    (tmp_path / "run").mkdir()
    run = Run(tmp_path / "run", settings=SimpleNamespace(category="x"), places={})  # type: ignore[type-var]

    def check(names: list[bytes], ending: bytes) -> None:
        for path in (folder, output):
            shutil.rmtree(path, ignore_errors=True)
        folder.mkdir()
        made = 0
        for name in names:
            target = folder / os.fsdecode(name + ending)
            if _created(one, target):
                made += 1
        if not made:
            return
        assert predict(run, Flat(), [folder], output) == made
        with (output / "scores.csv").open(
            newline="", encoding="utf-8", errors="surrogateescape"
        ) as file:
            listed = list(csv.DictReader(file, strict=True))
        assert len(listed) == len({row["path"] for row in listed}) == made
        assert len(list(output.glob("*.png"))) + len(list(output.glob(".*.png"))) == made

    names = st.lists(_names(), min_size=1, max_size=5)
    explore(check, names, endings, examples=round(60 * effort), start=fresh_seed)


def test_kept_paths(tmp_path: Path, fresh_seed: int, effort: float) -> None:
    """The paths that a calibration keeps are those it was made of."""

    def check(names: list[bytes]) -> None:
        paths = [os.fsdecode(b"/images/" + name) for name in names]
        Calibration(paths, np.arange(len(paths), dtype=np.float64)).write(tmp_path)
        assert Calibration.read(tmp_path).paths == paths

    names = st.lists(_names(), min_size=1, max_size=5, unique=True)
    explore(check, names, examples=round(100 * effort), start=fresh_seed)


def test_named_folders(tmp_path: Path, fresh_seed: int, effort: float) -> None:
    """Sentences about a folder or file of any name stay sentences."""

    def check(name: bytes, command: str) -> None:
        path = tmp_path / os.fsdecode(name)
        result = nsa(
            command,
            path,
            *(("x.png", "--output", tmp_path / "out") if command == "predict" else ()),
        )
        assert sentence(result).isprintable()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        commands = st.sampled_from(["evaluate", "predict"])
        explore(check, _names(), commands, examples=round(60 * effort), start=fresh_seed)


def _created(source: Path, target: Path) -> bool:
    """Whether the file system takes the name, and had none like it."""
    try:
        if target.exists() or not target.name.strip("."):
            return False
        shutil.copyfile(source, target)
    except (OSError, ValueError):
        return False
    return True
