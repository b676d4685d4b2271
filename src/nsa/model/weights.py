"""Weights on disk: tensors by name as safetensors, which runs no code from the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn

from nsa.errors import InputError
from nsa.system.files import write_atomically


def save_model(path: Path, model: nn.Module) -> None:
    """Write the weights of a network; an existing file survives if that fails.

    Raises:
        InputError: the file cannot be written.
    """
    write_tensors(path, model.state_dict(), {"format": "pt"})


def load_model(path: Path, model: nn.Module) -> None:
    """Read what :func:`save_model` wrote.

    Raises:
        InputError: the file is missing, damaged or of another network.
    """
    assign_weights(model, read_tensors(path)[0], path)


def assign_weights(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy tensors into the parameters and buffers of the same names.

    Args:
        path: where they come from, for the message.

    Raises:
        InputError: they do not fit.
    """
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path} holds the weights of another network; train again.") from error


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write tensors from any device; the file appears complete or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_atomically(path, safetensors.torch.save(plain, metadata))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors on the CPU, and the metadata, of what :func:`write_tensors` wrote.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; the run has not saved its state yet.") from error
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{path} is damaged and cannot be read ({error}).") from error
