"""Calls every native entry point with arbitrary arguments, in a process of its own: it may crash.

    python tests/campaigns/native_fuzz.py --seed 1 --examples 5000 --kind extension

Each call gives a result or raises ValueError (nsa.errors.InputError is one) or TypeError. Results
must not depend on what lay in the memory that holds them. What is being called stands in
``--note``, for those who find the process dead; the same seed leads there again.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import importlib.util
import os
import sys
import traceback
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE), str(_HERE.parent / "cuda")]

KINDS = ("extension", "threads", "operators", "functions", "device")
_MEMORY = 4 << 30  # bytes more than at the start, where no sanitizer needs the addresses


def load(name: str, path: Path) -> Any:
    """A compiled module from a file, under a name by which others then find it."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--examples", type=int, required=True, help="of every entry point")
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--only", help="one entry point, by name")
    parser.add_argument("--note", type=Path, required=True)
    parser.add_argument("--extension", type=Path, help="nsa._C of another build")
    parser.add_argument("--shim", type=Path, help="the CUDA kernels compiled for the host")
    parser.add_argument("--limit", action="store_true", help="bound this process's memory")
    given = parser.parse_args()
    faulthandler.enable()
    if given.extension is not None:
        load("nsa._C", given.extension)
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(given.note.parent / "hypothesis"))
    import native_targets
    from fuzzing import bounded_memory, explore

    with given.note.open("wb", buffering=0) as note:

        def say(text: str) -> None:
            note.seek(0)
            note.truncate()
            note.write(text.encode(errors="backslashreplace"))

        faults = 0
        if given.kind in ("extension", "threads"):
            found = native_targets.targets(say, threads=given.kind == "threads")
        else:
            import tensor_targets  # and torch

            found = tensor_targets.targets(given.kind, given.shim, say)
        for name, (check, strategy) in found.items():
            if given.only not in (None, name):
                continue
            memory = bounded_memory(_MEMORY) if given.limit else contextlib.nullcontext()
            try:
                with memory:
                    explore(check, strategy, examples=given.examples, start=given.seed)
            except Exception:  # the others are tried too
                faults += 1
                traceback.print_exc()
                print(f"FAULT in {name}: {given.note.read_text()}", file=sys.stderr)
            results, refused = native_targets.counted()
            print(f"{name}: {results} results, {refused} refused", flush=True)
            if given.examples >= 500 and not results:
                faults += 1
                print(f"FAULT in {name}: nothing is accepted", file=sys.stderr)
    sys.stderr.flush()
    os._exit(1 if faults else 0)  # how Python and torch end under sanitizers is not what is tested


if __name__ == "__main__":
    main()
