"""Calls every native entry point with hostile arguments, in a process of its own.

    python hostile.py SEED [MODULE of the kernels on the host, which alone is tried then]

One argument at a time takes every extreme of its kind, then several at once take random ones. A
call may return, or raise one of ``ALLOWED``; anything else is printed, a crash ends the process,
and so does an access beyond an array, each of which ends at a guard page.
"""

from __future__ import annotations

import importlib.util
import random
import resource
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import torch
from extremes import MEMORY, extremes, guarded

from nsa._native import operators
from nsa._native.extension import C
from nsa._native.layout import LIGHT, VIEW
from nsa.errors import InputError

ALLOWED = (InputError, ValueError, TypeError, MemoryError)
CHANNELS, HEIGHT, WIDTH = 3, 20, 30
ROW = [0, 1, 2, 3, 9, 8, 12, 11, 4, 5, 1, 1, 10, 9, 5, 6, -1, 0, 0, 3]
RULE = {"kind": "logistic", "variant": "released", "midpoint": 15.0, "steepness": 0.2}


def pixels(*shape: int) -> np.ndarray:
    return guarded(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))


def images() -> np.ndarray:
    return pixels(2, HEIGHT, WIDTH, CHANNELS)


def plan() -> dict[str, np.ndarray]:
    rows = np.array([ROW, [1, 0, *ROW[2:16], 0, -1, 1, 1]], np.int32)
    return {
        "rows": guarded(rows),
        "factors": guarded(np.array([1.0, 0.5], np.float32)),
        "masks": guarded(np.ones(12 * 11, np.uint8)),
    }


def view_table() -> np.ndarray:
    table = np.zeros(2, VIEW)
    table["cosine"], table["sine"], table["image"] = 0.8, 0.6, [1, 0]
    return guarded(table.view(np.uint8))


def light_table() -> np.ndarray:
    table = np.zeros(2, LIGHT)
    table["gain"], table["noise"], table["taps"] = 2048, 9000, [12288, 1536, 512]
    return guarded(table.view(np.uint8))


