"""Weights on disk: tensors by name, as safetensors or by torch; no code in a file is ever run."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nsa.errors import InputError
from nsa.system.files import atomic_file, check_utf8

# As the format calls them, in the order in which it stores them.
_TYPES = {
    torch.int64: "I64", torch.float64: "F64", torch.float32: "F32", torch.int32: "I32",
    torch.bfloat16: "BF16", torch.float16: "F16", torch.int16: "I16", torch.int8: "I8",
    torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip

# What weights are drawn by; those of torch.nn.init that a mode sees before it sees the others.
_DRAWING = (
    Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_,
)  # fmt: skip


def save_model(path: Path, model: nn.Module, metadata: Mapping[str, str] | None = None) -> None:
    """Write the weights of a network; an existing file survives if that fails.

    Args:
        metadata: what else to keep, see :func:`read_metadata`.

    Raises:
        InputError: the file cannot be written.
    """
    write_tensors(path, model.state_dict(), {"format": "pt", **(metadata or {})})


class Undrawn(TorchFunctionMode):
    """Networks made in its block have no initial weights yet, which take a while to be drawn."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Leave out what draws into a tensor."""
        del types
        given = kwargs or {}
        if func in _DRAWING:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def load_model(path: Path, model: nn.Module) -> None:
    """Read what :func:`save_model` wrote.

    Raises:
        InputError: the file is missing, damaged or of another network.
    """
    assign_weights(model, read_tensors(path)[0], path)


def assign_weights(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy tensors into the parameters and buffers of the same names, dtypes and shapes.

    Args:
        path: where they come from, for the message.

    Raises:
        InputError: they do not fit.
    """
    own = model.state_dict()
    if _forms(own) != _forms(tensors):
        raise InputError(f"{path} holds the weights of another network; train again.")
    model.load_state_dict(tensors)


def _forms(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.dtype, torch.Size]]:
    return {name: (value.dtype, value.shape) for name, value in tensors.items()}


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write tensors from any device; the file appears complete or not at all.

    One tensor after the other goes from its own memory into the file: safetensors' own functions
    hold all of it in memory once or twice more, or leave a file of a random name when they are
    killed.

    Raises:
        InputError: the file cannot be written.
    """
    order = list(_TYPES)
    names = sorted(tensors, key=lambda name: (order.index(tensors[name].dtype), name))
    entries: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    end = 0
    for name in names:
        tensor = tensors[name]
        start, end = end, end + tensor.numel() * tensor.itemsize
        entries[name] = {
            "dtype": _TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]
        }  # fmt: skip
    header = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    with atomic_file(path) as file:
        file.write(len(header).to_bytes(8, "little"))
        file.write(header)
        for name in names:
            plain = tensors[name].detach().cpu().contiguous()
            file.write(plain.flatten().view(torch.uint8).numpy().data)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors on the CPU, and the metadata, of what :func:`write_tensors` wrote.

    Raises:
        InputError: the file is missing or damaged, or holds a value that is not finite.
    """
    with _opened(path) as file:
        names = file.keys()
        tensors = {name: file.get_tensor(name) for name in names}
        metadata = file.metadata() or {}
    check_finite(tensors, path)
    return tensors, metadata


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata alone; of the tensors only that all are there is known then.

    Raises:
        InputError: the file is missing or damaged.
    """
    with _opened(path) as file:
        return file.metadata() or {}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    check_utf8(path)
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            yield file
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; the run has not saved its state yet.") from error
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or 'it is no file'}.") from error
    except safetensors.SafetensorError as error:
        raise InputError(
            f"{path} is damaged and cannot be read; put back a copy of it, or train again."
        ) from error


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a weights file, on the CPU.

    Raises:
        InputError: the file is damaged, or holds anything but tensors by name.
    """
    path = Path(path)
    if path.suffix.lower() == ".safetensors":
        return read_tensors(path)[0]
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or 'it is no file'}.") from error
    except Exception as error:  # whatever the bytes make of a reader of pickles
        raise InputError(
            f"{path} cannot be read as weights: it is damaged, or holds other objects than "
            "tensors; give a state dict saved as safetensors, or by torch.save of tensors alone."
        ) from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise InputError(f"{path} is no state dict: it must map names to tensors.")
    if not all(isinstance(name, str) for name in content):
        raise InputError(f"{path} is no state dict: it must map names to tensors.")
    check_finite(content, path)
    return {name.removeprefix("module."): value for name, value in content.items()}


def check_state(
    wanted: Mapping[str, Tensor], given: Mapping[str, Any], name: str, source: str
) -> None:
    """Refuse weights that are not exactly those of a network.

    Args:
        wanted: the network's own; counts of batches may lack.
        given: what was read.
        name: of the network, for the message.
        source: where they come from, for the message.

    Raises:
        InputError: weights are missing, unknown or of another shape.
    """
    missing = [key for key in wanted if key not in given and not key.endswith("_tracked")]
    unknown = [key for key in given if key not in wanted]
    for keys, what in ((missing, "lacks"), (unknown, "holds the unknown")):
        if keys:
            raise InputError(
                f"{source} does not hold the weights of {name}: it {what} {keys[0]!r} and "
                f"{len(keys) - 1} more; name the network that it was saved from."
            )
    for key, value in given.items():
        own = wanted[key]
        found = f"the shape {tuple(value.shape)}, not {tuple(own.shape)}"
        if value.shape == own.shape:
            if value.is_floating_point() == own.is_floating_point():
                continue
            found = f"values of {value.dtype}, not {own.dtype}"
        raise InputError(
            f"{source} does not hold the weights of {name}: {key!r} has {found}; name the network "
            "that it was saved from."
        )


def check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that would make every score NaN.

    Raises:
        InputError: a value is NaN or infinite.
    """
    for name, value in tensors.items():
        # Its extremes are found in less time and memory than a test of every value takes.
        if value.is_floating_point() and value.numel():
            ends = (value if value.itemsize > 1 else value.float()).aminmax()
            if not all(math.isfinite(end) for end in ends):
                raise InputError(
                    f"{path} is damaged: {name} holds a value that is not finite; put back a copy "
                    "of it, or train again."
                )
