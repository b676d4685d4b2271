"""The command ``nsa predict``."""

from __future__ import annotations

from typing import Annotated

import typer

from nsa.cli.bulk import is_bulk, judge_in_bulk, refuse_pictures
from nsa.cli.options import (
    Device,
    Engine,
    Fpr,
    Ignore,
    MaskFpr,
    MaskShare,
    Overwrite,
    Review,
    RunFolder,
)


def predict_command(
    run: RunFolder,
    images: Annotated[
        list[str],
        typer.Argument(
            help="Image files, or folders of images; with --format parquet folders with all that "
            "lie below them."
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            help="New folder for scores.csv and the pictures; with --format parquet it may hold "
            "what an earlier call scored."
        ),
    ],
    context: typer.Context,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="csv, with pictures; or parquet, tables for millions of images at constant "
            "memory, which another call continues. \\[default: csv]",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Judge on the machines of a Ray cluster, which see RUN and the images by the same "
            "paths: auto, the one that this machine is of, or HOST:PORT. Means --format parquet."
        ),
    ] = None,
    fpr: Fpr = None,
    mask_fpr: MaskFpr = None,
    mask_share: MaskShare = None,
    ignore: Ignore = None,
    device: Device = None,
    engine: Engine = "torch",
    save_maps: Annotated[
        bool, typer.Option("--save-maps", help="Also write each map, at its image's own size.")
    ] = False,
    save_spread: Annotated[
        bool,
        typer.Option(
            "--save-spread",
            help="Also write how far the members of an ensemble disagree at each pixel, the same.",
        ),
    ] = False,
    map_format: Annotated[
        str | None,
        typer.Option(
            help="Of maps: npy, float32, or tiff16, float16 in a TIFF as the server of MVTec AD 2 "
            "wants it. \\[default: npy]"
        ),
    ] = None,
    overlays: Annotated[
        bool, typer.Option("--overlays/--no-overlays", help="Write heat map pictures.")
    ] = True,
    review: Review = True,
    overwrite: Overwrite = False,
) -> None:
    """Score images and draw heat maps over them, at their own resolution.

    Every image is called normal or anomalous, by the images that the training held out or those of
    nsa calibrate, and its defective pixels are outlined; with --mask-fpr or --mask-share a mask has
    them, too. scores.csv
    names the picture of each image and is there when all is done; what is scored until then, or
    until Ctrl-C, is in scores.partial.csv. Files that cannot be read are listed in unreadable.csv.

    With --format parquet folders are searched with all that lie below them, and there are no
    pictures but two tables: scores/*.parquet, a row an image, and unreadable/*.parquet. The same
    command continues after whatever has ended it, and judges what is new or has changed. Rows of
    files that are gone, and of images that other calls named, stay in the tables.

    RUN, images and --output may be URLs, such as s3://bucket/folder.
    """
    if is_bulk(form, cluster):
        refuse_pictures(context)
        judge_in_bulk(
            run, images, output, cluster, fpr=fpr, ignore=ignore, device=device, engine=engine,
            overwrite=overwrite,
        )  # fmt: skip
        return
    from nsa.detectors.registry import load, open_run
    from nsa.runs.outputs import begin_results
    from nsa.runs.predict import predict
    from nsa.system.places import as_path
    from nsa.system.sending import sending

    paths, folder = [as_path(one) for one in images], as_path(output)
    begin_results(folder, overwrite=overwrite)
    opened, detector = open_run(run), load(run, device or "auto", engine=engine)
    with sending(folder, ("scores.csv",)):
        predict(
            opened, detector, paths, folder, fpr=fpr, mask_fpr=mask_fpr, mask_share=mask_share,
            save_maps=save_maps, save_spread=save_spread, map_format=map_format, overlays=overlays,
            review=review, overwrite=overwrite, ignore=ignore,
        )  # fmt: skip
