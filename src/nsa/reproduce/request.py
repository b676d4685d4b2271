"""What ``nsa reproduce`` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nsa.settings.options import Request, option, parse_names, parse_seeds

_PANEL = "Options of --paper gaussian"


@dataclass(frozen=True, kw_only=True)
class ReproduceRequest(Request):
    """What a user asks for; it travels to workers.

    Attributes:
        paper: a key of :data:`nsa.reproduce.papers.PAPERS`.
        tables: by the paper's own numbers; empty: all of them.
        methods: names of systems; empty: those of the tables.
        categories: empty: those of the tables that ``data_root`` has.
        seeds: one job per system, category and seed.
    """

    data_root: Path = option(
        "Folder of categories in the layout of MVTec AD or lists of X-rays, or one such.",
        required=True,
    )
    paper: str = option(
        "Whose tables: nsa, or gaussian (the detector of Rippel et al. 2020). [default: nsa]",
        default="nsa",
    )
    tables: tuple[str, ...] = option(
        "By the paper's own numbers, several by commas, or all: 1, 2, 3, 7, 8 of nsa; I, II, III, "
        "IV, V, VII, VIII of gaussian. [default: all]",
        default=(),
        flags=("--table",),
        parse=parse_names,
    )
    methods: tuple[str, ...] = option(
        "Systems by commas, such as nsa_logistic,fpi; of gaussian such as resnet18 (every "
        "distribution and the one-class SVM), resnet18_augmented, supervised_resnet18, "
        "autoencoder. [default: those of the tables]",
        default=(),
        parse=parse_names,
    )
    categories: tuple[str, ...] = option(
        "By commas. [default: those of the tables that the data root has]",
        default=(),
        parse=parse_names,
    )
    seeds: tuple[int, ...] = option(
        "How many (5 means 0 to 4), or a list by commas such as 0,7. [default: 5; of gaussian 1, "
        "as its 5 folds are the repetition]",
        default=(),
        parse=parse_seeds,
    )
    epochs: int | None = option("Shorten every training to this; tables say so. [default: preset]")
    network: str | None = option(
        "In place of every network of the paper's. [default: the paper's; resnet18 where "
        "--weights is a run folder]",
        panel=_PANEL,
    )
    weights: str | None = option(
        "Of all networks: default (ImageNet; torchvision's first, or a package's), random, a "
        "state-dict file, or a run folder whose encoder is taken. [default: default]",
        panel=_PANEL,
    )
    augment: int | None = option(
        "Augmented copies of every image; tables say so if fewer. [default: 100]", panel=_PANEL
    )
    output: Path = option(
        "Results folder; one with results in it is continued. [default: reproduction, or "
        "reproduction-gaussian]",
        default=Path("reproduction"),
    )
    device: str | None = option("auto, cpu or cuda. [default: auto]")
    precision: str | None = option("bf16, fp32 or auto, one for all jobs. [default: auto]")
    config: Path | None = option("YAML file with settings for every job, as nsa train reads it.")
