"""Bad input at the command line: one clear sentence, exit status 2, nothing lost."""

import json
import os
import random
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny import GAUSSIAN, nsa, picture, rows, sentence, write, write_config, write_product

from nsa.system.lock import FolderLock


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("runs") / "disc"
    config = write_config(folder.parent / "options.yaml", epochs=1)
    assert nsa("train", "--data-root", data, "--config", config, "--output", folder).exit_code == 0
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", 0], "epochs must be a number from 1"),
        (["--batch-size", 1], "batch_size must be at least 2"),
        (["--learning-rate", -1], "learning_rate must be a number from"),
        (["--seed", -1], "seed must be a number from 0"),
        (["--label", "logistical"], "label must be one of 'binary', 'continuous', 'logistic'"),
        (["--variant", "best"], "variant must be one of 'released', 'paper'"),
        (["--device", "gpu"], "device must be 'auto', 'cpu' or 'cuda'"),
        (["--precision", "fp16"], "precision must be 'auto', 'bf16' or 'fp32'"),
        (["--kind", "thing"], "kind must be"),
        (["--background", "white"], "--background must be a number from 0 to 255 or none"),
        (["--background", "300"], "background must be a number from 0 to 255"),
        (["--category", "ring"], "ring"),
        (["--config", "missing.yaml"], "Cannot read missing.yaml"),
    ],
)
def test_options_out_of_range(
    arguments: list[object], message: str, data: Path, tmp_path: Path
) -> None:
    config = [] if "--config" in arguments else ["--config", write_config(tmp_path / "o.yaml")]
    output = tmp_path / "run"
    result = nsa("train", "--data-root", data, *config, "--output", output, *arguments)
    assert message in sentence(result)
    assert not (output / "model.safetensors").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu(data: Path) -> None:
    assert "'cuda' was asked for, but" in sentence(
        nsa("train", "--data-root", data, "--device", "cuda")
    )


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    missing = nsa("train", "--data-root", tmp_path / "nowhere")
    assert "nowhere" in sentence(missing)
    (tmp_path / "empty").mkdir()
    assert "empty" in sentence(nsa("train", "--normal-dir", tmp_path / "empty"))


@pytest.mark.parametrize(
    "command",
    [
        "train --data-root PATH", "train --normal-dir PATH", "train --output PATH",
        "train --config PATH", "train --resume PATH", "train --resume-from PATH",
        "train --verdicts PATH", "train --ignore PATH", "evaluate PATH", "evaluate x --output PATH",
        "evaluate x --data-root PATH", "calibrate x PATH", "calibrate x --verdicts PATH",
        "predict PATH x --output x", "predict x x PATH --output x", "predict x x --output PATH",
        "combine x PATH --output x", "watch x PATH --output x", "watch x x --output PATH",
        "export x --output PATH", "serve x --token-file PATH", "synthesize --output PATH",
        "reproduce --data-root PATH", "reproduce --data-root x --output PATH",
    ],
)  # fmt: skip
def test_paths_that_no_file_system_takes(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "".join(random.choices("aä ", k=256))
    for path, why in (
        (f"x/{name}/y", "a part of it is longer than 255 bytes"),
        (name[:120] + "/" + "x/" * 2048, "it is longer than 4095 bytes"),
    ):
        said = sentence(nsa(*(path if word == "PATH" else word for word in command.split())))
        assert said.endswith(f" cannot be the name of a file: {why}; check it.")
        assert len(said) < 200
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "loop").symlink_to("loop")  # who may not look into a folder meets another error
    path = "loop/x"
    said = sentence(nsa(*(path if word == "PATH" else word for word in command.split())))
    assert re.search(r"loop/x cannot be looked at: .*; check the path, and who may read", said)


def test_a_category_with_a_name_that_no_file_system_takes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ("train", "--normal-dir", data / "disc" / "train" / "good", "--category", "x" * 300)
    assert "longer than 255 bytes; check it." in sentence(nsa(*given))


def test_a_category_without_images() -> None:
    assert "--data-root" in sentence(nsa("train", "--category", "bottle"))


