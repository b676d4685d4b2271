"""A plan is checked and measured on the host before a kernel reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cuda_cases import H200_SHARED, random_plan

from nsa._native.extension import C
from nsa.errors import InputError
from nsa.plan.table import COLUMNS, Plan

IMAGES, SOURCES = (4, 60, 70, 3), (4, 50, 50, 3)
H200 = C.DeviceLimits(H200_SHARED, 132)


def scheduled(
    plan: Plan, *, mode: str | None = "source", limits: Any = H200, channels_together: int = 0
) -> Any:
    return C.DevicePlan.of(
        plan.rows,
        plan.factors,
        plan.masks,
        plan.masks.size,
        IMAGES,
        SOURCES,
        mode,
        limits,
        channels_together,
    )


def a_plan(rounds: int = 2, masks: bool = True) -> Plan:
    random = np.random.default_rng(4)
    return random_plan(random, 4, IMAGES[1:3], SOURCES[1:3], rounds=rounds, masks=masks)


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("image", 4, "plan row 1: image 4"),
        ("source", -1, "plan row 1: source -1"),
        ("src_w", 51, "plan row 1: src_x"),
        ("roi_w", 0, "plan row 1: roi_w 0"),
        ("place_x", 70, "plan row 1: place_x 70"),
        ("blend_mask", 1 << 30, "plan row 1: blend_mask"),
        ("round", -1, "plan row 1"),
    ],
)
def test_a_row_that_would_leave_memory_is_named(column: str, value: int, sentence: str) -> None:
    plan = a_plan()
    plan.rows[1, COLUMNS.index(column)] = value
    with pytest.raises(InputError, match=sentence):
        scheduled(plan)


def test_boxes_beyond_1024_px_go_to_the_cpu() -> None:
    side = 1030
    rows = np.array(
        [[0, 0, 0, 0, 50, 50, side, side, 0, 0, 0, 0, side, side, 0, 0, -1, -1, 0, 0]], np.int32
    )
    with pytest.raises(InputError, match="wider than the 1024 px"):
        C.DevicePlan.of(
            rows,
            np.ones(1, np.float32),
            np.zeros(0, np.uint8),
            0,
            (1, side, side, 1),
            (1, 50, 50, 1),
            "source",
            H200,
        )


def test_labels_need_only_the_columns_they_read() -> None:
    rows = np.zeros((1, len(COLUMNS)), np.int32)
    rows[0, [COLUMNS.index("width"), COLUMNS.index("height")]] = 70, 60
    rows[0, COLUMNS.index("label_mask")] = -1
    plan = Plan(rows, np.ones(1, np.float32), np.zeros(0, np.uint8))
    scheduled(plan, mode=None)
    rows[0, COLUMNS.index("dst_x")] = 1
    with pytest.raises(
        InputError, match="plan row 0: dst_x 1 with width 70 leaves the image's width of size 70"
    ):
        scheduled(plan, mode=None)


def test_memory_per_block_follows_the_largest_box() -> None:
    plan = a_plan()
    everything = scheduled(plan)
    assert 0 < everything.shared <= H200_SHARED
    assert everything.workspace == 0
    some = scheduled(plan, limits=C.DeviceLimits(everything.shared - 1, 132))
    assert some.workspace == everything.shared
    assert some.shared < everything.shared
    # Every GPU's shared memory holds what the presets draw on 256 px, 102 px at most.
    limits = C.DeviceLimits(64 << 10, 132)
    reserved = C.DevicePlan.reserve(
        (4, 256, 256, 3), (4, 256, 256, 3), "mixed", limits, 4, 102, 102, 0
    )
    assert reserved.workspace == 0


def test_a_block_blends_all_channels_where_images_fill_the_gpu_and_its_memory_holds_them() -> None:
    plan = a_plan()
    busy, idle = C.DeviceLimits(H200_SHARED, 4), C.DeviceLimits(H200_SHARED, 5)
    together, apart = scheduled(plan, limits=busy), scheduled(plan, limits=idle)
    assert (together.channels_together, apart.channels_together) == (3, 1)
    assert apart.shared < together.shared <= 3 * apart.shared
    narrow = C.DeviceLimits(together.shared - 1, 4)
    assert scheduled(plan, limits=narrow).channels_together == 1
    for wanted in (1, 3):
        for limits in (busy, idle):
            made = scheduled(plan, limits=limits, channels_together=wanted)
            assert made.channels_together == wanted
    with pytest.raises(InputError, match="0, 1 or all channels"):
        scheduled(plan, channels_together=2)
    for limits in (busy, idle):
        reserved = C.DevicePlan.reserve(IMAGES, SOURCES, "source", limits, 2, 60, 70, 100_000)
        exact = scheduled(plan, limits=limits)
        assert reserved.channels_together == exact.channels_together
        assert reserved.shared >= exact.shared
    with pytest.raises(InputError, match="multiprocessors"):
        C.DeviceLimits(H200_SHARED, 0)


def test_images_with_the_most_work_are_started_first() -> None:
    rows = np.array(
        [
            [image, 0, 0, 0, 5, 5, side, side, 0, 0, 0, 0, side, side, 0, 0, -1, -1, turn, 0]
            for turn, image, side in [(0, 0, 9), (0, 1, 40), (0, 3, 30), (1, 0, 50), (2, 3, 30)]
        ],
        np.int32,
    )
    made = scheduled(Plan(rows, np.ones(5, np.float32), np.zeros(0, np.uint8)))
    buffer = np.zeros(made.bytes, np.uint8)
    made.pack(rows, np.ones(5, np.float32), np.zeros(0, np.uint8), buffer)
    start = (rows.nbytes + 15) // 16 * 16 + 32  # after rows and factors
    order, first = buffer[start : start + 20].view(np.int32), buffer[start + 32 :].view(np.int32)
    assert order.tolist() == [0, 0, 1, 3, 2]
    assert first[:5].tolist() == [0, 2, 3, 3, 5]
    assert first[8:13].tolist() == [0, 3, 1, 2, 4]  # each image's rows in the plan's order


def test_a_reserved_plan_takes_what_fits() -> None:
    reserved = C.DevicePlan.reserve(IMAGES, SOURCES, "source", H200, 2, 60, 70, 100_000)
    buffer = np.zeros(reserved.bytes, np.uint8)
    for plan in (a_plan(), a_plan(rounds=1), a_plan(masks=False)):
        reserved.pack(plan.rows, plan.factors, plan.masks, buffer)
    three = a_plan(rounds=3)
    with pytest.raises(InputError, match="reserve more"):
        reserved.pack(three.rows, three.factors, three.masks, buffer)
    with pytest.raises(InputError, match="buffer is too small"):
        reserved.pack(plan.rows, plan.factors, plan.masks, buffer[:-1])
    narrow = C.DevicePlan.reserve(IMAGES, SOURCES, "source", H200, 2, 60, 9, 0)
    with pytest.raises(InputError, match="reserve more"):
        narrow.pack(plan.rows, plan.factors, plan.masks, np.zeros(narrow.bytes, np.uint8))


@pytest.mark.parametrize(("rounds", "mask_bytes"), [(2**62, 0), (2**31, 0), (2, 2**63 - 1)])
def test_room_beyond_all_memory_is_refused(rounds: int, mask_bytes: int) -> None:
    with pytest.raises(InputError, match="too large"):
        C.DevicePlan.reserve(IMAGES, SOURCES, "source", H200, rounds, 60, 70, mask_bytes)


def test_masks_are_those_that_are_there() -> None:
    plan = a_plan()
    rest = plan.masks.size, IMAGES, SOURCES, "source", H200
    C.DevicePlan.of(plan.rows, plan.factors, plan.masks[:0], *rest)  # all are on the device
    for masks, size in ((plan.masks[:-1], plan.masks.size), (plan.masks, -5)):
        with pytest.raises(InputError, match="mask_bytes must be the size"):
            C.DevicePlan.of(plan.rows, plan.factors, masks, size, *rest[1:])
    reserved = C.DevicePlan.reserve(IMAGES, SOURCES, "source", H200, 2, 60, 70, 100_000)
    buffer = np.zeros(reserved.bytes, np.uint8)
    with pytest.raises(InputError, match="_mask"):
        reserved.pack(plan.rows, plan.factors, plan.masks[: plan.masks.size // 2], buffer)


def test_shapes_are_checked() -> None:
    plan = a_plan()
    with pytest.raises(InputError, match="same number of channels"):
        C.DevicePlan.of(
            plan.rows, plan.factors, plan.masks, 0, IMAGES, (*SOURCES[:3], 1), "source", H200
        )
    with pytest.raises(InputError, match="'average' is not a blend mode"):
        scheduled(plan, mode="average")
