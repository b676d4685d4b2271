"""What the training of a network can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nsa.settings.config import IMAGE_SCORES, LABELS, OPTIMIZERS
from nsa.settings.options import (
    NATIVE,
    NONE,
    WHOLE_CROP,
    Sides,
    TrainRequest,
    option,
    parse_background,
    parse_sides,
    section,
)


@dataclass(frozen=True, kw_only=True)
class NetworkRequest(TrainRequest):
    """Options that are short for a setting, and sections for every other one.

    Attributes:
        synthesis, images, training: fields of :mod:`nsa.settings.config`, by name.
    """

    recipe: str | None = option(
        "What the settings are where nothing else says: paper: as published; tuned: finds more in "
        "as many epochs, by Muon, whole images in batches of 16, varied light, skip connections "
        "for textures and a score that the held-out images choose. [default: preset without "
        "--size and --frame whole: paper, else tuned]"
    )
    epochs: int | None = option(
        "Passes over the training images. With --resume a stopped run goes on to so many, from its "
        "next epoch on at the learning rate of a run of that length; with as many as are done it "
        "ends where it stands. [default: preset, 320]",
        section="training",
    )
    batch_size: int | None = option(
        "Most images per step, at least 2. [default: recipe: 64 or 16]",
        section="training",
    )
    optimizer: str | None = option(
        f"What moves the weights: {' or '.join(OPTIMIZERS)}; muon learns more in as many epochs. "
        "[default: recipe: adam or muon]",
        section="training",
    )
    learning_rate: float | None = option(
        "Of the first epoch; follows a cosine. [default: 0.001]", section="training"
    )
    skips: bool | None = option(
        "A network with skip connections, which finds smaller defects; no-skips: the paper's. "
        "[default: recipe]",
        section="training",
    )
    variant: str | None = option(
        "released (the authors' code) or paper (the equations). [default: released]",
        section="synthesis",
    )
    label: str | None = option(f"{', '.join(LABELS)}. [default: logistic]", section="synthesis")
    image_score: str | None = option(
        f"What of its map scores an image: {', '.join(IMAGE_SCORES)}; auto "
        "chooses by images that are held out of the training. [default: recipe: mean or auto; "
        "nsa+gaussian: mean]",
        section="training",
    )
    background: float | str | None = option(
        "Brightness of a plain background, 0-255, or none. [default: preset, or estimated]",
        section="synthesis",
        parse=parse_background,
        null=NONE,
    )
    kind: str | None = option(
        "object or texture, for automatic settings. [default: preset, or estimated]"
    )
    trial: bool | None = option(
        "Before the training, find out which kind and which of usual and small patches suit the "
        "images, and whether to turn objects, by short trainings of each on up to 160 of them: "
        "minutes on a CPU. [default: no-trial]"
    )
    light: bool | None = option(
        "Vary brightness, contrast and colour of the light in training, as far as the training "
        "images vary and at least by what a lamp drifts; no-light: see them as they are, where "
        "light itself is what is inspected. [default: recipe: no-light, or light of whole images]"
    )
    frame: str | None = option(
        "whole: train on whole images, as they are judged; crop: on a crop of objects, whose "
        "centre the paper judges. With a preset, whole also means --recipe tuned, unless that is "
        "given. [default: recipe: crop or whole]"
    )
    size: Sides | None = option(
        "Images keep their shape: px of the longer side, height x width such as 768x1024 that they "
        f"are to fit into, or {NATIVE}: as they are. [default: preset, 256x256 by stretching]",
        parse=parse_sides("--size", NATIVE),
    )
    crop: Sides | None = option(
        "With --size: side, or height x width, of the crops that are trained on, from anywhere in "
        f"the images; {WHOLE_CROP}: whole images, padded by reflection where their shapes differ. "
        "[default: whole up to 512 px, else 256]",
        parse=parse_sides("--crop", WHOLE_CROP),
    )
    synthesis: dict[str, Any] = section()
    images: dict[str, Any] = section()
    training: dict[str, Any] = section()

    def overrides(self, name: str) -> dict[str, Any]:
        """As every request; these options are of every method."""
        found = super().overrides(name)
        if name == "synthesis" and self.method is not None:
            found["method"] = self.method
        if name == "training":
            found |= self.held_out()
            if self.seed is not None:
                found["seed"] = self.seed
        return found
