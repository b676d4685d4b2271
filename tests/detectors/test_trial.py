"""Short trainings that choose kind, patches and turns: what is tried, chosen and refused."""

from __future__ import annotations

import dataclasses
import logging
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from tiny import nsa, picture, sentence, write, write_config, write_product

from nsa.detectors.network import trial
from nsa.detectors.network.automatic import settle
from nsa.detectors.network.fit import begin
from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.network.trial import choose, tried
from nsa.errors import InputError
from nsa.images import Dataset, open_dataset
from nsa.images.ignored import Ignored
from nsa.training.distributed import Ranks

CPU = torch.device("cpu")
LEVELS: dict[str, Any] = {"levels": None}


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Objects on a plain background."""
    return open_dataset(write_product(tmp_path_factory.mktemp("discs"), train=20), "disc")


@pytest.fixture(scope="module")
def cloth(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("cloth") / "cloth"
    random = np.random.default_rng(0)
    for index in range(20):
        coarse = random.integers(0, 256, (27, 27, 3), dtype=np.uint8)
        write(folder / f"{index}.png", cv2.resize(coarse, (80, 80)))
    return open_dataset(normal_dir=folder)


def names(request: NetworkRequest, dataset: Dataset) -> list[str]:
    return [one.name for one in trial._candidates(request, dataset)]


def request(**given: Any) -> NetworkRequest:
    return NetworkRequest(**{"images": LEVELS, **given})


def test_kinds_are_tried_where_no_plain_background_tells(discs: Dataset, cloth: Dataset) -> None:
    of_discs = ["object, usual patches", "object, small patches"]
    of_cloth = ["texture, usual patches", "texture, small patches"]
    assert names(request(), discs) == of_discs
    assert names(request(), cloth) == of_cloth + of_discs
    assert names(request(kind="object"), cloth) == of_discs
    assert names(request(kind="texture"), discs) == of_cloth
    assert names(request(frame="crop", kind="object"), cloth) == of_discs
    # A category of the paper has its kind.
    known = dataclasses.replace(cloth, name="bottle", presets=True)
    assert names(request(), known) == of_discs
    assert len(names(request(), dataclasses.replace(known, presets=False))) == 4


@pytest.mark.parametrize(
    "given", [{"height_bounds": [0.1, 0.2]}, {"width_bounds": [0.1, 0.2]}, {"patch_pixels": [4, 8]}]
)
def test_patches_that_are_given_are_not_tried(given: dict[str, Any], cloth: Dataset) -> None:
    asked = request(synthesis=given)
    assert names(asked, cloth) == ["texture, usual patches", "object, usual patches"]
    assert names(asked.replace(kind="texture"), cloth) == ["texture, usual patches"]


def test_small_patches_are_half_as_large(discs: Dataset) -> None:
    usual, small = trial._candidates(request(epochs=7), discs)
    for name in ("height_bounds", "width_bounds"):
        low, high = getattr(usual.settings.synthesis, name)
        assert getattr(small.settings.synthesis, name) == (low / 2, high / 2)
    assert usual.settings.images == small.settings.images
    assert usual.settings.images.size == usual.settings.images.crop == (160, 160)
    assert usual.settings.light  # as in the training that follows
    # What is chosen is asked for, and nothing else is changed.
    assert usual.request == request(epochs=7, kind="object")
    bounds = {
        name: getattr(small.settings.synthesis, name) for name in ("height_bounds", "width_bounds")
    }
    assert small.request == request(epochs=7, kind="object", synthesis=bounds)


def test_the_network_is_chosen_that_finds_most_of_all() -> None:
    found = np.zeros((3, 3, 2))
    found[0, 0] = 1.0, 1.0  # its own alone
    found[1] = [(0.8, 0.2)] * 3
    found[2] = [(0.7, 0.35)] * 3
    assert choose(found) == 2


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_SIDE", 64)
    monkeypatch.setattr(trial, "_STEPS", 2)
    monkeypatch.setattr(trial, "_WANTED", 24)
    monkeypatch.setattr(trial, "_FEWEST", 1)


@pytest.mark.usefixtures("short")
def test_a_trial_says_what_it_found_and_finds_the_same_again(
    cloth: Dataset, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = []

    def note(found: Any) -> Any:
        tables.append(found)
        return choose(found)

    monkeypatch.setattr(trial, "choose", note)
    monkeypatch.setattr(logging.getLogger("nsa"), "propagate", True)
    asked = request(kind="texture", seed=5)
    with caplog.at_level("INFO"):
        chosen = tried(asked, cloth, CPU, "fp32")
    assert tried(asked, cloth, CPU, "fp32") == chosen
    assert np.array_equal(tables[0], tables[1])
    assert tables[0].shape == (2, 2, 2)
    assert (tables[0] >= 0).all()
    assert (tables[0] <= 1).all()
    candidates = trial._candidates(asked, cloth)
    best = int(choose(tables[0]))
    assert chosen == candidates[best].request
    assert f"The trial chose: {candidates[best].name}." in caplog.text
    assert "Trial: texture, small patches." in caplog.text
    assert "turned" not in caplog.text
    tried(asked.replace(seed=6), cloth, CPU, "fp32")
    assert not np.array_equal(tables[0], tables[2])


def test_objects_are_tried_turned(discs: Dataset, cloth: Dataset) -> None:
    usual, small = trial._candidates(request(), discs)
    for candidate in (usual, small):
        turned = trial._turned(candidate)
        assert turned is not None
        assert turned.name == f"{candidate.name}, turned by up to 5 degrees"
        images = turned.settings.images
        assert images.rotation == 5
        assert images.reflection > 0  # what a turned image shows beside itself
        assert images.size == images.crop == (160, 160)
        expected = candidate.request.replace(images={**LEVELS, "rotation": 5.0})
        assert turned.request == expected
    given = trial._candidates(request(images={**LEVELS, "rotation": 10}), discs)
    assert [trial._turned(one) for one in given] == [None, None]
    texture = trial._candidates(request(kind="texture"), cloth)[0]
    assert trial._turned(texture) is None


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("gained", "degrees"), [(0.03, 5), (-0.03, 0), (0.02, None), (-0.02, None)]
)
def test_turns_are_chosen_by_what_is_found(
    gained: float, degrees: int | None, discs: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where that is about the same they are left to the rule."""
    judged = []

    def judge(_self: Any, candidate: Any, *_: Any) -> Any:
        judged.append(candidate.name)
        found = 0.6 if "small" in candidate.name else 0.5
        return np.full((3, 2), found + gained * ("turned" in candidate.name))

    monkeypatch.setattr(trial._Images, "judge", judge)
    chosen = tried(request(), discs, CPU, "fp32")
    assert judged == [
        "object, usual patches",
        "object, small patches",
        "object, small patches, turned by up to 5 degrees",
    ]
    assert chosen.images.get("rotation") == degrees
    assert chosen.synthesis["height_bounds"][0] == 0.03
    # And nothing but turns may be left to try.
    judged.clear()
    given = {"height_bounds": [0.3, 0.6], "width_bounds": [0.3, 0.6]}
    chosen = tried(request(synthesis=given, kind="object"), discs, CPU, "fp32")
    assert len(judged) == 2
    assert chosen.images.get("rotation") == degrees
    judged.clear()
    asked = request(synthesis=given, kind="object", images={**LEVELS, "rotation": 3})
    assert tried(asked, discs, CPU, "fp32") == asked
    assert judged == []


