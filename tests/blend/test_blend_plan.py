"""nsa.blend over a batch and its plan, against a plain loop over OpenCV."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import typing

import blend_cases
import numpy as np
import plan_cases
import pytest
import torch

from nsa._native.extension import C
from nsa.blend import blend
from nsa.errors import InputError
from nsa.plan.table import COLUMNS, Plan
from nsa.settings.methods import PATCH_MODES, BlendMode

MODES = typing.get_args(BlendMode)


def batch(seed, channels, masked=True, count=4, size=(70, 91), rounds=1):
    rng = np.random.default_rng(seed)
    pixels = [
        np.stack([np.atleast_3d(blend_cases.image(rng, *shape, channels)) for _ in range(number)])
        for number, shape in ((count, size), (3, (64, 80)))
    ]
    plan = plan_cases.random_plan(rng, count, size, 3, (64, 80), rounds, masked)
    images, sources = (torch.from_numpy(x).permute(0, 3, 1, 2) for x in pixels)
    return images, sources, plan, pixels


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", MODES)
def test_one_round_equals_the_plain_loop(mode, channels):
    tolerance = 0 if mode in plan_cases.EXACT else 1
    for seed in range(6):
        images, sources, plan, pixels = batch(seed, channels)
        before = images.clone()
        out = blend(images, plan, mode, sources=sources)
        wanted = plan_cases.blend_slowly(*pixels, plan, mode)
        difference = np.abs(out.permute(0, 2, 3, 1).numpy().astype(int) - wanted)
        assert difference.max() <= tolerance
        assert torch.equal(images, before)
        assert (wanted != pixels[0]).mean() > 0.01


@pytest.mark.parametrize("mode", MODES)
def test_rounds_are_applied_in_order_and_cut_from_untouched_sources(mode):
    images, _, _, pixels = batch(1, 3)
    rng = np.random.default_rng(3)
    plan = plan_cases.random_plan(rng, 4, (70, 91), 4, (70, 91), 3, masked=True)
    out = blend(images, plan, mode)
    step = images
    for number in range(3):
        chosen = plan.column("round") == number
        part = Plan(plan.rows[chosen], plan.factors[chosen], plan.masks)
        step = blend(step, part, mode, sources=images)
    assert torch.equal(out, step)
    wanted = plan_cases.blend_slowly(pixels[0], pixels[0], plan, mode)
    # A difference of one grey level can change which gradient a later patch takes, so with mixed
    # gradients a few pixels may differ by more.
    difference = np.abs(out.permute(0, 2, 3, 1).numpy().astype(int) - wanted)
    assert np.mean(difference > 1) < (1e-2 if mode in ("mixed", "planned") else 1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_each_row_may_have_its_own_mode(channels):
    images, sources, plan, _ = batch(11, channels, count=9, rounds=3)
    out, step = blend(images, plan, "planned", sources=sources), images
    for number in range(len(plan)):
        row = Plan(plan.rows[[number]], plan.factors[[number]], plan.masks)
        mode = PATCH_MODES[plan.column("mode")[number]]
        step = blend(step, row, mode, sources=sources)
    assert torch.equal(out, step)
    assert set(plan.column("mode")) == set(range(len(PATCH_MODES)))


@pytest.mark.parametrize("mode", MODES)
def test_threads_do_not_change_a_bit(mode):
    images, sources, plan, _ = batch(7, 3, count=9, rounds=3)
    before = torch.get_num_threads()
    try:
        outs = []
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            outs.append(blend(images, plan, mode, sources=sources))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(outs[0], outs[1])
    assert torch.equal(outs[0], outs[2])


def test_storage_of_the_images_does_not_matter():
    images, sources, plan, _ = batch(2, 3)
    wanted = blend(images, plan, "source", sources=sources)
    assert wanted.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(blend(images.contiguous(), plan, "source", sources=sources), wanted)
    wide = torch.cat([images, images], dim=3)[..., : images.shape[3]]
    assert torch.equal(blend(wide, plan, "source", sources=sources), wanted)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (1, 8), (9, 1), (40, 30)])
def test_an_empty_plan_copies(size, channels):
    images = torch.randint(0, 256, (2, channels, *size), dtype=torch.uint8)
    empty = Plan(
        np.zeros((0, len(COLUMNS)), np.int32), np.zeros(0, np.float32), np.zeros(0, np.uint8)
    )
    out = blend(images, empty, "source")
    assert torch.equal(out, images)
    assert out.data_ptr() != images.data_ptr()


def one_row(**changes):
    """A valid 12 x 10 patch in images of 20 x 30, with some columns changed."""
    row = {
        "image": 0, "source": 1, "src_x": 2, "src_y": 3, "src_w": 6, "src_h": 5,
        "width": 12, "height": 10, "dst_x": 4, "dst_y": 5, "roi_x": 1, "roi_y": 1,
        "roi_w": 10, "roi_h": 8, "place_x": 5, "place_y": 6,
        "blend_mask": -1, "label_mask": -1, "round": 0, "mode": 0,
    }  # fmt: skip
    row.update(changes)
    rows = np.array([[row[name] for name in COLUMNS]], np.int32)
    return Plan(rows, np.ones(1, np.float32), np.zeros(120, np.uint8))


def test_a_one_pixel_patch_is_pasted():
    images = torch.arange(2 * 20 * 30).reshape(2, 1, 20, 30).to(torch.uint8)
    ones = dict.fromkeys(("src_w", "src_h", "width", "height", "roi_w", "roi_h"), 1)
    plan = one_row(**ones, roi_x=0, roi_y=0, dst_x=29, dst_y=19, place_x=29, place_y=19)
    out = blend(images, plan, "paste")
    assert out[0, 0, 19, 29] == images[1, 0, 3, 2]
    assert torch.equal(out.flatten()[:599], images.flatten()[:599])


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("image", 2), ("image", -1), ("source", 2), ("src_x", 25), ("src_y", -1), ("src_w", 0),
        ("src_h", 18), ("width", 27), ("height", 0), ("dst_x", 19), ("dst_y", 11), ("roi_x", 3),
        ("roi_y", -1), ("roi_w", 0), ("roi_h", 10), ("place_x", 21), ("place_y", -2),
        ("blend_mask", 1), ("blend_mask", -2), ("label_mask", 2**31 - 1), ("src_w", 2**31 - 1),
        ("mode", 4), ("mode", -1),
    ],
)  # fmt: skip
def test_rows_that_leave_the_arrays_are_refused(column, value):
    images = torch.zeros(2, 3, 20, 30, dtype=torch.uint8)
    blend(images, one_row(), "source")
    axis = {"w": "x", "h": "y"}.get(column[-1], "")  # a side is reported with its start
    start = column[:-1] + axis if "_" in column and axis else column
    names = {column, start, *({"dst_x", "dst_y"} if column in ("width", "height") else ())}
    with pytest.raises(InputError, match=f"plan row 0: .*({'|'.join(sorted(names))}) "):
        blend(images, one_row(**{column: value}), "source")


def test_factors_and_order_are_checked():
    images = torch.zeros(2, 3, 20, 30, dtype=torch.uint8)
    for factor in (0.0, -0.5, 1.5, float("nan")):
        plan = dataclasses.replace(one_row(), factors=np.array([factor], np.float32))
        with pytest.raises(InputError, match="factor"):
            blend(images, plan, "source")
    late, early = one_row(round=1), one_row()
    plan = Plan(np.concatenate([late.rows, early.rows]), np.ones(2, np.float32), early.masks)
    with pytest.raises(InputError, match="plan row 1: round 0 comes after a later round"):
        blend(images, plan, "source")


def test_errors_name_the_argument():
    images = torch.zeros(2, 3, 20, 30, dtype=torch.uint8)
    plan = one_row()
    wrong = [
        (
            (images.float(), plan, "source"),
            {},
            r"must be a uint8 tensor .* got torch.float32",
        ),
        ((images.numpy(), plan, "source"), {}, "images must be a uint8 tensor .* got ndarray"),
        ((images[0], plan, "source"), {}, r"\(N, 1 or 3, H, W\) .* \(3, 20, 30\)"),
        ((images[:, :2], plan, "source"), {}, r"\(N, 1 or 3, H, W\) .* \(2, 2, 20, 30\)"),
        ((images, plan, "sorce"), {}, "mode must be one of 'source', 'mixed'"),
        ((images, plan, "source"), {"sources": images[:, :1]}, "same number of channels"),
        ((images, plan, "source"), {"sources": images.to("meta")}, "move both to one device"),
    ]
    for arguments, keywords, message in wrong:
        with pytest.raises(InputError, match=message):
            blend(*arguments, **keywords)


def test_the_kernels_know_the_words_of_the_settings():
    assert C.blend_modes == MODES
    pixels = np.zeros((2, 20, 30, 3), np.uint8)
    plan = one_row()
    with pytest.raises(InputError, match="'average' is not a blend mode"):
        C.blend_cpu(pixels, pixels, plan.rows, plan.factors, plan.masks, "average", pixels, 1)


@pytest.mark.parametrize("name", ["blend", "seamless_clone"])
def test_operators_pass_opcheck(name):
    images = torch.randint(0, 256, (2, 20, 30, 3), dtype=torch.uint8)
    plan = one_row()
    rows, factors, masks = map(torch.from_numpy, (plan.rows, plan.factors, plan.masks))
    arguments = (images, images, rows, factors, masks, "source")
    if name == "seamless_clone":
        drawn = torch.full((2, 20, 30), 255, dtype=torch.uint8)
        arguments = (images, images, drawn, torch.tensor([[15, 10], [15, 10]]), 2)
    torch.library.opcheck(getattr(torch.ops.nsa, name).default, arguments)


# Only the extension: importing torch three times would take longer than the work.
CODE = """
import importlib.util, sys
import numpy as np
spec = importlib.util.spec_from_file_location("_C", sys.argv[1])
kernels = importlib.util.module_from_spec(spec)
spec.loader.exec_module(kernels)
data = np.load(sys.argv[2])
outs = []
for channels in (1, 3):
    names = ("images", "sources", "rows", "factors", "masks")
    arrays = [data[f"{name}{channels}"] for name in names]
    for mode in kernels.blend_modes:
        outs.append(np.empty_like(arrays[0]))
        kernels.blend_cpu(*arrays, mode, outs[-1], 1)
