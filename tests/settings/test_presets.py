"""The presets, value by value against what the paper prints."""

from __future__ import annotations

import dataclasses

import pytest

from nsa.errors import InputError
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig
from nsa.settings.presets import PRESETS, generic, preset

# Table 4: n_max | h_min, h_max | w_min, w_max | b, t_brightness, t_object, t_overlap |
# s_min, s_max | y0, k. N/A where no object mask is used.
TABLE_4 = """
bottle     | 3 | 0.06, 0.80 | 0.06, 0.80 | 200, 60, 0.70, 0.25 | 0.7, 1.3 | 24, 1/12
cable      | 3 | 0.10, 0.80 | 0.10, 0.80 | N/A                 | 0.7, 1.3 | 24, 1/12
capsule    | 3 | 0.06, 0.30 | 0.06, 0.80 | 200, 60, 0.70, 0.25 | 0.7, 1.3 | 4, 1/2
hazelnut   | 3 | 0.06, 0.70 | 0.06, 0.70 | 20, 20, 0.70, 0.25  | 0.7, 1.3 | 24, 1/12
metal_nut  | 3 | 0.06, 0.80 | 0.06, 0.80 | 20, 20, 0.50, 0.25  | 0.7, 1.3 | 7, 1/3
pill       | 3 | 0.06, 0.40 | 0.06, 0.80 | 20, 20, 0.70, 0.25  | 0.7, 1.3 | 7, 1/3
screw      | 4 | 0.06, 0.24 | 0.06, 0.24 | 200, 60, 0.50, 0.25 | 0.7, 1.3 | 3, 1
toothbrush | 3 | 0.06, 0.80 | 0.06, 0.40 | 20, 20, 0.25, 0.25  | 0.7, 1.3 | 15, 1/6
transistor | 3 | 0.06, 0.80 | 0.06, 0.80 | N/A                 | 0.7, 1.3 | 15, 1/6
zipper     | 4 | 0.06, 0.80 | 0.06, 0.40 | 200, 60, 0.70, 0.25 | 0.7, 1.3 | 15, 1/6
carpet     | 4 | 0.06, 0.80 | 0.06, 0.80 | N/A                 | 0.5, 2.0 | 7, 1/3
grid       | 4 | 0.06, 0.80 | 0.06, 0.80 | N/A                 | 0.5, 2.0 | 7, 1/3
leather    | 4 | 0.06, 0.80 | 0.06, 0.80 | N/A                 | 0.5, 2.0 | 7, 1/3
tile       | 4 | 0.06, 0.80 | 0.06, 0.80 | N/A                 | 0.5, 2.0 | 7, 1/3
wood       | 4 | 0.06, 0.80 | 0.06, 0.80 | N/A                 | 0.5, 2.0 | 15, 1/6
rcxr_male  | 3 | 0.06, 0.80 | 0.06, 0.80 | 0, 20, 0.70, 0.70   | 0.7, 1.3 | 4, 1/2
rcxr_female| 3 | 0.06, 0.80 | 0.06, 0.80 | 0, 20, 0.70, 0.70   | 0.7, 1.3 | 4, 1/2
"""
ROWS = {
    cells[0]: cells[1:]
    for cells in (
        [cell.strip() for cell in line.split("|")] for line in TABLE_4.strip().splitlines()
    )
}
TEXTURES = ("carpet", "grid", "leather", "tile", "wood")
XRAYS = ("rcxr_male", "rcxr_female")
OBJECTS = tuple(name for name in ROWS if name not in TEXTURES + XRAYS)
CATEGORIES = pytest.mark.parametrize("name", ROWS)


def numbers(cell: str) -> tuple[float, ...]:
    """``"24, 1/12"`` -> (24.0, 1 / 12)."""
    parts = (part.strip().partition("/") for part in cell.split(","))
    return tuple(float(over) / float(under or 1) for over, _, under in parts)


def test_there_is_one_for_every_row() -> None:
    assert list(PRESETS) == list(ROWS)
    assert all(found.name == name for name, found in PRESETS.items())


