"""Show what the network is trained on: the paper's Figure 2 for any category."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from nsa.detectors.network.automatic import settle
from nsa.detectors.network.request import NetworkRequest
from nsa.errors import InputError
from nsa.images import open_dataset
from nsa.images.augment import augment
from nsa.images.full_size import load_to_train_on
from nsa.images.light import relight
from nsa.plan.light import draw_lights
from nsa.report.canvas import SYNTHESIS_TITLE
from nsa.report.grids import synthesis_grid
from nsa.report.methods import Examples, method_grid
from nsa.runs.outputs import check_file
from nsa.settings.config import SynthesisConfig
from nsa.settings.fields import replace
from nsa.settings.methods import METHODS
from nsa.synthesis import NSA
from nsa.training.schedule import AUGMENTATION, LIGHT, SYNTHESIS, derive_seed

_COUNT, _COUNT_OF_ALL = 8, 4


def synthesize(
    request: NetworkRequest,
    output: Path,
    count: int | None = None,
    *,
    every_method: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write a grid of original, synthetic anomaly and label, or one of all methods.

    Originals are in their own light, anomalies in that in which the training sees them, those of
    all methods in their own again.

    Args:
        request: images and settings, as for a training.
        output: PNG file to write.
        count: number of examples, at least 2; None: 8, or 4 of all methods.
        every_method: all methods, whatever the request says.
        overwrite: replace what an earlier call wrote there.

    Raises:
        InputError: an option or image cannot be used, or the file cannot be written or is there.
    """
    if count is None:
        count = _COUNT_OF_ALL if every_method else _COUNT
    dataset = open_dataset(request.data_root, request.category, request.normal_dir)
    samples = [*dataset.train, *dataset.test]
    read = [path for one in samples for path in (one.path, one.mask) if path is not None]
    check_file(output, SYNTHESIS_TITLE.encode(), read, overwrite=overwrite)
    if output.suffix.lower() != ".png":
        raise InputError(f"What is written is a PNG file; let the name {output} end in .png.")
    settings = settle(request, dataset)
    seed = settings.training.seed
    order = torch.randperm(
        len(dataset.train),
        generator=torch.Generator("cpu").manual_seed(derive_seed(seed, 0)),
        device="cpu",
    )
    paths = [dataset.train[index].path for index in order[:count].tolist()]
    images = load_to_train_on(paths, settings.images, progress=False)
    originals = augment(images, settings.images, seed=derive_seed(seed, AUGMENTATION))
    if not every_method:
        anomalies, labels = _blended(originals, settings.synthesis, seed)
        lights = draw_lights(settings.images, len(originals), derive_seed(seed, LIGHT))
        if lights is not None:
            anomalies = relight(anomalies, lights)
        return synthesis_grid(list(originals), list(anomalies), list(labels), output)
    configs = [replace(settings.synthesis, method=name, mixture={}) for name in METHODS]
    if settings.synthesis.mask_background is None:
        # Without a plain background this ablation is NSA itself.
        configs = [config for config in configs if config.method != "no_object_masks"]
    # Nor is there a row more for NSA with the gradients that it has anyway.
    configs = [config for config in configs if config.method != f"nsa_{config.gradients}"]
    made = [(config.title, *_blended(originals, config, seed)) for config in configs]
    rows = [Examples(title, list(anomalies), list(labels)) for title, anomalies, labels in made]
    return method_grid(list(originals), rows, output)


def _blended(originals: Tensor, config: SynthesisConfig, seed: int) -> tuple[Tensor, Tensor]:
    nsa = NSA(config)
    return nsa.synthesize(originals, nsa.plan(originals, derive_seed(seed, SYNTHESIS)))
