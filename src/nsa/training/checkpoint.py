"""The whole state of a training run as one safetensors file.

Weights, optimiser state and position are written together, so they can never belong to different
steps, and loading runs no code from the file.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from nsa.errors import InputError
from nsa.system.files import write_atomically
from nsa.training.loop import Position, Trainer

_MODEL, _OPTIMIZER = "model/", "optimizer/"
_POSITION, _IMAGES = "position", "images"  # entries of the file's metadata


def save_checkpoint(path: Path, trainer: Trainer) -> None:
    """Write the trainer's state; an existing checkpoint survives if that fails.

    Raises:
        InputError: the file cannot be written.
    """
    write_atomically(path, _encode(*_state(trainer)))


def load_checkpoint(path: Path, trainer: Trainer) -> None:
    """Put a saved state into a trainer made with the same settings.

    Raises:
        InputError: the file is missing, damaged or of another network.
    """
    tensors, metadata = _read(path)
    _restore(trainer, tensors, metadata, path)


def share_state(trainer: Trainer, path: Path) -> None:
    """Bring every rank's trainer into the state of the leader's.

    Args:
        path: of the leader's checkpoint, to be named if the state does not fit.
    """
    if trainer.ranks.leads:
        trainer.ranks.tell(_state(trainer))
    else:
        tensors, metadata = trainer.ranks.hear()
        _restore(trainer, tensors, metadata, path)


def _state(trainer: Trainer) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors on the CPU and metadata of a checkpoint."""
    tensors = {_MODEL + name: value for name, value in trainer.model.state_dict().items()}
    state = trainer.optimizer.state
    for name, parameter in trainer.model.named_parameters():
        for key, value in state.get(parameter, {}).items():
            tensors[f"{_OPTIMIZER}{name}/{key}"] = value
    metadata = {
        _POSITION: json.dumps(dataclasses.asdict(trainer.position)),
        _IMAGES: str(len(trainer.images)),
    }
    return {name: value.detach().cpu() for name, value in tensors.items()}, metadata


def _restore(
    trainer: Trainer, tensors: dict[str, Tensor], metadata: dict[str, Any], path: Path
) -> None:
    load_weights(trainer.model, _with_prefix(tensors, _MODEL), path)
    moments = _with_prefix(tensors, _OPTIMIZER)
    for name, parameter in trainer.model.named_parameters():
        saved = _with_prefix(moments, f"{name}/")
        # In the parameter's own memory layout, or sums would be rounded in another order.
        trainer.optimizer.state[parameter] = {
            key: value.to(parameter.device)
            if value.ndim == 0
            else torch.empty_like(parameter, requires_grad=False).copy_(value)
            for key, value in saved.items()
        }
    count = int(metadata[_IMAGES])
    if count != len(trainer.images):
        raise InputError(
            f"{path} was saved while training on {count} images, but now there are "
            f"{len(trainer.images)}; restore them or start a new run."
        )
    trainer.position = Position(**json.loads(metadata[_POSITION]))


def save_model(path: Path, model: nn.Module) -> None:
    """Write the weights alone.

    Raises:
        InputError: the file cannot be written.
    """
    write_atomically(path, _encode(model.state_dict(), {"format": "pt"}))


def load_model(path: Path, model: nn.Module) -> None:
    """Read what :func:`save_model` wrote.

    Raises:
        InputError: the file is missing, damaged or of another network.
    """
    load_weights(model, _read(path)[0], path)


def load_weights(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Copy ``tensors`` into ``model``; ``path`` is for the message if they do not fit."""
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path} holds the weights of another network; train again.") from error


def _encode(tensors: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    return safetensors.torch.save(plain, metadata)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; the run has not saved its state yet.") from error
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{path} is damaged and cannot be read ({error}).") from error


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
