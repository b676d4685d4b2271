"""Plans of arbitrary valid settings are as promised; native code takes them and no others."""

from __future__ import annotations

import typing
from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np
import torch
from fuzzing import explore, extremes

from nsa._native.extension import C
from nsa.blend import blend
from nsa.errors import InputError
from nsa.label import label
from nsa.plan import COLUMNS, Plan, draw_plan
from nsa.plan.bounds import plan_bounds
from nsa.plan.table import IMAGE, ROUND
from nsa.settings.config import LABELS, SynthesisConfig
from nsa.settings.methods import METHODS, PATCH_MODES

_REACH = 5  # px that a label's median goes beyond its patch


class Case(NamedTuple):
    """Settings, and the batch that a plan of them is drawn for."""

    config: SynthesisConfig
    shape: tuple[int, int, int]
    masks: np.ndarray | None
    seed: int

    @property
    def sources(self) -> tuple[int, int, int]:
        """What patches are cut from: the images and, for some methods, copies of them."""
        count, height, width = self.shape
        return (1 + self.config.relit) * count, height, width

    def draw(self) -> Plan:
        return draw_plan(self.config, *self.shape, seed=self.seed, object_masks=self.masks)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    def bounds(least: float, most: float) -> tuple[float, float]:
        one, other = (draw(st.floats(least, most)) for _ in range(2))
        return min(one, other), max(one, other)

    share = st.floats(0, 1)
    grey = st.one_of(st.sampled_from([0, 255]), st.floats(0, 255))
    method = draw(st.sampled_from(sorted(METHODS)))
    mixed = [name for name in sorted(METHODS) if not METHODS[name].interpolates and name != method]
    names = draw(st.lists(st.sampled_from(mixed), max_size=3, unique=True))
    if METHODS[method].interpolates or draw(st.booleans()):
        names = []
    config = SynthesisConfig(
        method=method,
        mixture={name: draw(st.floats(0.01, 0.33)) for name in names},
        opacity_bounds=draw(st.sampled_from([(1.0, 1.0), bounds(0.011, 1)])),
        clean_share=draw(st.sampled_from([0.0, 0.5])),
        variant=draw(st.sampled_from(["released", "paper"])),
        label=draw(st.sampled_from(LABELS)),
        gradients=draw(st.sampled_from(["source", "mixed"])),
        max_patches=draw(st.one_of(st.integers(1, 4), st.integers(1, 64))),
        height_bounds=bounds(1e-6, 1),
        width_bounds=bounds(1e-6, 1),
        background=draw(st.one_of(st.none(), grey)),
        background_threshold=draw(grey),
        min_object_share=draw(share),
        min_overlap=draw(share),
        scale_bounds=bounds(0.02, 100),
        label_midpoint=draw(grey),
        label_steepness=draw(st.floats(1e-6, 1e3)),
    )
    sides = st.one_of(st.integers(1, 20), st.integers(21, 90))
    shape = draw(st.integers(0, 4)), draw(sides), draw(sides)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    masks = None
    if config.mask_background is not None or draw(st.booleans()):
        masks = (random.random(shape) < draw(st.sampled_from([0, 0.5, 0.9, 1]))).astype(np.uint8)
    return Case(config, shape, masks, draw(st.one_of(st.integers(), st.integers(-(2**70), 2**70))))


def test_drawn_plans(fresh_seed: int, effort: float) -> None:
    patches = [0]

    def check(case: Case) -> None:
        plan = case.draw()
        patches[0] += len(plan)
        assert is_valid(plan, case.shape, case.sources)
        keys = [(row[ROUND], row[IMAGE]) for row in plan.rows.tolist()]
        assert keys == sorted(set(keys))
        for image in range(case.shape[0]):
            rounds = plan.column("round")[plan.column("image") == image]
            assert rounds.tolist() == list(range(len(rounds)))
        assert set(np.unique(plan.masks)) <= {0, 1}
        again = case.draw()
        for part in ("rows", "factors", "masks"):
            assert np.array_equal(getattr(plan, part), getattr(again, part))
        assert (plan.lights is None) != case.config.relit
        fits_what_is_reserved(plan, case)
        makes_pictures(plan, case)

    explore(check, cases(), examples=round(150 * effort), start=fresh_seed)
    assert patches[0] > 0  # of small images, how many there are is chance


