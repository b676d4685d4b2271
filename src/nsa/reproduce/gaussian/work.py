"""One job of the Gaussian detector's paper, or one fold; a finished fold is never done again."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsa.errors import InputError
from nsa.gaussian.baselines import (
    AutoencoderDetector,
    OneClassSVMDetector,
    component_scores,
    smallest_area,
    validate_fold,
)
from nsa.gaussian.detector import GaussianDetector
from nsa.gaussian.features import as_dtype
from nsa.gaussian.folds import column_aurocs, fold_rows
from nsa.gaussian.pipelines import pipeline_for
from nsa.images import Dataset, load_images, load_mask, open_dataset
from nsa.images.levels import find_levels
from nsa.metrics import auroc
from nsa.model.pretrained import load_network
from nsa.reproduce.evidence import roc_at_rates
from nsa.reproduce.gaussian.features import (
    augmented_train_features,
    category_features,
    forget_passes,
)
from nsa.reproduce.gaussian.job import GaussianJob
from nsa.reproduce.gaussian.systems import (
    AUGMENTED_APPROACHES,
    AUTOENCODER_APPROACHES,
    ONE_CLASS_SVM,
    PLAIN_APPROACHES,
    SUPERVISED,
    Approach,
    by_current_names,
)
from nsa.reproduce.gaussian.working_points import sigma_rates, working_level
from nsa.reproduce.request import ReproduceRequest
from nsa.settings.config import Levels
from nsa.system.console import console
from nsa.system.files import make_folder, write_atomically
from nsa.system.interrupt import Interrupted
from nsa.system.lock import SECONDS_TO_SAVE, FolderLock
from nsa.system.readers import read_json

_log = logging.getLogger("nsa")

Fold = dict[str, Any]
"""What one fold says: ``aurocs`` by approach (levels and sum, or one value), and where they make
sense ``rates`` and ``dimensions`` by approach and ``curve``, the first approach's ROC curve; of
what is trained also ``seconds``, since each may have been done elsewhere."""
_FoldJudge = Callable[[int], Fold]


@dataclass(frozen=True)
class _Work:
    job: GaussianJob
    dataset: Dataset
    defective: npt.NDArray[np.bool_]
    output: Path
    folder: Path
    device: torch.device

    @cached_property
    def levels(self) -> Levels | None:
        """By which images of more than 8 bits are read."""
        return find_levels([sample.path for sample in self.dataset.train])

    def images(self, paths: Sequence[Path], channels: int = 3) -> Tensor:
        return load_images(paths, self.job.size, channels, console.is_terminal, levels=self.levels)


def read_fold(output: Path, job: GaussianJob, number: int) -> Fold | None:
    """A fold that a results folder has; None: it is not there yet, or damaged."""
    try:
        saved = read_json(_fold_path(output, job, number))
    except InputError:
        return None
    return {
        what: by_current_names(values) if isinstance(values, dict) else values
        for what, values in saved.items()
    }


def run_fold(
    job: GaussianJob, number: int, request: ReproduceRequest, device: torch.device
) -> None:
    """See :meth:`nsa.reproduce.job.Part.run`; 0 is the first fold."""
    work = _begin(job, request, device)
    try:
        judge, _ = _TASKS[job.system.task](work)
        _fold(work, number, judge)
    except KeyboardInterrupt:
        raise Interrupted(f"Stopped fold {number} of {job.name}; it begins again.") from None


def run_job(job: GaussianJob, request: ReproduceRequest, device: torch.device) -> dict[str, Any]:
    """See :meth:`nsa.reproduce.job.Job.run`."""
    start = time.perf_counter()
    work = _begin(job, request, device)
    defective = work.defective
    # A worker whose command was killed may be at it until it has saved.
    with FolderLock(work.folder, wait=SECONDS_TO_SAVE):
        try:
            judge, source = _TASKS[job.system.task](work)
            folds = [_fold(work, number, judge) for number in range(job.folds)]
        except KeyboardInterrupt:
            raise Interrupted(f"Stopped {job.name}; its finished folds are saved.") from None
        forget_passes(work.folder)
    aurocs = _gather(folds, "aurocs")
    first = next(iter(aurocs.values()))
    curves = [fold["curve"] for fold in folds if "curve" in fold]
    seconds = time.perf_counter() - start
    if job.system.is_trained:
        # Those of an earlier version do not say it.
        seconds = sum(fold.get("seconds", 0.0) for fold in folds)
    return {
        "device": device.type,
        "weights": source,
        "metrics": {
            "paper": {"image_auroc": float(np.mean([row[-1] for row in first]))},
            "aurocs": aurocs,
            "rates": _gather(folds, "rates"),
            "dimensions": _gather(folds, "dimensions"),
        },
        "test_images": {
            "normal": int((~defective).sum()),
            "defective": int(defective.sum()),
        },
        "times": {"training_seconds": seconds},
        "curves": {"image_roc": np.mean(curves, axis=0).round(4).tolist()} if curves else {},
        "cases": [],
    }


def _begin(job: GaussianJob, request: ReproduceRequest, device: torch.device) -> _Work:
    """What a job works on, with its folder.

    Raises:
        InputError: its images allow no AUROC, or its folder cannot be made.
    """
    dataset = open_dataset(request.data_root, job.category)
    defective = np.array([not sample.is_good for sample in dataset.test], dtype=bool)
    if not defective.any() or defective.all():
        raise InputError(
            f"The test set of {job.category} needs normal and defective images for an AUROC."
        )
    folder = _folder(request.output, job)
    make_folder(folder)
    return _Work(job, dataset, defective, request.output, folder, device)


def _folder(output: Path, job: GaussianJob) -> Path:
    return output / "runs" / job.name


def _fold_path(output: Path, job: GaussianJob, number: int) -> Path:
    return _folder(output, job) / f"fold-{number}.json"


def _gather(folds: Sequence[Fold], what: str) -> dict[str, list[Any]]:
    """approach -> a value per fold."""
    return {name: [fold[what][name] for fold in folds] for name in folds[0].get(what, {})}


def _fold(work: _Work, number: int, judge: _FoldJudge) -> Fold:
    """A fold of a job, from its folder where it is finished; one process at a time is at it."""
    with FolderLock(work.folder, wait=SECONDS_TO_SAVE, part=f"fold-{number}"):
        fold = read_fold(work.output, work.job, number)
        if fold is None:
            start = time.perf_counter()
            fold = judge(number)
            if work.job.system.is_trained:
                fold["seconds"] = time.perf_counter() - start
            write_atomically(_fold_path(work.output, work.job, number), json.dumps(fold))
    return fold


def _features(work: _Work) -> tuple[_FoldJudge, str]:
    found = category_features(work.job, work.dataset, work.output, work.device, work.levels)
    rows = list(fold_rows(len(found.train[0]), work.job.folds, seed=work.job.seed))

    def judge(fold: int) -> Fold:
        train = [level[rows[fold]] for level in found.train]
        return _judge(work, PLAIN_APPROACHES, train, found.test)

    return judge, found.source


def _augmented(work: _Work) -> tuple[_FoldJudge, str]:
    found = category_features(work.job, work.dataset, work.output, work.device, work.levels)
    copies = augmented_train_features(work.job, work.dataset, work.folder, work.device, work.levels)
    count, passes = len(found.train[0]), work.job.epochs
    rows = list(fold_rows(count, work.job.folds, passes=passes, seed=work.job.seed))

    def judge(fold: int) -> Fold:
        train = [level[rows[fold]] for level in copies]
        return _judge(work, AUGMENTED_APPROACHES, train, found.test, rates=True)

    return judge, found.source


def _judge(
    work: _Work,
    approaches: Sequence[Approach],
    train: list[Tensor],
    test: list[Tensor],
    rates: bool = False,
) -> Fold:
    """Fit every approach on ``train`` and judge it on ``test``."""
    bad = work.defective
    good = [level[torch.from_numpy(~bad)] for level in test]
    defects = [level[torch.from_numpy(bad)] for level in test]
    fold: Fold = {"aurocs": {}, "rates": {}, "dimensions": {}}
    for approach in approaches:
        if approach == ONE_CLASS_SVM:
            scores = OneClassSVMDetector().fit(train).level_scores(test)
        else:
            detector = GaussianDetector(distribution=approach).fit(train)
            scores = detector.level_scores(test)
            fold["dimensions"][approach] = [level.dimensions for level in detector.levels]
            if rates:
                level = working_level(work.job.system.network)
                found = sigma_rates(detector, good, defects, level)
                fold["rates"][approach] = [[row.fpr, row.tpr] for row in found]
        fold["aurocs"][approach] = column_aurocs(scores, bad)
        if approach == approaches[0]:
            fold["curve"] = _curve(scores.sum(1), bad)
    return fold


def _autoencoder(work: _Work) -> tuple[_FoldJudge, str]:
    job, test = work.job, work.dataset.test

    @cache
    def load() -> tuple[Tensor, Tensor, int | None]:
        """Training and test images, and the area of the smallest anomaly."""
        images = work.images([sample.path for sample in work.dataset.train])
        seen = work.images([sample.path for sample in test])
        masks = [load_mask(s.mask, job.size, s.path, "nearest") for s in test if s.mask]
        area = smallest_area(masks) if any(mask.any() for mask in masks) else None
        if area is None:
            _log.warning("%s has no masks, so no size of the smallest anomaly.", job.category)
        return images, seen, area

    def judge(fold: int) -> Fold:
        images, seen, area = load()
        rows = list(fold_rows(len(images), job.folds, seed=job.seed))
        detector = AutoencoderDetector(
            job.size, 3, seed=job.seed, device=work.device, precision=as_dtype(job.precision)
        )
        detector.fit(images[rows[fold]], epochs=job.epochs, augmentation=pipeline_for(job.category))
        maps = detector.maps(seen)
        mean = maps.double().mean((1, 2))
        aurocs = {AUTOENCODER_APPROACHES[0]: [auroc(work.defective, mean)]}
        if area is not None:
            scores = component_scores(maps.numpy(), area)
            aurocs[AUTOENCODER_APPROACHES[1]] = [auroc(work.defective, scores)]
        return {"aurocs": aurocs, "curve": _curve(mean, work.defective)}

    return judge, "trained from its initial weights"


def _supervised(work: _Work) -> tuple[_FoldJudge, str]:
    job, samples = work.job, [*work.dataset.train, *work.dataset.test]
    levels = load_network(job.system.network, job.weights, job.seed)
    load = cache(lambda: work.images([sample.path for sample in samples], levels.channels))
    labels = np.array([not sample.is_good for sample in samples])

    def judge(fold: int) -> Fold:
        reached = validate_fold(
            load(), labels, fold, job.system.network, job.weights, folds=job.folds,
            epochs=job.epochs, augmentation=pipeline_for(job.category), seed=job.seed,
            device=work.device, precision=as_dtype(job.precision),
        )  # fmt: skip
        return {"aurocs": {SUPERVISED: [reached]}}

    return judge, levels.source


def _curve(scores: Tensor, defective: npt.NDArray[np.bool_]) -> list[float]:
    values = scores.numpy()
    return roc_at_rates(normal=values[~defective], defective=values[defective])


# What judges a fold of a job, and where its weights come from. What is trained loads its images
# with the first fold that is to be done, so that it costs nothing to gather finished ones.
_TASKS: dict[str, Callable[[_Work], tuple[_FoldJudge, str]]] = {
    "features": _features,
    "augmented": _augmented,
    "autoencoder": _autoencoder,
    "supervised": _supervised,
}
