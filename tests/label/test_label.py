"""Labels equal the definition computed by NumPy, OpenCV and scikit-image."""

import os
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np
import pytest
import torch
from label_reference import TEXTURES, random_images, random_plan, reference_label

from nsa.errors import InputError
from nsa.label import difference_label, label
from nsa.plan.table import COLUMNS, DST_X, HEIGHT, IMAGE, LABEL_MASK, WIDTH, Plan
from nsa.settings.config import SynthesisConfig
from nsa.settings.methods import LabelKind

OBJECT_TESTS = Path(__file__).parents[1] / "plan" / "test_objects.py"
KINDS = typing.get_args(LabelKind)
# Smaller than the disk, thin, odd, around the widths of vectors and tiles, non-square.
SIZES = [
    (1, 1), (1, 40), (40, 1), (5, 5), (7, 9), (11, 11), (16, 64), (17, 65), (33, 77), (64, 63),
    (100, 21), (65, 150), (128, 128),
]  # fmt: skip


def tensor(pixels):
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def check(original, blended, plan, kind, variant, midpoint=7.0, steepness=1 / 3):
    config = SynthesisConfig(variant=variant, label_midpoint=midpoint, label_steepness=steepness)
    ours = label(tensor(original), tensor(blended), plan, config, kind=kind).numpy()
    truth = reference_label(original, blended, plan, kind, variant, midpoint, steepness)
    assert ours.dtype == np.float32
    assert ours.shape == (len(original), 1, *original.shape[1:3])
    if kind == "logistic":
        np.testing.assert_allclose(ours[:, 0], truth, rtol=0, atol=1e-6)
    else:
        np.testing.assert_array_equal(ours[:, 0], truth.astype(np.float32))


@pytest.mark.parametrize("variant", ["released", "paper"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_equals_the_definition(size, channels, variant):
    rng = np.random.default_rng([*size, channels, variant == "paper"])
    for texture in TEXTURES:
        original, blended = random_images(rng, 2, *size, channels, texture)
        plan = random_plan(rng, 2, *size, rng.integers(1, 6))
        for kind in KINDS:
            check(original, blended, plan, kind, variant, rng.uniform(0, 60), rng.uniform(0.05, 2))


@pytest.mark.parametrize("number", range(4))
def test_equals_the_definition_on_fresh_images(fresh_seed, number):
    rng = np.random.default_rng([fresh_seed, number])
    height, width, channels = *rng.integers(1, 140, 2), rng.choice([1, 3])
    original, blended = random_images(rng, 2, height, width, channels, rng.choice(TEXTURES))
    plan = random_plan(rng, 2, height, width, 4)
    for kind in KINDS:
        for variant in ("released", "paper"):
            check(original, blended, plan, kind, variant)


@pytest.mark.parametrize("kind", KINDS)
def test_without_patches_all_is_zero(kind):
    rng = np.random.default_rng(0)
    original, blended = random_images(rng, 2, 20, 30, 3, "unrelated")
    plan = random_plan(rng, 2, 20, 30, 0)
    check(original, blended, plan, kind, "released")
    assert not label(tensor(original), tensor(blended), plan, kind=kind).any()


def test_an_image_without_patches_stays_zero_beside_others():
    rng = np.random.default_rng(1)
    original, blended = random_images(rng, 3, 40, 40, 3, "unrelated")
    plan = random_plan(rng, 1, 40, 40, 3)  # all in image 0
    check(original, blended, plan, "logistic", "released")


def test_a_later_empty_mask_erases_only_in_the_released_variant():
    original = np.zeros((1, 40, 40, 3), np.uint8)
    blended = np.full_like(original, 50)
    rows = np.zeros((2, len(COLUMNS)), np.int32)
    rows[:, [WIDTH, HEIGHT]] = [[40, 40], [20, 40]]
    rows[:, LABEL_MASK] = [-1, 0]
    plan = Plan(rows, np.ones(2, np.float32), np.zeros(800, np.uint8))
    labels = {
        variant: label(
            tensor(original), tensor(blended), plan, SynthesisConfig(variant=variant), kind="binary"
        )
        for variant in ("released", "paper")
    }
    assert labels["paper"].all()
    assert not labels["released"][..., :20].any()
    assert labels["released"][..., 20:].all()


@pytest.mark.parametrize(("channels", "sum_of_change"), [(1, 1), (3, 3), (1, 2), (3, 4)])
def test_the_change_threshold(channels, sum_of_change):
    original = np.zeros((1, 20, 20, channels), np.uint8)
    blended = original.copy()
    blended[..., 0] = sum_of_change
    released = difference_label(tensor(original), tensor(blended), label="binary")
    paper = difference_label(tensor(original), tensor(blended), label="binary", variant="paper")
    assert bool(released.all()) == (sum_of_change > channels)
    assert paper.all()


def test_the_logistic_label_has_a_floor_inside_the_mask():
    original = np.zeros((1, 64, 64, 3), np.uint8)
    blended = original.copy()
    blended[0, 20:40, 20:25] = 30  # five columns: too thin for the disk's median, not for the mask
    labels = difference_label(
        tensor(original), tensor(blended), midpoint=15.0, steepness=0.2, label="logistic"
    )
    inside = labels[labels > 0]
    assert inside.min().item() == pytest.approx(1 / (1 + np.exp(0.2 * 15)), abs=1e-7)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8])
