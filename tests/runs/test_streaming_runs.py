"""Detectors that judge images at their own sizes: evaluate and calibrate stream them."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from tiny import write
from torch import Tensor, nn

from nsa.detectors.detector import Detector, Judged, Scored
from nsa.detectors.method import Fitted, Fitting
from nsa.errors import InputError
from nsa.folder import Run
from nsa.images import Contents, Dataset, Sample, read_image
from nsa.images.test_set import check_test_set
from nsa.metrics import au_pro, auroc, average_precision, f1_at, f1_max
from nsa.report.overlay import overlay
from nsa.runs.calibrate import Calibration, calibrate
from nsa.runs.evaluate import Evaluation, evaluate, write_evaluation
from nsa.runs.examples import EXAMPLES
from nsa.runs.judging import judge_files
from nsa.runs.work import work

Pixels = npt.NDArray[np.uint8]
THRESHOLD = 0.5


class Brightness(Detector):
    """Calls blurred brightness anomalous; keeps how much of it was asked for."""

    channels = 1
    size = (64, 64)
    resize = "none"

    def __init__(self) -> None:
        self.judged: list[tuple[int, int]] = []

    def score(self, images: Tensor) -> Scored:
        del images
        raise AssertionError("images are never brought to one size")

    def deployable(self) -> tuple[nn.Module, dict[str, str]]:
        raise NotImplementedError

    def judge(self, images: Sequence[Pixels]) -> list[Judged]:
        self.judged += [image.shape[:2] for image in images]
        maps = [cv2.blur(image[:, :, 0], (3, 3)).astype(np.float32) / 255 for image in images]
        return [Judged(float(one.max()), one) for one in maps]


class Settings:
    """What a run folder needs to know of them."""

    category = "made"

    def to_dict(self) -> dict[str, Any]:
        return {"category": self.category}


def make_run(folder: Path) -> Run[Any]:
    folder.mkdir()
    return Run(folder, Settings(), {"data_root": None, "normal_dir": None, "device": "cpu"})


@pytest.fixture
def random(fresh_seed: int) -> np.random.Generator:
    return np.random.default_rng([fresh_seed, 16])


@pytest.fixture
def dataset(tmp_path: Path, random: np.random.Generator) -> Dataset:
    """Twelve images of different sizes, one much larger; a defect without a mask among them."""
    samples = []
    for number in range(12):
        size = (1200, 900) if number == 7 else tuple(random.integers(20, 90, 2).tolist())
        image = random.integers(0, 150, size, dtype=np.uint8)
        mask = np.zeros(size, np.uint8)
        if number >= 5:
            for _ in range(2):
                y, x = random.integers(0, size[0] - 6), random.integers(0, size[1] - 6)
                mask[y : y + 6, x : x + 5] = 255
            image[mask > 0] += np.uint8(random.integers(60, 100))
        path, marked = tmp_path / f"{number}.png", tmp_path / f"{number}_mask.png"
        write(path, image)
        write(marked, mask)
        if number < 5:
            samples.append(Sample(path))
        else:
            samples.append(Sample(path, "spot", None if number == 11 else marked))
    return Dataset("made", samples[:1], samples)


def flat(dataset: Dataset) -> tuple[npt.NDArray[Any], npt.NDArray[Any], list[float]]:
    """All pixels of all maps and masks, and the image scores, straight from the files."""
    truth, values, scores = [], [], []
    for sample in dataset.test:
        [judged] = Brightness().judge([read_image(sample.path, 1)])
        scores.append(judged.score)
        if sample.is_good or sample.mask is not None:
            mask = np.zeros(judged.map.shape, bool)
            if sample.mask is not None:
                mask = cv2.imread(str(sample.mask), cv2.IMREAD_GRAYSCALE) > 0
            truth.append(mask)
            values.append(judged.map)
    height = max(one.shape[0] for one in truth)
    width = max(one.shape[1] for one in truth)
    padding = [((0, height - one.shape[0]), (0, width - one.shape[1])) for one in truth]
    masks = np.stack([np.pad(one, pad) for one, pad in zip(truth, padding, strict=True)])
    maps = np.stack(
        [np.pad(one, pad, constant_values=-1) for one, pad in zip(values, padding, strict=True)]
    )
    return masks, maps, scores


def test_metrics_are_those_of_all_pixels_at_their_own_resolution(dataset: Dataset) -> None:
    detector = Brightness()
    result = evaluate(detector, dataset, pixel_threshold=THRESHOLD)
    masks, maps, scores = flat(dataset)
    assert result.whole.scores.tolist() == scores
    assert result.paper is result.whole
    assert result.whole.maps is result.images is result.masks is None
    labels = [not sample.is_good for sample in dataset.test]
    metrics, real = result.whole.metrics, maps >= 0  # what was padded is no pixel
    share = (real & ~masks).sum() / (~masks).sum()
    expected = {
        "image_auroc": auroc(labels, scores),
        "pixel_auroc": auroc(masks[real], maps[real]),
        "au_pro": au_pro(masks, maps, 0.3 * share),
        "au_pro_05": au_pro(masks, maps, 0.05 * share),
        "image_average_precision": average_precision(labels, scores),
        "image_f1_max": f1_max(labels, scores)[0],
        "pixel_average_precision": average_precision(masks[real], maps[real]),
        "pixel_f1_max": f1_max(masks[real], maps[real])[0],
        "segmentation_f1": f1_at(masks[real], maps[real], THRESHOLD),
    }
    # 8-bit levels have bins of their own, so nothing is lost.
    assert metrics == pytest.approx(expected, abs=1e-9)
    assert list(metrics) == list(expected)
    assert 0 < metrics["segmentation_f1"] <= metrics["pixel_f1_max"]  # type: ignore[operator]
    assert result.whole.reasons == {}
    assert sorted(detector.judged[:12]) == sorted(
        read_image(sample.path, 1).shape[:2] for sample in dataset.test
    )


def test_only_the_examples_are_judged_again_and_kept_small(
    dataset: Dataset, tmp_path: Path
) -> None:
    detector = Brightness()
    result = evaluate(detector, dataset)
    assert len(result.examples) == EXAMPLES
    assert len(detector.judged) == len(dataset.test) + EXAMPLES
    for one in result.examples:
        image = read_image(dataset.test[one.index].path, 1)
        height, width = image.shape[:2]
        small = (160, 160) if one.is_part else (height, width)
        assert one.is_part == ((height, width) == (1200, 900))
        assert one.mask.shape == one.map.shape == one.image.shape[:2] == small
        [judged] = Brightness().judge([image])
        if not one.is_part:
            assert one.map.max() == judged.map.max()
        sample = dataset.test[one.index]
        assert one.mask.any() == (sample.mask is not None)
    folder = tmp_path / "run"
    write_evaluation(make_run(folder), result, dataset, {})
    drawn = cv2.imread(str(folder / "examples.png"))
    assert drawn is not None
    report = json.loads((folder / "metrics.json").read_text())
    assert report["au_pro_05"] == result.whole.metrics["au_pro_05"]
    assert report["pixel_f1_max"] == result.whole.metrics["pixel_f1_max"]
    assert "segmentation_f1" not in report
    assert report["paper_protocol"] == result.whole.metrics
    assert (folder / "scores.csv").read_text().count("\n") == 13


@pytest.mark.parametrize("side", [0, 12, 300])  # of a defect, px
def test_a_large_example_shows_what_was_found_in_it(
    tmp_path: Path, random: np.random.Generator, side: int
) -> None:
    image = random.integers(0, 100, (1200, 900), dtype=np.uint8)
    mask = np.zeros(image.shape, np.uint8)
    # At the border, too.
    y, x = (
        int(random.choice([0, most - side, random.integers(most - side)])) for most in mask.shape
    )
    mask[y : y + side, x : x + side] = 255
    image[mask > 0] = 250
    write(tmp_path / "a.png", image)
    write(tmp_path / "a_mask.png", mask)
    sample = Sample(tmp_path / "a.png", "spot", tmp_path / "a_mask.png")
    if not side:
        sample = Sample(tmp_path / "a.png")
    [example] = evaluate(Brightness(), Dataset("made", [sample], [sample])).examples
    assert isinstance(example.image, np.ndarray)
    assert example.is_part == (side < 80)
    assert example.image.shape == ((160, 160, 1) if example.is_part else (512, 384, 1))
    overlay(example.image, example.map)
    [judged] = Brightness().judge([image[:, :, None]])
    assert example.map.max() == judged.map.max()
    if example.is_part:
        assert example.mask.sum() == side * side
        starts = [(place[0], place[1]) for place in np.argwhere(image == example.image[0, 0, 0])]
        assert any(
            np.array_equal(image[y : y + 160, x : x + 160], example.image[:, :, 0])
            for y, x in starts
        )


def test_what_the_images_hold_is_noted(dataset: Dataset, caplog: pytest.LogCaptureFixture) -> None:
    """While they stream, or before a training; then masks are looked at once, too."""
    mask = dataset.test[6].mask
    assert mask is not None
    write(mask, np.zeros(read_image(dataset.test[6].path, 1).shape[:2], np.uint8))
    with caplog.at_level(logging.WARNING, "nsa"):
        result = evaluate(Brightness(), dataset)
    assert caplog.text.count("mark no defect") == 1
    checked = check_test_set(dataset.test, 1)
    assert caplog.text.count("mark no defect") == 2
    again = evaluate(Brightness(), dataset, checked)
    assert caplog.text.count("mark no defect") == 2
    for contents in (result.contents, checked, again.contents):
        assert contents.names() == checked.names()
        assert contents.paths == [str(sample.path.resolve()) for sample in dataset.test]
    assert len(set(checked.names())) == 12
    assert again.whole.metrics == result.whole.metrics


def test_incomplete_sets(dataset: Dataset) -> None:
    good, unmarked = dataset.test[:5], dataset.test[11:]
    for test, reason in (
        ([], "there are no test images"),
        (good, "no test image is defective"),
        (good + unmarked, "no defective test image has a mask"),
    ):
        whole = evaluate(Brightness(), Dataset("made", good, test), None, 0.5).whole
        assert whole.reasons["pixel_f1_max"] == whole.reasons["segmentation_f1"] == reason
        assert whole.metrics["au_pro_05"] is None
    assert isinstance(evaluate(Brightness(), Dataset("made", good)), Evaluation)


def test_all_files_that_cannot_be_read_are_named(dataset: Dataset) -> None:
    for number in (2, 9):
        dataset.test[number].path.write_bytes(b"no image")
    detector = Brightness()
    with pytest.raises(InputError, match=r"2 of 12 images .*2\.png.*9\.png"):
        evaluate(detector, dataset)
    assert len(detector.judged) <= 2  # nothing is judged for nothing


def test_a_mask_of_another_size_is_refused(dataset: Dataset) -> None:
    mask = dataset.test[8].mask
    assert mask is not None
    write(mask, np.zeros((10, 11), np.uint8))
    with pytest.raises(InputError, match=r"8_mask.png is 11 x 10 pixels, but its image"):
        evaluate(Brightness(), dataset)


class Broken(Brightness):
    def judge(self, images: Sequence[Pixels]) -> list[Judged]:
        found = super().judge(images)
        found[-1].map[0, 0] = np.nan
        return found


def test_a_map_that_is_not_finite_is_refused(dataset: Dataset) -> None:
    with pytest.raises(InputError, match="a score or a map that is not finite"):
        evaluate(Broken(), dataset)


def test_failures_are_handed_over_where_the_others_count(dataset: Dataset) -> None:
    dataset.test[3].path.write_bytes(b"no image")
    failures: dict[int, InputError] = {}
    paths = [sample.path for sample in dataset.test]
    contents = Contents(paths)
    with ThreadPoolExecutor(2) as pool:
        found = [*itertools.chain(*judge_files(Brightness(), paths, pool, failures, contents))]
    assert [one.number for one in found] == [0, 1, 2, *range(4, 12)]
    for one in found:
        assert np.array_equal(one.image, read_image(paths[one.number], 1))
    assert [*failures] == [3]
    assert [bool(digest.any()) for digest in contents.digests] == [i != 3 for i in range(12)]


class Ready(Fitting[Any]):
    """Nothing to train."""

    settings = Settings()
    device, precision, channels, resize = "cpu", "float32", 1, "none"

    def load(self, run: Run[Any], dataset: Dataset) -> None:
        del run, dataset
        self.loaded = True

    def fit(self, run: Run[Any], dataset: Dataset) -> Fitted:
        del run, dataset
        return Fitted(Brightness(), {"training_seconds": 1.0})


def test_a_training_ends_with_the_same_and_checks_the_test_set_first(
    dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset.test[2].path.write_bytes(dataset.test[1].path.read_bytes())
    run = make_run(tmp_path / "run")
    with caplog.at_level(logging.WARNING, "nsa"):
        trained = work(run, dataset, Ready())
    assert "1 of 12 test images are copies of others" in caplog.text
    assert trained.evaluation.whole.metrics == evaluate(Brightness(), dataset).whole.metrics
    assert (run.path / "metrics.json").is_file()
    dataset.test[3].path.write_bytes(b"no image")
    fitting = Ready()
    with pytest.raises(InputError, match=r"3\.png cannot be read"):
        work(run, dataset, fitting)
    assert not hasattr(fitting, "loaded")


def test_calibration_streams_and_counts_copies_once(
    dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, detector = make_run(tmp_path / "run"), Brightness()
    paths = [sample.path for sample in dataset.test[:5]]
    copy = tmp_path / "copy.png"
    copy.write_bytes(paths[1].read_bytes())
    with caplog.at_level(logging.WARNING, "nsa"):
        found = calibrate(run, detector, [*paths, copy])
    assert "1 of 6 images are copies of others" in caplog.text
    assert len(detector.judged) == 5
    expected = [Brightness().judge([read_image(path, 1)])[0].score for path in paths]
    assert found.scores.tolist() == expected
    assert Calibration.read(run.path).scores.tolist() == expected
    assert found.contents is not None
    assert len(set(found.contents)) == 5
    paths[2].write_bytes(b"no image")
    with pytest.raises(InputError, match=r"2\.png cannot be read"):
        calibrate(run, detector, paths)
