"""What a program has set for all of torch changes no result: default dtype, device and modes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import nsa
from nsa.gaussian import FeatureExtractor, GaussianDetector
from nsa.model import EncoderDecoder
from nsa.model.pretrained import load_network
from nsa.settings.config import ImageConfig, TrainConfig
from nsa.training import Trainer

IMAGES = torch.randint(0, 256, (4, 3, 64, 64), generator=torch.Generator().manual_seed(3)).to(
    torch.uint8
)


@contextlib.contextmanager
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


SETTINGS: dict[str, Callable[[], contextlib.AbstractContextManager[Any]]] = {
    "float64": float64,
    "meta": lambda: torch.device("meta"),
    "inference mode": torch.inference_mode,
    "no grad": torch.no_grad,
}


def synthesis() -> list[torch.Tensor]:
    generator = torch.Generator("cpu").manual_seed(1)
    return list(nsa.NSA(max_patches=2, background=100, generator=generator)(IMAGES))


def labels() -> list[torch.Tensor]:
    return [nsa.difference_label(IMAGES, IMAGES.flip(0))]


def network() -> list[torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return list(EncoderDecoder().state_dict().values())


def features() -> list[torch.Tensor]:
    extractor = FeatureExtractor(load_network("resnet18", "random"), size=(32, 32))
    return [*extractor(IMAGES), GaussianDetector(extractor, "l2").fit(IMAGES).score(IMAGES)]


def training() -> list[torch.Tensor]:
    trainer = Trainer(
        IMAGES, nsa.SynthesisConfig(),
        ImageConfig(size=(64, 64), center_crop=None, crop=(64, 64)),
        TrainConfig(epochs=1, batch_size=4), device=torch.device("cpu"), precision="fp32",
    )  # fmt: skip
    trainer.run(lambda _loss, _count: True)
    return list(trainer.model.state_dict().values())


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("work", [synthesis, labels, network, features, training])
def test_results_do_not_depend_on_it(work: Callable[[], list[torch.Tensor]], setting: str) -> None:
    expected = work()
    with SETTINGS[setting]():
        found = work()
    for one, other in zip(found, expected, strict=True):
        assert (one.dtype, one.device) == (other.dtype, other.device)
        assert torch.equal(one, other)


@pytest.mark.parametrize("setting", SETTINGS)
def test_detectors_are_loaded_and_used_the_same(
    network_run: Path, gaussian_run: Path, setting: str
) -> None:
    for run in (network_run, gaussian_run):
        drawn = torch.get_rng_state()
        maps, scores = nsa.load(run, "cpu").predict(IMAGES)
        assert torch.equal(torch.get_rng_state(), drawn)
        with SETTINGS[setting]():
            again, judged = nsa.load(str(run), torch.device("cpu")).predict(IMAGES)
        assert torch.equal(scores, judged)
        assert (maps is None and again is None) or torch.equal(maps, again)  # type: ignore[arg-type]


@pytest.mark.parametrize("run", [None, 7, b"x", "a\0b", "x" * 300])
def test_a_run_is_named_by_a_path(run: Any) -> None:
    wrong = r"^The run folder must be a path, got |^'.* cannot be the name of a file: "
    with pytest.raises(nsa.InputError, match=wrong):
        nsa.load(run)
    with pytest.raises(nsa.InputError, match=r"^~nobody-at-all/x does not exist; name a run"):
        nsa.load("~nobody-at-all/x")


@pytest.mark.parametrize("device", [None, 0, "gpu", torch.device("meta"), torch.device("cuda", 5)])
def test_a_device_is_the_cpu_or_a_gpu(network_run: Path, device: Any) -> None:
    with pytest.raises(nsa.InputError, match=r"^device must be 'auto', 'cpu' or 'cuda', got "):
        nsa.load(network_run, device)


def test_an_array_is_no_tensor(network_run: Path) -> None:
    with pytest.raises(nsa.InputError, match=r"must be a uint8 tensor .*, got ndarray"):
        nsa.load(network_run, "cpu").predict(IMAGES.numpy())  # type: ignore[arg-type]
    with pytest.raises(nsa.InputError, match="images must hold values, got a tensor on the device"):
        nsa.load(network_run, "cpu").predict(IMAGES.to("meta"))