@pytest.mark.usefixtures("short")
def test_what_is_ignored_decides_nothing(
    discs: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pixels of a mask may be anything, in training and where it is judged."""
    mask = np.zeros((80, 80), np.uint8)
    mask[:, :40] = 255
    write(tmp_path / "mask.png", mask)
    random = np.random.default_rng(1)
    for index in range(20):
        image, _ = picture(index)
        image[:, :34] = random.integers(0, 256, (80, 34, 3))  # and what is scaled across the border
        write(tmp_path / "noisy" / "train" / "good" / f"{index}.png", image)
    noisy = open_dataset(normal_dir=tmp_path / "noisy" / "train" / "good", category="disc")
    ignored = Ignored.open(tmp_path / "mask.png")
    tables = []
    monkeypatch.setattr(trial, "choose", lambda found: tables.append(found[0]) or 0)
    monkeypatch.setattr(trial, "gain", lambda _found, others: tables.append(others) or 0.0)
    bounds = {"height_bounds": [0.3, 0.6], "width_bounds": [0.3, 0.6]}
    asked = request(kind="object", background="none", light=False, synthesis=bounds)
    for dataset in (discs, noisy):
        tried(asked, dataset.ignoring(ignored), CPU, "fp32")
    assert len(tables) == 4  # of each a usual network, and one of turned images
    np.testing.assert_array_equal(tables[0], tables[2])
    np.testing.assert_array_equal(tables[1], tables[3])


def test_what_cannot_be_tried_is_refused(discs: Dataset) -> None:
    for given in ({"size": (96,)}, {"crop": (64,)}):
        with pytest.raises(InputError, match="leave out --size and --crop, or the trial"):
            tried(request(**given), discs, CPU, "fp32")
    few = dataclasses.replace(discs, train=discs.train[:19])
    with pytest.raises(InputError, match="at least, got 19; leave it out"):
        tried(request(), few, CPU, "fp32")
    with pytest.raises(InputError, match="kind must be 'object' or 'texture', got 'x-ray'"):
        tried(request(kind="x-ray"), discs, CPU, "fp32")
    with pytest.raises(InputError, match="A trial is for a training by nsa train"):
        settle(NetworkRequest(trial=True), discs)
    pair = Ranks()
    pair.count = 2
    with pytest.raises(InputError, match="--trial is for one process"):
        begin(NetworkRequest(trial=True, batch_size=4), discs, pair, profile=False)


@pytest.mark.usefixtures("short")
def test_a_training_has_what_was_chosen(more_data: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "options.yaml", epochs=1, kind=None)
    run = tmp_path / "run"
    train = ("train", "--data-root", more_data, "--config", config, "--output", run, "--trial")
    result = nsa(*train)
    assert result.exit_code == 0, result.output
    (chosen,) = re.findall(r"The trial chose: object, ([^.]*)\.", " ".join(result.stderr.split()))
    settings = yaml.safe_load((run / "config.yaml").read_text())
    assert settings["synthesis"]["height_bounds"][0] == (0.03 if "small" in chosen else 0.06)
    if "turned" in chosen:
        assert settings["images"]["rotation"] == (0 if "not" in chosen else 5)
    refused = sentence(nsa("train", "--resume", run, "--trial"))
    assert refused.startswith("Error: --trial cannot change in a run that has begun")
    assert nsa("train", "--resume", run).exit_code == 0


@pytest.mark.parametrize("count", [1, 3])
def test_scores_are_of_pixels_that_count(count: int, fresh_seed: int) -> None:
    generator = torch.Generator().manual_seed(fresh_seed)
    maps = torch.rand(3, 40, 50, generator=generator)
    ignored = torch.rand(count, 40, 50, generator=generator) < 0.5
    scores = trial._scores(maps, ignored)
    assert np.array_equal(scores, trial._scores(maps.masked_fill(ignored, 9.0), ignored))
    assert not np.array_equal(scores, trial._scores(maps, None))
