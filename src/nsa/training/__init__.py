"""The training loop, its schedule and its checkpoints."""

from nsa.training.checkpoint import load_checkpoint, save_checkpoint, saved_position, share_state
from nsa.training.loop import Position, Trainer, need_two_images

__all__ = [
    "Position",
    "Trainer",
    "load_checkpoint",
    "need_two_images",
    "save_checkpoint",
    "saved_position",
    "share_state",
]
