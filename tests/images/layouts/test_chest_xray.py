"""Lists of chest X-rays, and how they are derived."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from nsa.errors import InputError
from nsa.images import open_dataset
from nsa.images.layouts import chest_xray

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
# Age, sex and view; only the first two of each sex are posteroanterior and above 18.
PATIENTS = [
    ("058Y", "M", "PA"), ("19", "M", "PA"), ("018Y", "M", "PA"), ("60", "M", "AP"),
    ("300M", "F", "PA"), ("45", "F", "PA"), ("005D", "F", "PA"), ("12", "F", "PA"),
]  # fmt: skip
NAMES = [f"{number:08}_000.png" for number in range(len(PATIENTS))]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        folder = tmp_path / f"images_{number % 2:03}" / "images"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(folder / name)
    rows = [
        f"{name},No Finding,0,{number},{age},{sex},{view},8,8,0.1,0.1,"
        for number, (name, (age, sex, view)) in enumerate(zip(NAMES, PATIENTS, strict=True))
    ]
    (tmp_path / "Data_Entry_2017.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return tmp_path


def write_list(path: Path, names: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(names) + "\n\n")
    return path


def test_selects_views_ages_and_sexes(root: Path) -> None:
    table = root / "Data_Entry_2017.csv"
    assert chest_xray.select(table, NAMES, sex="male") == NAMES[:2]
    assert chest_xray.select(table, NAMES[::-1], sex="female") == [NAMES[5], NAMES[4]]
    assert chest_xray.select(table, NAMES, sex="male", view="AP") == [NAMES[3]]
    assert chest_xray.select(table, NAMES, sex="female", older_than=11) == [*NAMES[4:6], NAMES[7]]


def test_lists_make_a_data_root(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    curated_folder = tmp_path_factory.mktemp("curated")
    parts = {"normal_train": [0, 2, 4], "normal_test": [5, 3], "abnormal_test": [1, 6]}
    curated = {
        part: write_list(curated_folder / f"{part}.txt", [NAMES[k] for k in numbers])
        for part, numbers in parts.items()
    }
    folders = chest_xray.write_lists(root / "Data_Entry_2017.csv", curated, root)
    assert [folder.name for folder in folders] == ["rcxr_male", "rcxr_female"]
    male = open_dataset(root, "rcxr_male")
    assert male.name == "rcxr_male"
    assert [sample.path.name for sample in male.train] == NAMES[:1]
    assert [(s.path.name, s.defect, s.mask) for s in male.test] == [(NAMES[1], "abnormal", None)]
    female = open_dataset(root, "rcxr_female")
    assert [sample.path.name for sample in female.train] == NAMES[4:5]
    assert [(s.path.name, s.defect) for s in female.test] == [(NAMES[5], "good")]
    with pytest.raises(InputError, match="several categories, name one of them"):
        open_dataset(root)
    with pytest.raises(InputError, match="did you mean 'rcxr_male'"):
        open_dataset(root, "rcxr_mle")
    with pytest.raises(InputError, match="must have the lists abnormal_test, normal_test"):
        chest_xray.write_lists(root / "Data_Entry_2017.csv", {}, root)


def test_a_category_may_be_the_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / "rcxr_male"
    for part, names in (("normal_train", NAMES[:2]), ("normal_test", []), ("abnormal_test", [])):
        write_list(folder / f"{part}.txt", names)
    expected = [sample.path for sample in open_dataset(root, "rcxr_male").train]
    assert [path.name for path in expected] == NAMES[:2]
    assert [sample.path for sample in open_dataset(folder).train] == expected  # beside it
    monkeypatch.chdir(folder)
    beside = [sample.path for sample in open_dataset(".", "screw").train]
    assert [path.resolve() for path in beside] == expected
    for name in NAMES[:2]:
        Image.new("L", (8, 8)).save(folder / name)
    inside = open_dataset(folder, "screw")
    assert inside.name == "screw"
    assert [sample.path for sample in inside.train] == [folder / name for name in NAMES[:2]]


def test_lists_beside_any_images(root: Path, tmp_path: Path) -> None:
    lists = [
        write_list(tmp_path / f"{k}.list", names)
        for k, names in enumerate([NAMES[:3], NAMES[3:5], NAMES[5:]])
    ]
    dataset = chest_xray.open_lists(root, *lists)
    assert dataset.name == "rcxr_male"
    assert [sample.path.name for sample in dataset.train] == NAMES[:3]
    assert [sample.defect for sample in dataset.test] == ["abnormal"] * 3 + ["good"] * 2


def test_missing_files_are_counted_and_named(root: Path, tmp_path: Path) -> None:
    gone = [f"gone_{k}.png" for k in range(23)]
    some = write_list(tmp_path / "some.list", [NAMES[0], *gone[:3]])
    many = write_list(tmp_path / "many.list", gone)
    empty = write_list(tmp_path / "empty.list", [])
    good = write_list(tmp_path / "good.list", NAMES[1:2])
    with pytest.raises(InputError, match=r"^3 of 4 images .* gone_0.png, gone_1.png, gone_2.png.$"):
        chest_xray.open_lists(root, some, good, good)
    with pytest.raises(InputError, match=r"^23 of 23 images .* gone_19.png and 3 more.$"):
        chest_xray.open_lists(root, good, many, good)
    with pytest.raises(InputError, match="names no image to train on"):
        chest_xray.open_lists(root, empty, good, good)
    with pytest.raises(InputError, match=r"Cannot read .*nowhere.list: No such file"):
        chest_xray.open_lists(root, tmp_path / "nowhere.list", good, good)
    with pytest.raises(InputError, match="nowhere does not exist"):
        chest_xray.open_lists(root / "nowhere", good, good, good)
    (root / "copy").mkdir()
    Image.new("L", (8, 8)).save(root / "copy" / NAMES[1])
    with pytest.raises(InputError, match=r"1 images .* are found several times"):
        chest_xray.open_lists(root, good, good, good)


def test_wrong_tables_are_explained(root: Path) -> None:
    table = root / "Data_Entry_2017.csv"
    with pytest.raises(InputError, match=r"^2 images are not in .*: x.png, y.png.$"):
        chest_xray.select(table, [NAMES[0], "x.png", "y.png"], sex="male")
    with pytest.raises(InputError, match="sex must be 'male' or 'female', got 'M'"):
        chest_xray.select(table, NAMES, sex="M")
    with pytest.raises(InputError, match=r"Cannot read .*: No such file"):
        chest_xray.select(root / "no.csv", NAMES, sex="male")
    text = table.read_text()
    table.write_text(text.replace("058Y", "old"))
    with pytest.raises(InputError, match="has an age 'old'"):
        chest_xray.select(table, NAMES, sex="male")
    table.write_text(text.replace("View Position", "View"))
    with pytest.raises(InputError, match=r"no column 'View Position'; it must have Image Index"):
        chest_xray.select(table, NAMES, sex="male")
