"""The bindings of device memory, with the kernels on the host: what is short is not launched."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from nsa.errors import InputError

sys.path.insert(0, str(Path(__file__).parents[1] / "_native"))

import hostile

SIZES = {
    "blend_cuda": ("buffer", "images", "sources", "tables"),
    "label_cuda": ("buffer", "original", "blended", "table", "labels"),
    "augment_cuda": ("store", "views", "out"),
    "normalise_cuda": ("images", "out"),
    "normalise_in_blocks_cuda": ("images", "out"),
    "object_masks_cuda": ("images", "masks"),
    "relight_cuda": ("images", "lights", "out"),
}


def test_every_launch_is_in_the_table(shim: ModuleType) -> None:
    launches = {name for name in vars(shim) if name.endswith("_cuda")}
    assert launches == set(SIZES)
    assert launches <= {name.split(".")[-1] for name in hostile.entries(shim)}


@pytest.mark.parametrize("name", SIZES)
def test_memory_that_is_short_missing_or_out_of_step_is_named(shim: ModuleType, name: str) -> None:
    launch, given = hostile.entries(shim)[f"C.{name}"]
    launch(*given.values())
    for key in SIZES[name]:
        part: Any = given[key]
        several = part if key == "tables" else [part]
        for index, (address, size) in enumerate(several):
            for bad in ((address, size - 1), (0, size), (address, 0)):
                value: Any = bad
                if key == "tables":
                    value = [*several[:index], bad, *several[index + 1 :]]
                with pytest.raises(InputError, match=r"must be \d+ bytes of device memory"):
                    launch(*{**given, key: value}.values())
    for key, bytes_ in {"views": 8, "lights": 4, "labels": 4, "table": 4, "buffer": 16}.items():
        if key in given:
            address, size = given[key]
            with pytest.raises(InputError, match=f"must start at a multiple of {bytes_} bytes"):
                launch(*{**given, key: (address + 1, size)}.values())


@pytest.mark.parametrize("name", ["normalise_cuda", "normalise_in_blocks_cuda"])
def test_network_inputs_start_where_whole_vectors_do(shim: ModuleType, name: str) -> None:
    launch, given = hostile.entries(shim)[f"C.{name}"]
    for key in ("images", "out") if name == "normalise_cuda" else ("out",):
        address, size = given[key]
        with pytest.raises(InputError, match="must start at a multiple of 16 bytes"):
            launch(*{**given, key: (address + 8, size)}.values())


def test_a_plan_runs_on_what_it_was_made_for(shim: ModuleType) -> None:
    blend, given = hostile.entries(shim)["C.blend_cuda"]
    for key, value, message in (
        ("shape", (2, hostile.WIDTH, hostile.HEIGHT, 3), "images have another shape"),
        ("source_shape", (2, 21, 25, 3), "sources have another shape"),
        ("mode", "paste", "another blend mode"),
        ("grey_unit", float("nan"), "grey_unit"),
    ):
        with pytest.raises(InputError, match=message):
            blend(*{**given, key: value}.values())
    label, rest = hostile.entries(shim)["C.label_cuda"]
    with pytest.raises(InputError, match="images have another shape"):
        label(*{**rest, "shape": (2, hostile.WIDTH, hostile.HEIGHT, 3)}.values())


def test_no_view_is_of_an_empty_store(shim: ModuleType) -> None:
    launch, given = hostile.entries(shim)["C.augment_cuda"]
    empty = {**given, "store": (0, 0), "shape": (0, hostile.HEIGHT, hostile.WIDTH, 3)}
    with pytest.raises(InputError, match="a view names an image that is not stored"):
        launch(*empty.values())
    launch(*{**empty, "views": (0, 0), "count": 0, "out": (0, 0)}.values())


def test_extremes_of_every_argument(shim: ModuleType, fresh_seed: int) -> None:
    assert shim.__file__ is not None
    script = Path(hostile.__file__)
    command = [sys.executable, "-X", "faulthandler", script, str(fresh_seed), shim.__file__]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    calls, failures = map(int, re.findall(r"\d+", done.stdout.splitlines()[-1]))
    assert failures == 0, done.stdout[-3000:]
    assert calls > 3000
