"""The parts of ``benchmarks/gpu``: how stages are run and stopped, and what is read from tools."""

from __future__ import annotations

import gc
import io
import json
import os
import signal
import subprocess
import sys
import sysconfig
import tarfile
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import build_site
import device_tests
import host_kernels
import pytest
import run
import torch
from runner import Runner, archive
from stages import CALLS, DEADLINE, Group, Stage, longest, rehearsed

GPU = Path(run.__file__).parent
PASSES = "import sys; open(sys.argv[1] + '/it.json', 'w').write('{}'); print('fine')"
FAILS = "raise SystemExit(3)"
HANGS = """
import sys, time
print("begun", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("told")
"""


def stage(folder: Path, name: str, program: str, limit: float = 30.0) -> Stage:
    path = folder / f"{name}.py"
    path.write_text(program)
    return Stage(name, (str(path),), limit)


def scratch(folder: Path) -> Path:
    (folder / "scratch" / "first").mkdir(parents=True)
    return folder / "scratch"


def results(folder: Path) -> dict[str, str]:
    stages = json.loads((folder / "first" / "stages.json").read_text())
    return {stage["name"]: stage["result"] for stage in stages}


def test_a_stage_that_fails_or_hangs_stops_no_other(tmp_path: Path) -> None:
    folder, packed = scratch(tmp_path), tmp_path / "first.tar.gz"
    kept: list[dict[str, str]] = []

    def keep() -> None:
        archive(folder, packed)
        kept.append(results(folder))

    runner = Runner(folder / "first", {}, keep, deadline=60)
    groups: tuple[Group, ...] = (
        (stage(tmp_path, "fails", FAILS), stage(tmp_path, "hangs", HANGS, limit=2)),
        (stage(tmp_path, "passes", PASSES),),
    )
    # Where all this is a job in a shell's background, stages would not hear a SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert not runner.run(groups)
    finally:
        signal.signal(signal.SIGINT, before)
    expected = {"fails": "failed (3)", "hangs": "stopped after 2 s", "passes": "passed"}
    assert results(folder) == expected
    # The archive is written after each of them.
    assert [len(found) for found in kept] == [1, 2, 3]
    with tarfile.open(packed) as archived:
        archived.extractall(tmp_path / "out", filter="data")
    assert (tmp_path / "out/first/hangs.log").read_text() == "begun\ntold\n"
    assert (tmp_path / "out/first/it.json").read_text() == "{}"


def test_stages_of_a_group_run_side_by_side(tmp_path: Path) -> None:
    """Each waits for a file that the other makes."""
    meet = """
import pathlib, sys, time
here, other = (pathlib.Path(sys.argv[1], name) for name in {names})
here.touch()
while not other.exists():
    time.sleep(0.05)
"""
    folder = scratch(tmp_path)
    group = (
        stage(tmp_path, "one", meet.format(names=["a", "b"])),
        stage(tmp_path, "two", meet.format(names=["b", "a"])),
    )
    assert Runner(folder / "first", {}, lambda: None, deadline=60).run((group,))


def test_after_the_deadline_nothing_runs(tmp_path: Path) -> None:
    folder = scratch(tmp_path)
    runner = Runner(folder / "first", {}, lambda: None, deadline=2)
    groups = ((stage(tmp_path, "hangs", HANGS),), (stage(tmp_path, "late", PASSES),))
    assert not runner.run(groups)
    assert results(folder) == {"hangs": "stopped after 2 s", "late": "left out: no time was left"}


