"""Jobs on a Ray cluster, all of it tried once by ``cluster_checks.py``: what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from isolated import run_isolated

from nsa.errors import InputError
from nsa.jobs.cluster.connect import connected


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run_isolated("cluster_checks.py", tmp_path_factory.mktemp("cluster"))


Said = Callable[[str], str]


@pytest.fixture
def said(found: Mapping[str, Any]) -> Said:
    """What was refused, one sentence and soon."""

    def one(name: str) -> str:
        sentence, seconds = found[name]
        assert "\n" not in sentence
        assert sentence.endswith(".")
        assert seconds < 60
        return str(sentence)

    return one


def test_an_address_without_a_cluster_is_refused_in_time(said: Said) -> None:
    assert "did not answer as a Ray cluster does within 4 s" in said("silent")
    assert "Connection refused; start one with ray start --head" in said("closed")
    assert "No Ray cluster runs on this machine" in said("auto")
    for address in ("nonsense", "ray://127.0.0.1:1", "127.0.0.1:port"):
        assert f"HOST:PORT as ray start --head prints it, got '{address}'" in said(address)


def test_ray_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nsa.jobs.cluster.connect.importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'nsa\[cluster\]'"), connected("auto"):
        pass


def test_other_versions_are_refused(found: Mapping[str, Any], said: Said) -> None:
    assert f"has nsa {found['version']} instead of 0.0.7" in said("other nsa")
    assert "and this process Ray 0.0.7 on Python" in said("other Ray")


def test_needs_that_no_node_meets_are_refused(said: Said) -> None:
    assert said("needs gpus") == (
        "A job that needs 2 GPUs fits on no node: of 1 node the largest has 1 GPU."
    )
    assert "needs 2 cores fits on no node: of 1 node the largest has 1 core." in said("needs share")
    assert "needs 64 cores" in said("needs cores")
    assert "needs 1048576.0 GiB" in said("needs memory")


def test_one_that_fails_or_dies_stops_no_other(found: Mapping[str, Any]) -> None:
    failures, logs = found["failures"], found["logs"]
    assert found["finished"] == ["one", "two"]
    assert sorted(failures) == ["bad", "broken", "killed", "stopped"]
    assert failures["bad"].startswith("It cannot be done. (all of it: ")
    assert failures["broken"].startswith("ValueError: no such luck (all of it: ")
    assert failures["killed"].startswith("It failed 2 times: its process was ended from outside")
    # As where a node that is to go lets its jobs save; elsewhere they might go on.
    assert failures["stopped"].startswith("It failed 10 times: its process was told to end (what ")
    assert logs["stopped"] == "stopped begins.\nBelow Python.\n" * 10
    # Each log holds its job, below Python too, and that alone; a failure is no reason to try again.
    assert logs["one"] == "one begins.\nBelow Python.\n"
    assert logs["bad"] == "bad begins.\nBelow Python.\nError: It cannot be done.\n"
    assert logs["killed"] == "killed begins.\nBelow Python.\n" * 2
    assert logs["broken"].endswith("ValueError: no such luck\n")


def test_a_share_of_a_gpu(found: Mapping[str, Any]) -> None:
    assert found["shares failures"] == {}
    shares = found["shares"]
    for share in shares:
        assert share["CUDA_VISIBLE_DEVICES"] == "0"
        assert share["OMP_NUM_THREADS"] == "1"
        at_once = [other for other in shares if other["begin"] <= share["begin"] < other["end"]]
        assert len(at_once) <= 2
    # A process keeps the device that it has, so the next job gets a new one.
    assert len({share["process"] for share in shares}) == len(shares)


def test_a_signal_lets_jobs_save(found: Mapping[str, Any]) -> None:
    began = found["said"].splitlines()
    assert sorted(began[:2]) == ["left runs.", "right runs."]
    assert "third runs." not in began  # it has waited for a place
    assert found["interrupted"] == "Stopped and saved, 3 of 3 left; Go on."
    assert found["saved"] == ["left.saved", "right.saved"]  # and the third had not begun


def test_folds_of_a_baseline_are_jobs(found: Mapping[str, Any]) -> None:
    assert found["folds there failures"] == found["folds here failures"] == {}
    assert found["folds there"] == found["folds here"]
    first, second, whole = found["folds there logs"]
    stem = whole.removesuffix(".log")
    assert (first, second) == (f"{stem}-fold-0.log", f"{stem}-fold-1.log")
    assert found["folds here logs"] == []  # one after the other in one process


def test_a_job_goes_on_elsewhere_when_its_node_is_lost(found: Mapping[str, Any]) -> None:
    assert found["lost failures"] == {}
    begun = {}
    for name, lines in found["lost notes"].items():
        assert [line for line in lines if line.startswith("step")] == [
            f"step {step}" for step in range(30)
        ]
        begun[name] = sum(line.startswith("begins") for line in lines)
    assert sorted(begun.values()) == [1, 1, 2]
    assert begun["third"] == 1


def test_a_lost_head_is_told_with_what_continues(said: Said) -> None:
    sentence = said("lost head")
    assert sentence.startswith("The head of the Ray cluster, 127.0.0.1:")
    assert sentence.endswith(
        " is lost: nobody has answered there for 3 s (Connection refused); 2 of 3 left, what is "
        "finished stays; Go on."
    )


def test_what_a_node_does_not_see_is_named(found: Mapping[str, Any], said: Said) -> None:
    for name, folder in (("results", "failures"), ("data", "images")):
        sentence = said(f"unshared {name}")
        assert Path(sentence.split(" does not see ")[1].split(" as this")[0]).name == folder
    assert found["left over"] == []
