"""Show what the network is trained on: the paper's Figure 2 for any category."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from nsa.automatic import suggest_settings
from nsa.images import augment, load_images, open_dataset
from nsa.report import synthesis_grid
from nsa.settings import merge_options, resolve
from nsa.synthesis import NSA
from nsa.training.schedule import AUGMENTATION, SYNTHESIS, derive_seed


def synthesize(
    options: dict[str, Any], count: int, output: Path, config: Path | None = None
) -> Path:
    """Write a grid of original, synthetic anomaly and label.

    Args:
        options: as for :func:`nsa.train.train`.
        count: number of examples, at least 2.
        output: PNG file to write.
        config: a YAML file with further options.

    Raises:
        InputError: an option or image cannot be used.
    """
    merged = merge_options(options, config)
    dataset = open_dataset(
        merged.get("data_root"), merged.get("category"), merged.get("normal_dir")
    )
    settings = resolve(merged, dataset.name, lambda: suggest_settings(dataset, merged.get("kind")))
    seed = settings.training.seed
    order = torch.randperm(
        len(dataset.train), generator=torch.Generator().manual_seed(derive_seed(seed, 0))
    )
    paths = [dataset.train[index].path for index in order[:count].tolist()]
    images = load_images(paths, settings.images.size, settings.images.channels, progress=False)
    originals = augment(images, settings.images, seed=derive_seed(seed, AUGMENTATION))
    nsa = NSA(settings.synthesis)
    anomalies, labels = nsa.synthesize(originals, nsa.plan(originals, derive_seed(seed, SYNTHESIS)))
    return synthesis_grid(list(originals), list(anomalies), list(labels), output)