def test_a_stage_without_its_data_is_left_out(tmp_path: Path) -> None:
    folder = scratch(tmp_path)
    groups = ((Stage("bottle", ("bottle.py",), 10, needs_data=True),),)
    assert not Runner(folder / "first", {}, lambda: None, deadline=60).run(groups)
    assert results(folder) == {"bottle": "left out: no data root was named"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_call_that_is_stopped_leaves_its_archive_and_no_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    """As an outer limit stops it, or Ctrl-C: the report is printed all the same.

    Twice at once, as ``timeout`` signals its child and then its child's group.
    """
    command = [sys.executable, str(GPU / "run.py"), "--rehearse", "first", str(tmp_path / "out")]
    environment = {**os.environ, "NSA_STOPPED": str(tmp_path)}  # by which its stages are known
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("=== "):  # a first stage is over, others are not
                break
        running.send_signal(number)
        running.send_signal(number)
        rest = running.stdout.read()
        assert running.wait(timeout=60) == 128 + number
    assert "stopped from outside" in rest
    assert "# A rehearsal on the host" in rest
    with tarfile.open(tmp_path / "out" / "first.tar.gz") as packed:
        names = packed.getnames()
    assert "report.md" in names
    assert "first/launch.log" in names
    time.sleep(0.5)  # until those that were killed are gone
    assert not [found for found in _environments() if f"NSA_STOPPED={tmp_path}\0" in found]


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[signal.Signals, ...]]:
    """Those that stop a call, whose handlers are put back, as is what is known of them."""
    monkeypatch.setattr(run, "_stopped_by", [])
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield numbers
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_no_second_signal_interrupts_what_is_being_saved(
    number: signal.Signals, signals: tuple[signal.Signals, ...]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run._stop(number, None)
    assert stopped.value.code == 128 + number
    assert {signal.getsignal(other) for other in signals} == {signal.SIG_IGN}


@pytest.mark.usefixtures("signals")
# From 3.14 on Python says what it drops.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_comes_while_a_file_is_finalized_stops_a_call(tmp_path: Path) -> None:
    """There Python drops what its handler raises."""

    class Closed(io.RawIOBase):
        def close(self) -> None:
            run._stop(signal.SIGTERM, None)

    folder = scratch(tmp_path)
    file = Closed()
    del file
    runner = Runner(folder / "first", {}, lambda: None, 60, run._end_if_stopped)
    with pytest.raises(SystemExit) as stopped:
        runner.run(((stage(tmp_path, "hangs", HANGS),),))
    assert stopped.value.code == 128 + signal.SIGTERM
    assert results(folder) == {"hangs": "stopped from outside"}


def _environments() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            found.append(path.read_text(errors="replace"))
        except OSError:
            continue
    return found


def test_no_program_is_rehearsed_twice() -> None:
    """The other call's are left out by what is run, not by a name."""
    once = [stage for group in rehearsed(CALLS["first"]) for stage in group]
    once += [stage for group in rehearsed(CALLS["second"], CALLS["first"]) for stage in group]
    programs = [stage.program for stage in once]
    assert len(set(programs)) == len(programs)
    assert set(programs) == {s.program for call in CALLS.values() for group in call for s in group}
    same, other = Stage("a", ("a.py", "1"), 5), Stage("a", ("a.py", "2"), 5)
    assert rehearsed(((same, other), (same,)), ((same,),)) == ((Stage("a", ("a.py", "2"), 600),),)


@pytest.mark.parametrize("call", CALLS)
def test_the_limits_of_a_call_fit_into_one_command(call: str) -> None:
    assert longest(CALLS[call]) <= DEADLINE < 600
    names = [stage.name for group in CALLS[call] for stage in group]
    assert len(set(names)) == len(names)
    assert [stage.name for group in rehearsed(CALLS[call]) for stage in group] == names
    for group in CALLS[call]:
        for one in group:
            assert (GPU / one.program[0]).is_file()
            assert len(group) == 1 or "OMP_NUM_THREADS" in one.environment


def test_files_are_found_by_their_mark_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {"tests/cuda/test_on_device.py", "tests/cuda/test_training_on_device.py"} <= set(
        device_tests.files()
    )
    (tmp_path / "tests" / "deep").mkdir(parents=True)
    for name, text in (
        ("test_all.py", "import pytest\npytestmark = pytest.mark.needs_cuda\n"),
        ("deep/test_one.py", "import pytest\n@pytest.mark.needs_cuda\ndef test_it(): ...\n"),
        ("test_word.py", "# needs_cuda\nMARK = 'needs_cuda'\n"),
        ("test_string.py", "TEXT = 'pytest.mark.needs_cuda'  # pytest.mark.needs_cuda\n"),
        ("other.py", "pytestmark = pytest.mark.needs_cuda\n"),
    ):
        (tmp_path / "tests" / name).write_text(text)
    monkeypatch.setattr(device_tests, "ROOT", tmp_path)
    assert device_tests.files() == ["tests/deep/test_one.py", "tests/test_all.py"]


def test_outcomes_are_read_from_a_log_that_breaks_off() -> None:
    log = """\
tests/a.py::test_one PASSED                [ 20%]
tests/a.py::test_two[a b-3] FAILED         [ 40%]
tests/a.py::test_three SKIPPED (no GPU)    [ 60%]
tests/a.py::test_one ERROR                 [ 60%]
tests/a.py::test_four
Fatal Python error: Segmentation fault
"""
    assert device_tests.read(log) == {
        "passed": 0,
        "skipped": 1,
        "failed": ["tests/a.py::test_one", "tests/a.py::test_two[a b-3]"],
        "unfinished": ["tests/a.py::test_four"],
    }


def test_the_second_call_repeats_what_failed_in_the_first(tmp_path: Path) -> None:
    for call in CALLS:
        (tmp_path / call).mkdir()
    assert device_tests.chosen("failed", tmp_path / "second") == []
    for which, failed, unfinished in (
        ("device", ["tests/a.py::test_one"], ["tests/a.py::test_two"]),
        ("training", ["tests/b.py::test_three"], []),
    ):
        told = {"failed": failed, "unfinished": unfinished}
        (tmp_path / "first" / f"tests-{which}.json").write_text(json.dumps(told))
    assert device_tests.chosen("failed", tmp_path / "second") == [
        ["tests/a.py::test_one", "tests/a.py::test_two"],
        ["tests/b.py::test_three"],
    ]


def test_a_rehearsal_takes_only_what_the_kernels_take() -> None:
    table = torch.zeros(0, 17, dtype=torch.int32), torch.zeros(0), torch.zeros(0)
    known = {"images": (1, 2, 2, 3), "sources": (1, 2, 2, 3), "mode": 0, "device": "cpu"}
    host_kernels.DevicePlan.of(*table, **known)
    with pytest.raises(TypeError, match="unexpected keyword argument 'modes'"):
        host_kernels.DevicePlan.of(*table, **known, modes=0)
    with pytest.raises(TypeError, match="missing a required argument"):
        host_kernels.normalise(torch.zeros(1), [1.0], [0.0])


def test_a_replay_keeps_what_its_graph_reads() -> None:
    """A CUDA graph knows only addresses, of memory that others may be given."""
    from device import replay_of  # it puts a folder first in which other modules have these names

    tensors, replays = torch.zeros(3), []
    alive = weakref.ref(tensors)

    def step(tensors: torch.Tensor = tensors) -> torch.Tensor:
        return tensors

    replay = replay_of(SimpleNamespace(replay=lambda: replays.append(1)), step)
    del tensors, step
    gc.collect()
    assert alive() is not None
    replay()
    assert replays == [1]
    del replay
    gc.collect()
    assert alive() is None


def test_a_site_of_other_sources_is_refused(tmp_path: Path) -> None:
    extension = tmp_path / f"_C{sysconfig.get_config_var('EXT_SUFFIX')}"
    assert build_site.carried(tmp_path / "site") == (
        f"{tmp_path / 'site' / 'nsa' / extension.name} is missing"
    )
    extension.write_text("compiled")
    build_site.assemble(extension, tmp_path / "site")
    assert (tmp_path / "site" / "nsa" / "__init__.py").is_file()
    other = "it was built from other sources than these"
    assert build_site.carried(tmp_path / "site") == other
    (tmp_path / "site" / "nsa" / build_site.STAMP).write_text("of another day")
    assert build_site.carried(tmp_path / "site") == other
    (tmp_path / "site" / "nsa" / build_site.STAMP).write_text(build_site.sources())
    carried = build_site.carried(tmp_path / "site")
    assert isinstance(carried, Path)
    assert carried.read_text() == "compiled"


def test_another_pythons_headers_name_the_extension(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"has no Python\.h"):
        build_site.suffix(tmp_path)
    (tmp_path / "Python.h").touch()
    (tmp_path / "patchlevel.h").write_text(
        "#define PY_MAJOR_VERSION 3\n#define PY_MINOR_VERSION 99\n"
    )
    assert "399" in build_site.suffix(tmp_path)


def test_an_archive_of_the_first_call_is_taken_up(tmp_path: Path) -> None:
    folder = scratch(tmp_path)
    (folder / "first" / "step.json").write_text("{}")
    (folder / "cmake").mkdir()
    (folder / "cmake" / "build.log").write_text("not kept")
    archive(folder, tmp_path / "first.tar.gz")
    with tarfile.open(tmp_path / "first.tar.gz") as packed:
        assert packed.getnames() == ["first/step.json"]
    (tmp_path / "again").mkdir()
    run.unpack(tmp_path / "first.tar.gz", tmp_path / "again")
    found = sorted(str(p.relative_to(tmp_path / "again")) for p in (tmp_path / "again").rglob("*"))
    assert found == ["first", "first/step.json"]
    (tmp_path / "bad.tar.gz").write_text("no archive")
    with pytest.raises(SystemExit):
        run.unpack(tmp_path / "bad.tar.gz", tmp_path)
