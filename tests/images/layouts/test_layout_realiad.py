"""Real-IAD on a miniature: which split and which size are meant, and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nsa.errors import InputError
from nsa.images import list_categories, open_dataset

BAD, MASK = "NG/AK/S0002/c_0002_NG_AK_C1.jpg", "NG/AK/S0002/c_0002_NG_AK_C1.png"


def good(number: int, view: int = 1) -> str:
    return f"OK/S{number:04}/c_{number:04}_OK_C{view}.jpg"


def entry(image: str, kind: str = "OK", mask: str | None = None) -> dict[str, Any]:
    return {"category": "c", "anomaly_class": kind, "image_path": image, "mask_path": mask}


def split(views: int = 2) -> dict[str, Any]:
    """As the files of the data set are: normal images of so many views, and a defect."""
    return {
        "meta": {"normal_class": "OK", "prefix": "c/"},
        "train": [entry(good(1, view + 1)) for view in range(views)],
        "test": [entry(BAD, "AK", MASK), entry(good(3))],
    }


def draw(folder: Path) -> None:
    for name in (good(1), good(1, 2), good(3), BAD, MASK):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 13)).save(path)


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two categories, and a file that the data set is unpacked from."""
    root = tmp_path / "Real-IAD"
    for name in ("usb", "zipper"):
        draw(root / "realiad_256" / name)
        write(root / "realiad_jsons" / "realiad_jsons" / f"{name}.json", split())
    (root / "realiad_jsons.zip").touch()
    return root


def test_a_category(root: Path) -> None:
    dataset = open_dataset(root, "zipper")
    folder = root / "realiad_256" / "zipper"
    assert dataset.name == "zipper"
    assert [one.path for one in dataset.train] == [folder / good(1), folder / good(1, 2)]
    assert [(one.path, one.defect, one.mask) for one in dataset.test] == [
        (folder / BAD, "AK", folder / MASK), (folder / good(3), "good", None),
    ]  # fmt: skip
    assert list_categories(root) == ["usb", "zipper"]
    assert list_categories(root / "realiad_256") == ["usb", "zipper"]
    assert list_categories(folder) == ["zipper"]
    assert open_dataset(root / "realiad_256", "zipper") == dataset
    assert open_dataset(folder) == dataset


def test_a_category_by_any_path(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = root.parent / "fastener"
    link.symlink_to(root / "realiad_256" / "zipper")
    monkeypatch.chdir(link)
    for path in (link, Path(), Path("../zipper")):
        dataset = open_dataset(path)
        assert dataset.name == "zipper"
        assert all(one.path.is_file() for one in dataset.train)


def test_the_size_is_named_where_there_are_several(root: Path) -> None:
    draw(root / "realiad_1024" / "usb")
    with pytest.raises(InputError, match=r"several sizes; name .*realiad_256, .*realiad_1024\.$"):
        open_dataset(root, "usb")
    train = open_dataset(root / "realiad_1024").train
    assert train[0].path == root / "realiad_1024" / "usb" / good(1)


@pytest.mark.parametrize("place", ["realiad_jsons", "realiad_jsons/realiad_jsons"])
def test_the_split_of_all_views_comes_first(
    root: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "realiad_jsons" / "realiad_jsons" / "usb.json").unlink()
    usual = write(root / place / "usb.json", split())
    other = write(root / "realiad_jsons" / "realiad_jsons_sv" / "usb.json", split(views=1))
    caplog.set_level("INFO")
    assert len(open_dataset(root, "usb").train) == 2
    (record,) = caplog.records
    assert record.getMessage() == f"Real-IAD is split as {usual} says, not as {other.parent}."
    usual.unlink()
    assert len(open_dataset(root, "usb").train) == 1
    write(root / "realiad_jsons_fuiad_0.1" / "usb.json", split())
    with pytest.raises(InputError, match=r"not clear, .*_sv/usb.json or .*_fuiad_0.1/usb.json;"):
        open_dataset(root, "usb")


def test_links_choose_another_split(root: Path, tmp_path: Path) -> None:
    write(root / "realiad_jsons" / "realiad_jsons_sv" / "usb.json", split(views=1))
    chosen = tmp_path / "one view"
    chosen.mkdir()
    (chosen / "realiad_256").symlink_to(root / "realiad_256")
    (chosen / "realiad_jsons_sv").symlink_to(root / "realiad_jsons" / "realiad_jsons_sv")
    assert len(open_dataset(chosen).train) == 1
    assert list_categories(chosen) == ["usb"]  # the split names no other


def test_defects_among_the_training_images_are_left_out(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As the splits of fully unsupervised detection have them."""
    content = split()
    content["train"].append(content["test"].pop(0))
    write(root / "realiad_jsons" / "realiad_jsons" / "usb.json", content)
    dataset = open_dataset(root, "usb")
    assert (len(dataset.train), len(dataset.test)) == (2, 1)
    assert "Left out: 1 image of the training set of" in caplog.text


def test_a_category_that_is_not_there(root: Path) -> None:
    with pytest.raises(InputError, match=r"no category 'usbs'; did you mean 'usb'\? It has usb, z"):
        open_dataset(root, "usbs")
    for path in (root / "realiad_jsons" / "realiad_jsons").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"holds no category: .* Real-IAD"):
        open_dataset(root)


@pytest.mark.parametrize("name", [good(1, 2), BAD, MASK])
def test_a_listed_file_is_missing(root: Path, name: str) -> None:
    path = root / "realiad_256" / "zipper" / name
    path.unlink()
    with pytest.raises(InputError) as raised:
        open_dataset(root, "zipper")
    message = str(raised.value)
    assert message.startswith("1 of 5 files in ")
    assert message.endswith(f"zipper: {path}.")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text[: len(text) // 2], "is not valid JSON"),
        (lambda text: text.replace("normal_class", "normal"), "does not say which class is normal"),
        (lambda text: text.replace('"meta": {', '"meta": 3, "x": {'), "which class is normal; it"),
        (lambda text: text.replace('"test"', '"tests"'), "has no list 'test'; it is damaged"),
        (lambda text: text.replace('"train": [', '"train": [3, '), "entry 1 of 'train' has no ima"),
        (lambda text: text.replace('"image_path"', '"image"'), "entry 1 of 'train' has no image_p"),
        (lambda text: text.replace('class": "AK"', 'class": 7'), "entry 1 of 'test' has no image"),
        (lambda text: text.replace("null", "[]"), "entry 1 of 'train' has no image_path, anom"),
        (lambda text: text.replace('class": "OK", "i', 'class": "AK", "i'), "no normal training"),
    ],
)
def test_a_damaged_split(root: Path, spoil: Callable[[str], str], said: str) -> None:
    path = root / "realiad_jsons" / "realiad_jsons" / "usb.json"
    text = path.read_text()
    path.write_text(spoil(text))
    assert path.read_text() != text
    with pytest.raises(InputError) as raised:
        open_dataset(root, "usb")
    assert said in str(raised.value)
    assert str(path) in str(raised.value)
    assert str(raised.value).endswith(".")
