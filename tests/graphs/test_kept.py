"""Graphs that a folder keeps: made when they must be, never stale, never half written."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import nsa.graphs.kept
from nsa.errors import InputError
from nsa.graphs.kept import FILE, Graph, open_kept
from nsa.system import info


class Line(nn.Module):
    """A module of a few operations, made in a second."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Buffer(weight)

    def forward(self, images: Tensor) -> Tensor:
        return images.float() @ self.weight


class Branches(Line):
    """What no graph can do."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) if images.float().sum() > 3 else images.float()


class Noisy(Line):
    """What a graph does otherwise."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + 99 * torch.rand_like(images[:, :3].float())


def graph(weight: Tensor, kind: type[nn.Module] = Line, about: str = "", rows: int = 4) -> Graph:
    example = torch.randint(256, (2, rows), dtype=torch.uint8)
    return Graph(
        module=lambda: kind(weight), example=(example,),
        axes=({0: torch.export.Dim("images", min=1)},), inputs=("images",), outputs=("values",),
        tensors={"weight": weight}, about=about,
    )  # fmt: skip


@pytest.fixture
def weight(fresh_seed: int) -> Tensor:
    return torch.rand((4, 3), generator=torch.Generator().manual_seed(fresh_seed)) + 0.1


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Graph]:
    """What is made from now on."""
    found: list[Graph] = []
    make = nsa.graphs.kept._make

    def noted(module: nn.Module, wanted: Graph) -> bytes:
        found.append(wanted)
        return make(module, wanted)

    monkeypatch.setattr(nsa.graphs.kept, "_make", noted)
    return found


def check(session: Any, weight: Tensor) -> None:
    images = torch.randint(256, (5, 4), dtype=torch.uint8)
    [found] = session(images)
    torch.testing.assert_close(found, images.float() @ weight)


def test_it_is_made_once(
    weight: Tensor, made: list[Graph], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "nsa"):
        check(open_kept(tmp_path, graph(weight)), weight)
    assert f"Making {tmp_path / FILE} for ONNX Runtime, once" in caplog.text
    caplog.clear()
    for _ in range(2):
        check(open_kept(tmp_path, graph(weight)), weight)
    assert len(made) == 1
    assert not caplog.text
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    # And it is a file as any other of its kind.
    onnx.checker.check_model(onnx.load(tmp_path / FILE))
    kept = onnxruntime.InferenceSession(tmp_path / FILE)
    assert [*kept.get_modelmeta().custom_metadata_map] == ["contents"]
    images = np.ones((1, 4), np.uint8)
    np.testing.assert_allclose(kept.run(None, {"images": images})[0][0], weight.sum(0), rtol=1e-5)


def changes(weight: Tensor) -> Mapping[str, Graph]:
    other = weight.clone()
    other[3, 2] = torch.nextafter(other[3, 2], torch.tensor(9.0))
    return {
        "weights": graph(other),
        "about": graph(weight, about="something else"),
        "size": graph(torch.rand(5, 3), rows=5),
    }