def test_one_training_image(tmp_path: Path) -> None:
    write_product(tmp_path, train=1)
    config = write_config(tmp_path / "o.yaml")
    result = nsa("train", "--data-root", tmp_path, "--config", config, "--output", tmp_path / "run")
    assert "at least two normal images, got 1" in sentence(result)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 3\n", "unknown key 'epoch'; did you mean 'epochs'"),
        ("synthesis: {max_patch: 3}\n", "no field 'max_patch'; did you mean 'max_patches'"),
        ("training: 7\n", "'training' in"),
        ("- epochs\n", "must hold names and values"),
        ("epochs: [1\n", "is not valid YAML"),
        ("epochs: many\n", "epochs must be a whole number"),
    ],
)
def test_bad_option_files(text: str, message: str, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "o.yaml"
    path.write_text(text)
    result = nsa("train", "--data-root", data, "--config", path, "--output", tmp_path / "run")
    assert message in sentence(result)


def test_an_output_that_holds_something(run: Path, data: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "o.yaml")
    common = ("train", "--data-root", data, "--config", config, "--output")
    before = (run / "model.safetensors").read_bytes()
    assert "already holds a run" in sentence(nsa(*common, run))
    assert (run / "model.safetensors").read_bytes() == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("")
    assert "is not empty" in sentence(nsa(*common, tmp_path / "full"))
    (tmp_path / "file").write_text("")
    assert "is a file" in sentence(nsa(*common, tmp_path / "file"))


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root writes anywhere")
def test_a_read_only_output(data: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    config = write_config(tmp_path / "o.yaml")
    result = nsa("train", "--data-root", data, "--config", config, "--output", tmp_path / "locked")
    assert "read-only" in sentence(result)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")
def test_an_output_that_cannot_be_made(data: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "o.yaml")
    result = nsa("train", "--data-root", data, "--config", config, "--output", "/proc/run")
    assert "Cannot create the folder /proc/run" in sentence(result)


def test_an_output_in_use(data: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "o.yaml")
    output = tmp_path / "run"
    output.mkdir()
    with FolderLock(output):
        result = nsa("train", "--data-root", data, "--config", config, "--output", output)
    assert "Another run is using" in sentence(result)
    assert not (output / "config.yaml").exists()


def test_resume_keeps_the_runs_settings(run: Path, tmp_path: Path) -> None:
    assert "--epochs cannot change" in sentence(nsa("train", "--resume", run, "--epochs", 9))
    assert "No run has begun" in sentence(nsa("train", "--resume", tmp_path))
    (tmp_path / "thesis.txt").touch()
    assert "not a run folder" in sentence(nsa("train", "--resume", tmp_path))
    result = nsa("train", "--resume", run, "--output", tmp_path)
    assert "leave out --output" in sentence(result)


def test_resuming_a_finished_run_only_evaluates(run: Path) -> None:
    before = (run / "model.safetensors").read_bytes()
    metrics = json.loads((run / "metrics.json").read_text())
    assert nsa("train", "--resume", run).exit_code == 0
    assert (run / "model.safetensors").read_bytes() == before
    again = json.loads((run / "metrics.json").read_text())
    assert again["image_auroc"] == metrics["image_auroc"]
    assert again["times"]["training_seconds"] == metrics["times"]["training_seconds"]


def test_runs_of_another_version(run: Path, tmp_path: Path) -> None:
    values = yaml.safe_load((run / "config.yaml").read_text())
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({**values, "format_version": 2, "nsa_version": "9.0"}))
    message = sentence(nsa("predict", tmp_path, tmp_path, "--output", tmp_path / "out"))
    assert "written by nsa 9.0 in format 2" in message
    config.write_text(yaml.safe_dump({**values, "kind": "gas"}))
    assert "is damaged: kind must be" in sentence(nsa("evaluate", tmp_path))
    del values["images"]
    config.write_text(yaml.safe_dump(values))
    assert "is damaged: The configuration lacks 'images'" in sentence(nsa("evaluate", tmp_path))


def test_damaged_weights(run: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text((run / "config.yaml").read_text())
    assert "holds no model.safetensors" in sentence(nsa("evaluate", tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 100)
    assert "model.safetensors is damaged" in sentence(nsa("evaluate", tmp_path))


@pytest.mark.parametrize("method", [(), GAUSSIAN], ids=["nsa", "gaussian"])
@pytest.mark.parametrize("damaged", ["train", "test", "mask"])
def test_images_are_read_before_anything_is_trained(
    damaged: str, method: tuple[str, ...], tmp_path: Path
) -> None:
    folder = write_product(tmp_path / "data") / "disc"
    if damaged == "mask":
        write(folder / "ground_truth" / "spot" / "1_mask.png", picture(0)[1][:40])
    else:
        place = folder / "train" / "good" if damaged == "train" else folder / "test" / "spot"
        (place / "1.png").write_bytes((place / "1.png").read_bytes()[:300])
    config = write_config(tmp_path / "o.yaml", epochs=1) if not method else None
    more = ("--config", config) if config else ()
    output = tmp_path / "run"
    result = nsa("train", "--data-root", tmp_path / "data", "--output", output, *method, *more)
    assert ("1_mask.png is 80 x 40" if damaged == "mask" else "1.png cannot be") in sentence(result)
    assert "Train" not in result.stderr
    assert not output.exists()  # so that the same command works when the file is mended


def test_a_disk_that_is_too_small_is_noticed_first(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = shutil.disk_usage(tmp_path)._replace(free=100_000_000)
    monkeypatch.setattr("nsa.system.files.shutil.disk_usage", lambda _: room)
    config = write_config(tmp_path / "o.yaml")
    output = tmp_path / "run"
    result = nsa("train", "--data-root", data, "--config", config, "--output", output)
    assert "has 100 MB free, but this needs 276 MB" in sentence(result)
    assert not output.exists()


def test_predict_goes_on_after_what_it_cannot_read(run: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert "nothing.png does not exist" in sentence(
        nsa("predict", run, tmp_path / "nothing.png", "--output", output)
    )
    for name in "ace":
        write(tmp_path / f"{name}.png", picture(ord(name))[0])
    for name in "bd":
        (tmp_path / f"{name}.png").write_bytes(b"no picture")
    result = nsa("predict", run, tmp_path, "--output", output)
    message = sentence(result)
    assert "2 of 5 images cannot be used" in message
    assert "b.png" in message
    assert "d.png" in message
    assert "3 images scored" in result.stderr
    found = {Path(row["path"]).stem: float(row["raw_score"]) for row in rows(output / "scores.csv")}
    assert sorted(found) == ["a", "c", "e"]
    for name in "ace":
        assert (output / f"{name}.png").is_file()
        one = tmp_path / name
        assert nsa("predict", run, tmp_path / f"{name}.png", "--output", one).exit_code == 0
        assert found[name] == pytest.approx(
            float(rows(one / "scores.csv")[0]["raw_score"]), abs=1e-6
        )


def test_an_unexpected_key_error_is_not_hidden(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only mistakes of the user become a sentence; a fault in the program must show itself."""

    def fail(*_: Any) -> None:
        raise KeyError("fault")

    monkeypatch.setattr("nsa.detectors.network.detector.load", fail)
    with pytest.raises(KeyError):
        nsa("evaluate", run)
