"""What a command may write over: nothing, or where it is told to, what it wrote itself.

Everything is checked before any work. Files are the same if the file system says so, whatever paths
or links lead to them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from nsa.errors import InputError
from nsa.system.places import url_of
from nsa.system.sending import begin
from nsa.system.urls import exists, joined

BULK = "bulk.json"  # is in a folder of nsa predict --format parquet, and says of what it is


def begin_results(folder: Path, *, overwrite: bool) -> None:
    """Check before any work that a folder's URL, if it has one, takes the results of a command.

    Args:
        overwrite: whether it may hold those of an earlier call.

    Raises:
        InputError: something else is there, or the store cannot be reached or refuses.
    """
    url = url_of(folder)
    if url is not None and exists(url, "write") and exists(joined(url, BULK)):
        raise InputError(_bulk_in(url))
    begin(folder, overwrite=overwrite)


def _bulk_in(folder: Path | str) -> str:
    return (
        f"The folder {folder} holds results of nsa predict --format parquet, which continues them; "
        "choose another --output."
    )


def check_file(path: Path, mark: bytes, inputs: Iterable[Path], *, overwrite: bool) -> None:
    """Check that a command may write a file.

    Args:
        mark: what every file that the command writes has in it, and others have not.
        inputs: files that it reads.
        overwrite: whether it may replace a file of an earlier call.

    Raises:
        InputError: it cannot be written, is an input, or exists and is not to be replaced.
    """
    folder = path.parent
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it.")
    if not folder.is_dir():
        raise InputError(f"Cannot write {path}: there is no folder {folder}.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"Cannot write {path}: the folder {folder} is read-only.")
    if not os.path.lexists(path):
        return
    _refuse_inputs([path], inputs)
    if not overwrite:
        raise InputError(
            f"{path} exists already; choose another --output, or replace it with --overwrite."
        )
    try:
        ours = mark in path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error
    if not ours:
        raise InputError(
            f"{path} is nothing that this command wrote, which is all that --overwrite replaces; "
            "choose another --output."
        )


def check_folder(
    folder: Path,
    names: Iterable[str],
    earlier: Collection[str],
    inputs: Iterable[Path],
    *,
    overwrite: bool,
) -> None:
    """Check that a command may write its results into a folder: one that is new or empty.

    Args:
        names: of the files that it will write there.
        earlier: names of the files there that an earlier call of the same command wrote.
        inputs: files that it reads.
        overwrite: whether it may replace the earlier ones.

    Raises:
        InputError: the folder holds something, and that is not all to be replaced.
    """
    if not folder.is_dir():
        return
    taken = [folder / name for name in (*earlier, *names) if os.path.lexists(folder / name)]
    try:
        found = list(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"The folder {folder} cannot be read: {error.strerror}; choose another --output."
        ) from error
    # Other hidden files, as file managers leave them, are nobody's results.
    if not taken and all(entry.name.startswith(".") for entry in found):
        return
    if any(entry.name == BULK for entry in found):
        raise InputError(_bulk_in(folder))
    if not overwrite:
        further = ", or replace the results in it with --overwrite" if earlier else ""
        raise InputError(f"The folder {folder} is not empty; choose another --output{further}.")
    if not earlier:
        raise InputError(
            f"The folder {folder} holds no results that --overwrite could replace, but something "
            "else; choose another --output."
        )
    _refuse_inputs(taken, inputs)
    below = next((path for path in taken if path.is_dir() and not path.is_symlink()), None)
    if below is not None:
        raise InputError(
            f"{below} is a folder, which --overwrite does not replace; choose another --output."
        )
    foreign = next((path for path in taken if path.name not in earlier), None)
    if foreign is not None:
        raise InputError(
            f"{foreign} is none of the earlier results that --overwrite replaces; choose another "
            "--output."
        )


def _refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write over a file that is read."""
    given = {_identity(path): path for path in inputs}
    for path in outputs:
        same = given.get(_identity(path))
        if same is not None:
            also = "" if same == path else f", which is {path}"
            raise InputError(
                f"The output would replace {same}{also}, a file that is read; choose another "
                "--output."
            )


def _identity(path: Path) -> tuple[int, int] | Path:
    try:
        status = path.stat()
    except OSError:  # a broken link, or nothing: whoever reads it will say so
        return path.absolute()
    return status.st_dev, status.st_ino
