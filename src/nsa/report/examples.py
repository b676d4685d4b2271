"""Which test images to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nsa.errors import InputError


def choose_examples(
    defects: Sequence[str], scores: Sequence[float], count: int = 8, good: str = "good"
) -> list[int]:
    """Indices of images that together show what a detector does.

    Every kind of defect gets an equal share of the places and normal images get one share too (at
    most two places more for whoever comes first). Within a kind the examples spread evenly over its
    scores, so that hard cases show beside easy ones.

    Args:
        defects: the kind of each image; ``good`` marks a normal one.
        scores: image scores, of the same length.
        count: places; fewer indices come back if there are fewer images.

    Returns:
        Indices grouped by kind, normal images first, then kinds by name; within a kind the highest
        score first.
    """
    same_length(defects=defects, scores=scores)
    kinds = sorted(set(defects), key=lambda kind: (kind != good, kind))
    groups = {
        kind: sorted((i for i, d in enumerate(defects) if d == kind), key=lambda i: -scores[i])
        for kind in kinds
    }
    places = dict.fromkeys(kinds, 0)
    free = min(count, len(defects))
    while free > 0:
        for kind in kinds[1:] + kinds[:1]:  # a defect before another normal image
            if free > 0 and places[kind] < len(groups[kind]):
                places[kind] += 1
                free -= 1
    return [index for kind in kinds for index in _spread(groups[kind], places[kind])]


def _spread(items: list[int], count: int) -> list[int]:
    """``count`` items at equal distances: the middle one, or both ends and what lies between."""
    if count == 1:
        return [items[len(items) // 2]]
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def same_length(**lists: Sequence[Any] | None) -> int:
    """The length that all lists share; None stands for any.

    Raises:
        InputError: they differ, which is told by their names, or are empty.
    """
    lengths = {name: len(values) for name, values in lists.items() if values is not None}
    if len(set(lengths.values())) != 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(f"The lists must have the same length, got {listed}.")
    count = next(iter(lengths.values()))
    if count == 0:
        raise InputError("There is no image to draw.")
    return count
