"""Damaged files of run folders: what is read of them is right, or refused by one sentence."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from old_run_files import HERE
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from damage import damages
from tiny import nsa as command
from tiny import sentence

import nsa
from nsa.detectors.gaussian import storage
from nsa.detectors.registry import open_run
from nsa.errors import InputError
from nsa.folder import Metrics
from nsa.gaussian import GaussianDetector
from nsa.model.weights import load_model, read_tensors, save_model
from nsa.runs.calibrate import Calibration
from nsa.runs.several.trainings import find
from nsa.settings.config import ImageConfig, TrainConfig
from nsa.settings.options import TrainRequest
from nsa.training import Trainer, checkpoint, load_checkpoint

READERS: dict[str, Any] = {
    "config.yaml": open_run,
    "metrics.json": Metrics.read,
    "calibration.csv": lambda run: Calibration.read(run).threshold.threshold(0.5),
    "categories.yaml": lambda run: find(TrainRequest(), run),
    "gaussian.safetensors": storage.load,
    "gaussian.yaml": storage.load,
    "model.safetensors": lambda run: load_model(run / "model.safetensors", small_network()),
}


def small_network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every file that is read again, small."""
    run = tmp_path_factory.mktemp("whole")
    for name in ("config.yaml", "metrics.json"):
        shutil.copy(HERE / "nsa" / name, run)
    shutil.copy(HERE / "gaussian" / "calibration.csv", run)
    (run / "categories.yaml").write_text("names: [disc]\noptions: {seed: 1}\nper_device: 1\n")
    save_model(run / "model.safetensors", small_network())
    storage.save(GaussianDetector().fit([torch.randn(9, 4)], holdout=0.3), run)
    return run


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_refused_in_a_sentence(
    name: str, whole: Path, tmp_path: Path, fresh_seed: int
) -> None:
    READERS[name](whole)
    found = list(damages(whole / name))
    refused = 0
    for words, damage in random.Random(fresh_seed).sample(found, min(len(found), 60)):
        run = tmp_path / "run"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(whole, run)
        damage(run / name)
        try:
            READERS[name](run)
        except InputError as error:
            refused += 1
            message = str(error)
            assert message.isprintable(), (words, message)
            assert message.endswith((".", "?")), (words, message)
            assert len(message) < 700, (words, message)
    assert refused > 5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    network = small_network()
    network[0].weight.data[1, 0, 2, 2] = value  # type: ignore[index]
    save_model(tmp_path / "w.safetensors", network)
    with pytest.raises(InputError, match=r"w.safetensors is damaged: 0.weight holds a value that"):
        read_tensors(tmp_path / "w.safetensors")


@pytest.mark.parametrize("suffix", [".SAFETENSORS", ".SafeTensors"])
def test_no_spelling_of_safetensors_is_a_pickle(suffix: str, tmp_path: Path) -> None:
    from nsa.model.weights import read_state

    path = tmp_path / f"w{suffix}"
    save_model(path, small_network())
    assert read_state(path).keys() == small_network().state_dict().keys()
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="is damaged and cannot be read"):
        read_state(path)


