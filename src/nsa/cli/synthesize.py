"""The command ``nsa synthesize``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsa.cli.options import options_of, with_options
from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.registry import read_request, train_options
from nsa.errors import InputError
from nsa.settings.options import Request, option, read_options
from nsa.system.console import console

_ALL = "all"


@dataclass(frozen=True, kw_only=True)
class WhatToDraw(Request):
    """What decides about the picture; some options mean less than in a training."""

    output: Path | None = option("PNG file to write. [default: synthesis.png]")
    category: str | None = option("Folder below --data-root; its name also chooses the preset.")
    method: str | None = option("As for nsa train, or all: a row for each of them.")
    count: int | None = option("Number of examples. [default: 8, of all methods 4]", low=2, high=64)
    config: Path | None = option("YAML file with settings, as nsa train reads it.")
    overwrite: bool = option(
        "Replace the file that is there.", default=False, flags=("--overwrite",)
    )


_OF_A_TRAINING = (
    "data_root", "category", "normal_dir", "seed", "method", "variant", "label", "background",
    "recipe", "kind", "light", "frame", "size", "crop",
)  # fmt: skip


@with_options(
    options_of(WhatToDraw, "output"),
    {name: option for name, option in train_options().items() if name in _OF_A_TRAINING},
    options_of(WhatToDraw, "category", "method", "count", "config", "overwrite"),
)
def synthesize_command(**given: Any) -> None:
    """Draw originals, synthetic anomalies and labels as the training sees them."""
    from nsa.runs.demo import use_demo_data
    from nsa.runs.synthesize import synthesize

    output, count, config = (given.pop(name, None) for name in ("output", "count", "config"))
    overwrite = given.pop("overwrite")
    method = given.get("method")
    if method is None and config is not None:
        method = read_options(config).get("method")
    every_method = method == _ALL
    if every_method:
        given["method"] = "nsa"
    request = use_demo_data(read_request(given, config))
    if not isinstance(request, NetworkRequest):
        raise InputError(f"--method {request.method} makes no synthetic anomalies to draw.")
    path = synthesize(
        request, output or Path("synthesis.png"), count, every_method=every_method,
        overwrite=overwrite,
    )  # fmt: skip
    console.print(f"Wrote {path}", soft_wrap=True)