# Arguments by entry point, in order. Functions of C write into what they are given.
def host_calls() -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    clone = {"masks": pixels(2, 16, 17), "centers": guarded(np.full((2, 2), 9, np.int64))}
    words = -(-WIDTH // 64) * HEIGHT * 2 + 1
    tables = {
        "resize": {"images": images(), "width": 9, "height": 11},
        "blend_cpu": {"images": images(), "sources": pixels(2, 25, 21, 3), **plan(),
                      "mode": "source", "out": images(), "threads": 2},
        "clone_cpu": {"sources": pixels(2, 16, 17, 3), "destinations": images(), **clone,
                      "flags": 3, "out": images(), "threads": 2},
        "clone_plan": {"sources": (2, 16, 17, 3), "destinations": (2, 20, 30, 3), **clone,
                       "flags": 10},
        "clone_gradients": {"flags": 1},
        "label_cpu": {"original": images(), "blended": pixels(2, HEIGHT, WIDTH, 3)[:, ::-1].copy(),
                      **plan(), **RULE, "labels": guarded(np.zeros((2, HEIGHT, WIDTH), np.float32)),
                      "threads": 2},
        "label_table": {"kind": "logistic", "channels": 3, "midpoint": 15.0, "steepness": 0.2},
        "background_range": {"channels": 3, "background": 100.0, "threshold": 9.0},
        "object_masks_cpu": {"images": images(), "background": 100.0, "threshold": 9.0,
                             "masks": pixels(2, HEIGHT, WIDTH), "threads": 2},
        "gather_cpu": {"store": images(), "views": view_table(), "out": pixels(2, 9, 8, 3),
                       "threads": 2},
        "gather_masks_cpu": {"foreground": guarded(np.arange(words, dtype=np.uint64)),
                             "height": HEIGHT, "width": WIDTH, "outside": True,
                             "views": view_table(), "masks": pixels(2, 9, 8), "threads": 2},
        "relight_cpu": {"images": images(), "lights": light_table(), "out": images(), "threads": 2},
        "sine_tables": {},
        "instruction_set": {},
        "keep_freed_memory": {},
    }  # fmt: skip
    return {name: (getattr(C, name), arguments) for name, arguments in tables.items()}


def operator_calls() -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """The operators of torch, on tensors."""
    table = {name: torch.from_numpy(array) for name, array in plan().items()}
    pair = [torch.from_numpy(images()) for _ in range(2)]
    return {
        "blend": (
            operators.blend,
            {"images": pair[0], "sources": pair[1], **table, "mode": "mixed"},
        ),
        "label": (operators.label, {"original": pair[0], "blended": pair[1], **table, **RULE}),
        "object_masks": (
            operators.object_masks,
            {"images": pair[0], "background": 90.0, "threshold": 9.0},
        ),
        "seamless_clone": (
            operators.seamless_clone,
            {
                "sources": torch.from_numpy(pixels(2, 16, 17, 3)),
                "destinations": pair[1],
                "masks": torch.from_numpy(pixels(2, 16, 17)),
                "centers": torch.full((2, 2), 9),
                "flags": 1,
            },
        ),
    }


def memory(array: np.ndarray) -> tuple[int, int]:
    """Device memory as the bindings take it."""
    return array.ctypes.data, array.nbytes


def device_calls(
    native: ModuleType, *, launch: bool
) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """launch: whether kernels run, on the host."""
    shape, table = (2, HEIGHT, WIDTH, CHANNELS), plan()
    sources = (2, 25, 21, 3)
    limits = native.DeviceLimits(232_448, 132)
    task = {"images": shape, "sources": sources, "mode": "source", "limits": limits}
    made = native.DevicePlan.of(**table, mask_bytes=len(table["masks"]), **task)
    buffer = MEMORY.empty(made.bytes, dtype=torch.uint8).numpy()
    made.pack(**table, out=buffer)
    calls: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
        "DeviceLimits": (native.DeviceLimits, {"shared_memory": 1000, "multiprocessors": 4}),
        "DevicePlan.of": (
            native.DevicePlan.of,
            {**table, "mask_bytes": len(table["masks"]), **task, "channels_together": 1},
        ),
        "DevicePlan.reserve": (
            native.DevicePlan.reserve,
            {**task, "rounds": 2, "height": 9, "width": 8, "mask_bytes": 7, "channels_together": 1},
        ),
        "DevicePlan.pack": (made.pack, {**table, "out": buffer.copy()}),
    }
    if not launch:
        return calls
    kept = [guarded(part) for part in native.sine_tables()]
    HELD.extend([buffer, *kept])
    floats, masks = np.zeros((2, HEIGHT, WIDTH), np.float32), pixels(2, HEIGHT, WIDTH)
    table_of_labels = C.label_table("logistic", 3, 15.0, 0.2)
    named = {
        "label": guarded(floats), "entries": guarded(table_of_labels), "masks": masks,
        "images": images(), "others": pixels(*sources), "views": view_table(),
        "lights": light_table(), "lit": images(), "crop": pixels(2, 9, 8, 3),
        "input": MEMORY.empty(2 * HEIGHT * WIDTH * 3).numpy(),
        "blocks": MEMORY.empty(2 * 13 * 18 * 16).numpy(),
        "aligned": MEMORY.copy(torch.from_numpy(images()), 16).numpy(),
    }  # fmt: skip
    HELD.extend(named.values())
    at = {name: memory(array) for name, array in named.items()}
    scale = {"scale": [1.0, 2.0, 3.0], "shift": [0.0, 1.0, 2.0], "half": False}
    planned = {"plan": made, "buffer": memory(buffer), "masks": None}
    arguments = {
        "blend_cuda": {**planned, "images": at["images"], "shape": shape, "sources": at["others"],
                       "source_shape": sources, "tables": [memory(part) for part in kept],
                       "mode": "source", "grey_unit": 0.0, "workspace": (0, 0),
                       "workspace_blocks": 0, "stream": 0},
        "label_cuda": {**planned, "original": at["images"], "blended": at["images"],
                       "shape": shape, "kind": "logistic", "variant": "paper",
                       "table": at["entries"], "labels": at["label"], "stream": 0},
        "augment_cuda": {"store": at["images"], "shape": shape, "views": at["views"], "count": 2,
                         "rows": 9, "columns": 8, "out": at["crop"], "stream": 0},
        "normalise_cuda": {"images": at["aligned"], "shape": shape, **scale, "out": at["input"],
                           "stream": 0},
        "normalise_in_blocks_cuda": {"images": at["images"], "shape": shape, **scale,
                                     "out": at["blocks"], "stream": 0},
        "object_masks_cuda": {"images": at["images"], "shape": shape, "low": 9, "extent": 99,
                              "masks": at["masks"], "stream": 0},
        "relight_cuda": {"images": at["images"], "shape": shape, "lights": at["lights"],
                         "out": at["lit"], "stream": 0},
        "use_cuda_device": {"index": 0},
        "device_limits": {}, "cuda_devices": {}, "cuda_versions": {},
    }  # fmt: skip
    return calls | {name: (getattr(native, name), given) for name, given in arguments.items()}


