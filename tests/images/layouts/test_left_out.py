"""What a folder holds and nobody reads is counted and named."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from PIL import Image

from nsa.errors import InputError
from nsa.images import files, find_images, open_dataset, read_image


@pytest.fixture(autouse=True)
def _say_everything_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_said", set())


def draw(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (10, 20, 30)).save(path)


def test_one_line_counts_what_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.png", "b.jfif", "c.gif", "sub/d.png", ".e.png"):
        draw(tmp_path / name)
    for name in ("x.txt", "y.txt", ".hidden", "Thumbs.db", "._a.png"):
        (tmp_path / name).touch()
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    found = find_images(tmp_path)
    assert [path.name for path in found] == ["a.png", "b.jfif", "c.gif"]
    assert all(abs(int(read_image(path)[0, 0, 2]) - 30) < 8 for path in found)
    (record,) = caplog.records
    text = record.getMessage()
    assert text == (
        f"{tmp_path}: 3 images; left out: 3 other files (2 .txt, 1 .png), 1 folder, not searched "
        "(sub), 1 broken link (gone.png), 1 hidden image (.e.png)."
    )
    find_images(tmp_path)
    assert len(caplog.records) == 1  # once


def test_a_folder_without_images_names_one_below_that_has_some(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match=r"holds no images .*; add some"):
        find_images(tmp_path)
    draw(tmp_path / "b" / "0.png")
    with pytest.raises(InputError, match="its folder b does: name that one"):
        find_images(tmp_path)


def test_an_image_is_named_once(tmp_path: Path) -> None:
    for name in ("a/0.png", "a/1.png", "b/0.png"):
        draw(tmp_path / name)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    a, b = tmp_path / "a", tmp_path / "b"
    assert files.find_all_images([b / "0.png", a]) == [b / "0.png", a / "0.png", a / "1.png"]
    for again in (a / "1.png", tmp_path / "link" / "1.png", b / ".." / "a" / "0.png"):
        with pytest.raises(InputError, match="1 image is named twice; name each once"):
            files.find_all_images([a, again])
    with pytest.raises(InputError, match="2 images are named twice"):
        files.find_all_images([a, b, tmp_path / "link"])


@pytest.fixture
def category(tmp_path: Path) -> Path:
    for name in ("train/good/0.png", "test/good/0.png", "test/crack/0.png",
                 "ground_truth/crack/0_mask.png"):  # fmt: skip
        draw(tmp_path / name)
    return tmp_path


def test_nothing_is_said_of_a_complete_one(
    category: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_dataset(category)
    assert caplog.records == []


def test_what_lies_beside_the_normal_images_is_named(
    category: Path, caplog: pytest.LogCaptureFixture
) -> None:
    draw(category / "train" / "bad" / "0.png")
    assert len(open_dataset(category).train) == 1
    (record,) = caplog.records
    assert record.getMessage().startswith(f"Left out: 1 folder in {category / 'train'} beside good")
    assert record.getMessage().endswith("(bad).")


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("test", "Test"), ("test", "TEST"), ("ground_truth", "Ground_Truth"),
     ("ground_truth", "ground-truth")],
)  # fmt: skip
def test_folders_of_another_spelling_are_refused(category: Path, wanted: str, name: str) -> None:
    (category / wanted).rename(category / name)
    with pytest.raises(InputError) as raised:
        open_dataset(category)
    assert str(raised.value) == (
        f"{category / name} would not be read; rename it to {category / wanted}."
    )


def test_a_mask_may_be_named_like_an_image_that_ends_in_mask(category: Path) -> None:
    for folder in ("test", "ground_truth"):
        draw(category / folder / "crack" / "1_mask.png")
    masks = {sample.path.name: sample.mask for sample in open_dataset(category).test}
    assert masks["1_mask.png"] == category / "ground_truth" / "crack" / "1_mask.png"


@pytest.mark.parametrize("name", ["OK", "Good", "normal", "ok"])
def test_normal_images_under_another_name_are_refused(category: Path, name: str) -> None:
    draw(category / "test" / name / "0.png")
    with pytest.raises(InputError, match=rf"test/{name} seems .*rename it to .*test/good"):
        open_dataset(category)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("test/1.png", "Images directly in .*test are left out"),
        ("ground_truth/scratch/0.png", r"Left out: 1 folder in .*ground_truth of .*\(scratch\)"),
        (
            "ground_truth/crack/7_mask.png",
            r"Left out: 1 mask in .*crack without an image in .*\(7_mask.png\)",
        ),
        ("train/good/inner/1.png", r"good: 1 image; left out: 1 folder.*\(inner\)"),
    ],
)
def test_what_fits_nowhere_is_named(
    category: Path, caplog: pytest.LogCaptureFixture, name: str, said: str
) -> None:
    draw(category / name)
    open_dataset(category)
    assert len(caplog.records) == 1
    assert re.search(said, caplog.text)


def test_other_test_folders_of_btad_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("train/ok/0.png", "test/ok/0.png", "test/ko/0.png", "test/OK/1.png"):
        draw(tmp_path / name)
    assert len(open_dataset(tmp_path).test) == 2
    assert "Left out: 1 folder in" in caplog.text
    assert "neither ok nor ko (OK)" in caplog.text
