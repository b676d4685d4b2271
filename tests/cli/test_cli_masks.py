"""Which pixels are defective: ``--mask-fpr`` and ``--mask-share``, for every method."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy
from tiny import TABLES, nsa, picture, rows, sentence, write

from nsa.detectors.registry import load
from nsa.images import read_image, stack
from nsa.metrics.conformal_pixels import map_levels
from nsa.report.overlay import overlay
from nsa.runs.calibrate import PIXELS_FILE, read_pixels
from nsa.runs.decisions import Decisions


@pytest.fixture(scope="module")
def calibrated(network_run: Path, normals: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("masks") / "run"
    shutil.copytree(network_run, run)
    for name in ("calibration.csv", PIXELS_FILE):  # of a test that came before
        (run / name).unlink(missing_ok=True)
    assert nsa("calibrate", run, normals, "--device", "cpu").exit_code == 0
    return run


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good and a bad image of different sizes, neither of which is the detector's."""
    folder = tmp_path_factory.mktemp("parts")
    write(folder / "a.png", picture(901)[0])
    write(folder / "a_mask.png", picture(902, defect=True)[0][:70, :57])
    return folder


def decoded(path: Path) -> npt.NDArray[np.uint8]:
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return np.asarray(found, np.uint8)


@pytest.mark.parametrize(("option", "rate"), [("--mask-fpr", 0.1), ("--mask-share", 0.3)])
def test_predict_marks_what_is_above_the_threshold(
    calibrated: Path, parts: Path, tmp_path: Path, option: str, rate: float
) -> None:
    out = tmp_path / "out"
    result = nsa("predict", calibrated, parts, "--output", out, option, rate, "--save-maps")
    assert result.exit_code == 0, result.output
    name = option[2:].replace("-", "_")
    decisions = Decisions.of(calibrated, load(calibrated, "cpu"), **{name: rate})
    assert decisions is not None
    assert decisions.pixels is not None
    limit = decisions.pixels.threshold
    found = rows(out / "scores.csv")
    assert [*found[0]] == [
        "path", "predicted", "score", "raw_score", "defect_share", "picture", "map", "mask",
    ]  # fmt: skip

    # An image whose own name is that of another's mask.
    assert len({row[name] for row in found for name in ("picture", "mask")}) == 4
    for row in found:
        mask, above = decoded(out / row["mask"]), np.load(out / row["map"]) > limit
        assert mask.shape == decoded(Path(row["path"])).shape[:2]
        assert mask.dtype == np.uint8
        np.testing.assert_array_equal(mask, 255 * above)
        assert float(row["defect_share"]) == pytest.approx(above.mean())
    # Written again, with fewer files.
    again = ("predict", calibrated, parts, "--output", out, "--no-overlays")
    assert "is not empty" in sentence(nsa(*again))
    assert nsa(*again, option, rate, "--overwrite").exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [*TABLES, *(row["mask"] for row in rows(out / "scores.csv"))]
    )
    assert nsa(*again, "--overwrite").exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == TABLES


def test_masks_are_outlined_in_the_pictures(calibrated: Path, parts: Path, tmp_path: Path) -> None:
    out = ("--output", tmp_path / "marked", "--mask-share", 0.3, "--save-maps")
    assert nsa("predict", calibrated, parts / "a.png", *out).exit_code == 0
    low, high = load(calibrated, "cpu").map_range
    plain = overlay(read_image(parts / "a.png"), np.load(tmp_path / "marked" / "a.npy"), high, low)[
        ..., ::-1
    ]
    changed = (plain != decoded(tmp_path / "marked" / "a.png")).any(2)
    inside = decoded(tmp_path / "marked" / "a_mask.png") > 0
    assert changed.any()
    assert not (changed & ~inside).any()
    core = cv2.erode(np.pad(inside, 2).astype(np.uint8), np.ones((5, 5)))[2:-2, 2:-2]
    assert not (changed & (core > 0)).any()


def test_calibrate_keeps_what_maps_of_own_size_say(calibrated: Path) -> None:
    lines = rows(calibrated / "calibration.csv")
    levels = safetensors.numpy.load_file(calibrated / PIXELS_FILE)["levels"]
    detector = load(calibrated, "cpu")
    for line, kept in zip(lines, levels, strict=True):
        image = read_image(line["path"])
        judged = detector.judge([image])[0]
        assert float(line["map_maximum"]) == kept[0]
        # In batches of other sizes the last digits differ.
        np.testing.assert_allclose(kept, map_levels(judged.map), rtol=1e-3, atol=1e-6)
        # A map that is enlarged exceeds nothing that the detector's own does not.
        assert judged.map.max() <= detector.score(stack([image], detector.size)).maps.max() + 1e-6


