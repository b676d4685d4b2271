"""The training loop, its schedule and its checkpoints."""

from nsa.training.checkpoint import (
    load_checkpoint,
    load_model,
    save_checkpoint,
    save_model,
    share_state,
)
from nsa.training.loop import Position, Trainer, need_two_images

__all__ = [
    "Position",
    "Trainer",
    "load_checkpoint",
    "load_model",
    "need_two_images",
    "save_checkpoint",
    "save_model",
    "share_state",
]
