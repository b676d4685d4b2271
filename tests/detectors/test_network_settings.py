"""Settings of a network's run: the preset or what the images suggest, and the user's over them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.network.settings import (
    NetworkSettings,
    choose_preset,
    contradictions,
    demo_settings,
    of_preset,
    resolve,
)
from nsa.errors import InputError
from nsa.settings.options import NONE
from nsa.settings.presets import Preset, preset

SCREW = preset("screw")


def never() -> Preset:
    raise AssertionError("a preset was there")


def test_a_known_category_has_its_preset() -> None:
    settings = resolve(NetworkRequest(), "Screw", never)
    assert settings == of_preset(SCREW, "Screw")
    assert resolve(NetworkRequest(kind="object"), "screw", never).synthesis == SCREW.synthesis


@pytest.mark.parametrize("request_of", [{}, {"kind": "texture"}])
def test_an_unknown_category_or_another_kind_is_suggested(request_of: dict[str, Any]) -> None:
    category = "thing" if not request_of else "screw"
    carpet = preset("carpet")
    settings = resolve(NetworkRequest(**request_of), category, lambda: carpet)
    assert settings == of_preset(carpet, category)
    assert choose_preset(NetworkRequest(**request_of), category, lambda: carpet) is carpet


def test_what_the_user_asks_for_wins() -> None:
    request = NetworkRequest(
        method="pii", label="binary", background=NONE, seed=7, epochs=3, batch_size=9,
        learning_rate=0.5, variant="paper",
        synthesis={"max_patches": 2, "label": "continuous"}, images={"rotation": 1},
        training={"epochs": 99},
    )  # fmt: skip
    settings = resolve(request, "screw", never)
    synthesis, training = settings.synthesis, settings.training
    assert (synthesis.method, synthesis.label, synthesis.variant) == ("pii", "binary", "paper")
    assert synthesis.background is None
    assert synthesis.max_patches == 2
    assert synthesis.background_threshold == SCREW.synthesis.background_threshold
    assert settings.images.rotation == 1
    assert (training.epochs, training.batch_size, training.seed) == (3, 9, 7)
    assert training.learning_rate == 0.5


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="epochs must be a number from 1"):
        resolve(NetworkRequest(epochs=0), "screw", never)
    with pytest.raises(InputError, match="no field 'max_patch'; did you mean 'max_patches'"):
        resolve(NetworkRequest(synthesis={"max_patch": 1}), "screw", never)
    with pytest.raises(InputError, match="kind must be one of object, texture, x-ray"):
        of_preset(Preset("x", "gas", SCREW.synthesis, SCREW.images, SCREW.training), "x")


@pytest.mark.parametrize("name", ["screw", "carpet", "rcxr_male"])
def test_settings_travel_as_yaml(name: str) -> None:
    settings = of_preset(preset(name), name)
    assert NetworkSettings.from_dict(yaml.safe_load(yaml.safe_dump(settings.to_dict()))) == settings


@pytest.mark.parametrize("name", ["category", "kind", "synthesis", "images", "training"])
def test_settings_without_a_part_are_damaged(name: str) -> None:
    values = of_preset(SCREW, "screw").to_dict()
    del values[name]
    with pytest.raises(InputError, match=f"lacks '{name}'"):
        NetworkSettings.from_dict(values)


def test_textures_are_judged_whole_at_the_size_of_a_crop() -> None:
    carpet = preset("carpet")
    assert of_preset(carpet, "carpet").test_size == carpet.images.crop == (256, 256)
    assert of_preset(SCREW, "screw").test_size == SCREW.images.size == (256, 256)
    assert SCREW.images.crop == (224, 224)


@pytest.mark.parametrize(
    ("asked", "different"),
    [
        ({}, []),
        ({"device": "cpu", "precision": "fp32"}, []),
        ({"seed": 0, "epochs": 560, "background": 200.0, "method": "nsa"}, []),
        ({"seed": 1}, ["seed"]),
        ({"epochs": 3, "batch_size": 64, "learning_rate": 0.1}, ["epochs", "learning_rate"]),
        ({"background": NONE, "label": "binary"}, ["label", "background"]),
        ({"method": "pii"}, ["method"]),
        ({"category": "screw", "kind": "object"}, []),
        ({"category": "bolt", "kind": "texture"}, ["category", "kind"]),
    ],
)
def test_contradictions_to_a_run(asked: dict[str, Any], different: list[str]) -> None:
    assert contradictions(of_preset(SCREW, "screw"), NetworkRequest(**asked)) == different


def test_the_demo_has_settings_of_its_own_unless_told() -> None:
    plain = demo_settings(NetworkRequest(), "flange")
    assert plain.training == {"epochs": 32, "batch_size": 8}
    assert plain.images["crop"] == [160, 160]
    told = demo_settings(
        NetworkRequest(epochs=2, training={"batch_size": 4}, images={"rotation": 0}), "fabric"
    )
    assert told.overrides("training") == {"epochs": 2, "batch_size": 4}
    assert told.images == {**demo_settings(NetworkRequest(), "fabric").images, "rotation": 0}


@pytest.mark.parametrize(
    ("changes", "epochs", "extra", "former"),
    [
        ([(30, 0, 0)], 30, 0, ()),  # nothing has begun
        ([(30, 7, 0)], 30, 0, ((7, 20),)),
        ([(30, 7, 2)], 30, 0, ((8, 20),)),  # the epoch that has begun keeps its rate
        ([(7, 7, 2)], 7, 2, ((8, 20),)),  # ends where it stands
        ([(7, 7, 0)], 7, 0, ((7, 20),)),
        ([(30, 7, 2), (10, 7, 2)], 10, 0, ((8, 20),)),  # a change of mind
        ([(30, 7, 2), (20, 7, 2)], 20, 0, ()),
        ([(7, 7, 2), (20, 7, 2)], 20, 0, ()),
        ([(30, 7, 2), (25, 9, 0)], 25, 0, ((8, 20), (9, 30))),
        ([(30, 7, 2), (25, 9, 0), (30, 9, 0)], 30, 0, ((8, 20),)),
    ],
)
def test_a_run_goes_on_to_other_epochs(
    changes: list[tuple[int, int, int]], epochs: int, extra: int, former: tuple[Any, ...]
) -> None:
    settings = resolve(NetworkRequest(epochs=20), "screw", never)
    for change in changes:
        settings = settings.with_epochs(*change)
    training = settings.training
    assert (training.epochs, training.extra_steps, training.former_epochs) == (
        epochs,
        extra,
        former,
    )
    assert NetworkSettings.from_dict(yaml.safe_load(yaml.safe_dump(settings.to_dict()))) == settings
    assert ("former_epochs" in settings.to_dict()["training"]) == bool(former)
    assert ("extra_steps" in settings.to_dict()["training"]) == bool(extra)


def test_what_is_done_cannot_be_undone() -> None:
    settings = resolve(NetworkRequest(epochs=20), "screw", never)
    with pytest.raises(InputError) as raised:
        settings.with_epochs(6, 7, 2)
    assert str(raised.value) == (
        "--epochs 6 is less than the 7 that are done; the run can end with --epochs 7 or later."
    )
    for epochs in (0, -1, "many"):
        with pytest.raises(InputError, match="epochs must be"):
            settings.with_epochs(epochs, 0, 0)  # type: ignore[arg-type]
