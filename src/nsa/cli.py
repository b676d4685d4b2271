"""The command line: ``nsa train|evaluate|calibrate|predict|synthesize|reproduce|info``.

Each command imports what it needs itself, so that ``--help`` need not wait for torch.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from nsa.cli_options import (
    Augment,
    Background,
    Categories,
    Category,
    Config,
    DataRoot,
    Device,
    Distribution,
    Fpr,
    Holdout,
    JobsPerDevice,
    Kind,
    Label,
    Method,
    Network,
    NormalDir,
    RunFolder,
    Seed,
    TrainingFpr,
    Variant,
    Weights,
)
from nsa.console import console, log_to_console
from nsa.errors import InputError
from nsa.interrupt import Interrupted
from nsa.reproduce.command import reproduce_command

if TYPE_CHECKING:
    from nsa.evaluate import Evaluation
    from nsa.run import BaseRun

app = typer.Typer(
    help="Train a visual anomaly detector from normal images only, and use it.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip

Function = TypeVar("Function", bound=Callable[..., Any])


def _friendly(command: Function) -> Function:
    """One sentence and an exit status instead of a traceback."""

    @functools.wraps(command)
    def wrapper(*args: Any, **keywords: Any) -> None:
        log_to_console()
        try:
            from nsa.device import keep_freed_memory

            keep_freed_memory()
            command(*args, **keywords)
        except InputError as error:
            console.print(f"Error: {error}", style="bold red", markup=False, soft_wrap=True)
            raise typer.Exit(2) from None
        except Interrupted as stop:
            console.print(str(stop), style="yellow", markup=False, soft_wrap=True)
            raise typer.Exit(130) from None
        except KeyboardInterrupt:
            console.print("Interrupted.", style="yellow")
            raise typer.Exit(130) from None

    return wrapper  # type: ignore[return-value]


@app.command("train")
@_friendly
def train_command(
    data_root: DataRoot = None,
    category: Categories = None,
    normal_dir: NormalDir = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training images. \\[default: preset, 320]")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images per step, at least 2. \\[default: 64]")
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
    from nsa import categories
    from nsa.first_run import use_demo_data
    from nsa.train import follow, resume, train
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
        options["background"] = _background(background)
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
    _print_results(trained.evaluation, trained.run.settings.category)
    console.print(f"Results are in {trained.run.path}", markup=False, soft_wrap=True)


@app.command("evaluate")
@_friendly
def evaluate_command(
    run: RunFolder,
    data_root: DataRoot = None,
    category: Category = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the results. \\[default: the run folder]")
    ] = None,
    fpr: Fpr = None,
    device: Device = None,
) -> None:
    """Judge a trained detector on a test set."""
    from nsa.calibration import add_working_point
    from nsa.evaluate import write_evaluation
    from nsa.files import make_folder
    from nsa.images import open_dataset
    from nsa.scorer import open_scorer

    scorer = open_scorer(run, device or "auto")
    opened = scorer.run
    if data_root is None:
        dataset = open_dataset(
            opened.places["data_root"],
            category or opened.settings.category,
            opened.places["normal_dir"],
        )
    else:
        dataset = open_dataset(data_root, category or _category_below(data_root, opened))
    if output is not None:
        make_folder(output)
    result = add_working_point(scorer, scorer.evaluate(dataset), dataset, fpr)
    write_evaluation(opened, result, dataset, opened.training_times(), output)
    _print_results(result, dataset.name)
    console.print(f"Results are in {output or run}", markup=False, soft_wrap=True)


@app.command("calibrate")
@_friendly
def calibrate_command(
    run: RunFolder,
    normals: Annotated[
        list[Path],
        typer.Argument(help="Normal images that were not trained on: files, or folders of them."),
    ],
    device: Device = None,
) -> None:
    """Set the scale of scores by held-out normal images, for predict and evaluate with --fpr.

    Their scores are kept in the run folder and replace earlier ones.
    """
    from nsa.calibration import calibrate
    from nsa.report import calibration_table
    from nsa.scorer import open_scorer

    calibration = calibrate(open_scorer(run, device or "auto"), normals)
    Console().print(calibration_table(calibration.table(), len(calibration.scores)))


@app.command("predict")
@_friendly
def predict_command(
    run: RunFolder,
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of images.")],
    output: Annotated[Path, typer.Option(help="Folder for scores.csv and the pictures.")],
    fpr: Fpr = None,
    device: Device = None,
    save_maps: Annotated[
        bool, typer.Option("--save-maps", help="Also write each map as NPY, float32 (H, W).")
    ] = False,
    overlays: Annotated[
        bool, typer.Option("--overlays/--no-overlays", help="Write heat map pictures.")
    ] = True,
) -> None:
    """Score images and draw heat maps over them, at their own resolution.

    With --fpr, after nsa calibrate, every image is also called normal or anomalous.
    """
    from nsa.predict import predict
    from nsa.scorer import open_scorer

    scorer = open_scorer(run, device or "auto")
    predict(scorer, images, output, fpr=fpr, save_maps=save_maps, overlays=overlays)


@app.command("synthesize")
@_friendly
def synthesize_command(
    output: Annotated[Path, typer.Option(help="PNG file to write.")] = Path("synthesis.png"),
    data_root: DataRoot = None,
    category: Category = None,
    normal_dir: NormalDir = None,
    count: Annotated[
        int | None,
        typer.Option(min=2, max=64, help="Number of examples. \\[default: 8, of all methods 4]"),
    ] = None,
    seed: Seed = None,
    method: Annotated[
        str | None,
        typer.Option(help="As for nsa train, or all: every method, one below the other."),
    ] = None,
    variant: Variant = None,
    label: Label = None,
    background: Background = None,
    kind: Kind = None,
    config: Config = None,
) -> None:
    """Draw originals, synthetic anomalies and labels as the training sees them."""
    from nsa.first_run import use_demo_data
    from nsa.synthesize import synthesize

    options: dict[str, Any] = {
        "data_root": data_root, "category": category, "normal_dir": normal_dir, "seed": seed,
        "method": method, "variant": variant, "label": label, "kind": kind,
    }  # fmt: skip
    options = {name: value for name, value in options.items() if value is not None}
    if background is not None:
        options["background"] = _background(background)
    path = synthesize(use_demo_data(options, config), count, output, config)
    console.print(f"Wrote {path}", markup=False, soft_wrap=True)


app.command("reproduce")(_friendly(reproduce_command))


@app.command("info")
@_friendly
def info_command() -> None:
    """Versions, device, cores, instruction set and CUDA kernels."""
    from nsa import info

    table = Table(show_header=False, box=None)
    facts = {**info.versions(), **info.hardware(), **info.kernels()}
    facts["torch CUDA"] = info.torch_cuda()
    for name, value in facts.items():
        shown = ", ".join(value) or "none" if isinstance(value, list) else str(value)
        table.add_row(name.replace("_", " "), shown)
    Console(soft_wrap=True).print(table)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the ``nsa`` command and of ``python -m nsa.<command>``."""
    app(args=list(sys.argv[1:] if arguments is None else arguments), prog_name="nsa")


def _background(text: str) -> float | None:
    if text.lower() == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise InputError(
            f"--background must be a number from 0 to 255 or none, got {text!r}."
        ) from None


def _category_below(data_root: Path, run: BaseRun[Any]) -> str | None:
    """The run's own category where the data root has it; else the only one there."""
    return run.settings.category if (data_root / run.settings.category).is_dir() else None


def _print_results(evaluation: Evaluation, category: str) -> None:
    from nsa.report import results_table

    Console().print(results_table(evaluation.metrics, title=category, reasons=evaluation.reasons))
    if evaluation.working_point is not None:
        from nsa.calibration import describe

        console.print(describe(evaluation.working_point), markup=False, soft_wrap=True)
