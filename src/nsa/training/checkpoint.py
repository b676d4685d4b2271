"""The whole state of a training run as one safetensors file.

Weights, optimiser state and position are written together, so they can never belong to different
steps, and loading runs no code from the file.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nsa.errors import InputError
from nsa.model.weights import assign_weights, read_metadata, read_tensors, write_tensors
from nsa.training.loop import Position, Trainer

_MODEL, _OPTIMIZER = "model/", "optimizer/"
_POSITION, _IMAGES = "position", "images"  # entries of the file's metadata


def save_checkpoint(path: Path, trainer: Trainer) -> None:
    """Write the trainer's state; an existing checkpoint survives if that fails.

    Raises:
        InputError: the file cannot be written.
    """
    write_tensors(path, *_state(trainer))


def load_checkpoint(path: Path, trainer: Trainer) -> None:
    """Put a saved state into a trainer made with the same settings.

    Raises:
        InputError: the file is missing, damaged or of another network.
    """
    tensors, metadata = read_tensors(path)
    _restore(trainer, tensors, metadata, path)


def saved_position(path: Path) -> Position:
    """Where the training stood whose state was saved; the state itself is not read.

    Raises:
        InputError: the file is missing or damaged.
    """
    return Position(**json.loads(read_metadata(path)[_POSITION]))


def share_state(trainer: Trainer, path: Path) -> None:
    """Bring every rank's trainer into the state of the leader's.

    Args:
        path: of the leader's checkpoint, to be named if the state does not fit.
    """
    if trainer.ranks.leads:
        tensors, metadata = _state(trainer)
        trainer.ranks.tell(({name: value.cpu() for name, value in tensors.items()}, metadata))
    else:
        tensors, metadata = trainer.ranks.hear()
        _restore(trainer, tensors, metadata, path)


def _state(trainer: Trainer) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors, wherever they are, and metadata of a checkpoint."""
    tensors = {_MODEL + name: value for name, value in trainer.model.state_dict().items()}
    state = trainer.optimizer.state
    for name, parameter in trainer.model.named_parameters():
        for key, value in state.get(parameter, {}).items():
            tensors[f"{_OPTIMIZER}{name}/{key}"] = value
    metadata = {
        _POSITION: json.dumps(dataclasses.asdict(trainer.position)),
        _IMAGES: str(len(trainer.images)),
    }
    return tensors, metadata


def _restore(
    trainer: Trainer, tensors: dict[str, Tensor], metadata: dict[str, Any], path: Path
) -> None:
    assign_weights(trainer.model, _with_prefix(tensors, _MODEL), path)
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


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
