"""The shim that runs kernels on the host: what it computes, and which mistakes it notices."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from shim.build import build_program
from shim.translate import UnknownFormError, translate

CHECKS = Path(__file__).parent / "shim" / "checks.cu"
MISTAKES = {
    "returns early": r"Kernel returns_early, block \d: thread \d+ waits in __syncthreads, but "
    r"thread 7 has returned\.",
    "other barrier": r"thread \d+ waits in __ballot_sync with mask ffffffff, but thread 5 waits in "
    r"__syncthreads",
    "other mask": r"waits in __any_sync with mask ffffffff, but thread \d+ has returned",
    "own lane missing": r"thread 3 calls __syncwarp with a mask that leaves itself out",
    "partial warp": r"thread 3\d waits in __syncwarp with mask ffffffff, but there is no lane 8",
    "left-out lane": r"a shuffle reads a lane that its mask leaves out",
    "beyond": r"thread 0 accessed address 0x\w+, beyond the end of its dynamic shared memory of 32 "
    r"bytes",
    "in the gap": r"written just outside its dynamic shared memory of 20 bytes",
    "before": r"written just outside its dynamic shared memory of 32 bytes",
    "variable": r"beyond the end of a variable in shared memory of 40 bytes",
    "stack": r"beyond the end of its stack",
    "endless": r"thread 0 still runs after 1 s",
    "nowhere": r"where nothing is",
}
LIMITS = """\
fits: no error
bounds: too many resources requested for launch
most threads: no error
threads: invalid configuration argument
no threads: invalid configuration argument
no blocks: invalid configuration argument
48 KiB: no error
more: invalid argument
allowed: no error
beyond the device: invalid argument
variable: invalid argument
4 launches
"""


@pytest.fixture(scope="module")
def program(shim_folder: Path) -> Path:
    return build_program(shim_folder / "checks" / "checks", [], [CHECKS], ["-O1"])


def printed(program: Path, case: str) -> str:
    done = subprocess.run([program, case], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(("case", "sentence"), MISTAKES.items(), ids=MISTAKES)
def test_a_mistake_is_named(program: Path, case: str, sentence: str) -> None:
    assert re.search(sentence, printed(program, case))


def test_launches_beyond_the_limits_are_refused_as_the_runtime_does(program: Path) -> None:
    assert printed(program, "limits") == LIMITS


def test_every_intrinsic_in_every_order(program: Path) -> None:
    assert printed(program, "everything") == "done\n"


def test_shared_memory_holds_nan_before_every_block(program: Path) -> None:
    assert printed(program, "unwritten").replace("-", "") == "2 nan\n"


def test_a_missing_barrier_shows_in_some_order(program: Path) -> None:
    forwards, backwards, shuffled = printed(program, "race").splitlines()
    assert (forwards, backwards) == ("1 right", "63 right")
    assert shuffled not in (forwards, backwards)


@pytest.mark.parametrize(
    "source",
    [
        "(*pointer)<<<1, 2>>>();",
        "kernel<<<1, 2>>> (3);",
        "__shared__ int a, b;",
        "extern __shared__ int (&a)[];",
        "__global__ static void kernel() {}",
        "__global__ void kernel();",
        "template <int n> __global__ void __launch_bounds__(f(n), 1) kernel() {}",
    ],
)
def test_source_in_an_unknown_form_is_refused(source: str) -> None:
    with pytest.raises(UnknownFormError, match=r"a\.cu"):
        translate(source, "a.cu")


def test_translated_source_keeps_its_lines() -> None:
    source = "a\n__shared__ int\n    b[2];\nkernel<<<1,\n         2>>>(\n    3);\nend\n"
    assert translate(source, "a.cu").splitlines()[-1] == source.splitlines()[-1]
    assert translate(source, "a.cu").count("\n") == source.count("\n") + 1


def test_blocks_that_share_memory_disturb_each_other(program: Path) -> None:
    assert int(printed(program, "share").split()[0]) > 0
