"""The command ``nsa train``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsa.cli.options import options_of, with_options
from nsa.cli.results import print_results
from nsa.detectors.registry import method_of, read_request, train_options
from nsa.errors import InputError
from nsa.loggers import need_loggers
from nsa.settings.options import CLUSTER, Request, option, parse_seeds
from nsa.system.console import console
from nsa.system.mirror import fetch
from nsa.system.places import named
from nsa.system.sending import begin


@dataclass(frozen=True, kw_only=True)
class HowToTrain(Request):
    """What decides about the command, not about a training."""

    resume: Path | None = option("Continue, or complete, the run in this folder.")
    jobs_per_device: int | None = option(
        "Trainings at once on every GPU, or on the CPU, of several. [default: 1]", low=1, high=64
    )
    seeds: tuple[int, ...] | None = option(
        "Train each category with several: how many (3 means 0, 1 and 2), or a list by commas such "
        "as 0,7. Each training has a folder of its own below --output.",
        parse=parse_seeds,
    )
    cluster: str | None = option(CLUSTER)
    config: Path | None = option(
        "YAML file with these options by name (underscores), and sections for every other setting, "
        "as the config.yaml of a run has them; the command line wins."
    )
    profile: bool = option(
        "Print where a step's time goes; write trace.json for Chrome or Perfetto.",
        default=False,
        flags=("--profile",),
    )


@with_options(train_options(), options_of(HowToTrain))
def train_command(**given: Any) -> None:
    """Train on normal images, then evaluate on the test set if there is one.

    Without --data-root and --normal-dir it draws a demo set first and trains on that. Ctrl-C saves,
    and so do SIGTERM and a connection that closes; --resume continues to the same result, or with
    --epochs to another end, and draws what is missing of a finished run.

    --resume-from trains a finished run further, into a new one: with --verdicts also on images that
    were judged good on the review page, such as false alarms.

    Folders and files may be at URLs, such as s3://bucket/folder: images are copied to this machine,
    once and where they have changed, and the run is sent to the --output.

    torchrun --nproc-per-node N -m nsa.train ... trains one network on N GPUs, with the result of
    one. --category all --jobs-per-device N trains several networks at once on every GPU, and
    --seeds 3 each of them three times; whatever has ended that, the same command with the same
    --output continues it.
    """
    from nsa.runs.demo import use_demo_data
    from nsa.runs.several.trainings import find, have_begun
    from nsa.runs.train import follow, resume, train
    from nsa.training.distributed import join

    how = HowToTrain.read({name: given.pop(name) for name in HowToTrain.options() if name in given})
    if how.resume is not None and ("output" in given or how.config is not None):
        raise InputError("--resume continues a run as it began; leave out --output and --config.")
    # What continues is of its own method, whatever the default is.
    method, goes_on = None, how.resume or given.get("resume_from")
    if goes_on is not None and (fetch(goes_on) / "config.yaml").is_file():
        method = method_of(goes_on)
    request = read_request(given, how.config, method)
    with join() as ranks:
        if not ranks.leads:
            follow(request, ranks)
            return
        need_loggers(request.loggers())  # once, where there are many trainings
        if request.output is not None:
            # Before images are fetched and examined.
            begin(request.output, overwrite=have_begun(request.output))
        if how.seeds and how.resume is None:
            request = use_demo_data(request)
        many = None
        if request.resume_from is None or how.seeds:
            many = find(
                request, how.resume, how.seeds or (), ranks,
                cluster=how.cluster, profile=how.profile,
            )  # fmt: skip
        if many is not None:
            many.train(how.jobs_per_device, how.cluster)
            console.print(f"Results are in {named(many.folder)}", soft_wrap=True)
            return
        for name in ("jobs_per_device", "cluster"):
            if getattr(how, name) is not None:
                raise InputError(
                    f"--{name.replace('_', '-')} is for several trainings; name several "
                    "categories, as in --category a,b or --category all with --data-root, or "
                    "several --seeds, or leave it out."
                )
        if how.resume is not None:
            trained = resume(how.resume, request, ranks, profile=how.profile)
        else:
            trained = train(use_demo_data(request), ranks, profile=how.profile)
    print_results(trained.evaluation, trained.run.settings.category)
    console.print(f"Results are in {named(trained.run.path)}", soft_wrap=True)