DEVICES_OWN = (
    "buffer",
    "views",
    "lights",
)  # written by the host for kernels, which do not check it
HELD: list[np.ndarray] = []  # what the device's memory belongs to


def attempt(name: str, function: Callable[..., Any], arguments: dict[str, Any]) -> str | None:
    """What went wrong, in words; None: the call returned or was refused."""
    try:
        function(*arguments.values())
    except ALLOWED:
        return None
    except RuntimeError as error:
        # Of torch: what does not fit an operator's declaration, and its own memory errors.
        if name.startswith("torch.ops."):
            return None
        if type(error) is RuntimeError and str(error).startswith("CUDA: "):
            return None
        return f"{name}: {error!r}"
    except Exception as error:
        return f"{name}: {error!r}"
    return None


def entries(native: ModuleType | None) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """Every entry point of the host or, where ``native`` is given, of the kernels on the host."""
    if native is not None:
        return {f"C.{name}": call for name, call in device_calls(native, launch=True).items()}
    found = {f"C.{name}": call for name, call in host_calls().items()}
    found |= {f"C.{name}": call for name, call in device_calls(C, launch=False).items()}
    return found | {f"torch.ops.nsa.{name}": call for name, call in operator_calls().items()}


def walk(seed: int, native: ModuleType | None) -> Iterator[str | None]:
    """Every call: what went wrong with it, or None."""
    chance = random.Random(seed)
    for name, (function, arguments) in entries(native).items():
        function(*arguments.values())  # the arguments that are varied are right
        bad = {key: list(extremes(key, value)) for key, value in arguments.items()}
        for key, values in bad.items():
            for value in values:
                yield attempt(name, function, {**arguments, key: value})
        for first in arguments:  # one array for two
            for second in arguments:
                if type(arguments[first]) is type(arguments[second]) and first not in DEVICES_OWN:
                    yield attempt(name, function, {**arguments, first: arguments[second]})
        keys = [key for key, values in bad.items() if values]
        for _ in range(150 if keys else 0):
            several = chance.sample(keys, min(len(keys), chance.randint(2, 4)))
            changed = {key: chance.choice(bad[key]) for key in several}
            yield attempt(name, function, {**arguments, **changed})
    MEMORY.check()


def main(seed: str, module: str | None = None) -> None:
    native = None
    if module is not None:
        spec = importlib.util.spec_from_file_location("nsa_shim", module)
        assert spec is not None
        assert spec.loader is not None
        native = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(native)
    np.set_printoptions(threshold=0, edgeitems=1)  # refusals of a type show all arguments
    torch.set_printoptions(threshold=0, edgeitems=1)
    limit = 12 << 30  # what asks for more is to be told so instead of taking it
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    calls = failures = 0
    for failure in walk(int(seed), native):
        calls += 1
        if failure is not None:
            failures += 1
            print(failure[:500])
    print(f"{calls} calls, {failures} failures")


if __name__ == "__main__":
    main(*sys.argv[1:])
