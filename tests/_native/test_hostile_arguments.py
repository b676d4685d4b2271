"""No argument of a native entry point crashes it, or is answered by anything but a sentence."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import hostile
import numpy as np
import pytest
import torch

from nsa._native import operators
from nsa._native.extension import C
from nsa.errors import InputError

SCRIPT = Path(hostile.__file__)
LAUNCHED = ("_cuda", "cuda_devices", "cuda_versions", "use_cuda_device", "device_limits", "Device")


def test_every_entry_point_is_in_the_table() -> None:
    """Those that launch kernels are tried in tests/cuda, with the kernels on the host."""
    tried = {name.split(".")[-1] for name in hostile.entries(None)} | {"DevicePlan"}
    named = {name for name, value in vars(C).items() if callable(value)}
    declared = {name.split("::")[1].split(".")[0] for name in torch._C._dispatch_get_all_op_names()
                if name.startswith("nsa::")}  # fmt: skip
    assert {name for name in named if not name.endswith(LAUNCHED)} | declared == tried - {
        "of", "reserve", "pack",
    }  # fmt: skip


def test_extremes_of_every_argument(fresh_seed: int) -> None:
    command = [sys.executable, "-X", "faulthandler", str(SCRIPT), str(fresh_seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    calls, failures = map(int, re.findall(r"\d+", done.stdout.splitlines()[-1]))
    assert failures == 0, done.stdout[-3000:]
    assert calls > 8000


def arguments(name: str) -> dict[str, object]:
    return hostile.operator_calls()[name][1]


@pytest.mark.parametrize("name", ["blend", "label", "seamless_clone"])
def test_tensors_without_data_among_others_are_refused(name: str) -> None:
    """Torch takes the fake kernel then, whose result nobody has written."""
    given = arguments(name)
    tensors = [key for key, value in given.items() if isinstance(value, torch.Tensor)]
    for key in tensors:
        mixed = {**given, key: given[key].to("meta")}  # type: ignore[attr-defined]
        with pytest.raises(InputError, match="on the meta device"):
            getattr(operators, name)(*mixed.values())
    meta = {
        key: value.to("meta") if isinstance(value, torch.Tensor) else value
        for key, value in given.items()
    }
    result = getattr(operators, name)(*meta.values())
    real = getattr(operators, name)(*given.values())
    assert (result.device.type, result.shape, result.dtype) == ("meta", real.shape, real.dtype)


@pytest.mark.parametrize("where", ["cpu", "meta"])
@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("blend", "mode", "sauce"),
        ("label", "kind", "soft"),
        ("label", "variant", "printed"),
        ("seamless_clone", "flags", 4),
    ],
)
def test_modes_that_do_not_exist_are_refused(
    name: str, key: str, value: object, where: str
) -> None:
    given = {**arguments(name), key: value}
    moved = [part.to(where) if isinstance(part, torch.Tensor) else part for part in given.values()]
    with pytest.raises(InputError, match=re.escape(f"{value}")):
        getattr(operators, name)(*moved)


def test_tensors_that_no_kernel_reads_are_named() -> None:
    given = arguments("label")
    wrong = {
        "rows": given["rows"].long(),  # type: ignore[attr-defined]
        "factors": given["factors"].clone().requires_grad_(),  # type: ignore[attr-defined]
        "masks": given["masks"].to_sparse(),  # type: ignore[attr-defined]
        "original": given["original"].float(),  # type: ignore[attr-defined]
    }
    for key in ("rows", "factors", "original"):
        with pytest.raises(InputError, match=f"^{key} "):
            operators.label(*{**given, key: wrong[key]}.values())


@pytest.mark.parametrize("factor", [np.inf, -np.inf, np.nan, 0.0, -1.0, 1.0001])
@pytest.mark.parametrize("kind", C.label_kinds)
def test_labels_take_factors_from_above_zero_to_one(kind: str, factor: float) -> None:
    given = arguments("label") | {"kind": kind}
    given["factors"] = torch.tensor([1.0, factor])
    with pytest.raises(InputError, match="plan row 1: factor"):
        operators.label(*given.values())


@pytest.mark.parametrize("key", ["midpoint", "steepness"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("kind", C.label_kinds)
def test_labels_take_finite_rules(kind: str, key: str, value: float) -> None:
    given = arguments("label") | {"kind": kind, key: value}
    with pytest.raises(InputError, match="midpoint and steepness must be finite"):
        operators.label(*given.values())


@pytest.mark.parametrize("threads", [2**31 - 1, -(2**31), 0])
def test_any_number_of_threads_gives_one_result(threads: int) -> None:
    function, given = hostile.host_calls()["blend_cpu"]
    outs = []
    for count in (1, threads):
        out = np.empty_like(given["out"])
        function(*{**given, "out": out, "threads": count}.values())
        outs.append(out)
    np.testing.assert_array_equal(*outs)


@pytest.mark.parametrize("name", [name for name in hostile.host_calls() if name.endswith("_cpu")])
def test_an_output_that_is_read_too_is_refused(name: str) -> None:
    function, given = hostile.host_calls()[name]
    for written in {"out", "masks", "labels"} & set(list(given)[1:]):
        if (written == "masks" and "out" in given) or ("labels" in given and written == "masks"):
            continue
        same = given[written]
        size = same.nbytes
        read = next(iter(given))
        shared = np.zeros(max(size, given[read].nbytes) + 64, np.uint8)
        inputs = shared[: given[read].nbytes].view(given[read].dtype).reshape(given[read].shape)
        inputs[...] = given[read]
        out = shared[64 - size % 64 :][:size].view(same.dtype).reshape(same.shape)
        with pytest.raises(InputError, match="the output shares memory"):
            function(*{**given, read: inputs, written: out}.values())
