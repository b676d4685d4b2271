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

from nsa.detectors.detector import Detector, Scored, check_scores, enlarge
from nsa.folder import AnyRun
from nsa.images import Contents, Dataset, LoadedTest, Sample, load_test_set, read_image
from nsa.images.decode import own_shapes
from nsa.images.ignored import Ignored
from nsa.images.load import worker_count
from nsa.images.stream import Pixels
from nsa.images.test_set import MaskFindings
from nsa.metrics import PixelMetrics
from nsa.report.grids import heat_map_grid
from nsa.report.review import ReviewPage
from nsa.runs.decisions import Decisions, decided
from nsa.runs.examples import Example, chosen_examples, drawable
from nsa.runs.ignoring import ignored_of
from nsa.runs.judging import judge_samples
from nsa.runs.measures import (
    SEGMENTATION,
    Scores,
    Values,
    compute_metrics,
    is_marked,
    streamed_metrics,
)
from nsa.runs.outputs import check_folder
from nsa.runs.review import REVIEW
from nsa.system.console import console
from nsa.system.files import make_folder, write_atomically, write_csv
from nsa.system.info import hardware, versions
from nsa.system.progress import progress_bar

_HEADING = b"path,defect,label,"  # of the scores, with more columns
_METRICS, _FILES = "metrics.json", ("metrics.json", "scores.csv", "examples.png", REVIEW)

# Number of a test image, uint8 (H, W, channels), map (H, W), raw score; from any thread.
Each = Callable[[int, Pixels, npt.NDArray[np.float32], float], None]


@dataclass(frozen=True)
class Judgement:
    """What a detector says of a test set in one protocol, and how right it is.

    Attributes:
        metrics: fractions by name; None where the test set does not allow it.
        reasons: metric -> why it is None.
        scores: (N,), in the order of the test samples.
        maps: float32 (N, H, W); None: they have sizes of their own, and are not kept.
    """

    metrics: Values
    reasons: dict[str, str]
    scores: Scores
    maps: Tensor | None


@dataclass(frozen=True)
class Evaluation:
    """What a test set says about a detector.

    Attributes:
        whole: of whole images, as ``nsa predict`` judges them, with masks that keep every region.
        paper: in the paper's protocol (Section 4.1: the centre crop of objects, and masks reduced
            by nearest neighbour); the same object where that makes no difference.
        seconds: time the network and the metrics took; where images stream, their decoding too.
        examples: what shows what the detector does.
        map_low: what is normal in a map, for pictures of it.
        contents: what the test images hold.
        images, masks: the test set: uint8 (N, channels, H, W), and uint8 0/1 (N, H, W) with every
            region; None: images of sizes of their own, which are not kept.
        working_point: what a wanted false positive rate comes to, see
            :func:`nsa.runs.working_point.working_point`; None: the run is not calibrated.
        decisions: what the run decides at that rate.
        spread: (N,), how uncertain each of the scores is; None: the detector does not say.
        above: float64 (N,), share of each image's pixels, at its own resolution, above the pixel
            threshold; None: there is none.
    """

    whole: Judgement
    paper: Judgement
    seconds: float
    examples: list[Example]
    map_low: float
    contents: Contents
    images: Tensor | None = None
    masks: npt.NDArray[np.uint8] | None = None
    working_point: dict[str, Any] | None = None
    decisions: Decisions | None = None
    spread: Scores | None = None
    above: npt.NDArray[np.float64] | None = None


def evaluate(
    detector: Detector,
    dataset: Dataset,
    loaded: LoadedTest | Contents | None = None,
    pixel_threshold: float | None = None,
    each: Each | None = None,
) -> Evaluation:
    """Run a detector over the test images and compute all metrics the test set allows.

    Images that a detector stretches are in memory, all at its size. Others stream through at
    their own size, as do their masks, and nothing of them is kept but the examples; see
    :class:`nsa.metrics.PixelMetrics` for what that means for their metrics.

    A pixel that is ignored counts as a normal one, whatever its mask says, and the detector's maps
    have their lowest value there.

    Args:
        loaded: the test set at the size of ``detector``, where it is in memory already, or of
            images that stream what they hold, where they were checked.
        pixel_threshold: of maps of whole images, set without test images: a pixel above it is
            called defective, and ``segmentation_f1`` says how well that goes.
        each: is told of every image, at its own size.

    Raises:
        InputError: an image or a mask cannot be read, or a mask does not fit its image.
    """
    test = dataset.test
    if detector.resize != "stretch":
        known = loaded if isinstance(loaded, Contents) else None
        return _evaluate_streaming(detector, test, known, pixel_threshold, each, dataset.ignored)
    if not isinstance(loaded, LoadedTest):
        loaded = load_test_set(
            test, detector.size, detector.channels, console.is_terminal, detector.levels
        )
    images, masks, published_masks = loaded.images, loaded.masks, loaded.published_masks
    start = time.perf_counter()
    names = [sample.path for sample in test]
    ignored = ignored_of(detector, names, dataset.ignored)
    hidden = detector.hidden(ignored)
    if hidden is not None:  # a defect there does not count
        masks, published_masks = masks.copy(), published_masks.copy()
        for one in (masks, published_masks):
            one[hidden.expand(one.shape).numpy()] = 0
    scored = detector.score(images, ignored)
    check_scores(scored, names)
    whole = paper = _judge(test, scored, masks, pixel_threshold)
    published = detector.score_as_published(images, ignored)
    if published is not None:
        check_scores(published, names)
    if published is not None or not np.array_equal(masks, published_masks):
        paper = _judge(test, published or scored, published_masks, pixel_threshold)
    if published is not None and pixel_threshold is not None:
        paper.metrics[SEGMENTATION] = None
        paper.reasons[SEGMENTATION] = "the threshold is one of whole images"
    seconds = time.perf_counter() - start
    if each is not None:
        _tell(each, detector, test, scored)
    chosen = chosen_examples(test, whole.scores.tolist())
    return Evaluation(
        whole, paper, seconds,
        [Example(i, images[i], masks[i], scored.maps[i].numpy()) for i in chosen],
        detector.map_range[0], loaded.contents, images, masks,
        spread=None if scored.spread is None else scored.spread.numpy(),
        above=None if pixel_threshold is None else _above(test, scored.maps, pixel_threshold),
    )  # fmt: skip


