"""The page of ``benchmarks/gpu.sh``, from whatever its stages left, and what ncu says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import counters
import pytest
import report


def test_what_ncu_could_not_count_is_left_open() -> None:
    page = (
        '==PROF== words\n"ID","Kernel Name","gpu__time_duration.sum","dram__bytes.sum",'
        '"launch__registers_per_thread"\n"","","ns","byte","register/thread"\n'
        '"0","label_words","2,000","n/a","96"\n'
    )
    (row,) = counters.parse(page)
    assert row["kernel"] == "label_words"
    assert row["seconds"] == pytest.approx(2e-6)
    assert row["registers"] == 96
    assert row["bytes"] is None
    assert row["flops"] is None
    assert counters.parse("==ERROR== no permission\n") == []


def test_fused_operations_count_twice() -> None:
    columns = [counters.TIME, counters.ADDED, counters.MULTIPLIED, counters.FUSED]
    header = ",".join(f'"{name}"' for name in ["ID", "Kernel Name", *columns])
    (row,) = counters.parse(f'{header}\n"","","","","",""\n"0","k","1","10","20","100"\n')
    assert row["flops"] == 230


def test_figures_of_the_second_call_replace_those_of_the_first(tmp_path: Path) -> None:
    for call, parts in (
        ("first", {"limits": 1, "synthesis": 1, "step": 1}),
        ("second", {"limits": 2, "step": 2}),
    ):
        (tmp_path / call).mkdir()
        for name, value in parts.items():
            (tmp_path / call / f"{name}.json").write_text(json.dumps({"from": value}))
    found = report.load(tmp_path)
    assert found["step"] == {"from": 2}
    assert found["synthesis"] == {"from": 1}
    assert found["limits"] == {"from": 1}  # of the run whose kernels are set beside them
    (tmp_path / "second" / "synthesis.json").write_text('{"from": 2}')
    assert report.load(tmp_path)["limits"] == {"from": 2}


def test_a_section_that_cannot_be_written_spoils_no_other(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "step.json").write_text('{"batch": 64, "parts": {"forward": 2.0}}')
    (tmp_path / "first" / "peers.json").write_text('{"batch": 1}')
    page = report.render(tmp_path)
    assert f"The section peers {report.UNWRITTEN}" in page
    assert f"The section machine {report.UNWRITTEN}" in page  # nothing is known about it
    assert "| forward | 2.00 | 100.0% |" in page


def test_goals_that_are_missed_are_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    row = {"blend and label, plan on the device": {"median": 0.001, "low": 1, "high": 1}}
    batches = [
        {"batch": 64, "patches": 100, "whole": row, "kernels": {}},  # 64,000 images/s
        {"batch": 256, "patches": 400, "whole": {**row}, "kernels": {}},  # 256,000
    ]
    (tmp_path / "first" / "synthesis.json").write_text(json.dumps({"batches": batches}))
    step = {
        "batch": 64,
        "whole": {
            "images_per_second": 12_000, "seconds_per_image": {"low": 1, "high": 1},
            "plan_wait_share": 0.0, "peak_gib": 1.0,
        },
        "network_alone": {"median": 64 / 12_500, "low": 1, "high": 1},
    }  # fmt: skip
    (tmp_path / "first" / "step.json").write_text(json.dumps(step))
    page = report.render(tmp_path)
    assert "100,000 images/s | 64,000 images/s | **missed** |" in page
    assert "500,000 images/s | 256,000 images/s | **missed** |" in page
    assert "10,000 images/s | 12,000 images/s | reached |" in page
    assert "at most 5% | 4.0% | reached |" in page
    assert "| bottle, AU-PRO, mean of 3 seeds | the paper's 92.9 | - | not measured |" in page


def test_what_failed_first_is_named(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    told = {"ran": ["normalise", "augment"], "begun": "object masks"}
    (tmp_path / "first" / "launch.json").write_text(json.dumps(told))
    assert (
        "- first launch: **object masks** did not end; before it: normalise, augment"
        in report.render(tmp_path)
    )


def test_a_call_that_measured_nothing_is_known(tmp_path: Path) -> None:
    """Its page must not replace one with figures."""
    (tmp_path / "first").mkdir()
    for name in ("machine", "stages", "launch"):
        (tmp_path / "first" / f"{name}.json").write_text("{}")
    assert not report.measured(tmp_path)
    (tmp_path / "first" / "synthesis.json").write_text("{}")
    assert report.measured(tmp_path)


@pytest.mark.parametrize("source", ["nothing.tar.gz", "text.md"])
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, source: str) -> None:
    (tmp_path / "text.md").write_text("no archive")
    program = [sys.executable, report.__file__, str(tmp_path / source)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is no archive of gpu.sh" in done.stderr
    assert len(done.stderr.splitlines()) == 1