def test_evaluate_says_what_pixels_come_to(
    calibrated: Path, more_data: Path, tmp_path: Path
) -> None:
    good = more_data / "disc" / "test" / "good"
    for number, options in enumerate(
        [("--fpr", 0.1), ("--mask-share", 0.3), ("--fpr", 0.2, "--mask-fpr", 0.1)]
    ):
        out, judged = tmp_path / f"out{number}", tmp_path / f"judged{number}"
        result = nsa("evaluate", calibrated, *options, "--output", judged)
        assert result.exit_code == 0, result.output
        assert "Pixels, for" in " ".join(result.stderr.split())
        point = json.loads((judged / "metrics.json").read_text())["working_point"]
        pixels = point["pixels"]
        assert point["fpr"] == (options[1] if "--fpr" in options else 1 / 20)
        share = "--mask-share" in options
        asked = ("--mask-share", pixels["share"]) if share else ("--mask-fpr", pixels["fpr"])
        assert asked[1] == (0.3 if share else 0.1)
        assert nsa("predict", calibrated, good, *asked, "--output", out).exit_code == 0
        shares = [float(row["defect_share"]) for row in rows(out / "scores.csv")]
        assert pixels["test_share"] == pytest.approx(np.mean(shares), abs=2e-3)
        assert pixels["test_fpr"] == pytest.approx(np.mean(np.array(shares) > 0))
        assert pixels["test_normal_images"] == len(shares) == 3


def test_a_gaussian_detector_has_masks_from_its_training_on(
    gaussian_run: Path, parts: Path, tmp_path: Path
) -> None:
    point = json.loads((gaussian_run / "metrics.json").read_text())["working_point"]
    assert point["pixels"]["threshold"] == read_pixels(gaussian_run).for_images(0.2)
    out = tmp_path / "out"
    command = ("predict", gaussian_run, parts, "--output", out, "--no-overlays")
    assert nsa(*command, "--mask-share", 0.25).exit_code == 0
    for row in rows(out / "scores.csv"):
        assert set(np.unique(decoded(out / row["mask"]))) <= {0, 255}


def test_pixel_rates_that_cannot_be_set_are_refused(
    calibrated: Path, parts: Path, tmp_path: Path
) -> None:
    def refused(run: Path, *options: object) -> str:
        message = sentence(nsa("predict", run, parts, "--output", tmp_path / "no", *options))
        assert not (tmp_path / "no").exists()
        return message

    both = ("--mask-fpr", 0.1, "--mask-share", 0.1)
    assert "are two thresholds; leave one of them out" in refused(calibrated, *both)
    assert "by 19 held-out normal images: the smallest is 1/20" in refused(
        calibrated, "--mask-share", 0.01
    )
    assert "between 0 and 1" in refused(calibrated, "--mask-fpr", 1.5)
    run = tmp_path / "run"
    shutil.copytree(calibrated, run)
    kept = (run / PIXELS_FILE).read_bytes()
    levels = safetensors.numpy.load(kept)["levels"]
    remedy = "run nsa calibrate again, with --overwrite"
    for content, reason in (
        (kept[: len(kept) // 2], "is damaged"),
        (safetensors.numpy.save({"other": levels}), f"holds no levels; {remedy}"),
        (safetensors.numpy.save({"levels": levels[:, :9]}), remedy),
        (safetensors.numpy.save({"levels": levels[::-1].copy()}), "is of other images than"),
        (safetensors.numpy.save({"levels": levels[1:]}), "is of other images than"),
    ):
        (run / PIXELS_FILE).write_bytes(content)
        message = refused(run, "--mask-fpr", 0.1)
        assert PIXELS_FILE in message
        assert reason in message
        assert reason in refused(run)  # since it outlines what is defective without being asked
    (run / PIXELS_FILE).unlink()
    assert f"{PIXELS_FILE} is gone" in refused(run, "--mask-share", 0.3)
    # As an earlier version wrote it, which knew no maps.
    lines = rows(run / "calibration.csv")
    with (run / "calibration.csv").open("w") as file:
        table = csv.DictWriter(file, [name for name in lines[0] if name != "map_maximum"])
        table.writeheader()
        table.writerows({k: v for k, v in line.items() if k != "map_maximum"} for line in lines)
    message = refused(run, "--mask-fpr", 0.1)
    assert "of an earlier version, which kept scores alone" in message
    assert remedy in message
    assert nsa("predict", run, parts, "--output", tmp_path / "l", "--fpr", 0.1).exit_code == 0
    (run / "calibration.csv").unlink()
    assert "is not calibrated" in refused(run, "--mask-share", 0.3)
