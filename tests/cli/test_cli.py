"""The command line from training to prediction, on tiny images."""

import csv
import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny import nsa, picture, sentence, write, write_config

from nsa.detectors.registry import load, open_run
from nsa.errors import InputError
from nsa.images import demo
from nsa.system import info


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("runs") / "disc"
    config = write_config(folder.parent / "options.yaml", epochs=4)
    result = nsa("train", "--data-root", data, "--config", config, "--output", folder)
    assert result.exit_code == 0, result.output
    assert "AUROC" in result.stdout
    assert str(folder) in result.stderr
    return folder


def test_training_writes_the_whole_run_folder(run: Path, data: Path) -> None:
    assert {entry.name for entry in run.iterdir()} == {
        "config.yaml", "model.safetensors", "metrics.json", "scores.csv", "log.csv", "loss.png",
        "examples.png", "training_images.safetensors",
    }  # fmt: skip
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["format_version"] == 1
    assert config["category"] == "disc"
    assert config["training"]["epochs"] == 4
    assert config["images"]["crop"] == [64, 64]
    assert config["data_root"] == str(data)


def test_a_training_of_more_than_moments_shows_what_it_learns_from(
    data: Path, one_epoch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nsa.detectors.network.session._WORTH_A_PICTURE", 9)
    command = ("train", "--data-root", data, "--config", one_epoch, "--output", tmp_path / "run")

    def full(*_: object) -> None:
        raise InputError("Cannot write it: No space left on device.")

    with monkeypatch.context() as patch:
        patch.setattr("nsa.detectors.network.session.synthesis_grid", full)
        assert "No space left" in sentence(nsa(*command))
        assert not (tmp_path / "run").exists()
    result = nsa(*command)
    assert result.exit_code == 0, result.output
    drawn = tmp_path / "run" / "synthesis.png"
    assert f"is shown in {drawn}" in " ".join(result.stderr.split())
    assert cv2.imread(str(drawn)).std() > 10


def test_metrics_hold_fractions_configuration_and_times(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    names = (
        "image_auroc", "pixel_auroc", "au_pro", "au_pro_05", "image_average_precision",
        "image_f1_max", "pixel_average_precision", "pixel_f1_max",
    )  # fmt: skip
    for name in names:
        assert 0 <= metrics[name] <= 1
        assert 0 <= metrics["paper_protocol"][name] <= 1
    assert metrics["not_computed"] == {}
    assert metrics["test_images"] == {"normal": 3, "defective": 3, "masks": 3}
    assert metrics["times"]["training_seconds"] > 0
    assert metrics["times"]["images_per_second"] > 0
    assert metrics["configuration"]["synthesis"]["label"] == "logistic"
    assert metrics["hardware"]["threads"] == 1
    assert "torch" in metrics["versions"]


def test_scores_and_log_have_a_line_each(run: Path) -> None:
    with (run / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["0"] * 3 + ["1"] * 3
    assert [row["defect"] for row in rows] == ["good"] * 3 + ["spot"] * 3
    assert all(Path(row["path"]).is_file() and float(row["raw_score"]) >= 0 for row in rows)
    with (run / "log.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3", "4"]


def test_a_runs_configuration_repeats_it(run: Path, tmp_path: Path) -> None:
    result = nsa("train", "--config", run / "config.yaml", "--output", tmp_path / "again")
    assert result.exit_code == 0, result.output
    one, two = (load_file(folder / "model.safetensors") for folder in (run, tmp_path / "again"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_command_line_wins_over_the_file(data: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "options.yaml", training={"epochs": 5, "seed": 3})
    result = nsa(
        "train", "--data-root", data, "--config", config, "--epochs", 1, "--label", "continuous",
        "--variant", "paper", "--background", 220, "--output", tmp_path / "run",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert written["training"]["epochs"] == 1
    assert written["training"]["seed"] == 3
    assert written["synthesis"]["label"] == "continuous"
    assert written["synthesis"]["variant"] == "paper"
    assert written["synthesis"]["background"] == 220


def test_evaluate_repeats_the_runs_own_figures(run: Path, data: Path, tmp_path: Path) -> None:
    result = nsa("evaluate", run, "--data-root", data, "--output", tmp_path / "judged")
    assert result.exit_code == 0, result.output
    first, second = (
        json.loads((folder / "metrics.json").read_text()) for folder in (run, tmp_path / "judged")
    )
    for name in ("image_auroc", "pixel_auroc", "au_pro", "paper_protocol"):
        assert first[name] == second[name]
    assert (run / "scores.csv").read_text() == (tmp_path / "judged" / "scores.csv").read_text()


def test_predict_writes_scores_overlays_and_maps(run: Path, tmp_path: Path) -> None:
    folder, single = tmp_path / "images", tmp_path / "other" / "0.png"
    write(folder / "0.png", picture(1)[0])
    write(folder / "wide.jpg", cv2.resize(picture(2)[0], (130, 95)))
    write(single, picture(3, defect=True)[0])
    output = tmp_path / "out"
    result = nsa("predict", run, folder, single, "--output", output, "--save-maps")
    assert result.exit_code == 0, result.output
    with (output / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [
        str(folder / "0.png"), str(folder / "wide.jpg"), str(single),
    ]  # fmt: skip
    sizes = {"images_0": (80, 80), "wide": (95, 130), "other_0": (80, 80)}
    for name, size in sizes.items():
        pixels = cv2.imdecode(np.fromfile(output / f"{name}.png", np.uint8), cv2.IMREAD_UNCHANGED)
        assert pixels.shape[1:] == (size[1], 3)
        assert (pixels.shape[0] > size[0]) == (
            name == "wide"
        )  # the scale below what is wide enough
        scores = np.load(output / f"{name}.npy")
        assert scores.shape == size
        assert scores.dtype == np.float32


def test_predict_agrees_with_the_detector(run: Path, tmp_path: Path) -> None:
    first = picture(7, defect=True)[0]
    images = {"a": first, "b": cv2.resize(first, (130, 95)), "c": picture(8)[0]}
    for name, image in images.items():
        write(tmp_path / f"{name}.png", image)
    out = tmp_path / "out"
    nsa("predict", run, tmp_path, "--output", out, "--no-overlays", "--save-maps")
    assert not (out / "a.png").exists()
    with (out / "scores.csv").open() as file:
        found = {Path(row["path"]).stem: float(row["raw_score"]) for row in csv.DictReader(file)}
    detector = load(run)
    for name, image in images.items():
        rgb = torch.from_numpy(np.ascontiguousarray(image[:, :, ::-1])).permute(2, 0, 1)[None]
        maps, scores = detector.predict(rgb)  # alone, where the command took all in one group
        assert maps.shape == (1, 1, *image.shape[:2])
        assert found[name] == pytest.approx(float(scores[0]), rel=1e-4, abs=1e-6)
        np.testing.assert_allclose(np.load(out / f"{name}.npy"), maps[0, 0], atol=1e-5)


def test_a_detector_takes_any_batch(run: Path) -> None:
    detector = load(run)
    images = torch.randint(0, 256, (20, 3, 50, 90), dtype=torch.uint8)
    maps, scores = detector.predict(images)
    assert maps.shape == (20, 1, 50, 90)
    for index in (0, 19):  # batches of 16 change nothing
        alone = detector.predict(images[index : index + 1])[1]
        torch.testing.assert_close(alone[0], scores[index], atol=1e-6, rtol=1e-4)
    assert detector.predict(images[:0])[0].shape == (0, 1, 50, 90)


@pytest.mark.parametrize("argument", [[], ["--label", "binary", "--variant", "paper"]])
def test_synthesize_draws_a_grid(data: Path, tmp_path: Path, argument: list[str]) -> None:
    path = tmp_path / "grid.png"
    config = write_config(tmp_path / "options.yaml")
    result = nsa(
        "synthesize", "--data-root", data, "--config", config, "--count", 3, "--output", path,
        *argument,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR).shape[0] > 100


@pytest.mark.parametrize(("label", "in_file"), [("logistic", False), ("continuous", True)])
def test_synthesize_draws_every_method(
    data: Path, tmp_path: Path, label: str, in_file: bool
) -> None:
    path = tmp_path / "grid.png"
    config = write_config(tmp_path / "options.yaml", **({"method": "all"} if in_file else {}))
    result = nsa(
        "synthesize", "--data-root", data, "--config", config, "--count", 2, "--output", path,
        "--label", label, *(() if in_file else ("--method", "all")),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    height, width = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR).shape[:2]
    assert height > width  # a row of two a method


@pytest.mark.parametrize("method", ["pii", "ellipses"])
def test_any_method_trains_and_is_recorded(data: Path, tmp_path: Path, method: str) -> None:
    config = write_config(tmp_path / "options.yaml", epochs=1)
    folder = tmp_path / "run"
    result = nsa(
        "train", "--data-root", data, "--config", config, "--output", folder, "--method", method,
        "--label", "continuous",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert yaml.safe_load((folder / "config.yaml").read_text())["synthesis"]["method"] == method
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["configuration"]["synthesis"]["method"] == method
    # PII's labels are its factors whatever the label, so its network ends in a sigmoid.
    assert load(folder).network.activation == ("sigmoid" if method == "pii" else "relu")


def test_a_mixture_trains_and_is_recorded(data: Path, tmp_path: Path) -> None:
    synthesis = {"mixture": {"altered": 0.3, "scars": 0.2}, "opacity_bounds": [0.5, 1.0]}
    config = write_config(tmp_path / "options.yaml", epochs=1, synthesis=synthesis)
    folder = tmp_path / "run"
    result = nsa("train", "--data-root", data, "--config", config, "--output", folder)
    assert result.exit_code == 0, result.output
    said = yaml.safe_load((folder / "config.yaml").read_text())["synthesis"]
    assert {name: said[name] for name in synthesis} == synthesis
    grid = tmp_path / "grid.png"
    every = ("--config", config, "--count", 2, "--method", "all", "--output", grid)
    assert nsa("synthesize", "--data-root", data, *every).exit_code == 0
    read = open_run(folder).settings.synthesis
    assert read.mixture == synthesis["mixture"]
    assert read.blend_mode == "planned"


def test_a_misspelt_method_is_explained(data: Path) -> None:
    for command in ("train", "synthesize"):
        result = nsa(command, "--data-root", data, "--method", "elipses")
        assert result.exit_code == 2
        assert "did you mean 'ellipses'?" in result.stderr


def test_without_images_the_demo_is_drawn_and_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    drawn = demo.write
    monkeypatch.setattr(
        demo, "write", lambda *a, **k: drawn(*a, **k, train=4, test_good=2, test_defective=2)
    )
    config = write_config(tmp_path / "o.yaml", training={"epochs": 1})
    text = config.read_text().replace("epochs: 2\n", "", 1).replace("kind: object\n", "")
    config.write_text(text)
    result = nsa("train", "--config", config)
    assert result.exit_code == 0, result.output
    assert "runs/demo-data" in result.stderr
    assert "runs/fabric-001" in result.stderr
    written = yaml.safe_load(Path("runs/fabric-001/config.yaml").read_text())
    assert written["training"]["epochs"] == 1
    assert written["kind"] == "texture"
    assert "Settings estimated from the images of 'fabric': texture" in result.stderr


def test_a_package_by_another_name_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "_PACKAGES", ("torch", "opencv-of-another-name"))
    found = info.versions()
    assert torch.__version__.startswith(found["torch"])  # which may lack the build after a plus
    assert found["opencv-of-another-name"] == "not installed under this name"


def test_info_names_what_a_bug_report_needs() -> None:
    result = nsa("info")
    assert result.exit_code == 0
    for name in ("python", "torch", "cores", "instruction set", "CUDA kernels"):
        assert name in result.stdout


def test_the_version() -> None:
    result = nsa("--version")
    assert (result.exit_code, result.stdout.split()) == (0, ["nsa", version("nsa")])


@pytest.mark.parametrize(
    "command",
    [
        "train", "evaluate", "calibrate", "predict", "watch", "combine", "export",
        "synthesize", "reproduce", "info",
    ],
)  # fmt: skip
def test_help_explains_each_option(command: str) -> None:
    result = nsa(command, "--help")
    assert result.exit_code == 0
    if command == "train":
        for option in (
            "--data-root", "--category", "--normal-dir", "--epochs", "--batch-size", "--seed",
            "--device", "--variant", "--label", "--output", "--resume", "--config",
        ):  # fmt: skip
            assert option in result.stdout
        assert "[default: 0.001]" in result.stdout  # and is not taken for markup
    if command == "reproduce":
        words = " ".join(result.stdout.replace("\N{BOX DRAWINGS LIGHT VERTICAL}", "").split())
        for text in ("--paper", "VIII of gaussian", "[default: 100]", "[default: preset]"):
            assert text in words


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")
def test_ctrl_c_saves_and_resume_gives_the_uninterrupted_result(data: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "options.yaml", epochs=3)
    command = [sys.executable, "-m", "nsa.train", "--data-root", str(data), "--config", str(config)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    folder = tmp_path / "stopped"
    with subprocess.Popen(
        [*command, "--output", str(folder)], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:  # up to the last line before the first step
            if line.startswith("Training "):
                break
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130, said
    assert f"nsa train --resume {folder}" in said
    assert not (folder / "model.safetensors").exists()
    unfinished = nsa("evaluate", folder)
    assert unfinished.exit_code == 2
    assert "unfinished" in unfinished.stderr
    resumed = nsa("train", "--resume", folder)
    assert resumed.exit_code == 0, resumed.output
    whole = nsa("train", "--data-root", data, "--config", config, "--output", tmp_path / "whole")
    assert whole.exit_code == 0
    one, two = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "whole"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert (folder / "log.csv").read_text() == (tmp_path / "whole" / "log.csv").read_text()