@CATEGORIES
def test_synthesis_is_that_of_table_4(name: str) -> None:
    patches, height, width, constraints, scale, label = ROWS[name]
    synthesis = PRESETS[name].synthesis
    assert synthesis.max_patches == int(patches)
    assert synthesis.height_bounds == numbers(height)
    assert synthesis.width_bounds == numbers(width)
    assert synthesis.scale_bounds == numbers(scale)
    assert (synthesis.label_midpoint, synthesis.label_steepness) == numbers(label)
    if constraints == "N/A":
        assert synthesis.background is None
    else:
        assert (
            synthesis.background, synthesis.background_threshold, synthesis.min_object_share,
            synthesis.min_overlap,
        ) == numbers(constraints)  # fmt: skip


@CATEGORIES
def test_the_rest_of_the_synthesis_is_that_of_nsa_logistic(name: str) -> None:
    """Mixed gradients for X-rays and textures, those of the source for objects (Appendix A.1)."""
    synthesis = PRESETS[name].synthesis
    assert (synthesis.method, synthesis.variant) == ("nsa", "released")
    assert synthesis.label == "logistic"
    assert synthesis.gradients == ("source" if name in OBJECTS else "mixed")


@CATEGORIES
def test_training_is_that_of_section_4_1(name: str) -> None:
    longer = {"hazelnut": 560, "metal_nut": 560, "screw": 560, "rcxr_male": 240, "rcxr_female": 240}
    training = PRESETS[name].training
    assert training.epochs == longer.get(name, 320)
    assert training.batch_size == 64
    assert (training.learning_rate, training.final_learning_rate) == (1e-3, 1e-6)
    assert training.seed == 0


@CATEGORIES
def test_images_are_those_of_section_4_1(name: str) -> None:
    found = PRESETS[name]
    images = found.images
    if name in TEXTURES:
        assert found.kind == "texture"
        assert (images.size, images.center_crop, images.crop) == ((264, 264), None, (256, 256))
        assert (images.channels, images.rotation, images.vertical_flip) == (3, 0, True)
        return
    assert (images.size, images.center_crop, images.crop) == ((256, 256), (230, 230), (224, 224))
    assert not images.vertical_flip
    if name in XRAYS:
        assert (found.kind, images.channels, images.rotation) == ("x-ray", 1, 3)
    else:
        turned = ("bottle", "hazelnut", "metal_nut", "screw")
        assert (found.kind, images.channels) == ("object", 3)
        assert images.rotation == (5 if name in turned else 0)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_unknown_category_gets_what_most_of_its_kind_have(channels: int) -> None:
    cube, cloth = generic("cube", "object", channels), generic("cloth", "texture", channels)
    assert (cube.name, cube.kind) == ("cube", "object")
    assert (cloth.name, cloth.kind) == ("cloth", "texture")
    assert cube.synthesis == PRESETS["transistor"].synthesis
    assert cloth.synthesis == PRESETS["tile"].synthesis
    for made, like in ((cube, "transistor"), (cloth, "tile")):
        assert made.images == dataclasses.replace(PRESETS[like].images, channels=channels)
        assert made.training == PRESETS[like].training


def test_the_defaults_are_those_of_an_object_without_a_mask() -> None:
    synthesis = SynthesisConfig()
    assert synthesis == PRESETS["transistor"].synthesis
    # What holds once a background is given, as for most objects with a mask.
    assert (synthesis.background_threshold, synthesis.min_object_share) == (20, 0.70)
    assert ImageConfig() == PRESETS["transistor"].images
    assert TrainConfig() == PRESETS["transistor"].training


@pytest.mark.parametrize("spelling", ["metal_nut", "Metal Nut", "METAL-NUT"])
def test_a_preset_is_found_in_any_spelling(spelling: str) -> None:
    assert preset(spelling) is PRESETS["metal_nut"]


def test_an_unknown_preset_is_explained() -> None:
    with pytest.raises(InputError, match=r"No preset is named 'botle'; did you mean 'bottle'\?"):
        preset("botle")
    with pytest.raises(InputError, match=r"No preset is named 'x'; there are bottle, .*female\.$"):
        preset("x")


def test_a_preset_cannot_be_changed_for_all() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESETS["screw"].kind = "texture"  # type: ignore[misc]
