"""A layout is one module: it is found, asked in its turn, and named in messages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from nsa.errors import InputError
from nsa.images import layouts as registry
from nsa.images import list_categories, open_dataset

# All that somebody writes whose data set has a folder of good images beside one of bad ones.
PAIRS = '''
"""Good and bad images beside each other; every second good one is to test with."""

from pathlib import Path

from nsa.images.files import list_images
from nsa.images.layout import Layout
from nsa.images.sample import Dataset, Sample


def is_category(folder: Path) -> bool:
    return (folder / "good").is_dir() and (folder / "bad").is_dir()


def open_category(folder: Path, name: str) -> Dataset:
    good = [Sample(path) for path in list_images(folder / "good")]
    bad = [Sample(path, "bad") for path in list_images(folder / "bad")]
    return Dataset(name, good[::2], good[1::2] + bad)


LAYOUT = Layout(("Pairs of folders",), is_category, open_category)
'''


def draw(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(path)


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One more module in the folder of the layouts."""
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "pairs.py").write_text(PAIRS)
    monkeypatch.setattr(registry, "__path__", [*registry.__path__, str(folder)])
    yield
    sys.modules.pop("nsa.images.layouts.pairs")
    del registry.pairs  # type: ignore[attr-defined]


def names(root: Path) -> tuple[list[str], list[tuple[str, str]]]:
    dataset = open_dataset(root, "parts")
    train = [sample.path.name for sample in dataset.train]
    return train, [(sample.path.name, sample.defect) for sample in dataset.test]


@pytest.mark.usefixtures("pairs")
def test_one_module_is_enough(tmp_path: Path) -> None:
    root = tmp_path / "data"
    draw(*(root / "parts" / "good" / f"{k}.png" for k in range(3)), root / "parts/bad/9.png")
    draw(root / "bottle" / "train" / "good" / "0.png")
    expected = ["0.png", "2.png"], [("1.png", "good"), ("9.png", "bad")]
    assert names(root) == names(root / "parts") == expected
    assert list_categories(root) == ["bottle", "parts"]
    assert open_dataset(root, "bottle").train[0].path == root / "bottle/train/good/0.png"
    assert "Pairs of folders" in registry.dataset_names()
    with pytest.raises(InputError, match=r"layout of .*Pairs of folders.*\.$"):
        open_dataset(tmp_path / "more")


def test_it_is_unknown_without_its_module(tmp_path: Path) -> None:
    draw(tmp_path / "parts" / "good" / "0.png", tmp_path / "parts" / "bad" / "0.png")
    with pytest.raises(InputError, match="'parts' has no images to train on"):
        open_dataset(tmp_path, "parts")
    assert "Pairs" not in registry.dataset_names()


def test_general_folders_are_asked_last() -> None:
    """A category of MVTec LOCO AD has every folder that one of MVTec AD has."""
    asked = [layout.datasets[0] for layout in registry.all_layouts()]
    assert asked[-1] == "MVTec AD"
    marked = {"VisA", "KolektorSDD2", "ChestX-ray14 (by lists of its files)", "Real-IAD"}
    folders = ("BTAD", "MVTec LOCO AD", "MVTec AD 2")
    assert max(map(asked.index, marked)) < min(map(asked.index, folders))
    assert len(asked) == len(set(asked)) >= 8


def test_categories_of_several_layouts_lie_below_one_root(tmp_path: Path) -> None:
    draw(tmp_path / "part10" / "train" / "ok" / "0.png")
    draw(tmp_path / "part9" / "train" / "good" / "0.png")
    draw(tmp_path / "both" / "train" / "good" / "0.png", tmp_path / "both" / "train" / "ok/1.png")
    draw(tmp_path / ".trash" / "train" / "good" / "0.png", tmp_path / "notes" / "0.png")
    assert list_categories(tmp_path) == ["both", "part9", "part10"]
    assert open_dataset(tmp_path, "part10").train[0].path.parent.name == "ok"
    assert open_dataset(tmp_path, "part9").train[0].path.parent.name == "good"
    assert open_dataset(tmp_path, "both").train[0].path.name == "1.png"  # BTAD comes first


@pytest.mark.usefixtures("pairs")
def test_rank_decides_between_layouts_that_fit(tmp_path: Path) -> None:
    root = tmp_path / "data" / "parts"
    draw(root / "good/1.png", root / "bad/2.png", root / "train/good/3.png")
    assert open_dataset(root).train[0].path.name == "1.png"
    text = PAIRS.replace("open_category)\n", "open_category, rank=3)\n")
    (tmp_path / "more" / "pairs.py").write_text(text)
    sys.modules.pop("nsa.images.layouts.pairs")
    assert open_dataset(root).train[0].path.name == "3.png"