def test_hostile_plans(fresh_seed: int, effort: float) -> None:
    outcomes = {True: 0, False: 0}

    @st.composite
    def spoiled(draw: st.DrawFn) -> tuple[Plan, tuple[int, int, int], tuple[int, int, int]]:
        case = draw(cases())
        plan, (count, height, width) = case.draw(), case.shape
        rows, factors = plan.rows.copy(), plan.factors.copy()
        values = st.one_of(
            st.sampled_from(extremes(np.dtype(np.int32))),
            st.integers(-3, 100),
            st.integers(-(2**31), 2**31 - 1),
        )
        for _ in range(draw(st.integers(0, 2)) if len(rows) else 0):
            row, column = (
                draw(st.integers(0, len(rows) - 1)),
                draw(st.integers(0, len(COLUMNS) - 1)),
            )
            rows[row, column] = draw(values)
        if len(rows) and draw(st.integers(0, 9)) == 0:
            factors[-1] = draw(st.floats(width=32))
        masks = plan.masks[: len(plan.masks) - draw(st.integers(0, 1))]
        side = st.integers(1, 90)
        to = draw(st.sampled_from([case.shape, (max(count - 1, 0), height, width)]))
        most = case.sources[0]
        sources = draw(st.sampled_from([case.sources, (most, draw(side), draw(side))]))
        return Plan(rows, factors, masks), to, sources

    def check(given: tuple[Plan, tuple[int, int, int], tuple[int, int, int]]) -> None:
        plan, to, sources = given
        expected = is_valid(plan, to, sources)
        outcomes[expected] += 1
        limits = C.DeviceLimits(shared_memory=232448, multiprocessors=132)
        shapes = {"images": (*to, 3), "sources": (*sources, 3), "mask_bytes": len(plan.masks)}
        try:
            parts = plan.rows, plan.factors, plan.masks
            C.DevicePlan.of(*parts, **shapes, mode="source", limits=limits)
            taken = True
        except InputError:
            taken = False
        assert taken == expected
        if expected:  # or refused by the same check: native_fuzz.py tries that where it may crash
            images, cut = (
                torch.zeros((n, 3, h, w), dtype=torch.uint8) for n, h, w in (to, sources)
            )
            blend(images, plan, "paste", sources=cut)

    explore(check, spoiled(), examples=round(300 * effort), start=fresh_seed)
    assert min(outcomes.values()) > 2, outcomes


def is_valid(plan: Plan, images: tuple[int, int, int], sources: tuple[int, int, int]) -> bool:
    """What csrc/plan/check.cpp says of a plan, in arithmetic that cannot overflow."""
    rows = plan.rows.astype(object)
    at = {name: rows[:, number] for number, name in enumerate(COLUMNS)}

    def within(start: str, length: str, limit: Any) -> bool:
        first, size = at[start], at[length]
        return bool(((size >= 1) & (first >= 0) & (first + size <= limit)).all())

    area = at["width"] * at["height"]
    masks, size = [at["blend_mask"], at["label_mask"]], len(plan.masks)
    return bool(
        ((at["image"] >= 0) & (at["image"] < images[0])).all()
        and ((at["source"] >= 0) & (at["source"] < sources[0])).all()
        and within("src_x", "src_w", sources[2]) and within("src_y", "src_h", sources[1])
        and within("dst_x", "width", images[2]) and within("dst_y", "height", images[1])
        and within("roi_x", "roi_w", at["width"]) and within("roi_y", "roi_h", at["height"])
        and within("place_x", "roi_w", images[2]) and within("place_y", "roi_h", images[1])
        and all(((one == -1) | ((one >= 0) & (one + area <= size))).all() for one in masks)
        and ((at["mode"] >= 0) & (at["mode"] < len(PATCH_MODES))).all()
        and (np.diff(at["round"]) >= 0).all()
        and ((plan.factors > 0) & (plan.factors <= 1)).all()
    )  # fmt: skip


def fits_what_is_reserved(plan: Plan, case: Case) -> None:
    """Room for any plan of the settings holds this one."""
    count, height, width = case.shape
    room = plan_bounds(case.config, height, width)
    limits = C.DeviceLimits(shared_memory=232448, multiprocessors=132)
    reserved = C.DevicePlan.reserve(
        (*case.shape, 3),
        (*case.sources, 3),
        case.config.blend_mode,
        limits,
        room.rounds,
        room.height,
        room.width,
        count * room.mask_bytes,
    )
    parts = plan.rows, plan.factors, plan.masks
    if case.masks is None or case.config.mask_background is not None:
        reserved.pack(*parts, np.empty(reserved.bytes, np.uint8))


def makes_pictures(plan: Plan, case: Case) -> None:
    """Pixels change inside the boxes alone, labels are in range, and threads change nothing."""
    count, height, width = case.shape
    random = np.random.default_rng(abs(case.seed))
    images = torch.from_numpy(random.integers(0, 256, (count, 3, height, width), dtype=np.uint8))
    found = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        try:
            blended = blend(images, plan, typing.cast(Any, case.config.blend_mode))
            found.append((blended, label(images, blended, plan, case.config)))
        finally:
            torch.set_num_threads(1)
    (blended, labels), (others, same) = found
    assert torch.equal(blended, others)
    assert torch.equal(labels, same)
    changed = (blended != images).any(dim=1).numpy()
    outside, far = np.ones_like(changed), np.ones_like(changed)
    for values in plan.rows.tolist():
        row = dict(zip(COLUMNS, values, strict=True))
        y, x = row["place_y"], row["place_x"]
        outside[row["image"], y : y + row["roi_h"], x : x + row["roi_w"]] = False
        y, x = row["dst_y"], row["dst_x"]
        rows = slice(max(y - _REACH, 0), y + row["height"] + _REACH)
        far[row["image"], rows, max(x - _REACH, 0) : x + row["width"] + _REACH] = False
    assert not (changed & outside).any()
    assert not (labels[:, 0].numpy() != 0)[far].any()
    top = 255 if case.config.unbounded else 1
    assert bool(((labels >= 0) & (labels <= top)).all())
