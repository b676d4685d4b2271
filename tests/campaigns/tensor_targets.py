"""What is checked of a call of an operator, or of a function that has tensors checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import tensor_calls
import torch
from native_calls import Arguments, Draw, Scene, pick
from native_targets import Say, Target, attempt, describe, same
from torch import Tensor

torch.set_num_threads(1)


def operators() -> set[str]:
    """Names of the operators that are registered with torch."""
    found = torch._C._dispatch_get_all_op_names()
    return {name.removeprefix("nsa::") for name in found if name.startswith("nsa::")}


def targets(kind: str, shim: Path | None, say: Say) -> dict[str, Target]:
    """The checks of a kind by name, each with what draws its examples.

    Args:
        kind: ``"operators"`` of torch, ``"functions"`` of the package, or ``"device"``: operators
            on a device that the host plays.
        shim: for the latter, the kernels compiled for the host.
        say: keeps what is about to be called.
    """
    if kind == "functions":
        return {name: _function(name, say) for name in tensor_calls.FUNCTIONS}
    if kind == "operators":
        return {f"torch.ops.nsa.{name}": _operator(name, say) for name in sorted(operators())}
    from native_fuzz import load

    assert shim is not None
    native = load("nsa_shim", shim)
    return {f"device {name}": _on_device(name, native, say) for name in sorted(operators())}


def _function(name: str, say: Say) -> Target:
    def check(arguments: Arguments) -> None:
        say(describe(name, arguments))
        _twice(lambda: tensor_calls.call_function(name, arguments), arguments)

    return check, _calls(lambda draw: tensor_calls.function_call(name, draw, Scene(draw)))


def _operator(name: str, say: Say) -> Target:
    operator = getattr(torch.ops.nsa, name)

    def check(arguments: Arguments) -> None:
        say(describe(name, arguments))
        # What does not match the operator's schema is refused by torch itself, its own way.
        _twice(lambda: operator(**arguments), arguments, also=(RuntimeError,))

    return check, _calls(lambda draw: tensor_calls.operator_call(name, draw, Scene(draw)))


def _on_device(name: str, native: Any, say: Say) -> Target:
    from host_device import HostDevice  # of tests/cuda

    patches = pytest.MonkeyPatch()
    device = HostDevice(native, patches)

    @st.composite
    def drawn(draw: Draw) -> tuple[Arguments, Arguments]:
        arguments = tensor_calls.operator_call(name, draw, Scene(draw))
        hostile = draw(tensor_calls.spoiled_call(_unchecked(arguments)))
        shared = pick(draw, [232448, 4096, 64])
        return {**arguments, **hostile}, {"shared_memory": shared, "seed": draw(st.integers(0, 99))}

    def check(given: tuple[Arguments, Arguments]) -> None:
        arguments, arranged = given
        say(describe(name, arguments))
        device.arrange(**arranged)
        attempt(lambda: tensor_calls.call_device_operator(name, arguments), also=(RuntimeError,))
        device.memory.check()

    return check, drawn()


def _unchecked(arguments: Arguments) -> Arguments:
    """Those that nobody has checked before an operator runs on a device."""
    images = ("images", "sources", "destinations", "original", "blended")
    return {name: value for name, value in arguments.items() if name not in images}


def _calls(valid: Any) -> st.SearchStrategy[Any]:
    @st.composite
    def drawn(draw: Draw) -> Arguments:
        return draw(tensor_calls.spoiled_call(valid(draw)))

    return drawn()


def _twice(call: Any, arguments: Arguments, also: tuple[type[Exception], ...] = ()) -> None:
    """Two results, the first in memory that was filled, are equal and lie where they should."""
    torch.use_deterministic_algorithms(True)  # torch then fills what is not initialised
    try:
        first = attempt(call, also=also)
    finally:
        torch.use_deterministic_algorithms(False)
    if first is None:
        return
    tensors = [value for value in arguments.values() if isinstance(value, Tensor)]
    if any(tensor.is_meta for tensor in tensors):
        assert isinstance(first, Tensor)
        assert first.is_meta, "a result without pixels to make it of"
        return
    second = call()
    assert type(first) is type(second)
    same(*(np.asarray(one.detach() if isinstance(one, Tensor) else one) for one in (first, second)))
