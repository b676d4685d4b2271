"""Settings of a network's run: the preset or what the images suggest, and the user's over them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from nsa.detectors.network.demo import demo_settings
from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.network.settings import (
    NetworkSettings,
    choose_preset,
    contradictions,
    lit,
    of_preset,
)
from nsa.detectors.network.settings import resolve as resolve_settings
from nsa.errors import InputError
from nsa.images.demo import CATEGORIES
from nsa.settings.fields import replace
from nsa.settings.light import LightSpread
from nsa.settings.options import NONE
from nsa.settings.presets import Preset, preset

SCREW = preset("screw")


SPREAD = LightSpread(brightness=0.25, contrast=0.3, white_balance=0.15)


def never() -> Preset:
    raise AssertionError("a preset was there")


def resolve(
    request: NetworkRequest, category: str, suggest: Callable[[], Preset], **more: Any
) -> NetworkSettings:
    """With images whose light varies by :data:`SPREAD`."""
    return lit(resolve_settings(request, category, suggest, **more), request, lambda: SPREAD)


def test_a_known_category_has_its_preset() -> None:
    settings = resolve(NetworkRequest(), "Screw", never)
    assert settings == of_preset(SCREW, "Screw")
    assert resolve(NetworkRequest(kind="object"), "screw", never).synthesis == SCREW.synthesis


def automatic(suggested: Preset, category: str) -> NetworkSettings:
    """The settings of what was suggested, by the tuned recipe."""
    training = dataclasses.replace(
        suggested.training,
        image_score="auto",
        batch_size=16,
        optimizer="muon",
        skips=suggested.kind == "texture",
    )
    images = dataclasses.replace(suggested.images, **dataclasses.asdict(SPREAD))
    suggested = dataclasses.replace(suggested, training=training, images=images)
    return dataclasses.replace(of_preset(suggested, category), recipe="tuned")


@pytest.mark.parametrize("request_of", [{}, {"kind": "texture"}])
def test_an_unknown_category_or_another_kind_is_suggested(request_of: dict[str, Any]) -> None:
    category = "thing" if not request_of else "screw"
    carpet = preset("carpet")
    settings = resolve(NetworkRequest(**request_of), category, lambda: carpet)
    assert settings == automatic(carpet, category)
    assert choose_preset(NetworkRequest(**request_of), category, lambda: carpet) is carpet


def test_a_recipe_is_what_nothing_else_says() -> None:
    bottle, carpet = preset("bottle"), preset("carpet")
    for preset_, kind in ((bottle, "object"), (carpet, "texture")):
        name = preset_.name
        paper = resolve(NetworkRequest(recipe="paper"), name, never)
        assert paper == resolve(NetworkRequest(), name, never) == of_preset(preset_, name)
        tuned = resolve(NetworkRequest(recipe="tuned"), name, never)
        images = replace(preset_.images, **vars(SPREAD))
        assert tuned.images == (images.whole() if kind == "object" else images)
        assert tuned.synthesis == preset_.synthesis
        training = tuned.training
        assert (training.batch_size, training.image_score) == (16, "auto")
        assert (paper.training.optimizer, training.optimizer) == ("adam", "muon")
        assert training.skips == (kind == "texture")
        # What is not seen as in the paper is trained by the other recipe, unless told.
        for request in (NetworkRequest(frame="whole"), NetworkRequest(size=(300,))):
            assert resolve(request, name, never) == tuned
            asked = resolve(request.replace(recipe="paper"), name, never)
            assert asked.training == preset_.training
            assert not asked.light
        # And what nobody has a preset for by the paper's, if told.
        new = resolve(NetworkRequest(recipe="paper"), "thing", lambda preset_=preset_: preset_)
        assert new == of_preset(preset_, "thing")
        assert NetworkSettings.from_dict(yaml.safe_load(yaml.safe_dump(tuned.to_dict()))) == tuned
        assert tuned.to_dict()["recipe"] == "tuned"
        assert paper.to_dict()["recipe"] == "paper"
        assert contradictions(tuned, NetworkRequest(recipe="paper")) == ["recipe"]
        assert contradictions(tuned, NetworkRequest(recipe="tuned")) == []
    with pytest.raises(InputError, match="recipe must be paper or tuned, got 'best'"):
        resolve(NetworkRequest(recipe="best"), "bottle", never)


def test_the_light_may_be_varied_by_either_recipe_or_not_at_all() -> None:
    numbers = {"contrast": 0.5, "noise": 3}
    for recipe in ("paper", "tuned"):
        asked = NetworkRequest(recipe=recipe, light=True)
        varied = resolve(asked, "bottle", never)
        assert vars(SPREAD).items() <= vars(varied.images).items()
        assert varied.light
        assert contradictions(varied, NetworkRequest(light=False)) == ["light"]
        assert contradictions(varied, NetworkRequest(light=True)) == []
        own = resolve(asked.replace(images=numbers), "bottle", never)
        assert own.images == replace(varied.images, **numbers)
        # A no is stronger than the numbers of a settings file, and a yes than its zeros.
        file = {"brightness": 0.3, "contrast": 0.3, "white_balance": 0.3, "blur": 0.5, "noise": 3}
        dark = resolve(NetworkRequest(recipe=recipe, light=False, images=file), "bottle", never)
        assert not dark.light
        zeros = dict.fromkeys(file, 0.0)
        assert not resolve(NetworkRequest(recipe=recipe, images=zeros), "bottle", never).light
        assert resolve(asked.replace(images=zeros), "bottle", never).images == varied.images
    unasked = resolve(NetworkRequest(images=numbers), "bottle", never)
    assert unasked.images == replace(preset("bottle").images, **numbers)

    def unread() -> LightSpread:
        raise AssertionError("images were read for what is given")

    given = {"brightness": 0.1, "contrast": 0.1, "white_balance": 0.1}
    request = NetworkRequest(recipe="tuned", images=given)
    settings = resolve_settings(request, "bottle", never)
    assert lit(settings, request, unread).images.brightness == 0.1
    # Crops are in their own light, unless asked for another.
    crops = {"resize": "none", "size": [300, 400], "crop": [64, 64], "center_crop": None}
    request = NetworkRequest(recipe="tuned", images={**crops, "rotation": 0})
    assert not lit(resolve_settings(request, "bottle", never), request, unread).light
    request = request.replace(light=True)
    assert lit(resolve_settings(request, "bottle", never), request, lambda: SPREAD).light


@pytest.mark.parametrize("recipe", ["paper", "tuned"])
@pytest.mark.parametrize(
    "asked",
    [
        {}, {"light": False}, {"light": True}, {"skips": False}, {"skips": True},
        {"images": {"white_balance": 0.0}}, {"images": {"noise": 4.0}}, {"frame": "whole"},
        {"image_score": "top", "batch_size": 5},
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["bottle", "carpet"])
def test_a_runs_settings_file_makes_the_same_settings(
    recipe: str, asked: dict[str, Any], name: str
) -> None:
    """Though what is as usual is not said in it, and a recipe has its say where nothing is."""
    own = preset(name)
    first = resolve(NetworkRequest(recipe=recipe, **asked), "thing", lambda: own)
    values = yaml.safe_load(yaml.safe_dump(first.to_dict()))
    again = resolve(NetworkRequest.read(values), "thing", lambda: own)
    assert again == first


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("recipe", ["paper", "tuned"])
def test_every_demo_set_has_either_recipe(category: str, recipe: str) -> None:
    request = demo_settings(NetworkRequest(recipe=recipe), category)
    kind = "carpet" if category in ("fabric", "brushed") else "cable"
    settings = resolve(request, category, lambda: preset(kind))
    assert (settings.recipe, settings.light) == (recipe, recipe == "tuned")
    cropped = recipe == "paper" and category in ("flange", "woodscrew")
    assert request.size is not None or settings.frame == ("crop" if cropped else "whole")


def test_a_namesake_in_another_data_set_has_no_preset(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    own = Preset("screw", "texture", SCREW.synthesis, preset("tile").images, SCREW.training)
    settings = resolve(NetworkRequest(), "Screw", lambda: own, presets=False)
    assert settings == automatic(own, "Screw")
    assert "The preset 'screw' is not used" in caplog.text
    caplog.clear()
    resolve(NetworkRequest(), "thing", lambda: own, presets=False)
    assert caplog.records == []


def test_what_the_user_asks_for_wins() -> None:
    request = NetworkRequest(
        method="pii", label="binary", background=NONE, seed=7, epochs=3, batch_size=9,
        learning_rate=0.5, optimizer="muon", variant="paper", skips=True,
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
    assert training.skips
    assert training.optimizer == "muon"
    assert NetworkSettings.from_dict(settings.to_dict()) == settings
    assert contradictions(settings, NetworkRequest(skips=False)) == ["skips"]
    assert contradictions(settings, NetworkRequest(skips=True)) == []
    assert contradictions(settings, NetworkRequest(optimizer="adam")) == ["optimizer"]
    assert not {"skips", "optimizer"} & of_preset(SCREW, "screw").to_dict()["training"].keys()


def test_a_preset_keeps_the_papers_crop_and_all_else_sees_the_whole_image() -> None:
    crop = preset("bottle").images
    assert resolve(NetworkRequest(), "bottle", never).images == crop
    assert resolve(NetworkRequest(frame="crop"), "bottle", never).images == crop
    whole = resolve(NetworkRequest(frame="whole", light=False), "bottle", never)
    assert whole.images == crop.whole()
    assert (whole.frame, whole.test_size, whole.images.crop) == ("whole", (256, 256), (256, 256))
    suggested = dataclasses.replace(preset("bottle"), name="thing")
    assert resolve(NetworkRequest(light=False), "thing", lambda: suggested).images == crop.whole()
    asked = NetworkRequest(frame="crop", light=False)
    assert resolve(asked, "thing", lambda: suggested).images == crop
    # Whoever says what is cut out has it so, and other settings of images count for the whole.
    for own in ({"crop": [200, 200]}, {"reflection": 8}, {"center_crop": None}):
        images = resolve(NetworkRequest(images=own, light=False), "thing", lambda: suggested).images
        assert images == replace(crop, **own)
    request = NetworkRequest(images={"rotation": 20, "size": [128, 160]}, light=False)
    found = resolve(request, "thing", lambda: suggested).images
    assert found == replace(crop, rotation=20).whole((128, 160))
    assert (found.size, found.crop, found.rotation) == ((128, 160), (128, 160), 20)
    texture = preset("carpet")
    for frame in (None, "whole"):
        settings = resolve(NetworkRequest(frame=frame, light=False), "thing", lambda: texture)
        assert (settings.images, settings.frame) == (texture.images, "whole")


def test_frames_that_contradict_are_refused() -> None:
    with pytest.raises(InputError, match="frame must be whole or crop, got 'half'"):
        resolve(NetworkRequest(frame="half"), "screw", never)
    request = NetworkRequest(frame="whole", images={"crop": [200, 200]})
    with pytest.raises(InputError, match="'crop' in the section 'images' says what is seen"):
        resolve(request, "screw", never)
    with pytest.raises(InputError, match="--frame crop is for objects"):
        resolve(NetworkRequest(frame="crop"), "carpet", never)
    with pytest.raises(InputError, match="size must be"):
        resolve(NetworkRequest(frame="whole", images={"size": "large"}), "screw", never)
    whole = resolve(NetworkRequest(frame="whole"), "screw", never)
    assert contradictions(whole, NetworkRequest(frame="crop")) == ["frame"]
    assert contradictions(whole, NetworkRequest(frame="whole")) == []
    assert whole.to_dict()["images"]["reflection"] == whole.images.reflection > 0
    assert "reflection" not in of_preset(SCREW, "screw").to_dict()["images"]


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
    assert all(
        demo_settings(NetworkRequest(), category, own_size=False).images for category in CATEGORIES
    )
    plain = demo_settings(NetworkRequest(), "flange")
    assert plain.training == {"epochs": 32, "batch_size": 8}
    assert plain.images == {"size": [184, 184]}
    for recipe, epochs in ((None, 4), ("tuned", 4), ("paper", 32)):
        cloth = demo_settings(NetworkRequest(recipe=recipe), "fabric")
        assert cloth.training == {"epochs": epochs, "batch_size": 8}
    told = demo_settings(
        NetworkRequest(epochs=2, training={"batch_size": 4}, images={"rotation": 0}), "fabric"
    )
    assert told.overrides("training") == {"epochs": 2, "batch_size": 4}
    assert told.images == {**demo_settings(NetworkRequest(), "fabric").images, "rotation": 0}
    for frame, size in (("whole", (184, 184)), ("crop", (160, 160))):
        request = demo_settings(NetworkRequest(frame=frame), "flange")
        settings = resolve(request, "flange", lambda: preset("bottle"))
        assert (settings.frame, settings.images.crop) == (frame, size)
    with pytest.raises(InputError, match="--frame crop is for objects"):
        resolve(demo_settings(NetworkRequest(frame="crop"), "fabric"), "x", lambda: preset("tile"))


def test_the_demo_of_small_defects_keeps_its_size_unless_told() -> None:
    plain = demo_settings(NetworkRequest(), "circuit")
    assert (plain.size, plain.crop, plain.images) == ("native", (64,), {})
    told = demo_settings(
        NetworkRequest(size="native", crop=(96,), epochs=2, synthesis={"max_patches": 1}), "circuit"
    )
    assert (told.size, told.crop) == ("native", (96,))
    assert told.overrides("training")["epochs"] == 2
    assert told.synthesis == {**plain.synthesis, "max_patches": 1}
    small = demo_settings(NetworkRequest(size=(256,)), "circuit")
    assert (small.size, small.crop, small.images, small.synthesis) == ((256,), None, {}, {})
    for other in (NetworkRequest(frame="whole"), NetworkRequest(images={"rotation": 3})):
        assert demo_settings(other, "circuit").images["size"] == [256, 256]
    joint = demo_settings(NetworkRequest(), "circuit", own_size=False)
    assert (joint.size, joint.images) == (None, {"size": [256, 256]})


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
