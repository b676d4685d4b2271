"""Two processes never run one job, and a dead one does not block it."""

import json
import logging
import os
import socket
from pathlib import Path

import pytest

from nsa.errors import InputError
from nsa.reproduce.claims import claim, owner
from nsa.reproduce.runner import Rank, prepare_folder
from nsa.system.files import open_unfinished


def test_one_owner_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "job.lock"
    with claim(path) as first:
        assert first
        content = owner(path)
        assert content is not None
        assert (content["host"], content["process"]) == (socket.gethostname(), os.getpid())
        with claim(path) as second:
            assert not second
        assert path.exists()
    assert list(tmp_path.iterdir()) == []
    with claim(path) as again:
        assert again


def test_a_lock_ends_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), claim(tmp_path / "job.lock"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_dead_process_of_this_machine_is_succeeded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("nsa"), "propagate", True)
    path = tmp_path / "job.lock"
    path.write_text(json.dumps({"host": socket.gethostname(), "process": 4711, "since": 0}))
    with claim(path) as ours:
        assert ours
        content = owner(path)
        assert content is not None
        assert content["process"] == os.getpid()
    assert "from process 4711, which is gone" in caplog.text
    assert not path.exists()


def test_another_machine_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "job.lock"
    path.write_text(json.dumps({"host": "elsewhere", "process": 1, "since": 0}))
    with claim(path) as ours:
        assert not ours
    assert path.exists()


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"Cannot write .*job\.lock"),
        claim(tmp_path / "x/job.lock"),
    ):
        pass


def test_what_a_kill_left_of_a_claim_goes_and_what_is_being_made_stays(tmp_path: Path) -> None:
    left = tmp_path / "claims" / ".job.lock.host.4711.nsa-tmp"
    left.parent.mkdir()
    left.touch()
    with open_unfinished(tmp_path / "claims" / "other.lock.host.4712") as file:
        prepare_folder(tmp_path)
        assert list(left.parent.iterdir()) == [Path(file.name)]


def test_the_lock_of_a_dead_process_goes_and_those_of_the_living_stay(tmp_path: Path) -> None:
    """Also of a job that is finished, which nobody claims again."""
    folder = tmp_path / "claims"
    folder.mkdir()
    for name, host in (("dead", socket.gethostname()), ("far", "elsewhere")):
        content = {"host": host, "process": 4711, "since": 0}
        (folder / f"{name}.lock").write_text(json.dumps(content))
    (folder / "cut.lock").write_text('{"host": "el')
    with claim(folder / "ours.lock") as ours:
        assert ours
        before = (folder / "ours.lock").read_bytes()
        prepare_folder(tmp_path)
        assert sorted(path.name for path in folder.iterdir()) == [
            "cut.lock",
            "far.lock",
            "ours.lock",
        ]
        assert (folder / "ours.lock").read_bytes() == before


def test_ranks_share_the_jobs_and_then_help_each_other() -> None:
    jobs = list("abcdefg")
    orders = [Rank(number, 3).order(jobs) for number in range(3)]  # type: ignore[arg-type]
    assert [order[:2] for order in orders] == [["a", "d"], ["b", "e"], ["c", "f"]]
    assert all(sorted(order) == jobs for order in orders)


def test_ranks_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert Rank.from_environment() == Rank(0, 1)
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert Rank.from_environment() == Rank(2, 3)
    monkeypatch.setenv("RANK", "3")
    with pytest.raises(InputError, match="RANK must be a number below WORLD_SIZE"):
        Rank.from_environment()
