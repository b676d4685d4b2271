"""What loggers are told of a training, and that nothing comes of it to the training."""

from __future__ import annotations

import importlib.util
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tiny import nsa, sentence, train_gaussian

from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.registry import read_request
from nsa.errors import InputError
from nsa.folder import read_config
from nsa.loggers import log as module
from nsa.loggers.log import SILENT, flat, open_log
from nsa.loggers.writer import End, Plain, Writer


class Noted(Writer):
    """Remembers what it is told; fails at what is named ``broken``."""

    def __init__(self, broken: str = "") -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.threads: set[int] = set()
        self._broken = broken

    def _note(self, *call: Any) -> None:
        if call[0] == self._broken:
            raise OSError(f"no {self._broken}\nand a second line")
        self.calls.append(call)
        self.threads.add(threading.get_ident())

    def begin(self, settings: Mapping[str, Plain], about: Mapping[str, str]) -> None:
        self._note("begin", settings, about)

    def go_on(self, step: int) -> None:
        self._note("go_on", step)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        self._note("scalars", values, step)

    def results(
        self, values: Mapping[str, float], settings: Mapping[str, Plain], step: int
    ) -> None:
        self._note("results", values, settings, step)

    def picture(self, path: Path, step: int) -> None:
        self._note("picture", path, step)

    def close(self, end: End) -> None:
        self._note("close", end)

    def told(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Noted]:
    """Let a writer that takes notes stand for every logger, installed or not."""

    find = importlib.util.find_spec

    def found(name: str, *rest: Any) -> Any:
        return name if name in {"mlflow", "tensorboard"} else find(name, *rest)

    def arrange(broken: str = "") -> Noted:
        writer = Noted(broken)
        monkeypatch.setattr(module, "_open", lambda *_: writer)
        monkeypatch.setattr(module, "_SECONDS_BETWEEN_STEPS", 0.0)
        monkeypatch.setattr(importlib.util, "find_spec", found)
        return writer

    return arrange


def test_a_training_tells_all_it_measures(
    noted: Callable[..., Noted], more_data: Path, one_epoch: Path, tmp_path: Path
) -> None:
    writer = noted()
    run = tmp_path / "disc"
    train = ("train", "--data-root", more_data, "--config", one_epoch, "--epochs", 2)
    options = ("--output", run, "--logger", "mlflow", "--holdout", 0.2)
    assert nsa(*train, *options).exit_code == 0
    [(settings, about)] = writer.told("begin")
    assert settings["training.epochs"] == 2
    assert settings["images.size"] == "[72, 72]"
    assert about == {"run_folder": str(run)}
    assert writer.told("go_on") == []
    steps = [(values, step) for values, step in writer.told("scalars") if len(values) == 3]
    assert [step for _, step in steps] == [*range(1, 9)]  # 16 images in batches of 4
    rates = [values["training/learning_rate"] for values, _ in steps]
    assert rates[:4] == [1e-3] * 4
    assert rates[4:] == [pytest.approx(0.5e-3, rel=0.01)] * 4
    epochs = [(values, step) for values, step in writer.told("scalars") if len(values) == 2]
    assert [step for _, step in epochs] == [4, 8]
    of_first = [values["training/loss"] for values, _ in steps[:4]]
    assert epochs[0][0] == {"training/epoch": 1, "training/epoch_loss": sum(of_first) / 4}
    assert all(values["training/images_per_second"] > 0 for values, _ in steps)
    [(results, same, step)] = writer.told("results")
    assert (same, step) == (settings, 8)
    assert 0 <= results["test/image_auroc"] <= 1
    assert results["held_out/images"] == 4
    assert results["held_out/mean_score"] <= results["held_out/highest"]
    assert results["decisions/fpr"] == 0.2
    assert results["times/training_seconds"] > 0
    assert [path.name for path, _ in writer.told("picture")] == ["examples.png", "loss.png"]
    assert writer.calls[-1] == ("close", "finished")
    assert threading.get_ident() not in writer.threads
    assert len(writer.threads) == 1


def test_a_gaussian_tells_its_results(
    noted: Callable[..., Noted], more_data: Path, small_gaussian: Path, tmp_path: Path
) -> None:
    writer = noted()
    result = train_gaussian(more_data, small_gaussian, tmp_path / "disc", "--logger", "tensorboard")
    assert result.exit_code == 0, result.output
    [(results, settings, _)] = writer.told("results")
    assert settings["gaussian.size"] == "[64, 72]"
    assert {"test/image_auroc", "times/training_seconds"} <= results.keys()
    assert [path.name for path, _ in writer.told("picture")] == ["examples.png"]


