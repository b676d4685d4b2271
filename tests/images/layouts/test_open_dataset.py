"""Listing data sets: layouts, natural order, and a clear sentence for every mistake."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from PIL import Image

from nsa.errors import InputError
from nsa.images import find_images, open_dataset


def draw(path: Path, size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two categories in the layout of MVTec AD."""
    for category in ("bottle", "cable"):
        folder = tmp_path / "data" / category
        for name in ("10", "2", "1"):
            draw(folder / "train" / "good" / f"{name}.png")
        draw(folder / "test" / "good" / "000.png")
        draw(folder / "test" / "crack" / "000.png")
        draw(folder / "ground_truth" / "crack" / "000_mask.png")
    return tmp_path / "data"


def test_mvtec_layout(root: Path) -> None:
    dataset = open_dataset(root, "bottle")
    assert dataset.name == "bottle"
    assert [sample.path.stem for sample in dataset.train] == ["1", "2", "10"]
    assert all(sample.is_good and sample.mask is None for sample in dataset.train)
    crack, good = dataset.test
    assert (crack.defect, good.defect) == ("crack", "good")
    assert crack.mask == root / "bottle" / "ground_truth" / "crack" / "000_mask.png"
    assert good.mask is None


def test_root_may_be_the_category(root: Path) -> None:
    assert open_dataset(root / "cable").name == "cable"
    # The name then chooses the preset only.
    renamed = open_dataset(root / "cable", "screw")
    assert renamed.name == "screw"
    assert renamed.train == open_dataset(root, "cable").train


def test_the_only_category_needs_no_name(root: Path) -> None:
    (root / "cable").rename(root.parent / "cable")
    assert open_dataset(root).name == "bottle"


def test_plain_folder(tmp_path: Path) -> None:
    folder = tmp_path / "gute Teile ä"
    for name in ("b 10.JPG", "b 9.jpeg", "ü.tif", ".hidden.png"):
        draw(folder / name)
    (folder / "notes.txt").write_text("not an image")
    draw(folder / "rejects.png" / "bad.png")
    dataset = open_dataset(normal_dir=folder)
    assert dataset.name == "gute Teile ä"
    assert [sample.path.name for sample in dataset.train] == ["b 9.jpeg", "b 10.JPG", "ü.tif"]
    assert dataset.test == []
    assert open_dataset(normal_dir=folder, category="screw").name == "screw"


def test_plain_folder_inside_a_category_is_named_after_it(root: Path) -> None:
    assert open_dataset(normal_dir=root / "cable" / "train" / "good").name == "cable"


def test_several_plain_folders(tmp_path: Path) -> None:
    for name in ("b", "a"):
        draw(tmp_path / name / "2.png")
        draw(tmp_path / name / "1.png")
    dataset = open_dataset(normal_dir=[tmp_path / "b", str(tmp_path / "a")])
    assert dataset.name == "b"
    found = [str(sample.path.relative_to(tmp_path)) for sample in dataset.train]
    assert found == ["b/1.png", "b/2.png", "a/1.png", "a/2.png"]
    (tmp_path / "c").symlink_to(tmp_path / "a")
    with pytest.raises(InputError, match="c is named twice"):
        open_dataset(normal_dir=[tmp_path / "a", tmp_path / "b", tmp_path / "c"])


def test_every_suffix_is_found(tmp_path: Path) -> None:
    names = ["a.png", "b.jpg", "c.jpeg", "d.bmp", "e.tif", "f.tiff", "g.webp"]
    for name in names:
        draw(tmp_path / name)
    assert [path.name for path in find_images(tmp_path)] == names
    assert find_images(tmp_path / "e.tif") == [tmp_path / "e.tif"]


def test_masks_named_like_their_image_or_missing(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    category = root / "bottle"
    draw(category / "test" / "hole" / "a.jpg")
    draw(category / "test" / "hole" / "b.jpg")
    mask = draw(category / "ground_truth" / "hole" / "a.png")
    with caplog.at_level(logging.WARNING, "nsa"):
        hole = [sample for sample in open_dataset(root, "bottle").test if sample.defect == "hole"]
    assert [sample.mask for sample in hole] == [mask, None]
    assert "1 of 2 images" in caplog.text
    assert "b.jpg" in caplog.text


def test_defects_without_any_masks_are_allowed(root: Path) -> None:
    draw(root / "bottle" / "test" / "hole" / "a.jpg")
    hole = [sample for sample in open_dataset(root, "bottle").test if sample.defect == "hole"]
    assert [sample.mask for sample in hole] == [None]


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        ({}, ["exactly one of data_root", "--normal-dir"]),
        ({"data_root": "{}", "normal_dir": "{}"}, ["exactly one of data_root"]),
        ({"data_root": "{}/nowhere"}, ["nowhere does not exist"]),
        ({"data_root": "{}"}, ["several categories", "bottle, cable"]),
        ({"data_root": "{}", "category": "botle"}, ["'botle'", "did you mean 'bottle'", "cable"]),
        ({"data_root": "{}", "category": "xyz"}, ["no category 'xyz'", "it has bottle, cable"]),
        ({"data_root": "{}", "category": "new"}, ["'new' has no images", "train/good"]),
        ({"data_root": "{}", "category": "void"}, ["void/train/good holds no images", "png"]),
        ({"data_root": "{}/new"}, ["holds no category", "<category>/train/good"]),
        ({"data_root": "{}/plain"}, ["holds images itself", "--normal-dir"]),
        ({"data_root": "{}/plain/1.png"}, ["is a file"]),
        ({"normal_dir": "{}/nowhere"}, ["nowhere does not exist"]),
        ({"normal_dir": "{}/new"}, ["new holds no images", "add some"]),
        ({"normal_dir": "{}/bottle/train"}, ["holds no images", "its folder good does"]),
        ({"normal_dir": "{}/notes.txt"}, ["notes.txt is not an image file"]),
    ],
)
def test_mistakes_are_explained(
    root: Path, arguments: dict[str, str], fragments: list[str]
) -> None:
    (root / "new").mkdir()
    (root / "void" / "train" / "good").mkdir(parents=True)
    (root / "notes.txt").write_text("not an image")
    if "void" not in arguments.values():
        (root / "void" / "train" / "good").rmdir()
    draw(root / "plain" / "1.png")
    filled = {name: value.format(root) for name, value in arguments.items()}
    with pytest.raises(InputError) as caught:
        open_dataset(**filled)
    message = str(caught.value)
    assert all(fragment in message for fragment in fragments), message
    assert "\n" not in message
    assert message.endswith(".")
