"""Names of categories that MVTec AD has too mean its presets in its own layout only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import nsa, picture, sentence, train_gaussian, write

from nsa.folder import read_config
from nsa.images import open_dataset
from nsa.images.layouts import all_layouts

ZIPPER = "zipper"


def as_mvtec(root: Path) -> None:
    for number in range(9):
        write(root / ZIPPER / "train" / "good" / f"{number}.png", picture(number)[0])


def as_mvtec_ad2(root: Path) -> None:
    as_mvtec(root)
    write(root / ZIPPER / "test_public" / "good" / "0.png", picture(50)[0])


def as_loco(root: Path) -> None:
    as_mvtec(root)
    write(root / ZIPPER / "ground_truth" / "bent" / "0" / "0.png", picture(50)[1])


def as_btad(root: Path) -> None:
    as_mvtec(root)
    (root / ZIPPER / "train" / "good").rename(root / ZIPPER / "train" / "ok")


def as_kolektor(root: Path) -> None:
    as_mvtec(root)
    for path in (root / ZIPPER / "train" / "good").iterdir():
        path.rename(root / ZIPPER / "train" / path.name)
        mask = picture(0)[1]
        write(root / ZIPPER / "train" / f"{path.stem}_GT.png", mask)


def as_visa(root: Path) -> None:
    lines = ["object,split,label,image,mask"]
    for number in range(9):
        name = f"{ZIPPER}/Data/{number}.png"
        write(root / name, picture(number)[0])
        lines.append(f"{ZIPPER},train,normal,{name},")
    (root / "split_csv").mkdir()
    (root / "split_csv" / "1cls.csv").write_text("\n".join(lines))


def as_realiad(root: Path) -> None:
    entries = []
    for number in range(9):
        name = f"OK/S{number:04}/0.png"
        write(root / "realiad_256" / ZIPPER / name, picture(number)[0])
        entries.append({"anomaly_class": "OK", "image_path": name, "mask_path": None})
    (root / "realiad_jsons").mkdir()
    content = {"meta": {"normal_class": "OK"}, "train": entries, "test": []}
    (root / "realiad_jsons" / f"{ZIPPER}.json").write_text(json.dumps(content))


OTHERS = (as_mvtec_ad2, as_loco, as_btad, as_kolektor, as_visa, as_realiad)


def test_the_layouts_of_the_presets() -> None:
    assert {layout.datasets[0] for layout in all_layouts() if layout.presets} == {
        "MVTec AD", "ChestX-ray14 (by lists of its files)",
    }  # fmt: skip


@pytest.mark.parametrize("lay_out", [as_mvtec, *OTHERS])
def test_only_its_own_data_set_has_a_preset(
    tmp_path: Path, lay_out: Callable[[Path], None]
) -> None:
    lay_out(tmp_path)
    dataset = open_dataset(tmp_path, ZIPPER)
    assert dataset.name == ZIPPER
    assert len(dataset.train) == 9
    assert dataset.presets == (lay_out is as_mvtec)


def test_a_plain_folder_has_the_preset_of_the_name_it_is_given(tmp_path: Path) -> None:
    as_mvtec(tmp_path)
    plain = tmp_path / ZIPPER / "train" / "good"
    assert open_dataset(normal_dir=plain, category="bottle").presets
    assert open_dataset(normal_dir=plain).name == ZIPPER


def test_training_and_synthesis(tmp_path: Path, one_epoch: Path) -> None:
    """Real-IAD's zippers are trained on with settings that their images suggest."""
    said = "The preset 'zipper' is not used: this category of another data set only shares its name"
    for lay_out in (as_mvtec, as_realiad):
        root = tmp_path / lay_out.__name__
        lay_out(root)
        picked = ("--data-root", root, "--category", ZIPPER)
        drawn = nsa("synthesize", *picked, "--count", 2, "--output", tmp_path / f"{root.name}.png")
        assert drawn.exit_code == 0, drawn.output
        assert (said in drawn.stderr) == (lay_out is as_realiad)
        assert ("preset 'zipper' (object)" in drawn.stderr) == (lay_out is as_mvtec)
    run = tmp_path / "run"
    trained = nsa("train", *picked, "--config", one_epoch, "--output", run)
    assert trained.exit_code == 0, trained.output
    assert said in trained.stderr
    assert "Settings estimated from the images of" in trained.stderr
    assert read_config(run)["synthesis"]["max_patches"] != 4  # as in the preset


def test_augmentation_of_a_gaussian_detector(tmp_path: Path, small_gaussian: Path) -> None:
    """A zipper may be mirrored; of another data set's nothing is known, as of a thing."""
    fitted = {}
    for lay_out, name in ((as_mvtec, ZIPPER), (as_mvtec, "thing"), (as_realiad, ZIPPER)):
        root = tmp_path / f"{lay_out.__name__}-{name}"
        lay_out(root)
        if name != ZIPPER:
            (root / ZIPPER).rename(root / name)
        run = tmp_path / f"run-{root.name}"
        result = train_gaussian(root, small_gaussian, run, "--augment", 2)
        assert result.exit_code == 0, result.output
        fitted[lay_out, name] = (run / "gaussian.safetensors").read_bytes()
    assert fitted[as_realiad, ZIPPER] == fitted[as_mvtec, "thing"]
    assert fitted[as_mvtec, ZIPPER] != fitted[as_mvtec, "thing"]


@pytest.mark.parametrize("paper", [(), ("--paper", "gaussian", "--weights", "random")])
def test_tables_of_a_paper_are_refused(tmp_path: Path, paper: tuple[str, ...]) -> None:
    as_realiad(tmp_path)
    for named in ((), ("--categories", ZIPPER)):
        result = nsa(
            "reproduce", "--data-root", tmp_path, "--output", tmp_path / "tables", *named, *paper
        )
        message = sentence(result)
        assert "'zipper' in" in message
        assert "is of another data set than the paper's" in message
        assert "name other --categories" in message