@pytest.mark.parametrize("what", ["weights", "about", "size", "nsa", "torch"])
def test_it_is_never_stale(
    what: str, weight: Tensor, made: list[Graph], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_kept(tmp_path, graph(weight))
    now = changes(weight).get(what, graph(weight))
    if what in ("nsa", "torch"):
        versions = {**info.versions(), what: "99.0"}
        monkeypatch.setattr(nsa.graphs.kept, "versions", lambda: versions)
    open_kept(tmp_path, now)
    assert len(made) == 2
    open_kept(tmp_path, now)
    assert len(made) == 2


def test_a_damaged_one_is_made_again(
    weight: Tensor, made: list[Graph], tmp_path: Path, fresh_seed: int
) -> None:
    random = np.random.default_rng(fresh_seed)
    path = tmp_path / FILE
    open_kept(tmp_path, graph(weight))
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[random.integers(len(good))] ^= 1 << random.integers(8)
    for bad in (bytes(flipped), good[: random.integers(len(good))], good + b"\0", b""):
        before = len(made)
        path.write_bytes(bad)
        check(open_kept(tmp_path, graph(weight)), weight)
        assert len(made) == before + 1
        check(open_kept(tmp_path, graph(weight)), weight)
        assert len(made) == before + 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_is_read_only(
    weight: Tensor, made: list[Graph], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o500)
    try:
        check_unwritable(weight, made, tmp_path, caplog)
    finally:
        tmp_path.chmod(0o700)


def test_a_place_that_is_taken(
    weight: Tensor, made: list[Graph], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).mkdir()
    check_unwritable(weight, made, tmp_path, caplog)


def check_unwritable(
    weight: Tensor, made: list[Graph], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for count in (1, 2):
        caplog.clear()
        check(open_kept(folder, graph(weight)), weight)
        assert len(made) == count
        assert caplog.text.count(f"Cannot write {folder / FILE}") == 1
        assert "It is made again each time." in caplog.text


MAKE = """
import sys
from pathlib import Path
import torch
from test_kept import Line, check, graph
from nsa.graphs.kept import open_kept

weight = torch.load(sys.argv[2], weights_only=True)
check(open_kept(Path(sys.argv[1]), graph(weight)), weight)
"""


def test_two_processes_at_once(weight: Tensor, made: list[Graph], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    torch.save(weight, tmp_path / "weight.pt")
    command = [sys.executable, "-c", MAKE, folder, tmp_path / "weight.pt"]
    processes = [
        subprocess.Popen(command, cwd=Path(__file__).parent, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in processes:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()
    check(open_kept(folder, graph(weight)), weight)
    assert not made
    assert [path.name for path in folder.iterdir()] == [FILE]


@pytest.mark.parametrize(
    ("kind", "message"),
    [(Branches, r"cannot be written as ONNX \(.*\)\.$"), (Noisy, "gives other values by ONNX")],
)
def test_what_has_no_graph_is_refused(
    kind: type[nn.Module], message: str, weight: Tensor, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"--engine onnxruntime is of no use here.*{message}"):
        open_kept(tmp_path, graph(weight, kind))
    assert not [*tmp_path.iterdir()]


class Faint(Line):
    """Rounding alone, which is not the same everywhere."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) * 0 + 1e-5 * torch.rand_like(images[:, :3].float())


@pytest.mark.parametrize("scale", [0.0, 0.2])
def test_what_is_rounding_depends_on_the_scale(
    scale: float, weight: Tensor, tmp_path: Path
) -> None:
    faint = graph(weight, Faint)._replace(scale=scale)
    if scale:
        open_kept(tmp_path, faint)
    else:
        with pytest.raises(InputError, match="gives other values"):
            open_kept(tmp_path, faint)


def test_what_is_too_large_for_a_file_is_refused(
    weight: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nsa.graphs.kept, "_MOST", weight.nbytes - 1)
    with pytest.raises(InputError, match=r"the detector takes 0\.0 GB, and an ONNX file at most 2"):
        open_kept(tmp_path, graph(weight))


def test_packages_that_are_missing_are_named(
    weight: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph that is there already needs nothing to make one."""
    find, missing = importlib.util.find_spec, {"onnx", "onnxscript"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in missing else find(name)
    )
    with pytest.raises(InputError, match=r"needs onnx, onnxscript, not .* 'nsa\[export\]'\.$"):
        open_kept(tmp_path, graph(weight))
    missing.clear()
    open_kept(tmp_path, graph(weight))
    missing.update(("onnx", "onnxscript"))
    check(open_kept(tmp_path, graph(weight)), weight)
    missing.add("onnxruntime")
    with pytest.raises(InputError, match="needs onnxruntime, not installed"):
        open_kept(tmp_path, graph(weight))
