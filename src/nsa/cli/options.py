"""Options of the command line that several commands share, or that belong to one method."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nsa.errors import InputError

DataRoot = Annotated[
    Path | None,
    typer.Option(
        help="Folder of categories in the layout of MVTec AD, MVTec LOCO AD, MPDD, BTAD, VisA or "
        "KolektorSDD2, or with lists of files; or one such category."
    ),
]
Category = Annotated[
    str | None,
    typer.Option(help="Folder below --data-root; its name also chooses the preset."),
]
Categories = Annotated[
    str | None,
    typer.Option(
        help="Folder below --data-root; its name also chooses the preset. Several by commas, or "
        "all: each is trained by itself, into a folder of its own below --output."
    ),
]
JobsPerDevice = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=64,
        help="Trainings at once on every GPU, or on the CPU, of several. \\[default: 1]",
    ),
]
NormalDir = Annotated[
    Path | None, typer.Option(help="Instead of --data-root: a plain folder of good images.")
]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda. \\[default: auto]")]
Seed = Annotated[int | None, typer.Option(help="Fixes everything random. \\[default: 0]")]
Method = Annotated[
    str | None,
    typer.Option(
        help="A system of the paper: nsa, cutpaste, fpi, pii, nsa_paste, or the ablations "
        "no_object_masks, single_patch, cutpaste_shapes, ellipses; or gaussian (Rippel et al.: "
        "fitted in seconds to the features of a pretrained network). \\[default: nsa]"
    ),
]
Variant = Annotated[
    str | None,
    typer.Option(
        help="released (the authors' code) or paper (the equations). \\[default: released]"
    ),
]
Label = Annotated[
    str | None, typer.Option(help="binary, continuous or logistic. \\[default: logistic]")
]
Background = Annotated[
    str | None,
    typer.Option(
        help="Brightness of a plain background, 0-255, or none. \\[default: preset, or estimated]"
    ),
]
Kind = Annotated[
    str | None,
    typer.Option(
        help="object or texture, for automatic settings. \\[default: preset, or estimated]"
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="YAML file with these options by name (underscores), and sections synthesis, images, "
        "training for every other setting; the command line wins."
    ),
]
RunFolder = Annotated[Path, typer.Argument(help="A run folder written by nsa train.")]

_PANEL = "Options of --method gaussian"

Network = Annotated[
    str | None,
    typer.Option(
        help="efficientnet_b0 to b7, resnet18, 34 or 50. \\[default: efficientnet_b4; resnet18 "
        "where --weights is a run folder]",
        rich_help_panel=_PANEL,
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="default (ImageNet), random, a state-dict file, or a run folder whose encoder is "
        "taken. \\[default: default]",
        rich_help_panel=_PANEL,
    ),
]
Distribution = Annotated[
    str | None,
    typer.Option(
        help="full, standardised, l2, pca95, pca99, npca1, npca01 or npca001. \\[default: full]",
        rich_help_panel=_PANEL,
    ),
]
Augment = Annotated[
    int | None,
    typer.Option(
        help="Fit on so many augmented copies of every image, by what the category allows; the "
        "paper makes 100 for its working points. \\[default: 0, the images themselves]",
        rich_help_panel=_PANEL,
    ),
]
TrainingFpr = Annotated[
    float | None,
    typer.Option(
        help="Hold out normal images and set the threshold for this false positive rate. With any "
        "other method: nsa calibrate after the training.",
        rich_help_panel=_PANEL,
    ),
]
Holdout = Annotated[
    float | None,
    typer.Option(
        help="Share of the training images held out for --fpr. \\[default: 0.2]",
        rich_help_panel=_PANEL,
    ),
]
Fpr = Annotated[
    float | None,
    typer.Option(
        help="Wanted false positive rate, such as 0.01; set from the images of nsa calibrate."
    ),
]


def background_value(text: str) -> float | None:
    """What ``--background`` means.

    Raises:
        InputError: neither a number nor ``none``.
    """
    if text.lower() == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise InputError(
            f"--background must be a number from 0 to 255 or none, got {text!r}."
        ) from None
