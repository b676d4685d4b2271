"""``examples/cpp``: what the program says of images beside what this package says."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from tiny import nsa, picture, rows, write

from nsa.detectors.detector import enlarge
from nsa.detectors.network.detector import NetworkDetector
from nsa.detectors.registry import load, open_run
from nsa.images import read_image
from nsa.images.frame import scaled_shape, window_in
from nsa.model import EncoderDecoder
from nsa.runs.decisions import Decisions
from nsa.runs.export import SMALLEST
from nsa.runs.export.notes import notes_of
from nsa.runs.regions import find_regions
from nsa.settings.config import ImageConfig, Levels, Resize
from nsa.settings.fields import replace

SOURCE = Path(__file__).parents[2] / "examples" / "cpp"
FPR = 0.1
OF_ANY = ImageConfig(size=(72, 72), crop=(64, 64), center_crop=None, rotation=0)


@pytest.fixture(scope="module")
def detect(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program."""
    if not os.environ.get("ONNXRUNTIME_ROOT"):
        pytest.skip("ONNXRUNTIME_ROOT does not say where ONNX Runtime for C++ is")
    if shutil.which("cmake") is None or shutil.which("c++") is None:
        pytest.skip("there is no CMake, or no C++ compiler")
    folder = tmp_path_factory.mktemp("build")
    for step in (["-S", SOURCE, "-B", folder], ["--build", folder, "--parallel", "2"]):
        made = subprocess.run(["cmake", *step], capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stdout + made.stderr
        assert "warning" not in made.stdout + made.stderr
    return folder / "detect"


@pytest.fixture(scope="module")
def calibrated(network_run: Path, normals: Path) -> Path:
    assert nsa("calibrate", network_run, normals, "--device", "cpu").exit_code == 0
    return network_run


@pytest.fixture(scope="module")
def file(calibrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``nsa export`` writes of it."""
    path = tmp_path_factory.mktemp("export") / "detector.onnx"
    assert nsa("export", calibrated, "--output", path, "--fpr", FPR).exit_code == 0
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images of every kind that the program reads."""
    folder = tmp_path_factory.mktemp("images")
    for index in range(4):
        write(folder / f"{index}.png", picture(600 + index, defect=index > 1)[0])
    image = picture(610, defect=True)[0]
    deep = np.minimum(image.astype(np.uint16) * 200 + 77, 65535)
    opacity = np.full((80, 80, 1), 255, np.uint8)
    opacity[10:40] = 100
    others = {
        "colour.bmp": image,
        "grey.png": cv2.cvtColor(image, cv2.COLOR_BGR2GRAY),
        "deep.png": deep,
        "deep-grey.png": deep[:, :, 0],
        "transparent.png": np.dstack([image, opacity]),
        "large.png": cv2.resize(image, (301, 211), interpolation=cv2.INTER_CUBIC),
        "small.png": cv2.resize(image, (50, 60), interpolation=cv2.INTER_AREA),
    }
    for name, pixels in others.items():
        write(folder / name, pixels)
    return folder


def say(detect: Path, *arguments: object, warned: bool = False) -> tuple[dict[str, str], int]:
    """What the program prints, by name, and its exit status.

    Args:
        warned: that there is to be a warning.
    """
    done = subprocess.run(
        [detect, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    assert done.stderr.startswith("Warning: ") if warned else not done.stderr
    return dict(line.split(": ", 1) for line in done.stdout.splitlines()), done.returncode


def refusal(detect: Path, *arguments: object) -> str:
    done = subprocess.run(
        [detect, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"-?[0-9][0-9.e+-]*", text)]


def test_it_decides_as_nsa_predict_does(
    detect: Path, calibrated: Path, file: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    predict = ("predict", calibrated, images, "--output", out, "--fpr", FPR, "--no-overlays")
    assert nsa(*predict, "--device", "cpu").exit_code == 0
    first = {row["path"]: row for row in rows(out / "regions.csv") if row["region"] == "1"}
    seen = set()
    for row in rows(out / "scores.csv"):
        said, status = say(detect, file, row["path"])
        assert said["decision"] == row["predicted"]
        assert status == (row["predicted"] == "anomalous")
        assert float(said["score"]) == pytest.approx(float(row["raw_score"]), rel=1e-3)
        assert ("region" in said) == (row["path"] in first)
        if "region" in said:
            region = first[row["path"]]
            own = [int(region[name]) for name in ("x", "y", "width", "height")]
            np.testing.assert_allclose(numbers(said["region"])[:4], own, atol=1, err_msg=str(row))
            assert numbers(said["peak"])[0] == pytest.approx(float(region["peak"]), rel=1e-3)
        seen.add((row["predicted"], "region" in said))
    assert len({decision for decision, _ in seen}) == 2


def brightness(path: Path, notes: dict[str, str], kind: int) -> None:
    """Write a file as ``nsa export`` does, of a detector to whom bright pixels are anomalous.

    Args:
        kind: element type of the scores.
    """
    channels = int(notes["channels"])
    nodes = [
        helper.make_node("Cast", ["images"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values"], ["grey"], axes=[1], keepdims=0),
        helper.make_node("Div", ["grey", "white"], ["maps"]),
        helper.make_node("ReduceMean", ["maps"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("Cast", ["means"], ["scores"], to=kind),
    ]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", channels, "h", "w"])],
        [
            helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["n", "h", "w"]),
            helper.make_tensor_value_info("scores", kind, ["n"]),
        ],
        [helper.make_tensor("white", TensorProto.FLOAT, [], [255.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, notes)
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("resize", "whole", "channels", "levels"),
    [
        ("fit", False, 3, None),
        ("fit", True, 3, (500, 50_000)),
        ("none", False, 1, None),
        ("stretch", True, 1, (500, 50_000)),
    ],
)
def test_it_takes_images_as_the_file_says(
    detect: Path, calibrated: Path, images: Path, tmp_path: Path,
    resize: Resize, whole: bool, channels: int, levels: Levels | None,
) -> None:  # fmt: skip
    run = open_run(calibrated)
    config = replace(
        OF_ANY,
        resize=resize,
        channels=channels,
        levels=levels,
        crop=(72, 72) if whole else (64, 64),
    )
    settings = dataclasses.replace(run.settings, images=config)
    detector = NetworkDetector(EncoderDecoder(channels), settings, torch.device("cpu"))
    decisions = Decisions.of(calibrated, detector, FPR)
    assert decisions is not None
    notes = notes_of(run, detector, {}, decisions)
    notes["threshold"], notes["pixel_threshold"] = "0.45", "0.7"
    file, heat_map = tmp_path / "detector.onnx", tmp_path / "map.png"
    brightness(file, notes, TensorProto.DOUBLE if whole else TensorProto.FLOAT)
    for path in sorted(images.iterdir()):
        image = read_image(path, channels, levels)
        seen = detector.prepare(image)
        found = seen.to(torch.float32).mean(0) / 255
        score = float(found.mean())
        shape = scaled_shape(image.shape[:2], config.size, resize)
        if whole:
            rows, columns = window_in(config.size, shape).slices
            found = found[rows, columns]
        found_map = enlarge(found[None, None], image.shape[:2])[0, 0].numpy()
        fills = not whole or shape == config.size
        said, status = say(detect, file, path, heat_map, warned=not fills)
        assert float(said["score"]) == pytest.approx(score, rel=1e-4), path
        assert status == (score > 0.45)
        peak, x, y = numbers(said["peak"])
        assert peak == pytest.approx(found_map.max(), abs=1e-5), path
        assert found_map[int(y), int(x)] == pytest.approx(peak, abs=1e-5)
        drawn = cv2.imread(str(heat_map), cv2.IMREAD_UNCHANGED)
        expected = 255 * (found_map / max(0.7, peak)).clip(0, 1)
        np.testing.assert_allclose(drawn, expected, rtol=0, atol=1.01)
        regions = find_regions(found_map, 0.7)
        assert ("region" in said) == bool(regions)
        if regions:
            boxes = [list(region[:5]) for region in regions if region.peak == regions[0].peak]
            assert numbers(said["region"]) in boxes, path


def test_an_image_that_is_too_small_is_refused(
    detect: Path, calibrated: Path, tmp_path: Path
) -> None:
    run = open_run(calibrated)
    settings = dataclasses.replace(run.settings, images=replace(OF_ANY, resize="none"))
    detector = NetworkDetector(EncoderDecoder(), settings, torch.device("cpu"))
    file, path = tmp_path / "detector.onnx", tmp_path / "small.png"
    brightness(file, notes_of(run, detector, {}, None), TensorProto.FLOAT)
    write(path, picture(612)[0][:SMALLEST, : SMALLEST - 1])
    assert "too small: the detector takes images from 33 px" in refusal(detect, file, path)
    write(path, picture(612)[0][:SMALLEST, :SMALLEST])
    said, status = say(detect, file, path)  # of a run that is not calibrated
    assert (said["decision"], status) == ("none", 0)
    assert said.keys() == {"decision", "score", "peak"}


def test_jpeg_files_differ_by_their_decoders_alone(
    detect: Path, calibrated: Path, file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "image.jpg"
    write(path, picture(611)[0])
    [judged] = load(calibrated, "cpu").judge([read_image(path)])
    assert float(say(detect, file, path)[0]["score"]) == pytest.approx(judged.score, rel=0.02)


def test_what_it_cannot_do_is_said_in_one_sentence(
    detect: Path, file: Path, images: Path, tmp_path: Path
) -> None:
    image = images / "0.png"
    for arguments in ((), (file,), (file, image, "map.png", "more")):
        assert refusal(detect, *arguments).startswith("Usage: detect DETECTOR.onnx IMAGE [")
    missing, torn = tmp_path / "no.png", tmp_path / "torn.png"
    torn.write_bytes(image.read_bytes()[:200])
    for path in (missing, torn, tmp_path):
        message = refusal(detect, file, path)
        assert message.startswith(f"Error: {path} cannot be read as PNG, JPEG or BMP (")
    for path in (missing, image):
        assert f"{path} cannot be opened as a detector" in refusal(detect, path, image)
    model = onnx.load(file)
    del model.metadata_props[:]
    onnx.save(model, other := tmp_path / "other.onnx")
    assert "does not say how images are resized" in refusal(detect, other, image)
    heat_map = tmp_path / "no" / "map.png"
    done = subprocess.run(
        [detect, file, image, heat_map], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, f"Error: {heat_map} cannot be written.\n")
