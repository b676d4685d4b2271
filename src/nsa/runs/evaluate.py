"""Judge a trained detector on a test set."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from nsa.detectors.detector import Detector, Scored, check_scores
from nsa.folder import AnyRun
from nsa.images import Contents, Dataset, LoadedTest, Sample, load_test_set
from nsa.metrics import au_pro, auroc, average_precision, f1_max
from nsa.report.examples import choose_examples
from nsa.report.grids import heat_map_grid
from nsa.runs.outputs import check_folder
from nsa.system.console import console
from nsa.system.files import make_folder, write_atomically, write_csv
from nsa.system.info import hardware, versions

Values = dict[str, float | None]
Scores = npt.NDArray[np.float32] | npt.NDArray[np.float64]
EXAMPLES = 8
_HEADING = b"path,defect,label,score"  # of the scores, perhaps with more columns
_METRICS, _FILES = "metrics.json", ("metrics.json", "scores.csv", "examples.png")


@dataclass(frozen=True)
class Judgement:
    """What a detector says of a test set in one protocol, and how right it is.

    Attributes:
        metrics: fractions by name; None where the test set does not allow it.
        reasons: metric -> why it is None.
        scores: (N,), in the order of the test samples.
        maps: float32 (N, H, W).
    """

    metrics: Values
    reasons: dict[str, str]
    scores: Scores
    maps: Tensor


@dataclass(frozen=True)
class Evaluation:
    """What a test set says about a detector.

    Attributes:
        whole: of whole images, as ``nsa predict`` judges them, with masks that keep every region.
        paper: in the paper's protocol (Section 4.1: the centre crop of objects, and masks reduced
            by nearest neighbour); the same object where that makes no difference.
        seconds: time the network and the metrics took.
        examples: indices of test images that show what the detector does.
        images, masks: the test set: uint8 (N, channels, H, W), and uint8 0/1 (N, H, W) with every
            region.
        map_low: what is normal in a map, for pictures of it.
        contents: what the test images hold.
        working_point: what a wanted false positive rate comes to, see
            :func:`nsa.runs.working_point.working_point`; None: no rate was asked for.
        spread: (N,), how uncertain each of the scores is; None: the detector does not say.
    """

    whole: Judgement
    paper: Judgement
    seconds: float
    examples: list[int]
    images: Tensor
    map_low: float
    masks: npt.NDArray[np.uint8]
    contents: Contents
    working_point: dict[str, Any] | None = None
    spread: Scores | None = None


def evaluate(detector: Detector, dataset: Dataset, loaded: LoadedTest | None = None) -> Evaluation:
    """Run a detector over the test images and compute all metrics the test set allows.

    Args:
        loaded: the test set at the size of ``detector``, where it is in memory already.

    Raises:
        InputError: an image or a mask cannot be read, or a mask does not fit its image.
    """
    test = dataset.test
    if loaded is None:
        loaded = load_test_set(
            test, detector.size, detector.channels, console.is_terminal, detector.levels
        )
    images, masks = loaded.images, loaded.masks
    start = time.perf_counter()
    names = [sample.path for sample in test]
    scored = detector.score(images)
    check_scores(scored, names)
    whole = paper = _judge(test, scored, masks)
    published = detector.score_as_published(images)
    if published is not None:
        check_scores(published, names)
    if published is not None or not np.array_equal(masks, loaded.published_masks):
        paper = _judge(test, published or scored, loaded.published_masks)
    seconds = time.perf_counter() - start
    defects, scores = [sample.defect for sample in test], whole.scores.tolist()
    return Evaluation(
        whole, paper, seconds, choose_examples(defects, scores, EXAMPLES) if test else [],
        images, detector.map_range[0], masks, loaded.contents,
        spread=None if scored.spread is None else scored.spread.numpy(),
    )  # fmt: skip


def _judge(test: list[Sample], scored: Scored, masks: npt.NDArray[np.uint8]) -> Judgement:
    scores = scored.scores.numpy()
    return Judgement(
        *compute_metrics(test, scores, scored.maps.numpy(), masks), scores, scored.maps
    )


def compute_metrics(
    test: list[Sample],
    scores: Scores,
    maps: npt.NDArray[np.float32],
    masks: npt.NDArray[np.uint8],
) -> tuple[Values, dict[str, str]]:
    """All metrics that make sense for a test set, and why the others do not.

    Defective images without a mask count for the image metrics only.

    Args:
        test: N samples.
        scores: (N,).
        maps, masks: (N, H, W).
    """
    defective = np.array([not sample.is_good for sample in test], dtype=bool)
    unmarked = np.array([not s.is_good and s.mask is None for s in test], dtype=bool)
    image_reason = _why_not(len(test), defective)
    pixel_reason = image_reason if not defective.any() else None
    maps, masks = maps[~unmarked], masks[~unmarked]
    if pixel_reason is None and not masks.any():
        pixel_reason = "no defective test image has a mask"
    metrics: dict[str, tuple[str | None, Callable[[], float]]] = {
        "image_auroc": (image_reason, lambda: auroc(defective, scores)),
        "pixel_auroc": (pixel_reason, lambda: auroc(masks, maps)),
        "au_pro": (pixel_reason, lambda: au_pro(masks, maps)),
        "image_average_precision": (image_reason, lambda: average_precision(defective, scores)),
        "image_f1_max": (image_reason, lambda: f1_max(defective, scores)[0]),
        "pixel_average_precision": (pixel_reason, lambda: average_precision(masks, maps)),
    }
    with ThreadPoolExecutor() as pool:  # they sort and count, which needs no lock
        running = {name: pool.submit(run) for name, (why, run) in metrics.items() if why is None}
        values = {name: running[name].result() if name in running else None for name in metrics}
    return values, {name: reason for name, (reason, _) in metrics.items() if reason}


def _why_not(count: int, defective: npt.NDArray[np.bool_]) -> str | None:
    if not count:
        return "there are no test images"
    if not defective.any():
        return "no test image is defective"
    return "no test image is normal" if defective.all() else None


def check_output(run: AnyRun, dataset: Dataset, folder: Path, *, overwrite: bool) -> None:
    """Check before any work that the results may be written into another folder than the run's.

    Args:
        folder: new, or empty.
        overwrite: replace the results of an earlier call.

    Raises:
        InputError: the folder cannot be used.
    """
    # Of a call that was killed there are the scores alone.
    marks = {_METRICS: b'"not_computed"', "scores.csv": _HEADING}
    paths = [(folder / name, mark) for name, mark in marks.items()]
    there = {path.name: mark in path.read_bytes() for path, mark in paths if path.is_file()}
    ours = any(there.values()) and not (folder / "config.yaml").exists()
    earlier = [name for name in _FILES if there.get(name, True)] if ours else []
    read = [path for one in dataset.test for path in (one.path, one.mask) if path is not None]
    check_folder(folder, _FILES, earlier, [*read, *run.path.iterdir()], overwrite=overwrite)
    make_folder(folder)


def write_evaluation(
    run: AnyRun,
    evaluation: Evaluation,
    dataset: Dataset,
    times: dict[str, float],
    folder: Path | None = None,
) -> None:
    """Write ``metrics.json``, ``scores.csv`` and ``examples.png`` into a run's folder.

    Args:
        times: of the training, to go into the metrics.
        folder: write here instead.

    Raises:
        InputError: the folder cannot be written to.
    """
    folder = folder or run.path
    test = dataset.test
    if test:
        columns: dict[str, list[Any]] = {
            "path": [sample.path for sample in test],
            "defect": [sample.defect for sample in test],
            "label": [int(not sample.is_good) for sample in test],
            "score": evaluation.whole.scores.tolist(),
        }
        if evaluation.spread is not None:
            columns["spread"] = evaluation.spread.tolist()
        write_csv(folder / "scores.csv", tuple(columns), zip(*columns.values(), strict=True))
        chosen = evaluation.examples
        images, masks = list(evaluation.images[chosen]), list(evaluation.masks[chosen])
        scores = evaluation.whole.scores[chosen].tolist()
        titles = [test[index].defect.replace("_", " ") for index in chosen]
        picture = folder / "examples.png"
        maps = list(evaluation.whole.maps[chosen].numpy())
        heat_map_grid(images, masks, maps, scores, titles, picture, low=evaluation.map_low)
    point = evaluation.working_point
    report: dict[str, Any] = {
        **evaluation.whole.metrics,
        "paper_protocol": evaluation.paper.metrics,
        "not_computed": evaluation.whole.reasons,
        "test_images": {
            "normal": sum(sample.is_good for sample in test),
            "defective": sum(not sample.is_good for sample in test),
            "masks": sum(sample.mask is not None for sample in test),
        },
        **({} if point is None else {"working_point": point}),
        "times": {**times, "evaluation_seconds": evaluation.seconds},
        "configuration": {**run.places, **run.settings.to_dict()},
        "hardware": hardware(),
        "versions": versions(),
    }
    write_atomically(folder / _METRICS, json.dumps(report, indent=2) + "\n")