np.savez(sys.argv[3], *outs)
print(kernels.instruction_set())
"""


def test_instruction_sets_agree(tmp_path):
    inputs = {}
    for channels in (1, 3):
        _, _, plan, pixels = batch(5, channels, count=12)
        parts = (*pixels, plan.rows, plan.factors, plan.masks)
        names = ("images", "sources", "rows", "factors", "masks")
        inputs |= {f"{name}{channels}": part for name, part in zip(names, parts, strict=True)}
    np.savez(tmp_path / "inputs.npz", **inputs)
    results = {}
    for limit in ("none", "avx2", "baseline"):
        path = tmp_path / f"{limit}.npz"
        run = subprocess.run(
            [sys.executable, "-c", CODE, C.__file__, tmp_path / "inputs.npz", path],
            env={**os.environ, "NSA_MAX_ISA": limit},
            capture_output=True,
            text=True,
            check=True,
        )
        used = run.stdout.strip()
        assert limit != "none" or used == C.instruction_set()
        assert limit != "baseline" or used == "baseline"
        with np.load(path) as outs:
            results[limit] = [outs[name].astype(int) for name in outs.files]
    for narrower in ("avx2", "baseline"):
        for index, (a, b) in enumerate(zip(results["none"], results[narrower], strict=True)):
            exact = MODES[index % len(MODES)] in plan_cases.EXACT
            assert np.abs(a - b).max() <= (0 if exact else 1)
            assert np.mean(a != b) < 1e-3
