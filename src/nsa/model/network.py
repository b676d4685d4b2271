"""What is fixed about a network, whoever made it."""

from __future__ import annotations

from dataclasses import dataclass

from nsa.images.network_input import IMAGENET, Scaling


@dataclass(frozen=True)
class Network:
    """A network that is cut into levels.

    Attributes:
        name: as torchvision spells it, or in its manner; ``timm:NAME`` of timm's.
        channels: features per level, first level first.
        strides: pixels of the image per position of a level's output, per level; the output's sides
            are the image's divided by it and rounded up (a few of timm's networks leave out the
            border and have one position less).
        size: side in pixels of the square images it was designed for.
        scaling: how it takes colour images.
        is_fixed: whether it takes images of no other size.
    """

    name: str
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    size: int
    scaling: Scaling = IMAGENET
    is_fixed: bool = False
