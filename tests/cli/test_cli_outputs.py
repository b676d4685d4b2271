"""What commands write: nothing over an input or other results, whole or not at all."""

from __future__ import annotations

import csv
import errno
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tiny import GAUSSIAN, TABLES, nsa, picture, rows, sentence, write, write_config, write_product

from nsa.images import stream
from nsa.system import files
from nsa.system.lock import FolderLock


def contents(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three images, of which two have one name."""
    folder = tmp_path / "photos"
    for name in ("a.png", "b.png", "more/a.png"):
        write(folder / name, picture(sum(name.encode()))[0])
    return folder


def test_predict_writes_over_nothing(network_run: Path, photos: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(photos)
    for output in (photos, link, photos / ".." / "photos", network_run):
        before = contents(output) if output is network_run else (photos / "a.png").read_bytes()
        for more in ((), ("--overwrite",)):
            message = sentence(nsa("predict", network_run, photos, "--output", output, *more))
            assert "choose another --output" in message
        after = contents(output) if output is network_run else (photos / "a.png").read_bytes()
        assert after == before
    assert not (photos / "scores.csv").exists()


def test_predict_replaces_its_own_results_only(
    network_run: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    common = ("predict", network_run, "--output", out)
    assert nsa(*common, photos, photos / "more", "--save-maps").exit_code == 0
    found = rows(out / "scores.csv")
    assert [(row["picture"], row["map"]) for row in found] == [
        ("photos_a.png", "photos_a.npy"), ("b.png", "b.npy"), ("more_a.png", "more_a.npy"),
    ]  # fmt: skip
    before = contents(out)
    assert "with --overwrite" in sentence(nsa(*common, photos))
    own = photos.parent / "own"
    write(own / "mine.png", picture(5)[0])
    (out / "mine.png").write_bytes(b"not of nsa")
    assert "is none of the earlier results" in sentence(nsa(*common, own, "--overwrite"))
    # What was a result is an input now.
    assert "a file that is read" in sentence(nsa(*common, out / "b.png", "--overwrite"))
    (out / "mine.png").unlink()
    assert contents(out) == before
    (out / "notes.txt").write_text("kept")
    result = nsa(*common, photos / "b.png", "--overwrite")
    assert result.exit_code == 0, result.output
    assert sorted(contents(out)) == sorted(["b.png", "notes.txt", *TABLES])
    assert [(row["picture"], row["map"]) for row in rows(out / "scores.csv")] == [("b.png", "")]


@pytest.mark.parametrize(
    "name",
    ["unreadable.csv", "scores.partial.csv", "regions.csv", "regions.json", "review.html",
     "regions.partial.csv"],
)  # fmt: skip
def test_a_table_of_somebody_elses_is_kept(
    name: str, network_run: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    common = ("predict", network_run, photos / "b.png", "--output", out)
    assert nsa(*common).exit_code == 0
    (out / name).write_text("mine\n")
    assert "is none of the earlier results" in sentence(nsa(*common, "--overwrite"))
    assert (out / name).read_text() == "mine\n"


def test_a_table_that_names_other_files_is_not_believed(
    network_run: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    kept = ("../photos/a.png", "config.yaml", "..", "")
    lines = "".join(f"x,0.1,{name},\n" for name in kept)
    (out / "config.yaml").write_text("kept")
    (out / "scores.csv").write_text(f"path,score,picture,map\n{lines}x,0.1")
    common = ("predict", network_run, "--output", out, "--overwrite")
    assert nsa(*common, photos / "b.png").exit_code == 0
    assert (out / "config.yaml").read_text() == "kept"
    assert (photos / "a.png").is_file()


def test_an_interruption_keeps_what_is_scored(
    network_run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of groups of one image the second is interrupted, and then by a full disk."""
    monkeypatch.setattr(stream, "_IMAGES", 1)
    out = tmp_path / "out"
    names = ["a.png", "regions.partial.csv", "scores.partial.csv"]
    common = ("predict", network_run, photos, "--output", out)
    replace, stops = os.replace, [KeyboardInterrupt(), OSError(errno.ENOSPC, "disk full")]

    def stop_at_b(source: Any, target: Any) -> None:
        if Path(target).name == "b.png":
            raise stops[0]
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", stop_at_b)
    result = nsa(*common)
    assert result.exit_code == 130, result.output
    kept = f"the scores of 2 images are in {out / 'scores.partial.csv'}"
    assert result.stderr.splitlines()[-1] == f"Interrupted; {kept}."
    assert sorted(contents(out)) == names
    assert [Path(row["path"]).name for row in rows(out / names[2])] == ["a.png", "b.png"]
    del stops[0]
    assert "with --overwrite" in sentence(nsa(*common))
    message = sentence(nsa(*common, "--overwrite"))
    assert message == f"Error: Cannot write {out / 'b.png'}: disk full; {kept}."
    assert sorted(contents(out)) == names
    monkeypatch.undo()
    assert nsa(*common, "--overwrite").exit_code == 0
    assert sorted(contents(out)) == ["a.png", "b.png", *TABLES]


def test_an_interrupted_replacement_keeps_the_earlier_table(
    network_run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    common = ("predict", network_run, photos, "--output", out, "--overwrite")
    assert nsa(*common).exit_code == 0
    before = contents(out)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(files.os, "replace", full)
    message = sentence(nsa(*common))
    assert message.endswith(f"and {out / 'scores.csv'} is that of the earlier call.")
    found = contents(out)
    for name in ("scores", "regions"):
        assert found.pop(f"{name}.partial.csv") == before[f"{name}.csv"]
    assert found == before


def test_every_unreadable_file_is_listed(network_run: Path, photos: Path, tmp_path: Path) -> None:
    for index in range(12):
        (photos / f"bad{index}.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    common = ("predict", network_run, photos, "--output", out)
    message = sentence(nsa(*common))
    assert "12 of 14 images cannot be used" in message
    assert "and 2 more" in message
    assert message.endswith(f"All are listed in {out / 'unreadable.csv'}.")
    found = rows(out / "unreadable.csv")
    assert [row["path"] for row in found] == [str(photos / f"bad{i}.png") for i in range(12)]
    assert all("is not an image" in row["reason"] for row in found)
    assert sorted(contents(out)) == ["a.png", "b.png", *TABLES, "unreadable.csv"]
    assert nsa(*common[:2], photos / "a.png", *common[3:], "--overwrite").exit_code == 0
    assert sorted(contents(out)) == ["a.png", *TABLES]  # and no list of another call
    # Commands that stop at such files have no folder yet.
    message = sentence(nsa("calibrate", network_run, photos, "--overwrite"))
    listed = Path(message.split("All are listed in ")[1].removesuffix("."))
    assert [row["path"] for row in rows(listed)] == [row["path"] for row in found]
    listed.unlink()


def test_what_cannot_be_read_replaces_nothing(
    network_run: Path, photos: Path, tmp_path: Path
) -> None:
    out, bad = tmp_path / "out", tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    assert nsa("predict", network_run, photos / "b.png", "--output", out).exit_code == 0
    before = contents(out)
    for _ in range(2):
        message = sentence(nsa("predict", network_run, bad, "--output", out, "--overwrite"))
        assert "bad.png cannot be read: it is not an image" in message
        assert "no image was scored" in message
        assert rows(out / "unreadable.csv")[0]["path"] == str(bad)
        found = contents(out)
        del found["unreadable.csv"]
        assert found == before
    # In a new folder there is that list alone, and it is known again.
    new = tmp_path / "new"
    for more in ((), ("--overwrite",)):
        assert "no image was scored" in sentence(
            nsa("predict", network_run, bad, "--output", new, *more)
        )
        assert [*contents(new)] == ["unreadable.csv"]
    again = ("predict", network_run, photos / "b.png", "--output", new, "--overwrite")
    assert nsa(*again).exit_code == 0
    assert sorted(contents(new)) == ["b.png", *TABLES]


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_folder_has_the_results_of_one_call(
    command: str, network_run: Path, photos: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    given = (photos,) if command == "predict" else ("--data-root", data)
    common = (command, network_run, *given, "--output", out)
    assert nsa(*common).exit_code == 0
    before = contents(out)
    with FolderLock(out):
        message = sentence(nsa(*common, "--overwrite"))
    assert f"Another run is using the folder {out}" in message
    assert contents(out) == before


ODD = [b"not utf-8 \xff\xe9", b"two\nlines", b"\x1b[31mred", b"[bold]x[red]", b":key:", b"a,b'\"",
       b"y" * 251, "ä".encode() * 115]  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="no such names")
def test_any_name_is_scored_and_traced(network_run: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        for seed, name in enumerate(ODD):
            path = tmp_path / folder / os.fsdecode(name + b".png")
            write(tmp_path / folder / "plain.png", picture(seed)[0])
            (tmp_path / folder / "plain.png").rename(path)
    (tmp_path / "one" / os.fsdecode(b"bad\xff[/x].png".replace(b"/", b"-"))).touch()
    out = tmp_path / "out"
    common = ("predict", network_run, tmp_path / "one", tmp_path / "two", "--output", out)
    message = sentence(nsa(*common, "--save-maps"))
    assert r"bad\udcff[-x].png cannot be read" in message
    assert b"bad\xff[-x].png" in (out / "unreadable.csv").read_bytes()
    with (out / "scores.csv").open(newline="", errors="surrogateescape") as file:
        found = list(csv.DictReader(file))
    given = {os.fsencode(tmp_path / folder) + b"/" + name + b".png"
             for folder in ("one", "two") for name in ODD}  # fmt: skip
    assert {os.fsencode(row["path"]) for row in found} == given
    pictures = {row["picture"] for row in found} | {row["map"] for row in found}
    assert len(pictures) == 4 * len(ODD)
    written = {entry.name for entry in out.iterdir()}
    assert written == {*pictures, *TABLES, "unreadable.csv"}
    assert sentence(nsa(*common, "--save-maps", "--overwrite")) == message
    assert {entry.name for entry in out.iterdir()} == written
    # Of another format they have other names, and those of before are gone.
    assert sentence(nsa(*common, "--save-maps", "--map-format", "tiff16", "--overwrite")) == message
    endings = {".npy": ".tiff"}
    expected = {endings.get(Path(name).suffix, Path(name).suffix) for name in written}
    assert {Path(name).suffix for name in (entry.name for entry in out.iterdir())} == expected
    assert len({*out.iterdir()}) == len(written)


@pytest.mark.skipif(os.name == "nt", reason="no such names")
def test_a_training_takes_any_name(one_epoch: Path, tmp_path: Path) -> None:
    """Of images, of a kind of defect and of the category, which pictures and tables show."""
    odd = os.fsdecode(b"\xff[bold]\x1b")
    data = tmp_path / f"data{odd}"
    product = write_product(data, train=6).joinpath("disc").rename(data / f"disc{odd}")
    for place in ("test", "ground_truth"):
        (product / place / "spot").rename(product / place / f"spot{odd}")
    for image in (product / "train" / "good" / "0.png", product / "test" / "good" / "0.png"):
        image.rename(image.with_name(f"0{odd}.png"))
    run = tmp_path / "run"
    result = nsa("train", "--data-root", data, "--config", one_epoch, "--output", run)
    assert result.exit_code == 0, result.output
    assert r"disc\udcff[bold]\x1b" in result.stdout
    assert b"0\xff[bold]\x1b.png" in (run / "scores.csv").read_bytes()
    assert (run / "examples.png").is_file()
    good = product / "test" / "good"
    for _ in range(2):  # the paths of the first are read by the second
        result = nsa("calibrate", run, good)
        assert result.exit_code == 0, result.output
    result = nsa("evaluate", run, "--fpr", 0.3)
    assert result.exit_code == 0, result.output
    assert "3 test images were calibrated with" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="names there are no bytes")
def test_a_run_folder_is_named_in_utf8(
    network_run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or weights could be written, but not be read again."""
    odd = tmp_path / os.fsdecode(b"run\xff")
    for command in (
        ("train", "--data-root", data, "--output"),
        ("train", *GAUSSIAN, "--data-root", data, "--output"),
    ):
        assert "is not UTF-8" in sentence(nsa(*command, odd))
        assert not odd.exists()
    shutil.copytree(data / "disc" / "train" / "good", photos := tmp_path / os.fsdecode(b"gut\xff"))
    monkeypatch.chdir(tmp_path)
    assert "is not UTF-8" in sentence(nsa("train", "--normal-dir", photos))  # its run's name
    assert not Path("runs").exists()
    shutil.copytree(network_run, odd)
    message = sentence(
        nsa("predict", odd, data / "disc" / "test" / "good", "--output", tmp_path / "x")
    )
    assert "is not UTF-8" in message
    assert "damaged" not in message


def test_a_calibration_by_other_images_is_kept(
    network_run: Path, normals: Path, more_data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(network_run, run)
    assert nsa("calibrate", run, normals / "0.png", normals / "1.png").exit_code == 0
    before = (run / "calibration.csv").read_bytes()
    good = more_data / "disc" / "test" / "good"
    message = sentence(nsa("calibrate", run, good, normals / "1.png"))
    assert "is calibrated already, by 2 images of which 1 are not among these" in message
    assert (run / "calibration.csv").read_bytes() == before
    assert nsa("calibrate", run, normals).exit_code == 0  # all of them and more
    assert len(rows(run / "calibration.csv")) == 19
    assert nsa("calibrate", run, good, "--overwrite").exit_code == 0
    assert len(rows(run / "calibration.csv")) == 3
    for foreign in ("date,operator\n1,Bob\n", "mine\n", "path,score\na,much\n"):
        (run / "calibration.csv").write_text(foreign)
        assert "calibration.csv" in sentence(nsa("calibrate", run, good))
        assert (run / "calibration.csv").read_text() == foreign
    assert nsa("calibrate", run, good, "--overwrite").exit_code == 0


def test_an_evaluation_keeps_the_runs_results(
    network_run: Path, data: Path, more_data: Path, tmp_path: Path
) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(network_run, run)
    before = contents(run)
    message = sentence(nsa("evaluate", run, "--data-root", data))
    assert "name an --output" in message
    for folder in (run, more_data / "disc", more_data / "disc" / "test" / "good"):
        for more in ((), ("--overwrite",)):
            told = sentence(nsa("evaluate", run, "--output", folder, *more))
            assert "choose another --output" in told
    assert contents(run) == before
    # The category's own folder is the same images.
    assert nsa("evaluate", run, "--data-root", more_data / "disc").exit_code == 0
    common = ("evaluate", run, "--data-root", data, "--output", out)
    assert nsa(*common).exit_code == 0
    assert "with --overwrite" in sentence(nsa(*common))
    scores = (out / "scores.csv").read_bytes()
    (out / "scores.csv").write_text("mine\n")
    assert "is none of the earlier results" in sentence(nsa(*common, "--overwrite"))
    assert (out / "scores.csv").read_text() == "mine\n"
    (out / "scores.csv").write_bytes(scores)
    (out / "examples.png").unlink()
    (out / "metrics.json").unlink()  # which is written last, unless the process is killed
    assert nsa(*common, "--overwrite").exit_code == 0
    assert sorted(contents(out)) == [
        "examples.png", "metrics.json", "review.html", "scores.csv",
    ]  # fmt: skip


def test_synthesize_replaces_its_own_picture_only(data: Path, tmp_path: Path) -> None:
    config, path = write_config(tmp_path / "o.yaml"), tmp_path / "grid.png"
    common = ("synthesize", "--data-root", data, "--config", config, "--count", 2, "--output")
    assert nsa(*common, path).exit_code == 0
    before = path.read_bytes()
    assert "exists already" in sentence(nsa(*common, path))
    mask = data / "disc" / "ground_truth" / "spot" / "0_mask.png"
    for other in (data / "disc" / "train" / "good" / "0.png", mask):
        kept = other.read_bytes()
        assert "a file that is read" in sentence(nsa(*common, other, "--overwrite"))
        assert other.read_bytes() == kept
    assert "nothing that this command wrote" in sentence(nsa(*common, config, "--overwrite"))
    for name in ("grid.jpg", "grid"):
        assert sentence(nsa(*common, tmp_path / name)).endswith(f"{name} end in .png.")
        assert not (tmp_path / name).exists()
    assert path.read_bytes() == before
    assert nsa(*common, path, "--overwrite", "--seed", 1).exit_code == 0
    assert path.read_bytes() != before
    assert cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) is not None


def test_reproduce_takes_no_folder_of_others(data: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("a home page")
    for folder in (tmp_path, data):
        message = sentence(nsa("reproduce", "--data-root", data, "--output", folder))
        assert "holds no results of nsa reproduce" in message
    assert sorted(contents(tmp_path)) == ["index.html"]


def test_a_trace_is_not_replaced(network_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(network_run, run)
    (run / "trace.json").write_text("{}")
    message = sentence(nsa("train", "--resume", run, "--profile"))
    assert "trace.json is there already" in message


def test_a_folder_is_not_replaced(network_run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    common = ("predict", network_run, photos / "b.png", "--output", out)
    assert nsa(*common).exit_code == 0
    (out / "b.png").unlink()
    (out / "b.png").mkdir()
    assert f"{out / 'b.png'} is a folder" in sentence(nsa(*common, "--overwrite"))
    assert rows(out / "scores.csv")
