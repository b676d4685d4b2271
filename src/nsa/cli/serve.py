"""The command ``nsa serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nsa.cli.options import Device, Engine, Fpr, MaskFpr, MaskShare, RunFolder


def serve_command(
    run: RunFolder,
    host: Annotated[
        str,
        typer.Option(help="Address to listen at; of others than this machine's own with a token."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen at; 0: one that is free.")
    ] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token that clients must send as Authorization: Bearer TOKEN. "
            "\\[default: NSA_TOKEN of the environment, if set]"
        ),
    ] = None,
    fpr: Fpr = None,
    mask_fpr: MaskFpr = None,
    mask_share: MaskShare = None,
    batch_size: Annotated[
        int, typer.Option(min=1, max=64, help="Most images to judge at once.")
    ] = 8,
    max_wait: Annotated[
        float,
        typer.Option(min=0, max=1000, help="Milliseconds that an image waits for others at most."),
    ] = 5.0,
    queue: Annotated[
        int,
        typer.Option(min=1, help="Images being answered, beyond which requests are refused."),
    ] = 64,
    max_bytes: Annotated[int, typer.Option(min=1, help="Most bytes of a request's body.")] = 64
    << 20,
    max_pixels: Annotated[int, typer.Option(min=1, help="Most pixels of an image.")] = 50_000_000,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Threads to judge with on the CPU. \\[default: cores]"),
    ] = None,
    device: Device = None,
    engine: Engine = "torch",
) -> None:
    """Answer requests over HTTP: images in, decisions out, as JSON.

    POST /predict takes an image as its body (curl --data-binary @photo.png -H 'Content-Type:
    image/png' http://127.0.0.1:8000/predict) or a form with files, and says whether it is
    anomalous, its score, and where. GET /openapi.json describes all of it, /healthz says whether
    images are judged, and /metrics counts for Prometheus. Images of several requests are judged
    together. Ctrl-C or SIGTERM finishes what has begun.
    """
    from nsa.runs.serve.address import listen, read_token
    from nsa.runs.serve.packages import need_packages

    need_packages()
    from nsa.detectors.registry import load, open_run
    from nsa.runs.decisions import Decisions
    from nsa.runs.serve.limits import Limits
    from nsa.runs.serve.server import serve
    from nsa.system.device import torch_threads
    from nsa.system.memory import available_memory

    opened, token = open_run(run), read_token(token_file)
    with listen(host, port, token) as listening, torch_threads(threads):
        detector = load(run, device or "auto", engine=engine)
        decisions = Decisions.of(opened.path, detector, fpr, mask_fpr, mask_share)
        limits = Limits(max_bytes, max_pixels, queue, available_memory() // 2)
        serve(
            opened, detector, decisions, listening, token, limits, batch_size=batch_size,
            max_wait=max_wait / 1000,
        )  # fmt: skip
