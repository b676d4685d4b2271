"""What is checked of a call of a native entry point, and which entry points there are."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import hypothesis.strategies as st
import native_calls
import numpy as np
from native_calls import Arguments, Draw, Scene, spoiled_some

from nsa._native.extension import C

Say = Callable[[str], None]
Target = tuple[Callable[[Any], None], st.SearchStrategy[Any]]

# What a function writes to.
OUTPUTS = {
    "blend_cpu": "out", "clone_cpu": "out", "label_cpu": "labels", "object_masks_cpu": "masks",
    "gather_cpu": "out", "gather_masks_cpu": "masks", "relight_cpu": "out",
}  # fmt: skip
# Its result may be of any size that is asked for.
_LARGE = {"resize"}
# Take nothing; or addresses, of memory that nsa._native.cuda has allocated and measured.
OTHERS = {"instruction_set", "keep_freed_memory", "sine_tables", "cuda_devices", "cuda_versions",
          "device_limits", "use_cuda_device"}  # fmt: skip

_POOL = ThreadPoolExecutor(3)
_counts = {"results": 0, "refused": 0}


def counted() -> tuple[int, int]:
    """How many calls gave a result and how many were refused since the last time."""
    found = _counts["results"], _counts["refused"]
    _counts.update(dict.fromkeys(_counts, 0))
    return found


def entry_points() -> set[str]:
    """The functions of ``nsa._C`` that take values to be checked."""
    found = {name for name in dir(C) if inspect.isroutine(getattr(C, name))}
    return {name for name in found - OTHERS if not name.endswith("_cuda")}


def targets(say: Say, *, threads: bool) -> dict[str, Target]:
    """The checks of ``nsa._C`` by name, each with what draws its examples.

    Args:
        say: keeps what is about to be called.
        threads: whether it is the threads that are checked, by valid calls; else the arguments.
    """
    if threads:
        return {name: _in_threads(name, say) for name in sorted(OUTPUTS)} | {"pack": _packing(say)}
    made = {name: _extension(name, say) for name in sorted(entry_points())}
    return {**made, "DevicePlan": (_device_plan(say), _device_calls())}


def _extension(name: str, say: Say) -> Target:
    valid = getattr(native_calls, name)

    def check(arguments: Arguments) -> None:
        say(describe(name, arguments))
        first = attempt(lambda: getattr(C, name)(**arguments), large=name in _LARGE)
        if first is None or name not in OUTPUTS:
            return
        out = arguments[OUTPUTS[name]]
        once = out.copy()
        out[...] = 7
        getattr(C, name)(**arguments)
        same(once, out)

    return check, calls(lambda draw: valid(draw, Scene(draw)))


def _in_threads(name: str, say: Say) -> Target:
    """Several callers at once, each with threads of its own, come to one result."""
    valid = getattr(native_calls, name)

    def check(arguments: Arguments) -> None:
        say(describe(name, arguments))
        outputs = [np.full_like(arguments[OUTPUTS[name]], fill) for fill in (0, 1, 2)]

        def call(number: int) -> Any:
            own = {OUTPUTS[name]: outputs[number], "threads": (1, 2, 4)[number]}
            return attempt(lambda: getattr(C, name)(**{**arguments, **own}))

        done = [one is not None for one in _POOL.map(call, range(3))]
        assert all(done) or not any(done)
        if all(done):
            same(outputs[0], outputs[1])
            same(outputs[0], outputs[2])

    return check, _valid(lambda draw: valid(draw, Scene(draw)))


def _packing(say: Say) -> Target:
    """A plan packed by several callers at once, as training does."""

    def check(plan: Arguments) -> None:
        say(describe("of", plan))
        made = C.DevicePlan.of(**plan, limits=C.DeviceLimits(232448, 132))
        outputs = [np.full(made.bytes, fill, np.uint8) for fill in (0, 1, 2)]
        table = plan["rows"], plan["factors"], plan["masks"]
        _counts["results"] += len(list(_POOL.map(lambda out: made.pack(*table, out), outputs)))
        same(outputs[0], outputs[1])
        same(outputs[0], outputs[2])

    return check, _valid(lambda draw: native_calls.device_plan(draw, Scene(draw)))


def _valid(valid: Callable[[Draw], Arguments]) -> st.SearchStrategy[Any]:
    @st.composite
    def drawn(draw: Draw) -> Arguments:
        return valid(draw)

    return drawn()


def calls(valid: Callable[[Draw], Arguments]) -> st.SearchStrategy[Any]:
    """Valid calls, some of them with arguments replaced."""

    @st.composite
    def drawn(draw: Draw) -> Arguments:
        return draw(spoiled_some(valid(draw)))

    return drawn()


def _device_calls() -> st.SearchStrategy[Any]:
    @st.composite
    def drawn(draw: Draw) -> tuple[Arguments, Arguments, Arguments, Arguments]:
        scene = Scene(draw)
        limits = draw(spoiled_some(native_calls.device_limits(draw, scene)))
        plan = draw(spoiled_some(native_calls.device_plan(draw, scene)))
        room = draw(spoiled_some(native_calls.device_reserve(draw, scene)))
        return limits, plan, room, draw(spoiled_some(scene.plan()))

    return drawn()


def _device_plan(say: Say) -> Callable[[Any], None]:
    def check(given: tuple[Arguments, Arguments, Arguments, Arguments]) -> None:
        limits, plan, room, table = given
        say("\n".join(map(describe, ("DeviceLimits", "of", "reserve", "pack"), given)))
        device = attempt(lambda: C.DeviceLimits(**limits))
        if device is None:
            return
        for made in (
            attempt(lambda: C.DevicePlan.of(**plan, limits=device)),
            attempt(lambda: C.DevicePlan.reserve(**room, limits=device)),
        ):
            if made is None or made.bytes > 1 << 27:
                continue
            outputs = [np.full(made.bytes, fill, np.uint8) for fill in (0, 255)]
            packed = [attempt(functools.partial(made.pack, **table, out=out)) for out in outputs]
            assert (packed[0] is None) == (packed[1] is None)
            if packed[0] is not None:
                same(*outputs)
            short = np.zeros(max(made.bytes - 1, 0), np.uint8)
            attempt(functools.partial(made.pack, **table, out=short))

    return check


def attempt(
    call: Callable[[], Any], large: bool = False, also: tuple[type[Exception], ...] = ()
) -> Any:
    """What a call gives, or None if it refuses; anything else it raises is a fault."""
    try:
        found = call()
    except (ValueError, TypeError, *also):
        _counts["refused"] += 1
        return None
    except MemoryError:
        if not large:
            raise
        _counts["refused"] += 1
        return None
    _counts["results"] += 1
    return 1 if found is None else found


def same(one: np.ndarray, other: np.ndarray) -> None:
    """Two results are equal, bit for bit."""
    assert one.shape == other.shape
    assert one.tobytes() == other.tobytes(), "the result depends on what its memory held before"


def describe(name: str, arguments: Arguments) -> str:
    """A call in words: arrays by type and shape, small ones with their values."""
    return f"{name}(" + ", ".join(f"{key}={_word(value)}" for key, value in arguments.items()) + ")"


def _word(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > 40:
        return f"<{value.dtype.str} {value.shape} {value.strides}>"
    if isinstance(value, tuple):
        return f"({', '.join(map(_word, value))})"
    return repr(value)[:400]
