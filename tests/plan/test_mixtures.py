"""Several methods in a batch, patches of an opacity, and the light of what they are cut from."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from plan_scenes import disks
from same_patches import assert_same_patches
from scipy import stats

from nsa import reference
from nsa.blend import blend
from nsa.errors import InputError
from nsa.plan import Plan, draw_plan, table
from nsa.plan.light import draw_patch_lights
from nsa.settings.config import SynthesisConfig
from nsa.settings.fields import replace
from nsa.settings.methods import METHODS, PATCH_MODES, PatchLight
from nsa.synthesis import NSA

ALPHA = 1e-4
ALL = {"altered": 0.2, "cutpaste": 0.2, "nsa_mixed": 0.15, "scars": 0.1, "ellipses": 0.1}
SIZE = (90, 97)


def images_of(plan: Plan, count: int, method: str) -> np.ndarray:
    """Of the images with patches those of a method, told by what only it does."""
    rows = plan.rows
    lit = rows[:, table.SOURCE] >= count
    own = rows[:, table.SOURCE] == rows[:, table.IMAGE]
    mode = rows[:, table.MODE]
    masked = rows[:, table.LABEL_MASK] >= 0
    chosen = {
        "altered": lit,
        "cutpaste": own & ~masked,
        "scars": own & masked,
        "nsa_mixed": mode == PATCH_MODES.index("mixed"),
        "ellipses": ~lit & ~own & masked,
    }[method]
    return np.unique(rows[chosen, table.IMAGE])


@pytest.mark.parametrize("draw", [draw_plan, reference.draw_plan])
def test_shares_are_as_asked_for(draw, fresh_seed: int) -> None:
    config = SynthesisConfig(mixture=ALL, clean_share=0.2)
    count = 3000
    plan = draw(config, count, *SIZE, seed=fresh_seed)
    for method, share in ALL.items():
        if method == "ellipses":  # some are too small
            continue
        found = len(images_of(plan, count, method))
        assert stats.binomtest(found, count, 0.8 * share).pvalue > ALPHA, method


@pytest.mark.parametrize("objects", [False, True])
@pytest.mark.parametrize("clean", [0.0, 0.3])
def test_each_image_has_the_patches_of_its_method(
    objects: bool, clean: float, fresh_seed: int
) -> None:
    background = 20.0 if objects else None
    config = SynthesisConfig(mixture=ALL, clean_share=clean, background=background)
    count = 60
    masks = disks(count, *SIZE) if objects else None
    plan = draw_plan(config, count, *SIZE, seed=fresh_seed, object_masks=masks)
    methods = np.full(count, "", object)
    for member in config.members:
        alone = draw_plan(
            replace(member, clean_share=0.0), count, *SIZE, seed=fresh_seed, object_masks=masks
        )
        some = np.zeros(count, bool)
        for image in np.unique(plan.column("image")):
            mine = plan.rows[plan.column("image") == image]
            theirs = alone.rows[alone.column("image") == image]
            columns = [table.COLUMNS.index(name) for name in ("src_x", "src_y", "mode", "source")]
            if len(mine) == len(theirs) and np.array_equal(mine[:, columns], theirs[:, columns]):
                some[image] = True
        methods[some & (methods == "")] = member.method
        kept = some[plan.column("image")]
        part = Plan(plan.rows[kept], plan.factors[kept], plan.masks)
        if member.method not in ("nsa", "ellipses"):  # whose boxes are the same
            assert_same_patches(part, alone)
    drawn = np.unique(plan.column("image"))
    assert (methods[drawn] != "").all()
    assert len(set(methods[drawn])) >= 3


def test_a_batch_may_have_any_size(fresh_seed: int) -> None:
    config = SynthesisConfig(mixture=ALL, opacity_bounds=(0.2, 1.0), clean_share=0.1)
    few, many = (draw_plan(config, count, *SIZE, seed=fresh_seed) for count in (20, 50))
    # The first image has its patches from the last one.
    inside = (many.column("image") > 0) & (many.column("image") < 20)
    other = few.column("image") > 0
    rows = many.rows[inside].copy()
    lit = rows[:, table.SOURCE] >= 50
    rows[lit, table.SOURCE] -= 30
    columns = [i for i, name in enumerate(table.COLUMNS) if not name.endswith("_mask")]
    assert np.array_equal(few.rows[other][:, columns], rows[:, columns])
    assert np.array_equal(few.factors[other], many.factors[inside])
    assert few.lights is not None
    assert many.lights is not None
    for name in ("blur", "gain", "shift", "noise", "key"):
        assert np.array_equal(getattr(few.lights, name), getattr(many.lights, name)[:20])


@pytest.mark.parametrize("draw", [draw_plan, reference.draw_plan])
@pytest.mark.parametrize("method", ["nsa", "nsa_paste", "cutpaste", "ellipses"])
def test_opacities_are_uniform(draw, method: str, fresh_seed: int) -> None:
    config = SynthesisConfig(method=method, opacity_bounds=(0.2, 0.7))
    plan = draw(config, 400, *SIZE, seed=fresh_seed)
    assert stats.kstest(plan.factors, stats.uniform(0.2, 0.5).cdf).pvalue > ALPHA
    whole = draw(SynthesisConfig(method=method), 400, *SIZE, seed=fresh_seed)
    assert (whole.factors == 1).all()
    if draw is draw_plan:
        modes = {"paste": "interpolate"}.get(
            whole_mode := SynthesisConfig(method=method).patch_mode
        )
        assert set(plan.column("mode")) == {PATCH_MODES.index(modes or whole_mode)}
        others = [i for i, name in enumerate(table.COLUMNS) if name != "mode"]
        assert np.array_equal(plan.rows[:, others], whole.rows[:, others])


def test_factors_of_their_own_are_no_opacities() -> None:
    for method in ("fpi", "pii"):
        plain = draw_plan(SynthesisConfig(method=method), 50, *SIZE, seed=3)
        config = SynthesisConfig(method=method, opacity_bounds=(0.2, 0.3))
        assert np.array_equal(draw_plan(config, 50, *SIZE, seed=3).factors, plain.factors)


def test_faint_patches_change_less() -> None:
    images = torch.randint(0, 256, (8, 3, *SIZE), dtype=torch.uint8)
    changes = []
    for opacity in (1.0, 0.5, 0.1):
        make = NSA(method="nsa_paste", opacity_bounds=(opacity, opacity), max_patches=1)
        plan = make.plan(images, 5)
        made, _ = make.synthesize(images, plan)
        changes.append((made.int() - images.int()).abs().float().mean().item())
    assert changes[1] == pytest.approx(changes[0] / 2, rel=0.05)
    assert changes[2] == pytest.approx(changes[0] / 10, rel=0.2)


def test_only_images_of_a_method_with_light_are_relit(fresh_seed: int) -> None:
    config = SynthesisConfig(mixture={"altered": 0.5})
    plan = draw_plan(config, 200, *SIZE, seed=fresh_seed)
    assert plan.lights is not None
    lit = images_of(plan, 200, "altered")
    changed = (plan.lights.gain != 1).any(1)
    assert changed[lit].all()
    others = np.setdiff1d(np.unique(plan.column("image")), lit)
    assert not changed[others].any()
    assert not plan.lights.blur[others].any()
    assert not plan.lights.noise[others].any()
    assert draw_plan(SynthesisConfig(), 5, *SIZE, seed=0).lights is None


def test_light_of_patches_is_spread_as_said(fresh_seed: int) -> None:
    spread = PatchLight(brightness=0.5, contrast=0.0, white_balance=0.0, blur=1.2, noise=9.0)
    lights = draw_patch_lights([None, spread], np.ones(4000, np.int64), fresh_seed)
    assert lights is not None
    logarithms = np.log(lights.gain[:, 0].astype(float)) / np.log(1.5)
    assert stats.kstest(logarithms, stats.uniform(-1, 2).cdf).pvalue > ALPHA
    assert stats.kstest(lights.blur / 1.2, stats.uniform.cdf).pvalue > ALPHA
    assert stats.kstest(lights.noise / 9.0, stats.uniform.cdf).pvalue > ALPHA
    assert np.array_equal(lights.gain[:, 0], lights.gain[:, 1])
    assert not lights.shift.any()
    assert len(set(lights.key.tolist())) > 3990


def test_patches_of_lit_copies_come_from_them() -> None:
    images = torch.randint(0, 256, (3, 3, *SIZE), dtype=torch.uint8)
    make = NSA(method="altered")
    plan = make.plan(images, 2)
    given = blend(images, plan, "planned")
    assert plan.lights is not None
    pixels = images.permute(0, 2, 3, 1).numpy()
    lit = torch.from_numpy(reference.relight(pixels, plan.lights)).permute(0, 3, 1, 2)
    wanted = blend(images, plan, "planned", sources=torch.cat([images, lit]))
    assert (given.int() - wanted.int()).abs().max() <= 1
    assert (given != images).any()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mixture": {"scar": 0.1}}, "No method is named 'scar'"),
        ({"mixture": {"nsa": 0.1}}, "mixture names nsa, which is the method itself"),
        ({"mixture": {"cutpaste": 0.0}}, "shares above 0 and up to 1, got 0.0 for cutpaste"),
        ({"mixture": {"cutpaste": 1.5}}, "got 1.5 for cutpaste"),
        ({"mixture": {"cutpaste": 0.6, "altered": 0.6}}, "shares of 1 in all at most, got 1.2"),
        ({"mixture": {"fpi": 0.5}}, "fpi cannot be mixed with other methods"),
        ({"method": "pii", "mixture": {"nsa": 0.5}}, "pii cannot be mixed"),
        ({"mixture": {"cutpaste": "much"}}, "cutpaste' must be a finite number"),
        ({"mixture": ["cutpaste"]}, "mixture must be a section of names and values"),
        ({"opacity_bounds": (0.0, 1.0)}, "opacity_bounds must be two numbers"),
        ({"opacity_bounds": (0.8, 0.5)}, "opacity_bounds must be two numbers"),
        ({"opacity_bounds": (0.5, 1.5)}, "opacity_bounds must be two numbers"),
    ],
)
def test_what_cannot_be_mixed_is_refused(fields: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SynthesisConfig(**fields)


def test_how_a_mixture_is_blended() -> None:
    assert SynthesisConfig(mixture={"ellipses": 0.5}).blend_mode == "source"
    assert SynthesisConfig(mixture={"cutpaste": 0.5}).blend_mode == "planned"
    both = SynthesisConfig(method="cutpaste", mixture={"nsa_paste": 0.5})
    assert both.blend_mode == "paste"
    assert replace(both, opacity_bounds=(0.5, 1)).blend_mode == "interpolate"
    assert both.label_kind == "binary"
    assert pickle.loads(pickle.dumps(both)) == both
    assert hash(both) == hash(replace(both))
    only = SynthesisConfig(method="no_object_masks", background=20)
    assert only.mask_background is None
    assert replace(only, mixture={"nsa": 0.1}).mask_background == 20
    # Copies are of the image itself, in the light that is drawn for it.
    assert not any(way.other_image for way in METHODS.values() if way.light)
    assert SynthesisConfig(mixture={"cutpaste": 0.5}).title == "NSA (logistic) and others"


def test_the_order_of_a_mixture_decides_nothing(fresh_seed: int) -> None:
    one = SynthesisConfig(mixture={"scars": 0.3, "altered": 0.4})
    other = SynthesisConfig(mixture={"altered": 0.4, "scars": 0.3})
    assert one == other
    plans = [draw_plan(config, 60, *SIZE, seed=fresh_seed) for config in (one, other)]
    assert np.array_equal(plans[0].rows, plans[1].rows)