def test_an_interrupted_run_goes_on_in_its_log_and_is_the_same_without(
    noted: Callable[..., Noted],
    data: Path,
    one_epoch: Path,
    tmp_path: Path,
    stop_after: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer = noted()
    logged, plain = tmp_path / "logged", tmp_path / "plain"
    train = ("train", "--data-root", data, "--config", one_epoch, "--epochs", 2, "--threads", 1)
    stop_after(2)
    result = nsa(*train, "--output", logged, "--logger", "mlflow")
    assert result.exit_code == 130, result.output
    monkeypatch.undo()
    assert writer.calls[-1] == ("close", "interrupted")
    writer = noted()
    assert nsa("train", "--resume", logged).exit_code == 0
    assert writer.told("go_on") == [(2,)]
    first = writer.told("scalars")[0]
    assert first[1] == 3
    assert writer.calls[-1] == ("close", "finished")
    assert nsa(*train, "--output", plain).exit_code == 0
    weights = [(run / "model.safetensors").read_bytes() for run in (logged, plain)]
    assert weights[0] == weights[1]
    logger = read_config(logged).pop("logger")
    assert logger == ["mlflow"]
    assert "logger" not in read_config(plain)


ENDS = "Logging to mlflow ends here, the training goes on: OSError: no "


def test_a_training_goes_on_without_its_logger(
    noted: Callable[..., Noted], data: Path, one_epoch: Path, tmp_path: Path
) -> None:
    noted("scalars")
    train = ("train", "--data-root", data, "--config", one_epoch, "--logger", "mlflow")
    result = nsa(*train, "--output", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("Logging to") == result.stderr.count(f"{ENDS}scalars") == 1
    assert (tmp_path / "run" / "metrics.json").is_file()


@pytest.mark.parametrize("broken", ["begin", "go_on", "scalars", "results", "picture", "close"])
def test_a_logger_that_fails_is_warned_of_once(
    broken: str,
    noted: Callable[..., Noted],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    writer = noted(broken)
    said: list[str] = []
    monkeypatch.setattr(module._log, "warning", lambda text, *rest: said.append(text % rest))
    (tmp_path / "loss.png").touch()
    with open_log(["mlflow"], tmp_path, "run", {}) as log:
        log.go_on(3)
        for step in range(4, 9):
            log.step(step, 0.5, 2, 0.1)
        log.scalars({"a": 1.0})
        log.results({"a": 1.0})
        log.picture(tmp_path / "loss.png")
    assert said == [f"{ENDS}{broken}"]
    assert broken == "close" or writer.calls[-1] == ("close", "failed")


def test_a_store_that_does_not_answer_keeps_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    answer = threading.Event()

    def wait(*_: object) -> Writer:
        answer.wait()
        return Noted()

    monkeypatch.setattr(module, "_open", wait)
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    monkeypatch.setattr(logging.getLogger("nsa"), "propagate", True)
    with open_log(["mlflow"], tmp_path, "run", {}) as log:
        log.scalars({"a": 1.0})
    answer.set()
    assert "mlflow has not taken everything" in caplog.text


@pytest.mark.parametrize("error", [InputError("no"), ValueError("no")])
def test_a_training_that_fails_is_said_to(
    error: Exception, noted: Callable[..., Noted], tmp_path: Path
) -> None:
    writer = noted()
    with pytest.raises(type(error)), open_log(["mlflow"], tmp_path, "run", {}):
        raise error
    assert writer.calls[-1] == ("close", "failed")


def test_without_loggers_there_is_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    with open_log([], tmp_path, "run", {}) as log:
        log.go_on(3)
        log.step(4, 0.5, 2, 0.1)
        log.results({"a": 1.0})
        assert threading.active_count() == before
    SILENT.step(1, 0.5, 2, 0.1)
    assert [*tmp_path.iterdir()] == []


def test_a_package_that_is_missing_is_named_before_any_work(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    result = nsa("train", "--data-root", data, "--output", tmp_path / "run", "--logger", "mlflow")
    assert "pip install 'nsa[mlflow]'" in sentence(result)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["wandb"], "must be one of tensorboard, mlflow, none, got 'wandb'"),
        (["none", "mlflow"], "none goes with no other"),
    ],
)
def test_unknown_loggers_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        NetworkRequest(logger=names)


def test_an_options_file_names_one_or_several(tmp_path: Path) -> None:
    path = tmp_path / "options.yaml"
    for text, names in [
        ("mlflow", ["mlflow"]),
        ("[tensorboard, mlflow]", ["tensorboard", "mlflow"]),
    ]:
        path.write_text(f"logger: {text}\n")
        assert [*read_request({}, path).loggers()] == names
    assert NetworkRequest(logger=["none"]).loggers() == ()
    assert NetworkRequest().loggers() == ()


def test_settings_are_named_with_their_sections() -> None:
    values = {"a": {"b": 1, "c": [2, 3], "none": None}, "d": True}
    assert flat(values) == {"a.b": 1, "a.c": "[2, 3]", "d": True}
