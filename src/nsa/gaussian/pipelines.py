"""Augmentation that enlarges a small training set for the covariance (Appendix, Figure 2).

The paper's pipeline is a row of columns; each is active with a probability and then applies one of
its mutually exclusive, weighted choices. Which choices a category gets depends on what is normal in
it: turning a bottle seen from above changes nothing, mirroring a metal nut makes a defect. The
figure's own numbers are not in the paper's text; those below are ours and are data, to be replaced.

Drawing the parameters (:func:`draw`, host, from a seed) is separate from applying them
(:func:`nsa.gaussian.augmented_images.augment`, any device).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsa.errors import InputError

# Operation and the value that leaves an image as it is, in the order in which they are applied.
IDENTITY: dict[str, float] = {
    "flip_horizontal": 0.0,  # 1: mirrored left to right
    "flip_vertical": 0.0,  # 1: mirrored top to bottom
    "quarter_turns": 0.0,  # whole number of turns by 90 degrees, counter-clockwise
    "rotate": 0.0,  # degrees, counter-clockwise
    "zoom": 1.0,  # above 1 enlarges
    "shift_x": 0.0,  # share of the width, to the right
    "shift_y": 0.0,  # share of the height, downwards
    "blur": 0.0,  # standard deviation of a Gaussian in pixels
    "contrast": 1.0,  # factor about the image's mean
    "brightness": 0.0,  # added, as a share of white
    "gamma": 1.0,  # exponent on values in [0, 1]
    "noise": 0.0,  # standard deviation of added Gaussian noise, as a share of white
    "speckle": 0.0,  # standard deviation of Gaussian noise in proportion to the value
}
GEOMETRY = (
    "flip_horizontal",
    "flip_vertical",
    "quarter_turns",
    "rotate",
    "zoom",
    "shift_x",
    "shift_y",
)
NOISE = ("noise", "speckle")

Parameters = dict[str, npt.NDArray[np.float32]]
"""One float32 array (images,) per operation of :data:`IDENTITY`."""


@dataclass(frozen=True)
class Choice:
    """One operation with its value uniform in [low, high], chosen in proportion to ``weight``."""

    operation: str
    low: float
    high: float
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.operation not in IDENTITY:
            known = ", ".join(IDENTITY)
            raise InputError(f"There is no augmentation {self.operation!r}; there are {known}.")
        if not self.low <= self.high or not self.weight > 0:
            raise InputError(
                f"The augmentation {self.operation!r} needs low <= high and a positive weight, got "
                f"{self.low!r}, {self.high!r} and {self.weight!r}."
            )


@dataclass(frozen=True)
class Column:
    """Mutually exclusive choices, of which one is applied with ``probability``."""

    probability: float
    choices: tuple[Choice, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1 or not self.choices:
            raise InputError(
                "A column of augmentations needs a probability from 0 to 1 and at least one "
                f"choice, got {self.probability!r} and {len(self.choices)} choices."
            )


Pipeline = tuple[Column, ...]

_MIRROR_X = Choice("flip_horizontal", 1, 1)
_MIRROR_Y = Choice("flip_vertical", 1, 1)
_QUARTERS = Choice("quarter_turns", 1, 3)
_ANY_ANGLE = Choice("rotate", -180, 180)
_TILT = Choice("rotate", -4, 4)
_FRAMING = Column(
    0.5,
    (Choice("shift_x", -0.03, 0.03), Choice("shift_y", -0.03, 0.03), Choice("zoom", 0.97, 1.03)),
)
_LIGHT = (
    Column(
        0.5,
        (
            Choice("brightness", -0.06, 0.06),
            Choice("contrast", 0.9, 1.1),
            Choice("gamma", 0.9, 1.1),
        ),
    ),
    Column(
        0.3,
        (
            Choice("noise", 0.0, 0.015),
            Choice("speckle", 0.0, 0.03),
            Choice("blur", 0.3, 0.8),
        ),
    ),
)


def _pipeline(*symmetries: Choice) -> Pipeline:
    """Symmetries of the category (one at a time), then framing, light and noise for every one."""
    turned = (Column(0.75, symmetries),) if symmetries else ()
    return (*turned, _FRAMING, *_LIGHT)


PIPELINES: dict[str, Pipeline] = {
    "carpet": _pipeline(_MIRROR_X, _MIRROR_Y, _QUARTERS),
    "grid": _pipeline(_MIRROR_X, _MIRROR_Y),
    "leather": _pipeline(_MIRROR_X, _MIRROR_Y, _QUARTERS, _ANY_ANGLE),
    "tile": _pipeline(_MIRROR_X, _MIRROR_Y, _QUARTERS, _ANY_ANGLE),
    "wood": _pipeline(_MIRROR_X, _MIRROR_Y),  # the grain has a direction
    "bottle": _pipeline(_MIRROR_X, _MIRROR_Y, _QUARTERS, _ANY_ANGLE),
    "cable": _pipeline(_TILT),  # a swapped wire is a defect
    "capsule": _pipeline(_TILT),  # printed
    "hazelnut": _pipeline(_MIRROR_X, _MIRROR_Y, _QUARTERS, _ANY_ANGLE),
    "metal_nut": _pipeline(_QUARTERS, _ANY_ANGLE),  # a flipped nut is a defect
    "pill": _pipeline(_TILT),  # printed
    "screw": _pipeline(_QUARTERS, _ANY_ANGLE),  # a mirrored thread runs the wrong way
    "toothbrush": _pipeline(_MIRROR_X, _TILT),
    "transistor": _pipeline(_MIRROR_X),  # a tilted one is misplaced
    "zipper": _pipeline(_MIRROR_X, _MIRROR_Y),
}
CAUTIOUS: Pipeline = _pipeline()
"""For categories of which nothing is known: no symmetry is assumed."""


def pipeline_for(category: str) -> Pipeline:
    """The pipeline of a category of MVTec AD; :data:`CAUTIOUS` for any other."""
    return PIPELINES.get(category.lower().replace(" ", "_").replace("-", "_"), CAUTIOUS)


def without(pipeline: Pipeline, operations: Collection[str]) -> Pipeline:
    """A pipeline less some operations, as the autoencoder does without :data:`NOISE`.

    A column keeps its probability times the share of the weight that stays, so that the other
    choices are applied as often as before.
    """
    kept = []
    for column in pipeline:
        choices = tuple(choice for choice in column.choices if choice.operation not in operations)
        if choices:
            share = sum(c.weight for c in choices) / sum(c.weight for c in column.choices)
            probability = column.probability * share
            kept.append(dataclasses.replace(column, probability=probability, choices=choices))
    return tuple(kept)


def draw(pipeline: Pipeline, count: int, *, seed: int, epoch: int = 0) -> Parameters:
    """Draw the parameters of one pass over ``count`` images.

    The same ``seed`` and ``epoch`` give the same parameters on any machine.
    """
    generator = np.random.Generator(np.random.PCG64([seed, epoch]))
    drawn = {name: np.full(count, value, np.float32) for name, value in IDENTITY.items()}
    for column in pipeline:
        weights = np.array([choice.weight for choice in column.choices])
        active = generator.random(count) < column.probability
        chosen = generator.choice(len(weights), size=count, p=weights / weights.sum())
        position = generator.random(count)
        for index, choice in enumerate(column.choices):
            rows = active & (chosen == index)
            if choice.operation == "quarter_turns":
                values = np.floor(choice.low + position * (choice.high - choice.low + 1))
            else:
                values = choice.low + position * (choice.high - choice.low)
            drawn[choice.operation][rows] = values[rows]
    return drawn