def _tell(each: Each, detector: Detector, test: list[Sample], scored: Scored) -> None:
    """Tell of every image; they are read again, since those in memory are stretched."""

    def tell(number: int) -> None:
        image = read_image(test[number].path, detector.channels, detector.levels)
        own = enlarge(scored.maps[number][None, None], image.shape[:2])[0, 0].numpy()
        each(number, image, own, float(scored.scores[number]))

    with ThreadPoolExecutor(worker_count()) as pool:
        list(pool.map(tell, range(len(test))))


def _above(test: list[Sample], maps: Tensor, threshold: float) -> npt.NDArray[np.float64]:
    """See :attr:`Evaluation.above`."""
    shapes = own_shapes(sample.path for sample in test)
    own = (enlarge(one[None, None], shape) for one, shape in zip(maps, shapes, strict=True))
    return np.array([float((one > threshold).double().mean()) for one in own])


def _judge(
    test: list[Sample], scored: Scored, masks: npt.NDArray[np.uint8], threshold: float | None
) -> Judgement:
    scores = scored.scores.numpy()
    values = compute_metrics(test, scores, scored.maps.numpy(), masks, threshold)
    return Judgement(*values, scores, scored.maps)


def _evaluate_streaming(
    detector: Detector,
    test: list[Sample],
    contents: Contents | None,
    threshold: float | None,
    each: Each | None,
    ignored: Ignored | None = None,
) -> Evaluation:
    start = time.perf_counter()
    noted = Contents([sample.path for sample in test]) if contents is None else None
    findings = MaskFindings()
    pixels = PixelMetrics([] if threshold is None else [threshold])
    scores, spread, above = (np.zeros(len(test)) for _ in range(3))
    with progress_bar("Judging images", len(test), shown=console.is_terminal) as bar:
        for file, mask in judge_samples(detector, test, noted, ignored):
            number, _, judged = file
            sample = test[number]
            scores[number], spread[number] = judged.score, judged.spread or 0.0
            if threshold is not None:
                above[number] = np.mean(judged.map > threshold)
            if is_marked(sample):
                pixels.update(mask, judged.map)
            if each is not None:
                each(number, file.image, judged.map, judged.score)
            if noted is not None and sample.mask is not None:
                findings.note(sample.mask, mask)
            bar.advance()
    findings.report()
    whole = Judgement(*streamed_metrics(test, scores, pixels, threshold), scores, None)
    chosen = chosen_examples(test, whole.scores.tolist())
    # Which they are is known only now; judging them again takes less than keeping all.
    again = judge_samples(detector, [test[index] for index in chosen], None, ignored)
    examples = [
        drawable(chosen[file.number], file.image, mask, file.judged.map) for file, mask in again
    ]
    return Evaluation(
        whole, whole, time.perf_counter() - start, examples, detector.map_range[0],
        contents or noted or Contents([]), spread=spread if detector.has_spread else None,
        above=None if threshold is None else above,
    )  # fmt: skip


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
    page: ReviewPage | None = None,
) -> None:
    """Write ``metrics.json``, ``scores.csv`` and ``examples.png`` into a run's folder.

    Args:
        page: with all the test images, which is written there, too.
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
            **decided(evaluation.decisions, evaluation.whole.scores.tolist()),
        }
        if evaluation.spread is not None:
            columns["spread"] = evaluation.spread.tolist()
        write_csv(folder / "scores.csv", tuple(columns), zip(*columns.values(), strict=True))
        shown = evaluation.examples
        heat_map_grid(
            [one.image for one in shown], [one.mask for one in shown], [one.map for one in shown],
            evaluation.whole.scores[[one.index for one in shown]].tolist(),
            [
                test[one.index].defect.replace("_", " ") + ", part" * one.is_part for one in shown
            ],
            folder / "examples.png", low=evaluation.map_low,
        )  # fmt: skip
        if page is not None:
            page.write(folder / REVIEW)
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
