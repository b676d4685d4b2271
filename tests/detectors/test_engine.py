"""Detectors by ONNX Runtime: maps, scores and decisions are those by torch."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nsa.detectors.detector import Detector
from nsa.detectors.ensemble.detector import EnsembleDetector
from nsa.detectors.ensemble.fit import HeldOut, standardise
from nsa.detectors.network.detector import NetworkDetector
from nsa.detectors.network.image_score import SCORES
from nsa.detectors.network.settings import NetworkSettings
from nsa.detectors.registry import load
from nsa.errors import InputError
from nsa.graphs.kept import FILE
from nsa.images import Contents
from nsa.images.ignored import Ignored
from nsa.model import EncoderDecoder
from nsa.model.encoder_decoder import Activation
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.system.device import torch_threads

SAME = 1e-4  # of the largest value, as nsa export --check has it
FRAMES: dict[str, dict[str, Any]] = {
    "stretch": {"size": (64, 72), "crop": (64, 72)},
    "centre crop": {"size": (72, 80), "crop": (64, 64)},
    "fit": {"size": (80, 80), "crop": (80, 80), "resize": "fit"},
    "native": {"size": (90, 110), "crop": (64, 64), "resize": "none"},
}


Pair = tuple[NetworkDetector, NetworkDetector]


@pytest.fixture(scope="module")
def network(
    tmp_path_factory: pytest.TempPathFactory, fresh_seed: int
) -> Callable[[int, str], Pair]:
    """Makes detectors by torch and by ONNX Runtime; those of native images have skip connections.

    Those of as many channels share weights otherwise.
    """
    folder = tmp_path_factory.mktemp("weights")

    def make(channels: int, frame: str) -> Pair:
        skips = frame == "native"
        label = "logistic" if channels == 3 else "continuous"
        settings = NetworkSettings(
            category="disc", kind="object", synthesis=SynthesisConfig(label=label),
            training=TrainConfig(skips=skips),
            images=ImageConfig(channels=channels, rotation=0, center_crop=None, **FRAMES[frame]),
        )  # fmt: skip
        torch.manual_seed(fresh_seed)
        activation: Activation = "relu" if settings.synthesis.unbounded else "sigmoid"
        weights = EncoderDecoder(channels, activation, skips)
        two = [NetworkDetector(weights, settings, torch.device("cpu")) for _ in range(2)]
        own = folder / f"{channels} {skips}"
        own.mkdir(exist_ok=True)
        two[1].use_onnxruntime(own)
        return two[0], two[1]

    return make


def alike(one: Any, two: Any) -> None:
    one, two = np.asarray(one, dtype=np.float64), np.asarray(two, dtype=np.float64)
    np.testing.assert_allclose(two, one, rtol=0, atol=SAME * np.abs(one).max())


def pictures(random: np.random.Generator, channels: int, *shapes: tuple[int, int]) -> list[Any]:
    return [random.integers(256, size=(*shape, channels), dtype=np.uint8) for shape in shapes]


def masks(random: np.random.Generator, shape: tuple[int, int], count: int) -> list[Any]:
    """Of no pixel, then of a few at random and a whole corner."""
    found = (random.random((count, *shape)) < 0.01).astype(np.uint8)
    found[:, :30, :40] = 1
    return [None, *found[1:]]


def check_judgements(one: Detector, two: Detector, random: np.random.Generator) -> None:
    """Of batches, single images, and images with masks of their own, of one size and of several."""
    size, channels = (90, 110), one.channels
    images = pictures(random, channels, *[size] * 3)
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    for batch in (stacked, stacked[:1], stacked[:0]):
        for found, other in zip(one.predict(batch), two.predict(batch), strict=True):
            assert found.dtype == other.dtype
            assert found.shape == other.shape
            if len(batch):
                alike(found, other)
    for ignored in (None, masks(random, size, 3)):
        for found, other in zip(
            one.judge(images, ignored), two.judge(images, ignored), strict=True
        ):
            alike(found.map, other.map)
            alike([found.score], [other.score])
            if found.spread is not None:
                assert found.map_spread is not None
                scale = float(np.abs(found.map).max())
                np.testing.assert_allclose(other.map_spread, found.map_spread, atol=SAME * scale)
    if one.ignored is None:
        images = pictures(random, channels, (64, 72), (131, 65), (90, 33), (50, 201))
        for found, other in zip(one.judge(images), two.judge(images), strict=True):
            alike(found.map, other.map)


@pytest.mark.parametrize(
    ("channels", "frame"),
    [
        *(pytest.param(1, frame, marks=pytest.mark.thorough) for frame in ("stretch", "native")),
        *((3, frame) for frame in FRAMES),
    ],
)
def test_a_network(
    network: Callable[[int, str], Pair], channels: int, frame: str, fresh_seed: int, tmp_path: Path
) -> None:
    random = np.random.default_rng(fresh_seed)
    one, two = network(channels, frame)
    check_judgements(one, two, random)
    for score in SCORES[1:]:
        one.image_score = two.image_score = score
        images = torch.randint(256, (2, channels, *one.size), dtype=torch.uint8)
        alike(one.score(images).scores, two.score(images).scores)
        published = one.score_as_published(images), two.score_as_published(images)
        assert (published[0] is None) == (published[1] is None) == (frame != "centre crop")
        if published[0] is not None and published[1] is not None:
            alike(published[0].maps, published[1].maps)
    ignored = Ignored(tmp_path / "mask.png", masks(random, (90, 110), 2)[1])
    for detector in (one, two):
        detector.ignore(ignored)
    check_judgements(one, two, random)


@pytest.mark.parametrize("frame", ["stretch", "native"])
def test_any_height_and_width(
    network: Callable[[int, str], Pair], frame: str, fresh_seed: int
) -> None:
    """From the least that the network takes, also where torch.export knows of none as small."""
    random = np.random.default_rng(fresh_seed)
    one, two = network(3, frame)
    shapes = [(32, 32), (32, 77), (100, 32), (33, 64), *random.integers(32, 300, (3, 2)).tolist()]
    for height, width in shapes:
        images = torch.randint(256, (2, 3, height, width), dtype=torch.uint8)
        alike(one.maps(images), two.maps(images))


@pytest.mark.parametrize("frame", ["stretch", "native"])
def test_tiles(
    network: Callable[[int, str], Pair],
    frame: str,
    fresh_seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two = network(3, frame)
    random = np.random.default_rng(fresh_seed)
    long, wide = random.integers(1300, 1700), random.integers(161, 225)
    images = torch.randint(256, (1, 3, long, wide), dtype=torch.uint8)
    whole = one.maps(images)
    alike(whole, two.maps(images))
    calls = []
    session = two._session
    assert session is not None
    monkeypatch.setattr(two, "_session", lambda *given: calls.append(given) or session(*given))
    monkeypatch.setattr(two, "_room", lambda: 28 * 32 * 224)
    alike(whole, two.maps(images))
    assert len(calls) > 1


def test_results_are_the_same_for_any_number_of_threads(
    network: Callable[[int, str], Pair],
) -> None:
    _, detector = network(3, "stretch")
    session = detector._session
    assert session is not None
    images = torch.randint(256, (2, 3, 64, 72), dtype=torch.uint8)
    found = []
    for threads in (1, 2, 3, 1):
        with torch_threads(threads):
            found.append(detector.score(images))
    for other in found[1:]:
        assert torch.equal(found[0].maps, other.maps)
        assert torch.equal(found[0].scores, other.scores)
    assert {*session._sessions} == {1, 2, 3}


@pytest.fixture(scope="module")
def gaussian(gaussian_run: Path) -> Path:
    """A run of the Gaussian detector with its graph."""
    load(gaussian_run, engine="onnxruntime")
    return gaussian_run


def test_a_gaussian_run(gaussian: Path, fresh_seed: int) -> None:
    random = np.random.default_rng(fresh_seed)
    one, two = load(gaussian, "cpu"), load(gaussian, "cpu", engine="onnxruntime")
    check_judgements(one, two, random)
    ignored = Ignored(gaussian / "mask.png", masks(random, (90, 110), 2)[1])
    for detector in (one, two):
        detector.ignore(ignored)
    check_judgements(one, two, random)


@pytest.mark.thorough
def test_an_ensemble(network: Callable[[int, str], Pair], gaussian: Path, fresh_seed: int) -> None:
    """Each member keeps its own."""
    random = np.random.default_rng(fresh_seed)
    names = "01-nsa", "02-gaussian"
    (first, _), second = network(3, "stretch"), load(gaussian, "cpu")
    held = HeldOut(torch.randint(256, (8, 3, 64, 72), dtype=torch.uint8), Contents([Path("a")] * 8))
    scales, _ = standardise(dict(zip(names, (first, second), strict=True)), held)
    one = EnsembleDetector([first, second], scales)
    two = EnsembleDetector([network(3, "stretch")[0], load(gaussian, "cpu")], scales)
    folder = gaussian / "ensemble"
    for name in names:
        (folder / "members" / name).mkdir(parents=True)
    shutil.copy(gaussian / FILE, folder / "members" / names[1])
    two.use_onnxruntime(folder)
    assert {path.parent.name for path in folder.rglob(FILE)} == {*names}
    check_judgements(one, two, random)
    images = torch.randint(256, (2, 3, 90, 110), dtype=torch.uint8)
    for found, other in zip(one.spread(images), two.spread(images), strict=True):
        np.testing.assert_allclose(other, found, atol=1e-3)


def test_a_method_without_says_so(tmp_path: Path) -> None:
    class Other(NetworkDetector):
        use_onnxruntime = Detector.use_onnxruntime

    with pytest.raises(InputError, match="is not for detectors as that in"):
        Other.use_onnxruntime(object.__new__(Other), tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "onnx"}, "engine must be torch or onnxruntime, got 'onnx'"),
        ({"engine": "onnxruntime", "device": "cuda"}, "is for the CPU, and the device 'cuda' was"),
        ({"engine": "onnxruntime", "device": torch.device("cuda:0")}, "the device 'cuda:0' was"),
    ],
)
def test_what_it_cannot_do_is_refused(options: dict[str, Any], message: str) -> None:
    """Before anything is read."""
    with pytest.raises(InputError, match=message):
        load("no such run", **options)
