"""Layouts of other datasets, each on a miniature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsa.errors import InputError
from nsa.images import Dataset, list_categories, load_mask, open_dataset


def draw(path: Path, box: tuple[int, int, int, int] | None = None, value: int = 255) -> Path:
    """A black 12x8 image, with a box (left, top, right, bottom) of ``value``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("L", (12, 8))
    if box is not None:
        image.paste(value, box)
    image.save(path)
    return path


def summary(dataset: Dataset, root: Path) -> tuple[list[str], list[tuple[str, str, str]]]:
    train = [str(sample.path.relative_to(root)) for sample in dataset.train]
    assert all(sample.is_good and sample.mask is None for sample in dataset.train)
    test = [
        (
            str(sample.path.relative_to(root)),
            sample.defect,
            "" if sample.mask is None else str(sample.mask.relative_to(root)),
        )
        for sample in dataset.test
    ]
    return train, test


@pytest.fixture
def visa(tmp_path: Path) -> Path:
    lines = ["object,split,label,image,mask"]
    for name in ("candle", "pcb1"):
        images, masks = (f"{name}/Data/{kind}" for kind in ("Images", "Masks"))
        for part, number in (("train", 0), ("train", 1), ("test", 2)):
            draw(tmp_path / images / "Normal" / f"{number:04}.JPG")
            lines.append(f"{name},{part},normal,{images}/Normal/{number:04}.JPG,")
        draw(tmp_path / images / "Anomaly" / "000.JPG")
        draw(tmp_path / masks / "Anomaly" / "000.png", (1, 1, 3, 3), 2)
        lines.append(f"{name},test,anomaly,{images}/Anomaly/000.JPG,{masks}/Anomaly/000.png")
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv" / "1cls.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_visa_split(visa: Path) -> None:
    dataset = open_dataset(visa, "pcb1")
    assert dataset.name == "pcb1"
    assert summary(dataset, visa) == (
        ["pcb1/Data/Images/Normal/0000.JPG", "pcb1/Data/Images/Normal/0001.JPG"],
        [
            ("pcb1/Data/Images/Normal/0002.JPG", "good", ""),
            ("pcb1/Data/Images/Anomaly/000.JPG", "anomaly", "pcb1/Data/Masks/Anomaly/000.png"),
        ],
    )
    mask = dataset.test[1].mask
    assert mask is not None
    assert load_mask(mask, (8, 12)).sum() == 4  # VisA numbers its kinds of defects
    assert open_dataset(visa / "pcb1") == dataset
    assert list_categories(visa) == ["candle", "pcb1"]
    assert list_categories(visa / "pcb1") == ["pcb1"]
    (visa / "pcb1").rename(visa.parent / "boards")
    (visa / "pcb1").symlink_to(visa.parent / "boards")
    assert list_categories(visa) == ["candle", "pcb1"]
    assert open_dataset(visa, "pcb1") == dataset


def test_the_splits_of_visa_for_two_classes_are_left_alone(visa: Path) -> None:
    folder, dataset = visa / "split_csv", open_dataset(visa, "candle")
    text = (folder / "1cls.csv").read_text().replace("candle,test,anomaly", "candle,train,anomaly")
    for name in ("2cls_fewshot.csv", "2cls_highshot.csv"):
        (folder / name).write_text(text)
    assert open_dataset(visa, "candle") == dataset
    (folder / "1cls.csv").unlink()  # trains on normal images only, as nothing else does
    with pytest.raises(InputError, match="holds no category"):
        open_dataset(visa)


