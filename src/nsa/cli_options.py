"""Options of the command line that belong to the Gaussian detector and to working points."""

from __future__ import annotations

from typing import Annotated

import typer

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
