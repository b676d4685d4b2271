"""What ``--size`` and ``--crop`` come to, and what they refuse."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import write

from nsa.detectors.network import sizes
from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.network.settings import NetworkSettings, of_preset
from nsa.detectors.network.sizes import differs, sized
from nsa.errors import InputError
from nsa.settings.presets import preset

WIDE, TALL = (60, 80), (90, 80)  # height and width


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("shapes")
    for index, shape in enumerate([WIDE, WIDE, TALL]):
        write(folder / f"{index}.png", np.zeros((*shape, 3), np.uint8))
    return sorted(folder.iterdir())


def asked(paths: list[Path], name: str = "bottle", **options: Any) -> NetworkSettings:
    return sized(of_preset(preset(name), "x"), NetworkRequest.read(options), paths)


def test_nothing_asked_changes_nothing(paths: list[Path]) -> None:
    assert asked(paths) == of_preset(preset("bottle"), "x")


def test_native_images_give_crops(paths: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "nsa"):
        found = asked(paths, size="native", crop=48).images
    assert "keep their own size; the network is trained on crops of 48 x 48 px" in caplog.text
    assert (found.size, found.resize, found.crop) == ((90, 80), "none", (48, 48))
    assert found.cropped
    assert found.center_crop is None
    assert not found.rotation
    # Without --crop one that every image has room for.
    assert asked(paths, size="native").images.crop == (60, 80)
    assert asked(paths, size="native").test_size == (90, 80)


@pytest.mark.parametrize(
    ("options", "size", "crop"),
    [
        ({"size": 160}, (120, 160), (120, 160)),  # of the commonest shape
        ({"size": [200, 100]}, (200, 100), (200, 100)),
        ({"size": "200x100", "crop": "whole"}, (200, 100), (200, 100)),
        ({"size": 160, "crop": "40x64"}, (160, 160), (40, 64)),  # of any shape
        ({"size": "640", "crop": 100}, (640, 640), (100, 100)),
        ({"size": 640}, (640, 640), (256, 256)),
        ({"size": 512}, (384, 512), (384, 512)),
    ],
)
@pytest.mark.parametrize("name", ["bottle", "carpet"])
def test_sizes_in_pixels(
    paths: list[Path], name: str, options: dict[str, Any], size: Any, crop: Any
) -> None:
    settings = asked(paths, name, **options)
    images = settings.images
    assert (images.size, images.resize, images.crop) == (size, "fit", crop)
    assert images.cropped == (size != crop)
    assert settings.test_size == size
    assert images.vertical_flip == (name == "carpet")
    if size == crop:  # shifted as far, in proportion, as the preset does, with its reflection
        assert images == of_preset(preset(name), "x").images.whole(size).__class__(
            **{**vars(of_preset(preset(name), "x").images.whole(size)), "resize": "fit"}
        )
    assert NetworkSettings.from_dict(settings.to_dict()) == settings


def test_shapes_are_said(paths: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "nsa"):
        asked(paths, size=160)
    assert "fit into 160 x 120 px in their own shape, and seen whole; 1 of 3 are padded by" in (
        caplog.text
    )


def test_patches_keep_their_size_on_crops(paths: list[Path]) -> None:
    before = of_preset(preset("screw"), "x").synthesis
    assert before.height_bounds == (0.06, 0.24)
    found = asked(paths, "screw", size="native", crop=[45, 40]).synthesis
    assert found.height_bounds == (0.06, pytest.approx(0.48))
    assert found.width_bounds == (0.06, pytest.approx(0.48))
    assert asked(paths, "screw", size="native", crop=32).synthesis.height_bounds[1] < 0.8
    assert asked(paths, size="native", crop=32).synthesis.height_bounds == (0.06, 0.8)
    # Those that somebody asked for stay, here with what of_preset() has.
    own = asked(
        paths, "screw", size="native", crop=[45, 40], synthesis={"height_bounds": [0.1, 0.2]}
    )
    assert own.synthesis.height_bounds == before.height_bounds
    assert own.synthesis.width_bounds == (0.06, pytest.approx(0.48))


def test_images_too_many_for_memory_are_read_seldom(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "memory_for_images", lambda: 1000)
    training = asked(paths, size="native").training
    assert (training.epochs, training.crops_per_image) == (40, 8)
    training = asked(paths, size="native", epochs=7).training
    assert (training.epochs, training.crops_per_image) == (320, 1)  # epochs are set elsewhere
    monkeypatch.setattr(sizes, "memory_for_images", lambda: 10**9)
    assert asked(paths, size="native").training.crops_per_image == 1


def test_very_different_sizes_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for index, side in enumerate((40, 81)):
        write(tmp_path / f"{index}.png", np.zeros((side, side, 3), np.uint8))
    asked(sorted(tmp_path.iterdir()), size="native", crop=32)
    assert "differ a lot in size (longer sides from 40 to 81 px)" in caplog.text
    caplog.clear()
    asked(sorted(tmp_path.iterdir()), size=100, crop=32)
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"crop": 64}, "--crop takes crops of images of --size; name that, too"),
        ({"size": "native", "crop": "whole"}, "--size native leaves each as it is"),
        ({"size": "native", "crop": 64}, r"0\.png is 80 x 60 px, smaller than the crop of 64 x 64"),
        ({"size": "120x160", "crop": 130}, "130 x 130 px is larger than the images of 160 x 120"),
        ({"size": 160, "crop": 130}, r"0\.png is 160 x 120 px at --size 160, smaller than the"),
        ({"size": 160, "crop": 16}, "--crop must be at least 32 px a side, got 16"),
        ({"size": 160, "crop": 150}, r"0\.png is 160 x 120 px at --size 160, smaller than the"),
        ({"size": "large"}, "--size must be a number of pixels, .* or native, got 'large'"),
        ({"size": [1, 2, 3]}, "--size must be a number of pixels"),
        ({"size": 0}, "--size must be a number of pixels"),
        ({"size": "native", "crop": "1x-4"}, "--crop must be a number of pixels"),
        ({"size": 160, "frame": "crop"}, "--frame crop says what is seen of an image, as --size"),
        ({"size": 160, "frame": "whole"}, "--frame whole says what is seen of an image"),
        ({"size": 160, "images": {"crop": [64, 64]}}, "'crop' in the section 'images' says"),
        ({"size": 9000, "crop": "whole"}, "<= 8192"),
        ({"size": 20, "crop": "whole"}, "32 <= crop"),
    ],
)
def test_what_contradicts_is_refused(paths: list[Path], options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        asked(paths, **options)


def test_a_run_keeps_its_size(paths: list[Path]) -> None:
    native = asked(paths, size="native", crop=48)
    fitted = asked(paths, size=160)
    cases: list[tuple[NetworkSettings, dict[str, Any], list[str]]] = [
        (native, {"size": "native", "crop": 48}, []),
        (native, {"size": "native", "crop": "48x40"}, ["crop"]),
        (native, {"size": 90}, ["size"]),
        (native, {"crop": "whole"}, ["crop"]),
        (fitted, {"size": 160, "crop": "whole"}, []),
        (fitted, {"size": "120x160"}, []),
        (fitted, {"size": "160x120"}, ["size"]),
        (fitted, {"size": "native"}, ["size"]),
        (of_preset(preset("bottle"), "x"), {"size": 256}, ["size"]),
        (fitted, {}, []),
    ]
    for settings, options, expected in cases:
        assert differs(settings, NetworkRequest.read(options)) == expected