def test_a_defect_among_the_training_images_of_visa_is_counted(
    visa: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = visa / "split_csv" / "1cls.csv"
    table.write_text(table.read_text().replace("candle,test,anomaly", "candle,train,anomaly"))
    dataset = open_dataset(visa, "candle")
    assert [sample.path.name for sample in dataset.train] == ["0000.JPG", "0001.JPG"]
    assert [sample.path.name for sample in dataset.test] == ["0002.JPG"]
    assert f"Left out: 1 image of the training set of {visa / 'candle'} with a" in caplog.text


def test_an_object_of_visa_by_any_path(
    visa: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [sample.path.resolve() for sample in open_dataset(visa, "pcb1").train]
    link = tmp_path_factory.mktemp("elsewhere") / "boards"
    link.symlink_to(visa / "pcb1")
    monkeypatch.chdir(visa / "pcb1")
    for path, name in ((link, "pcb1"), (Path(), "pcb1"), (Path("../pcb1"), "pcb1")):
        dataset = open_dataset(path)
        assert dataset.name == name
        assert [sample.path.resolve() for sample in dataset.train] == images


def test_visa_mistakes(visa: Path) -> None:
    with pytest.raises(
        InputError, match=r"several categories, name one of them: candle, pcb1.* --category all"
    ):
        open_dataset(visa)
    with pytest.raises(InputError, match="no category 'pcb2'; did you mean 'pcb1'"):
        open_dataset(visa, "pcb2")
    for number in (0, 2):
        (visa / f"candle/Data/Images/Normal/{number:04}.JPG").unlink()
    with pytest.raises(InputError, match=r"^2 of 5 files of 'candle' .*0000.JPG, .*0002.JPG\.$"):
        open_dataset(visa, "candle")
    (visa / "pcb1/Data/Masks/Anomaly/000.png").unlink()
    with pytest.raises(InputError, match=r"^1 of 5 files of 'pcb1' .*Masks/Anomaly/000.png\.$"):
        open_dataset(visa, "pcb1")
    table = visa / "split_csv" / "1cls.csv"
    table.write_text(table.read_text().replace("pcb1,test,normal", "pcb1,val,normal"))
    with pytest.raises(InputError, match=r"1cls.csv has a split 'val'; it must be train or test"):
        open_dataset(visa, "pcb1")
    (visa / "split_csv" / "1cls.csv").write_text("object,label\n")
    with pytest.raises(InputError, match=r"has no column .*; it must have object, split"):
        open_dataset(visa, "candle")


def test_visa_after_its_script(tmp_path: Path) -> None:
    for part in ("train/good/0.JPG", "test/good/1.JPG", "test/bad/2.JPG", "ground_truth/bad/2.png"):
        draw(tmp_path / "candle" / part)
    assert summary(open_dataset(tmp_path), tmp_path / "candle") == (
        ["train/good/0.JPG"],
        [("test/bad/2.JPG", "bad", "ground_truth/bad/2.png"), ("test/good/1.JPG", "good", "")],
    )


def test_mpdd(tmp_path: Path) -> None:
    folder = tmp_path / "metal_plate"
    for part in ("train/good/0.png", "test/good/1.png", "test/scratches/2.png"):
        draw(folder / part)
    draw(folder / "ground_truth/scratches/2_mask.png")
    test = [("test/good/1.png", "good", "")]
    test.append(("test/scratches/2.png", "scratches", "ground_truth/scratches/2_mask.png"))
    assert summary(open_dataset(tmp_path, "metal_plate"), folder) == (["train/good/0.png"], test)


def test_btad(tmp_path: Path) -> None:
    for product, suffix in (("01", "bmp"), ("02", "png")):
        folder = tmp_path / product
        for part in ("train/ok/0", "test/ok/1", "test/ko/2"):
            draw(folder / f"{part}.{suffix}")
        draw(folder / "ground_truth/ko/2.png")
    dataset = open_dataset(tmp_path, "01")
    assert summary(dataset, tmp_path / "01") == (
        ["train/ok/0.bmp"],
        [("test/ok/1.bmp", "good", ""), ("test/ko/2.bmp", "ko", "ground_truth/ko/2.png")],
    )
    assert open_dataset(tmp_path / "02").name == "02"


def test_kolektor(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for part in ("train", "test"):
        for number in (9, 10, 11):
            draw(tmp_path / part / f"{number}.png")
            box = (3, 2, 4, 3) if number == 10 else None
            draw(tmp_path / part / f"{number}_GT.png", box)
    dataset = open_dataset(tmp_path, "kolektor")
    assert dataset.name == "kolektor"
    assert summary(dataset, tmp_path) == (
        ["train/9.png", "train/11.png"],
        [
            ("test/9.png", "good", ""),
            ("test/10.png", "defect", "test/10_GT.png"),
            ("test/11.png", "good", ""),
        ],
    )
    assert f"Left out: 1 image of the training set of {tmp_path} with a defect" in caplog.text
    (tmp_path / "test" / "9_GT.png").unlink()
    with pytest.raises(InputError, match=r"1 of 3 images in .* have no mask <name>_GT.png: 9.png"):
        open_dataset(tmp_path)
    for number in (9, 11):
        draw(tmp_path / "train" / f"{number}_GT.png", (0, 0, 1, 1))
    with pytest.raises(InputError, match="holds no image whose mask is empty"):
        open_dataset(tmp_path)


def test_loco(tmp_path: Path) -> None:
    folder = tmp_path / "juice_bottle"
    for part in ("train", "validation", "test"):
        draw(folder / part / "good" / "000.png")
    kinds = ("logical_anomalies", "structural_anomalies")
    for kind in kinds:
        draw(folder / "test" / kind / "000.png")
        draw(folder / "ground_truth" / kind / "000" / "000.png", (0, 0, 2, 2), 9)
    draw(folder / "ground_truth" / kinds[0] / "000" / "001.png", (1, 1, 3, 3))
    draw(tmp_path / "masks_alone" / "ground_truth" / kinds[0] / "000" / "000.png")
    dataset = open_dataset(tmp_path)
    assert dataset.name == "juice_bottle"
    assert summary(dataset, folder) == (
        ["train/good/000.png"],
        [
            ("test/good/000.png", "good", ""),
            *((f"test/{k}/000.png", k, f"ground_truth/{k}/000") for k in kinds),
        ],
    )
    assert [sample.path for sample in dataset.validation] == [folder / "validation/good/000.png"]
    logical, structural = (sample.mask for sample in dataset.test[1:])
    assert logical is not None
    assert structural is not None
    union = np.zeros((8, 12), np.uint8)
    union[:2, :2] = union[1:3, 1:3] = 1
    assert np.array_equal(load_mask(logical, (8, 12), dataset.test[1].path), union)
    assert load_mask(structural, (8, 12)).sum() == 4
    assert load_mask(logical, (4, 6)).shape == (4, 6)
    Image.new("L", (5, 5)).save(logical / "002.png")
    with pytest.raises(InputError, match="have different sizes"):
        load_mask(logical, (8, 12))
    with pytest.raises(InputError, match="must be of one size"):
        load_mask(logical, (8, 12), dataset.test[1].path)
