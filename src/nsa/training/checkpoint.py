"""The whole state of a training run as one safetensors file.

Weights, optimiser state and position are written together, so they can never belong to different
steps, and loading runs no code from the file.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from nsa.errors import InputError
from nsa.model.weights import assign_weights, read_metadata, read_tensors, write_tensors
from nsa.settings.fields import Checked, from_dict, reading
from nsa.system.readers import parse_json
from nsa.training.loop import Position, Trainer
from nsa.training.optimizer import ADAM_STATE, MUON_STATE, moved_by_muon

_MODEL, _OPTIMIZER = "model/", "optimizer/"
_POSITION, _IMAGES = "position", "images"  # entries of the file's metadata
_, _SQUARES, _STEP = ADAM_STATE

Read = TypeVar("Read")


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
    with reading(path, "put back a copy of it, or start a new run"):
        count = _read(metadata, _IMAGES, _Images).count
        position = _read(metadata, _POSITION, Position)
        _check_position(position, trainer)
    if count != len(trainer.images):
        raise InputError(
            f"{path} was saved while training on {count} images, but now there are "
            f"{len(trainer.images)}; restore them or start a new run."
        )
    moments = _with_prefix(tensors, _OPTIMIZER)
    steps = position.epoch * trainer.steps_per_epoch + position.step
    with reading(path, "put back a copy of it, or start a new run"):
        _check_moments(moments, trainer, steps)
    assign_weights(trainer.model, _with_prefix(tensors, _MODEL), path)
    for name, parameter in trainer.model.named_parameters():
        saved = _with_prefix(moments, f"{name}/")
        # In the parameter's own memory layout, or sums would be rounded in another order.
        trainer.optimizer.state[parameter] = {
            key: value.to(parameter.device)
            if value.ndim == 0
            else torch.empty_like(parameter, requires_grad=False).copy_(value)
            for key, value in saved.items()
        }
    trainer.position = position


@dataclasses.dataclass(kw_only=True)
class _Images(Checked):
    """Which images a state belongs to."""

    count: int


def _read(metadata: dict[str, str], name: str, wanted: type[Read]) -> Read:
    """An entry of the metadata; the number of images stands there alone.

    Raises:
        InputError: it is missing or damaged.
    """
    text = metadata.get(name, "")
    if wanted is _Images:
        text = f'{{"count": {text}}}'
    return from_dict(wanted, parse_json(text, f"its {name}"))


def _check_position(position: Position, trainer: Trainer) -> None:
    """Raise :class:`InputError` unless a training with these settings may stand there."""
    epoch, step = position.epoch, position.step
    sums = [epoch, step, position.image_count, position.seconds, position.plan_wait]
    sums += [position.threads, *position.seconds_by_threads.values()]
    end = trainer.training.epochs, trainer.training.extra_steps
    within = step < trainer.steps_per_epoch and (epoch, step) <= end
    known = all(number.isdecimal() for number in position.seconds_by_threads)
    if min(sums) < 0 or not known or not within or len(position.losses) != epoch:
        raise InputError("its position is not one of this training")


def _check_moments(moments: dict[str, Tensor], trainer: Trainer, steps: int) -> None:
    """Raise :class:`InputError` unless the optimiser's state is that after so many steps."""
    wanted = {}
    for name, parameter in trainer.model.named_parameters():
        muon = trainer.training.optimizer == "muon" and moved_by_muon(parameter)
        for key in MUON_STATE if muon else ADAM_STATE:
            wanted[f"{name}/{key}"] = (parameter.dtype, parameter.shape)
            if key == _STEP:
                wanted[f"{name}/{key}"] = (torch.float32, torch.Size())
    found = {name: (value.dtype, value.shape) for name, value in moments.items()}
    if found != (wanted if steps else {}):
        raise InputError("its optimiser state is of another network")
    for name, value in moments.items():
        key = name.rpartition("/")[2]
        if (key == _STEP and value != steps) or (key == _SQUARES and value.min() < 0):
            raise InputError(f"the optimiser state of {name} is not that after {steps} steps")


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
