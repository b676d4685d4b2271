"""Show what the network is trained on: the paper's Figure 2 for any category."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nsa.images import load_images, open_dataset
from nsa.images.augment import augment
from nsa.report.grids import synthesis_grid
from nsa.report.methods import Examples, method_grid
from nsa.runs.automatic import suggest_settings
from nsa.settings.config import SynthesisConfig, replace
from nsa.settings.methods import METHODS, needs_object_masks, title
from nsa.settings.options import merge_options, resolve
from nsa.synthesis import NSA
from nsa.training.schedule import AUGMENTATION, SYNTHESIS, derive_seed

ALL = "all"  # in place of a method's name
_COUNT, _COUNT_OF_ALL = 8, 4


def synthesize(
    options: dict[str, Any], count: int | None, output: Path, config: Path | None = None
) -> Path:
    """Write a grid of original, synthetic anomaly and label, or one of all methods.

    Args:
        options: as for :func:`nsa.runs.train.train`; ``method`` may be ``"all"``.
        count: number of examples, at least 2; None: 8, or 4 of all methods.
        output: PNG file to write.
        config: a YAML file with further options.

    Raises:
        InputError: an option or image cannot be used.
    """
    merged = merge_options(options, config)
    compare = merged.get("method") == ALL
    if compare:
        merged["method"] = "nsa"
    if count is None:
        count = _COUNT_OF_ALL if compare else _COUNT
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
    if not compare:
        examples = _examples(originals, settings.synthesis, seed)
        return synthesis_grid(
            list(originals), list(examples.anomalies), list(examples.labels), output
        )
    configs = [replace(settings.synthesis, method=name) for name in METHODS]
    if not needs_object_masks(settings.synthesis):
        # Without a plain background this ablation is NSA itself.
        configs = [config for config in configs if config.method != "no_object_masks"]
    return method_grid(
        list(originals), [_examples(originals, config, seed) for config in configs], output
    )


def _examples(originals: Tensor, config: SynthesisConfig, seed: int) -> Examples:
    nsa = NSA(config)
    anomalies, labels = nsa.synthesize(originals, nsa.plan(originals, derive_seed(seed, SYNTHESIS)))
    return Examples(title(config), list(anomalies), list(labels))
