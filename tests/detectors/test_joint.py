"""What NSA and the Gaussian detector together are asked for, and on what they are trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import pytest
from tiny import OPTIONS, write, write_product

from nsa.detectors.gaussian.fit import GaussianFitting
from nsa.detectors.gaussian.request import GaussianRequest
from nsa.detectors.joint.fit import JointFitting, begin
from nsa.detectors.joint.folder import JointRun
from nsa.detectors.joint.request import JointRequest
from nsa.detectors.joint.settings import JointSettings
from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.registry import find_method, read_request, train_options
from nsa.errors import InputError
from nsa.gaussian.features import FeatureExtractor
from nsa.images import Contents, Dataset, open_dataset
from nsa.model.backbones import Levels


def asked(**more: object) -> JointRequest:
    request = read_request(
        {"method": "nsa+gaussian", **OPTIONS, "network": "resnet18", "weights": "random", **more}
    )
    assert isinstance(request, JointRequest)
    return request


def test_a_request_has_the_options_of_both() -> None:
    request = asked(seed=3, fpr=0.1, gaussian={"augment": 2})
    assert request.for_network() == NetworkRequest.read({**OPTIONS, "seed": 3})
    assert request.for_gaussian() == GaussianRequest(
        seed=3, device="cpu", precision="fp32", fpr=0.1, network="resnet18", weights="random",
        gaussian={"augment": 2},
    )  # fmt: skip
    assert "method" not in request.overrides("synthesis")
    assert set(JointRequest.options()) == {
        *NetworkRequest.options(), *GaussianRequest.options(),
    }  # fmt: skip
    assert "nsa+gaussian (both of them" in train_options()["method"][1].help
    assert "ensemble" not in train_options()["method"][1].help
    demo = find_method("nsa+gaussian").demo(request, "flange")
    assert isinstance(demo, JointRequest)
    assert demo.images["size"] == [72, 72]


def fitting(dataset: Dataset, **more: object) -> JointFitting:
    return begin(asked(**more), dataset)


def test_settings_are_read_again(more_data: Path) -> None:
    settings = fitting(open_dataset(more_data), holdout=0.5, fpr=0.25, seed=4).settings
    assert JointSettings.from_dict(settings.to_dict()) == settings
    config = settings.shared
    assert (config.holdout, config.fpr, config.seed, config.size) == (0.5, 0.25, 4, (72, 72))
    assert settings.network.training.seed == 4
    alone = settings.gaussian_alone.gaussian
    assert (alone.fpr, alone.holdout, alone.size) == (None, 0.0, (72, 72))
    assert (settings.network.training.fpr, settings.network.training.holdout) == (None, 0.0)
    assert fitting(open_dataset(more_data), fpr=0.2, holdout=0.5).settings.shared.fpr == 0.2


def test_a_grey_network_gets_no_colours(more_data: Path) -> None:
    settings = fitting(open_dataset(more_data), holdout=0.5).settings.gaussian_alone
    extractor = FeatureExtractor(Levels("resnet18", 1))
    with pytest.raises(InputError, match=r"in random takes grey images, but channels is 3"):
        GaussianFitting(settings, extractor, "fp32")


def test_no_picture_is_on_both_sides(tmp_path: Path) -> None:
    root = write_product(tmp_path / "data", train=20)
    good = root / "disc" / "train" / "good"
    for index in range(20):
        pixels = cv2.imread(str(good / f"{index}.png"))
        write(good / f"x{index}.bmp", pixels)
    dataset = dataclasses.replace(open_dataset(root), presets=False)

    def divide(**shared: object) -> tuple[Dataset, Contents]:
        begun = fitting(dataset, **shared)
        return begun.divide(JointRun(tmp_path / "run", begun.settings, {}), dataset)

    kept, held = divide(holdout=0.5)
    names = {int(Path(path).stem.removeprefix("x")) for path in held.paths}
    assert len(held) == 10
    assert {int(one.path.stem.removeprefix("x")) for one in kept.train} == {*range(20)} - names
    assert kept == dataclasses.replace(dataset, train=kept.train)
    again, same = divide(holdout=0.5)
    assert (again, same.paths) == (kept, held.paths)
    assert divide(holdout=0.5, seed=1)[1].paths != held.paths
    # Of forty files six times four would be enough, but not of twenty pictures.
    with pytest.raises(InputError, match=r"there are 6; raise --holdout above 0.3 of 20 images"):
        divide(holdout=0.3)


def test_both_get_the_same_images(more_data: Path) -> None:
    dataset = open_dataset(more_data)
    images = {**OPTIONS["images"], "channels": 1}
    settings = fitting(dataset, holdout=0.5, images=images).settings
    assert settings.shared.channels == settings.network.images.channels == 1
    assert settings.gaussian_alone.size == settings.network.test_size == (72, 72)
    for name, value in (("channels", 3), ("size", [64, 72])):
        with pytest.raises(InputError, match=f"detector's {name}, .*, must be that of NSA's"):
            fitting(dataset, holdout=0.5, images=images, gaussian={name: value})
