"""MVTec AD 2 on a miniature: public test images, masks among them, and validation images."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from nsa.errors import InputError
from nsa.images import list_categories, load_mask, open_dataset


def draw(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (11, 7), 255 if path.stem.endswith("_mask") else 0).save(path)


@pytest.fixture
def vial(tmp_path: Path) -> Path:
    folder = tmp_path / "vial"
    draw(
        folder, "train/good/010_regular.png", "train/good/002_regular.png",
        "validation/good/000_regular.png", "validation/good/001_regular.png",
        "test_public/good/000_overexposed.png", "test_public/bad/000_regular.png",
        "test_public/bad/001_regular.png",
        "test_public/ground_truth/bad/000_regular_mask.png",
        "test_public/ground_truth/bad/001_regular_mask.png",
        "test_private/000_regular.png", "test_private_mixed/000_mixed.png",
    )  # fmt: skip
    return folder


def test_a_category(vial: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = open_dataset(vial.parent, "vial")
    assert dataset == open_dataset(vial)
    assert [one.path.name for one in dataset.train] == ["002_regular.png", "010_regular.png"]
    validation = [str(one.path.relative_to(vial)) for one in dataset.validation]
    assert validation == ["validation/good/000_regular.png", "validation/good/001_regular.png"]
    assert all(one.is_good for one in dataset.train + dataset.validation)
    test = [(str(one.path.relative_to(vial)), one.defect) for one in dataset.test]
    assert test == [
        ("test_public/bad/000_regular.png", "bad"),
        ("test_public/bad/001_regular.png", "bad"),
        ("test_public/good/000_overexposed.png", "good"),
    ]
    masks = [one.mask for one in dataset.test]
    truth = vial / "test_public" / "ground_truth" / "bad"
    assert masks == [truth / "000_regular_mask.png", truth / "001_regular_mask.png", None]
    assert load_mask(masks[0] or truth, (7, 11)).all()
    assert list_categories(vial.parent) == ["vial"]
    assert caplog.records == []


def test_a_mask_may_be_missing_and_is_named(vial: Path, caplog: pytest.LogCaptureFixture) -> None:
    (vial / "test_public/ground_truth/bad/001_regular_mask.png").unlink()
    assert [one.mask is None for one in open_dataset(vial).test] == [False, True, True]
    assert "1 of 2 images in" in caplog.text
    assert "have no mask" in caplog.text


def test_mistakes(vial: Path) -> None:
    with pytest.raises(InputError, match="no category 'vials'; did you mean 'vial'"):
        open_dataset(vial.parent, "vials")
    masks = vial / "test_public" / "ground_truth"
    masks.rename(masks.with_name("Ground_Truth"))
    with pytest.raises(InputError, match=r"Ground_Truth would not be read; rename it to .*_truth"):
        open_dataset(vial)
    masks.with_name("Ground_Truth").rename(masks)
    draw(vial, "test_public/ok/0.png")
    with pytest.raises(InputError, match=r"ok seems to hold normal images.*test_public/good\."):
        open_dataset(vial)
    for path in (vial / "train" / "good").iterdir():
        path.unlink()
    (vial / "test_public" / "ok").rename(vial / "test_public" / "scratch")
    with pytest.raises(InputError, match=r"good holds no images .*put normal images there"):
        open_dataset(vial)


def test_without_validation_images(vial: Path) -> None:
    (vial / "validation").rename(vial / "calibration")
    assert open_dataset(vial).validation == []
