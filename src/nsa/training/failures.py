"""What a GPU does wrong in the middle of a training, in one sentence."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from nsa.errors import InputError
from nsa.system.console import duration

_OF_A_GPU = re.compile(r"\b(CUDA|cuDNN|CUBLAS|CUDNN)\b", re.IGNORECASE)

# The second is what torch says where no algorithm of cuDNN gets the memory to work in.
_NO_MEMORY = re.compile(
    r"CU\w+_ALLOC(ATION)?_FAILED|unable to find an engine to execute this computation"
    r"|CUDA(:| error:).* out of memory"
)


class GpuLostError(InputError):
    """The GPU no longer answers, so that nothing on it can be saved."""


@contextlib.contextmanager
def gpu_failures(where: Callable[[], str], work: str) -> Iterator[None]:
    """Raise one sentence in place of the errors of a GPU.

    Args:
        where: the run stands, e.g. ``"in epoch 3, step 2"``.
        work: what needs the memory, e.g. ``"batches of 64 images of 224 x 224 px"``.

    Raises:
        InputError: the memory of the GPU does not suffice: how much was needed, what to lower.
        GpuLostError: the GPU failed.
    """
    try:
        yield
    except RuntimeError as error:
        shortage = _shortage(error)
        if shortage is not None:
            raise InputError(
                f"Training with {work} needs {_missing(shortage)}; lower --batch-size or the "
                "size of the images, or end what else runs on this GPU."
            ) from error
        accelerator = getattr(torch, "AcceleratorError", ())  # not in older releases
        of_a_gpu = isinstance(error, accelerator) or _OF_A_GPU.search(str(error))
        if not of_a_gpu or "NCCL" in str(error):  # a lost rank is not a lost GPU
            raise
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise GpuLostError(f"The GPU failed {where()} ({reason})") from error


@contextlib.contextmanager
def checkpoint_named(path: Path, command: str) -> Iterator[None]:
    """Name the last checkpoint where a GPU fails.

    Args:
        path: of the checkpoint, whether there is one or not.
        command: continues from it.

    Raises:
        GpuLostError: the GPU failed.
    """
    try:
        yield
    except GpuLostError as error:
        if path.is_file():
            age = duration(time.time() - path.stat().st_mtime)
            what = f"its state of {age} ago is in {path}: continue with {command}"
        else:
            what = "nothing was saved yet: start again once the GPU works."
        raise GpuLostError(f"{error}; {what}") from error


def _shortage(error: BaseException | None) -> str | None:
    """What was said of missing memory, if that is the cause.

    Leaving a capture or a stream on the way out may raise an error of its own.
    """
    while error is not None:
        # Libraries that torch calls say it in their own way.
        if isinstance(error, torch.OutOfMemoryError) or _NO_MEMORY.search(str(error)):
            return str(error)
        error = error.__context__
    return None


def _missing(message: str) -> str:
    """What torch says of the memory that was needed, as the object of "needs"."""
    asked = re.search(r"Tried to allocate ([\d.]+ \w+)", message)
    total = re.search(r"total capacity of ([\d.]+ \w+)", message)
    free = re.search(r"of which ([\d.]+ \w+) is free", message)
    held = re.search(r"this process has ([\d.]+ \w+) memory in use", message)
    if asked is None:  # our own: "Blending needs 3.0 MiB more GPU memory than is free; lower ..."
        ours = re.search(r"needs (.*?) than is free", message)
        return f"{ours[1]} than is free" if ours else "more GPU memory than there is"
    text = f"{asked[1]} more GPU memory"
    if held:
        text += f" than the {held[1]} it has"
    if free and total:
        text += f", but only {free[1]} of {total[1]} is free"
    return text
