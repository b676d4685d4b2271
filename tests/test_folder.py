"""The run folder: how a run begins, and which folders are refused."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from nsa.errors import InputError
from nsa.folder import (
    FORMAT_VERSION,
    Run,
    beginning,
    change_run,
    create_run,
    make_output,
    need_begun,
    read_config,
)
from nsa.system.lock import FolderLock

PLACES = {
    "data_root": "/data", "normal_dir": None, "device": "cpu", "precision": "fp32", "threads": 2
}  # fmt: skip
LEFT = ".config.yaml.nsa-tmp"  # by a process that was killed while it wrote config.yaml


class Plain:
    """Settings of no method."""

    category = "disc"

    def __init__(self, epochs: int = 3) -> None:
        self.epochs = epochs

    def to_dict(self) -> dict[str, Any]:
        return {"category": self.category, "epochs": self.epochs}

    @classmethod
    def of(cls, values: dict[str, Any]) -> Plain:
        if values["epochs"] < 1:
            raise InputError("epochs must be a number from 1.")
        return cls(values["epochs"])


def test_a_run_that_began_is_opened(tmp_path: Path) -> None:
    create_run(tmp_path, Plain(7), PLACES)
    values = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert list(values) == ["format_version", "nsa_version", *PLACES, "category", "epochs"]
    assert values["format_version"] == FORMAT_VERSION == 1
    assert values["nsa_version"] == version("nsa")
    assert read_config(tmp_path) == values
    run = Run.open(tmp_path, Plain.of)
    assert (run.path, run.settings.epochs, run.places) == (tmp_path, 7, PLACES)


def test_a_folder_names_a_method_that_is_not_the_default(tmp_path: Path) -> None:
    create_run(tmp_path, Plain(), PLACES, "other")
    assert read_config(tmp_path)["method"] == "other"


def test_changes_are_noted(tmp_path: Path) -> None:
    create_run(tmp_path, Plain(7), PLACES)
    before = read_config(tmp_path)
    change_run(tmp_path, {**PLACES, "data_root": "/elsewhere", "epochs": 9})
    assert read_config(tmp_path) == {**before, "data_root": "/elsewhere", "epochs": 9}
    assert list(read_config(tmp_path)) == list(before)
    written = (tmp_path / "config.yaml").stat().st_mtime_ns
    change_run(tmp_path, {"epochs": 9})
    assert (tmp_path / "config.yaml").stat().st_mtime_ns == written


def test_places_that_are_not_written_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("format_version: 1\nepochs: 3\n")
    assert Run.open(tmp_path, Plain.of).places == dict.fromkeys(PLACES)


def test_a_run_begins_in_an_empty_folder_only(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(InputError) as raised:
        create_run(tmp_path, Plain(), PLACES)
    assert str(raised.value) == f"The folder {tmp_path} is not empty; choose another --output."
    assert not (tmp_path / "config.yaml").exists()


def test_a_run_is_not_replaced(tmp_path: Path) -> None:
    create_run(tmp_path, Plain(7), PLACES)
    with pytest.raises(InputError) as raised:
        create_run(tmp_path, Plain(8), PLACES)
    assert str(raised.value) == (
        f"{tmp_path} already holds a run; choose another --output, or --resume {tmp_path} to "
        "continue that run."
    )
    assert Run.open(tmp_path, Plain.of).settings.epochs == 7


@pytest.mark.parametrize("left", [(), (".lock",), (LEFT,), (".lock", LEFT)])
def test_what_a_killed_process_leaves_before_it_begins_is_no_run(
    left: tuple[str, ...], tmp_path: Path
) -> None:
    for name in left:
        (tmp_path / name).write_text("format_ver")
    with pytest.raises(InputError) as raised:
        need_begun(tmp_path)
    assert str(raised.value) == (
        f"No run has begun in {tmp_path}, or it was stopped before anything was written; start it "
        f"with --output {tmp_path} instead of --resume."
    )
    with FolderLock(tmp_path):
        create_run(tmp_path, Plain(), PLACES)
    need_begun(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize("failure", [InputError("no images"), KeyboardInterrupt()])
def test_a_beginning_that_fails_leaves_nothing(failure: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir()

    def begin() -> None:
        with FolderLock(path), beginning(path):
            create_run(path, Plain(), PLACES)
            raise failure

    with pytest.raises(type(failure)):
        begin()
    assert not path.exists()


def test_a_run_that_fails_later_stays_to_be_continued(tmp_path: Path) -> None:

    def begin() -> None:
        with beginning(tmp_path):
            create_run(tmp_path, Plain(), PLACES)
            (tmp_path / "checkpoint.safetensors").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        begin()
    assert {entry.name for entry in tmp_path.iterdir()} == {"config.yaml", "checkpoint.safetensors"}


def test_a_beginning_that_succeeds_stays(tmp_path: Path) -> None:
    with FolderLock(tmp_path), beginning(tmp_path):
        create_run(tmp_path, Plain(), PLACES)
    assert (tmp_path / "config.yaml").is_file()


def test_no_run_folder_is_said_to_be_none(tmp_path: Path) -> None:
    for path, said in (
        (tmp_path, "is not a run folder: there is no config.yaml in it."),
        (tmp_path / "nowhere", "does not exist; name a run folder."),
    ):
        with pytest.raises(InputError) as raised:
            read_config(path)
        assert str(raised.value) == f"{path} {said}"


@pytest.mark.parametrize(
    ("stamps", "writer", "found"),
    [
        ({"format_version": 2, "nsa_version": "9.0"}, "9.0", "2"),
        ({"format_version": 0, "nsa_version": "0.0.1"}, "0.0.1", "0"),
        ({"format_version": "1"}, "of unknown version", "'1'"),
    ],
)
def test_another_format_is_named(
    stamps: dict[str, Any], writer: str, found: str, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**stamps, "epochs": 1}))
    with pytest.raises(InputError) as raised:
        Run.open(tmp_path, Plain.of)
    assert str(raised.value) == (
        f"{tmp_path} was written by nsa {writer} in format {found}, but this nsa {version('nsa')} "
        "reads format 1; install the version that wrote it."
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("epochs: 0", "epochs must be a number from 1."),
        ("epochs: 3\nthreads: 0", "threads must be from 1 to 1024, got 0."),
        ("epochs: 3\nthreads: many", "threads must be a whole number, got 'many'."),
        ("epochs: 3\ndevice: [cpu]", "device must be text, got ['cpu']."),
    ],
)
def test_damaged_settings_are_named(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("epochs: 0\n")
    with pytest.raises(InputError, match=r"config.yaml is damaged: it does not say its format_ver"):
        Run.open(tmp_path, Plain.of)
    (tmp_path / "config.yaml").write_text(f"format_version: 1\n{line}\n")
    with pytest.raises(InputError) as raised:
        Run.open(tmp_path, Plain.of)
    assert str(raised.value) == f"{tmp_path / 'config.yaml'} is damaged: {message}"


def test_times_are_those_of_the_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    create_run(tmp_path, Plain(), PLACES)
    run = Run.open(tmp_path, Plain.of)
    assert run.training_times() == {}
    (tmp_path / "metrics.json").write_text(
        '{"image_auroc": null, "pixel_auroc": null, "au_pro": 0.5, "image_average_precision": 1, '
        '"image_f1_max": 0.1, "pixel_average_precision": 0.0, "times": {"training_seconds": 5.0, '
        '"evaluation_seconds": 2.0, "images_per_second": 3.0}}'
    )
    assert run.training_times() == {"training_seconds": 5.0, "images_per_second": 3.0}
    text = (tmp_path / "metrics.json").read_text()
    for damaged in (text[:-9], "", "[]", text.replace("0.5", "NaN"), text.replace("5.0", '"5.0"')):
        (tmp_path / "metrics.json").write_text(damaged)
        assert run.training_times() == {}
        assert "metrics.json " in caplog.messages[-1]
        assert caplog.messages[-1].endswith("The times of the training are lost.")


def test_new_runs_have_the_first_free_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = [make_output(None, "disc") for _ in range(2)]
    assert made == [Path("runs/disc-001"), Path("runs/disc-002")]
    made[0].rmdir()
    monkeypatch.setattr(Path, "exists", lambda _: False)  # it is made by another at this moment
    assert make_output(None, "disc") == Path("runs/disc-001")
    assert make_output(None, "plate") == Path("runs/plate-001")
    assert all((tmp_path / path).is_dir() for path in made)


def test_an_output_of_ones_own_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    assert make_output(path, "disc") == path
    assert path.is_dir()
    assert make_output(path, "disc") == path  # whether it is empty is asked when a run begins
    assert sys.platform == "win32" or not (tmp_path / "runs").exists()
