"""What commands may write over."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from nsa.errors import InputError
from nsa.runs.outputs import check_file, check_folder

MARK = b"made here"


def refusal(path: Path, *inputs: Path, overwrite: bool = False) -> str | None:
    """Why a file may not be written; None: it may."""
    try:
        check_file(path, MARK, inputs, overwrite=overwrite)
    except InputError as error:
        return str(error)
    return None


def folder_refusal(
    folder: Path, *inputs: Path, earlier: tuple[str, ...] = (), overwrite: bool = False
) -> str | None:
    """Why "a" and "b" may not be written into a folder; None: they may."""
    try:
        check_folder(folder, ("a", "b"), earlier, inputs, overwrite=overwrite)
    except InputError as error:
        return str(error)
    return None


def test_a_file_is_replaced_when_asked_for_and_made_by_the_command(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    assert refusal(path) is None
    path.write_bytes(b"... made here ...")
    assert refusal(path) == (
        f"{path} exists already; choose another --output, or replace it with --overwrite."
    )
    assert refusal(path, overwrite=True) is None
    path.write_bytes(b"a thesis")
    assert "is nothing that this command wrote" in str(refusal(path, overwrite=True))


def test_a_file_needs_a_folder(tmp_path: Path) -> None:
    assert "there is no folder" in str(refusal(tmp_path / "none" / "file"))
    assert f"{tmp_path} is a folder" in str(refusal(tmp_path))


def other_paths(path: Path, scratch: Path) -> list[Path]:
    """Further ways to name a file."""
    link, folder, hard = scratch / "link", scratch / "folder", scratch / "hard"
    link.symlink_to(path)
    folder.symlink_to(path.parent)
    os.link(path, hard)
    return [
        link, folder / path.name, hard, path.parent / "." / path.name,
        path.parent / ".." / path.parent.name / path.name, Path(os.path.relpath(path)),
    ]  # fmt: skip


def test_no_input_is_replaced_whatever_leads_to_it(tmp_path: Path) -> None:
    given, scratch = tmp_path / "photos" / "a", tmp_path / "scratch"
    for folder in (given.parent, scratch):
        folder.mkdir()
    given.write_bytes(MARK)
    for output in [given, *other_paths(given, scratch)]:
        for overwrite in (False, True):
            told = str(refusal(output, tmp_path / "gone", given, overwrite=overwrite))
            assert f"would replace {given}" in told
        shutil.rmtree(tmp_path / "into", ignore_errors=True)
        (tmp_path / "into").mkdir()
        (tmp_path / "into" / "a").symlink_to(output.absolute())
        told = str(folder_refusal(tmp_path / "into", given, earlier=("a",), overwrite=True))
        assert f"would replace {given}" in told
    assert refusal(scratch / "new", given) is None


def test_a_folder_is_new_or_empty(tmp_path: Path) -> None:
    assert folder_refusal(tmp_path / "new") is None
    assert folder_refusal(tmp_path) is None
    (tmp_path / ".hidden").touch()
    assert folder_refusal(tmp_path) is None
    (tmp_path / "other").touch()
    assert folder_refusal(tmp_path) == (
        f"The folder {tmp_path} is not empty; choose another --output."
    )
    assert "replace the results in it with --overwrite" in str(
        folder_refusal(tmp_path, earlier=("c",))
    )
    assert "holds no results" in str(folder_refusal(tmp_path, overwrite=True))


def test_only_earlier_results_are_replaced(tmp_path: Path) -> None:
    for name in ("a", "other"):
        (tmp_path / name).touch()
    assert folder_refusal(tmp_path, earlier=("a",), overwrite=True) is None
    (tmp_path / "b").touch()
    told = str(folder_refusal(tmp_path, earlier=("a",), overwrite=True))
    assert told.startswith(f"{tmp_path / 'b'} is none of the earlier results")
    assert folder_refusal(tmp_path, earlier=("a", "b"), overwrite=True) is None
