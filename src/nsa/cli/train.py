"""The command ``nsa train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nsa.cli.options import (
    Augment,
    Background,
    Categories,
    Config,
    DataRoot,
    Device,
    Distribution,
    Holdout,
    JobsPerDevice,
    Kind,
    Label,
    Method,
    Network,
    NormalDir,
    Seed,
    TrainingFpr,
    Variant,
    Weights,
    background_value,
)
from nsa.cli.results import print_results
from nsa.errors import InputError
from nsa.system.console import console


def train_command(
    data_root: DataRoot = None,
    category: Categories = None,
    normal_dir: NormalDir = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training images. \\[default: preset, 320]")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Most images per step, at least 2. \\[default: 64]")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Of the first epoch; follows a cosine. \\[default: 0.001]")
    ] = None,
    seed: Seed = None,
    method: Method = None,
    device: Device = None,
    precision: Annotated[
        str | None,
        typer.Option(help="bf16, fp32, or auto: bf16 where the hardware has it. \\[default: auto]"),
    ] = None,
    variant: Variant = None,
    label: Label = None,
    background: Background = None,
    kind: Kind = None,
    network: Network = None,
    weights: Weights = None,
    distribution: Distribution = None,
    augment: Augment = None,
    fpr: TrainingFpr = None,
    holdout: Holdout = None,
    output: Annotated[
        Path | None,
        typer.Option(help="New folder for the results. \\[default: runs/<category>-<number>]"),
    ] = None,
    resume_run: Annotated[
        Path | None,
        typer.Option("--resume", help="Continue the interrupted run in this folder."),
    ] = None,
    jobs_per_device: JobsPerDevice = None,
    config: Config = None,
    profile: Annotated[
        bool,
        typer.Option(
            "--profile",
            help="Print where a step's time goes; write trace.json for Chrome or Perfetto.",
        ),
    ] = False,
) -> None:
    """Train on normal images, then evaluate on the test set if there is one.

    Without --data-root and --normal-dir it draws a demo set first and trains on that. Ctrl-C saves;
    --resume continues to the same result.

    torchrun --nproc-per-node N -m nsa.train ... trains one network on N GPUs, with the result of
    one. --category all --jobs-per-device N trains several networks at once on every GPU.
    """
    from nsa.runs import categories
    from nsa.runs.demo import use_demo_data
    from nsa.runs.train import follow, resume, train
    from nsa.training.distributed import join

    options: dict[str, Any] = {
        "data_root": data_root, "category": category, "normal_dir": normal_dir, "epochs": epochs,
        "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed, "device": device,
        "precision": precision, "variant": variant, "label": label, "kind": kind, "method": method,
        "network": network, "weights": weights, "distribution": distribution,
        "augment": augment, "fpr": fpr, "holdout": holdout, "output": output,
    }  # fmt: skip
    options = {name: value for name, value in options.items() if value is not None}
    if background is not None:
        options["background"] = background_value(background)
    if resume_run is not None and (output is not None or config is not None):
        raise InputError("--resume continues a run as it began; leave out --output and --config.")
    with join() as ranks:
        if not ranks.leads:
            follow(options, config, ranks)
            return
        many = categories.find(options, config, resume_run, ranks)
        if many is not None:
            if profile:
                raise InputError("--profile measures one training; name a single category.")
            many.train(jobs_per_device)
            console.print(f"Results are in {many.folder}", markup=False, soft_wrap=True)
            return
        if jobs_per_device is not None:
            raise InputError(
                "--jobs-per-device is for several categories at once; name them, as in --category "
                "a,b or --category all with --data-root, or leave it out."
            )
        if resume_run is not None:
            trained = resume(resume_run, options, ranks, profile=profile)
        else:
            chosen = use_demo_data(options, config)
            trained = train(chosen, config, ranks, profile=profile)
    print_results(trained.evaluation, trained.run.settings.category)
    console.print(f"Results are in {trained.run.path}", markup=False, soft_wrap=True)