def test_scores_that_are_not_finite_get_no_label(
    network_run: Path, normals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("calibrate", network_run, normals).exit_code == 0
    from nsa.detectors.network.detector import NetworkDetector

    whole = NetworkDetector.maps

    def damaged(self: NetworkDetector, images: Tensor) -> Tensor:
        maps = whole(self, images).clone()
        maps[-1, 3, 4] = torch.nan
        return maps

    monkeypatch.setattr(NetworkDetector, "maps", damaged)
    output = ("--output", tmp_path / "out")
    for arguments in (
        ("predict", network_run, normals, *output, "--fpr", 0.1),
        ("calibrate", network_run, normals),
        ("evaluate", network_run),
    ):
        message = sentence(command(*arguments))
        assert "a score or a map that is not finite" in message
        assert ".png" in message
    with pytest.raises(InputError, match=r"^The detector gives image 1 a score"):
        nsa.load(network_run, "cpu").predict(torch.zeros(2, 3, 80, 80, dtype=torch.uint8))


@pytest.fixture(scope="module")
def trained() -> Trainer:
    """A trainer after three of its four steps by Adam."""
    return after_three_steps("adam")


def after_three_steps(optimizer: Literal["adam", "muon"]) -> Trainer:
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    config = ImageConfig(size=(32, 32), center_crop=None, crop=(32, 32))
    training = TrainConfig(epochs=2, batch_size=2, optimizer=optimizer)
    trainer = Trainer(
        images, nsa.SynthesisConfig(), config, training,
        device=torch.device("cpu"), precision="fp32",
    )  # fmt: skip
    trainer.run(lambda _loss, _count: trainer.position.epoch * 2 + trainer.position.step < 3)
    return trainer


STEP, SQUARE = "optimizer/bottleneck.0.weight/step", "optimizer/bottleneck.0.weight/exp_avg_sq"


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("position", lambda _: ""),
        ("position", lambda text: text[:-3]),
        ("position", lambda text: text.replace('"epoch": 1', '"epoch": 1.5')),
        ("position", lambda text: text.replace('"epoch": 1', '"epoch": 9')),
        ("position", lambda text: text.replace('"epoch": 1', '"epoch": -1')),
        ("position", lambda text: text.replace('"step": 1', '"step": 2')),
        ("position", lambda text: text.replace('"step": 1', '"stop": 1')),
        ("position", lambda text: json.dumps({**json.loads(text), "losses": [None]})),
        ("position", lambda text: json.dumps({**json.loads(text), "losses": []})),
        ("position", lambda text: json.dumps({**json.loads(text), "seconds": float("nan")})),
        ("images", lambda _: "many"),
        ("images", lambda _: "7" * 6000),
        ("images", lambda _: "5"),
        (STEP, lambda value: value + 1),
        (STEP, lambda value: value.double()),
        (STEP, lambda _: None),
        (SQUARE, lambda value: value[:-1]),
        (SQUARE, lambda value: -value - 1),
        (SQUARE, lambda value: value.half()),
        ("model/bottleneck.0.weight", lambda _: None),
        ("model/bottleneck.0.weight", lambda value: value.to(torch.complex64)),
        ("optimizer/other/step", lambda _: torch.tensor(3.0)),
    ],
)
def test_damaged_checkpoints_are_refused(
    part: str, change: Any, trained: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors, metadata = checkpoint._state(trained)
    before = dataclasses.asdict(trained.position)
    monkeypatch.setattr(checkpoint, "read_tensors", lambda _: (tensors, metadata))
    load_checkpoint(Path("c.safetensors"), trained)
    held: dict[str, Any] = metadata if part in metadata else tensors
    held[part] = change(held.get(part))
    if held[part] is None:
        del held[part]
    with pytest.raises(InputError) as raised:
        load_checkpoint(Path("c.safetensors"), trained)
    assert str(raised.value).startswith("c.safetensors ")
    assert str(raised.value).endswith(".")
    assert dataclasses.asdict(trained.position) == before


def test_a_checkpoint_of_another_optimizer_is_refused(trained: Trainer, tmp_path: Path) -> None:
    muon = after_three_steps("muon")
    for one, other in ((trained, muon), (muon, trained)):
        checkpoint.save_checkpoint(tmp_path / "c.safetensors", one)
        load_checkpoint(tmp_path / "c.safetensors", one)
        with pytest.raises(InputError, match="its optimiser state is of another network"):
            load_checkpoint(tmp_path / "c.safetensors", other)


def test_categories_and_a_plain_folder_exclude_one_another(data: Path, tmp_path: Path) -> None:
    plain = data / "disc" / "train" / "good"
    output = tmp_path / "out"
    message = sentence(
        command(
            "train", "--data-root", data, "--normal-dir", plain, "--category", "all",
            "--output", output,
        )
    )  # fmt: skip
    assert "Give exactly one of data_root" in message
    assert not output.exists()
