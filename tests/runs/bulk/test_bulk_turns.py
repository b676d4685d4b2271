"""Two calls do not write to one URL at the same time, and what a kill left is taken over."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from bulked import Bulk
from watched import put

from nsa.errors import InputError
from nsa.runs.bulk import turn
from nsa.runs.bulk.predict import predict_bulk
from nsa.runs.bulk.turn import NAME, Turn
from nsa.system import urls

pytest.importorskip("fsspec")


@pytest.fixture
def place(tmp_path: Path) -> str:
    return f"memory://{tmp_path.name}-{random.random()}/out"


@pytest.fixture
def bulk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bulk:
    monkeypatch.setattr(turn, "_SECONDS_BETWEEN_SIGNS", 0.1)
    monkeypatch.setattr(turn, "_SECONDS_TO_WAIT", 1.0)
    bulk = Bulk(tmp_path)
    put(bulk.images / "a.png")
    return bulk


def score(bulk: Bulk, place: str, **options: Any) -> int:
    return predict_bulk(bulk.run, bulk.detector, [str(bulk.images)], place, **options)


def sign(place: str, **values: object) -> None:
    urls.write(f"{place}/{NAME}", json.dumps({"call": "another", **values}).encode())


def test_a_second_call_is_refused(bulk: Bulk, place: str) -> None:
    with Turn(place):
        for overwrite in (False, True):
            with pytest.raises(InputError, match=r"Another call .*, process \d+\) writes to mem.*"):
                score(bulk, place, overwrite=overwrite)
        assert [one.url for one in urls.walk(place)] == [f"{place}/{NAME}"]
    assert not urls.exists(place)
    assert score(bulk, place) == 1
    assert not urls.exists(f"{place}/{NAME}")


@pytest.mark.parametrize("left", [{"machine": "m", "process": 7}, None])
def test_what_a_kill_left_is_taken_over(
    left: dict[str, object] | None, bulk: Bulk, place: str
) -> None:
    if left is None:
        urls.write(f"{place}/{NAME}", b"")
    else:
        sign(place, **left)
    begin = time.monotonic()
    assert score(bulk, place) == 1
    assert time.monotonic() - begin >= 1
    assert not urls.exists(f"{place}/{NAME}")


def test_a_call_whose_turn_was_taken_stops(bulk: Bulk, place: str) -> None:
    def meanwhile() -> None:
        for number in range(3):  # the first may come while ours looks
            sign(place, sign=number)
            time.sleep(0.2)

    bulk.detector.before = meanwhile
    said = "Another call of nsa predict has begun to write to .*; 0 images of this call scored in"
    with pytest.raises(InputError, match=said):
        score(bulk, place)
    assert json.loads(urls.read(f"{place}/{NAME}"))["call"] == "another"
    urls.remove(f"{place}/{NAME}")
    bulk.detector = type(bulk.detector)()
    assert score(bulk, place) == 1


def test_one_that_was_suspended_looks_first(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Turn(place)  # with signs that are seldom, as those of a process that is stopped
    with ours:
        ours.check()
        sign(place)
        monkeypatch.setattr(ours, "_looked", time.monotonic() - 31)
        for _ in range(2):
            with pytest.raises(InputError, match="so this one has stopped"):
                ours.check()
    assert urls.exists(f"{place}/{NAME}")
