"""The command ``nsa synthesize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nsa.cli.options import (
    Background,
    Category,
    Config,
    DataRoot,
    Kind,
    Label,
    NormalDir,
    Seed,
    Variant,
    background_value,
)
from nsa.system.console import console


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
    from nsa.runs.demo import use_demo_data
    from nsa.runs.synthesize import synthesize

    options: dict[str, Any] = {
        "data_root": data_root, "category": category, "normal_dir": normal_dir, "seed": seed,
        "method": method, "variant": variant, "label": label, "kind": kind,
    }  # fmt: skip
    options = {name: value for name, value in options.items() if value is not None}
    if background is not None:
        options["background"] = background_value(background)
    path = synthesize(use_demo_data(options, config), count, output, config)
    console.print(f"Wrote {path}", markup=False, soft_wrap=True)
