"""Features of a category in a results folder: extracted once, shared by the jobs that need them."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nsa.errors import InputError
from nsa.gaussian.augmented_images import augmented_features
from nsa.gaussian.features import FeatureExtractor, Features, as_dtype
from nsa.gaussian.pipelines import pipeline_for
from nsa.images import Dataset, load_images
from nsa.model.backbones import NETWORKS
from nsa.model.weights import read_tensors, write_tensors
from nsa.reproduce.gaussian.job import GaussianJob
from nsa.settings.config import Levels
from nsa.system.console import console
from nsa.system.files import make_folder, remove

_log = logging.getLogger("nsa")

_PASSES_A_FILE = 10


@dataclass(frozen=True)
class CategoryFeatures:
    """What a network sees in a category.

    Attributes:
        train, test: one float32 tensor (images, channels) per level.
        source: where the network's weights come from, in words.
    """

    train: Features
    test: Features
    source: str


def category_features(
    job: GaussianJob,
    dataset: Dataset,
    output: Path,
    device: torch.device,
    levels: Levels | None = None,
) -> CategoryFeatures:
    """The features of the training and test images, from ``output/features`` where they are.

    Two processes that want the same ones at the same time both extract them: that costs time, but
    the file is the same and is written in one step.

    Args:
        levels: by which images of more than 8 bits are read.

    Raises:
        InputError: the weights or an image cannot be used, or the file cannot be written.
    """
    name = f"{job.category}-{job.system.network}-{_key(job, levels)}.safetensors"
    path = output / "features" / name
    found = _read(path, 2 * len(NETWORKS[job.system.network].channels))
    if found is not None:
        tensors, source = found
        half = len(tensors) // 2
        return CategoryFeatures(tensors[:half], tensors[half:], source)
    extractor = _extractor(job, device)
    parts = []
    for samples in (dataset.train, dataset.test):
        paths = [sample.path for sample in samples]
        images = load_images(
            paths, job.size, extractor.network.channels, console.is_terminal, levels=levels
        )
        parts.append(extractor(images))
    make_folder(path.parent)
    _write(path, [*parts[0], *parts[1]], extractor.network.source)
    return CategoryFeatures(parts[0], parts[1], extractor.network.source)


def augmented_train_features(
    job: GaussianJob,
    dataset: Dataset,
    folder: Path,
    device: torch.device,
    levels: Levels | None = None,
) -> Features:
    """Features of ``job.epochs`` augmented copies of the training images, pass by pass.

    Ten passes at a time are kept in ``folder``, from where an interrupted job goes on.

    Raises:
        InputError: as in :func:`category_features`.
    """
    channels, count = NETWORKS[job.system.network].channels, len(dataset.train)
    features = [torch.empty(job.epochs * count, width) for width in channels]
    extractor: FeatureExtractor | None = None
    images = torch.empty(0)
    for first in range(0, job.epochs, _PASSES_A_FILE):
        passes = min(_PASSES_A_FILE, job.epochs - first)
        path = folder / f"passes-{first:04d}.safetensors"
        found = _read(path, len(channels))
        if found is None:
            if extractor is None:
                extractor = _extractor(job, device)
                paths = [sample.path for sample in dataset.train]
                images = load_images(
                    paths, job.size, extractor.network.channels, False, levels=levels
                )
            part = augmented_features(
                extractor, images, pipeline_for(job.category),
                passes=passes, first=first, seed=job.seed,
            )  # fmt: skip
            _write(path, part, extractor.network.source)
        else:
            part = found[0]
        for level, values in zip(features, part, strict=True):
            level[first * count : (first + passes) * count] = values
    return features


def forget_passes(folder: Path) -> None:
    """Remove what :func:`augmented_train_features` kept: a hundred passes are hundreds of MB."""
    for path in folder.glob("passes-*.safetensors"):
        remove(path)


def _extractor(job: GaussianJob, device: torch.device) -> FeatureExtractor:
    return FeatureExtractor.load(
        job.system.network, job.weights, seed=job.seed, device=device,
        precision=as_dtype(job.precision),
        progress=console.is_terminal,
    )  # fmt: skip


def _key(job: GaussianJob, levels: Levels | None) -> str:
    """A hash of everything that decides about the features, apart from the images."""
    identity: list[object] = [job.weights, job.digest, list(job.size), job.precision]
    identity += [job.seed] if job.weights == "random" else []
    identity += [] if levels is None else [levels]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]


def _write(path: Path, tensors: list[Tensor], source: str) -> None:
    named = {f"{number:03d}": tensor for number, tensor in enumerate(tensors)}
    write_tensors(path, named, {"source": source})


def _read(path: Path, count: int) -> tuple[list[Tensor], str] | None:
    """``count`` tensors and the weights' source; None where there is no intact file."""
    if not path.is_file():
        return None
    try:
        named, metadata = read_tensors(path)
    except InputError as error:
        _log.warning("%s It is made again.", error)
        return None
    if len(named) != count or "source" not in metadata:
        return None
    return [named[name] for name in sorted(named)], metadata["source"]