@pytest.mark.parametrize("kind", KINDS)
def test_difference_label_counts_only_inside_its_mask(kind, dtype):
    rng = np.random.default_rng(5)
    original, blended = random_images(rng, 3, 50, 70, 3, "smooth")
    mask = rng.random((3, 50, 70)) < 0.8
    rows = np.zeros((3, len(COLUMNS)), np.int32)
    rows[:, IMAGE] = rows[:, LABEL_MASK] = np.arange(3)
    rows[:, LABEL_MASK] *= 50 * 70
    rows[:, [WIDTH, HEIGHT]] = 70, 50
    plan = Plan(rows, np.ones(3, np.float32), mask.astype(np.uint8).ravel())
    ours = difference_label(
        tensor(original),
        tensor(blended),
        torch.from_numpy(mask)[:, None].to(dtype),
        label=kind,
        midpoint=7.0,
        steepness=0.3,
    )
    truth = reference_label(original, blended, plan, kind, "released", 7.0, 0.3)
    np.testing.assert_allclose(ours[:, 0].numpy(), truth, rtol=0, atol=1e-6)


def test_any_memory_format_gives_the_same():
    rng = np.random.default_rng(6)
    original, blended = random_images(rng, 2, 30, 31, 3, "smooth")
    last, first = tensor(original), tensor(original).contiguous()
    changed = tensor(blended)
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(difference_label(last, changed), difference_label(first, changed))
    turned = difference_label(last.mT, changed.mT)
    assert torch.equal(turned.mT, difference_label(last, changed))


def test_threads_do_not_change_a_bit():
    rng = np.random.default_rng(7)
    original, blended = random_images(rng, 7, 90, 80, 3, "smooth")
    plan = random_plan(rng, 7, 90, 80, 20)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            results.append(label(tensor(original), tensor(blended), plan, kind="continuous"))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


LIMITED_RUN = """
import sys, pytest
from nsa._native.extension import C
assert C.instruction_set() in (sys.argv[1], "baseline")
sys.exit(pytest.main(sys.argv[2:]))
"""


@pytest.mark.parametrize("instruction_set", ["baseline", "avx2"])
def test_narrower_instruction_sets_equal_the_definition(instruction_set):
    files = [f"{__file__}::test_equals_the_definition", str(OBJECT_TESTS)]
    chosen = "17x65 or 33x77 or 5x5 or 64x65"
    run = subprocess.run(
        [sys.executable, "-c", LIMITED_RUN, instruction_set, "-q", "-k", chosen, *files],
        env={**os.environ, "NSA_MAX_ISA": instruction_set},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_operator_is_traceable():
    rng = np.random.default_rng(8)
    original, blended = random_images(rng, 2, 20, 20, 3, "smooth")
    plan = random_plan(rng, 2, 20, 20, 3)
    torch.library.opcheck(
        torch.ops.nsa.label.default,
        (
            torch.from_numpy(original),
            torch.from_numpy(blended),
            torch.from_numpy(plan.rows),
            torch.from_numpy(plan.factors),
            torch.from_numpy(plan.masks),
            "logistic",
            "released",
            7.0,
            0.3,
        ),
    )


GREY = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"original": GREY.float()}, "original must be a uint8 tensor .* got torch.float32"),
        ({"original": GREY[0]}, r"original must be a uint8 tensor .* \(1, 8, 8\)"),
        ({"original": GREY.expand(1, 2, 8, 8)}, r"original must be .* \(1, 2, 8, 8\)"),
        ({"original": GREY.numpy()}, "original must be a uint8 tensor .* got ndarray"),
        ({"original": GREY.to("meta")}, "original is on meta"),
        ({"blended": GREY[..., :4]}, "blended must have the shape of original"),
        ({"mask": GREY.float()}, "mask must be a bool or uint8 tensor"),
        ({"mask": GREY[..., :4]}, "mask must have the shape"),
        ({"label": "soft"}, "label must be one of"),
        ({"variant": "new"}, "variant must be"),
        ({"midpoint": float("nan")}, "midpoint and steepness must be finite"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        difference_label(**{"original": GREY, "blended": GREY, **arguments})


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (IMAGE, 1, "plan row 0: image 1 is not one of the 1 images"),
        (IMAGE, -1, "plan row 0: image -1 is not one of"),
        (WIDTH, 0, "plan row 0: width 0 must be at least 1"),
        (WIDTH, 9, "plan row 0: dst_x 0 with width 9 leaves the image's width of size 8"),
        (DST_X, 5, "plan row 0: dst_x 5 with width 4 leaves"),
        (DST_X, -1, "plan row 0: dst_x -1 with width 4 leaves"),
        (HEIGHT, 2**31 - 1, "plan row 0: dst_y 0 with height 2147483647 leaves"),
        (LABEL_MASK, 1, "plan row 0: label_mask 1 must be -1 or the start of 16 of the 16"),
        (LABEL_MASK, 2**31 - 1, "plan row 0: label_mask 2147483647 must be"),
        (LABEL_MASK, -2, "plan row 0: label_mask -2 must be -1 or"),
    ],
)
def test_a_plan_that_leaves_its_arrays_is_refused(column, value, message):
    rows = np.zeros((1, len(COLUMNS)), np.int32)
    rows[:, [WIDTH, HEIGHT]] = 4
    rows[:, column] = value
    plan = Plan(rows, np.ones(1, np.float32), np.ones(16, np.uint8))
    with pytest.raises(InputError, match=message):
        label(GREY, GREY, plan)
