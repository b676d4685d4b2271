"""The levels of a new training's images: what was asked for, else what the images have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nsa.images.levels import find_levels
from nsa.settings.config import Levels, check_levels
from nsa.settings.fields import convert


def choose_levels(asked: Mapping[str, Any], paths: Sequence[Path]) -> Levels | None:
    """The values of images with more than 8 bits that become black and white.

    Args:
        asked: a section of settings by name, perhaps with ``levels``; there None means the fixed
            scales.
        paths: the training images.

    Raises:
        InputError: what was asked for is not two numbers in order.
    """
    if "levels" not in asked:
        return find_levels(paths)
    levels: Levels | None = convert("levels", asked["levels"], Levels | None)
    check_levels(levels)
    return levels
