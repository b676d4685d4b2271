"""The batch transform, end to end against the reference on the same plan."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

import nsa
from nsa import reference
from nsa.errors import InputError
from nsa.settings.fields import replace
from nsa.settings.methods import METHODS

CASES = [("bottle", 3), ("bottle", 1), ("carpet", 3), ("carpet", 1), ("rcxr_male", 1)]


def scenes(count: int, height: int, width: int, channels: int, background: float | None) -> Tensor:
    """Smooth noise, with a plain background around an ellipse where there is a background."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    result = np.empty((count, height, width, channels), np.uint8)
    for i, image in enumerate(result):
        noise = sum(
            size * cv2.GaussianBlur(rng.standard_normal((height, width, 3)), (0, 0), size)
            for size in (1, 3, 9)
        )
        image[:] = np.clip(90 + 60 * noise, 0, 255)[..., :channels]
        if background is not None:
            ellipse = ((y - height / 2 - i) / height) ** 2 + ((x - width / 2) / width) ** 2
            image[ellipse > 0.16] = background
    return torch.from_numpy(result).permute(0, 3, 1, 2)


def interleaved(images: Tensor) -> np.ndarray:
    return np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())


@pytest.mark.parametrize("label", ["binary", "continuous", "logistic"])
@pytest.mark.parametrize("variant", ["released", "paper"])
@pytest.mark.parametrize(("name", "channels"), CASES)
def test_equals_the_reference_on_the_same_plan(
    name: str, channels: int, variant: str, label: str
) -> None:
    transform = nsa.NSA.from_preset(name, variant=variant, label=label)
    images = scenes(6, 120, 111, channels, transform.config.background)
    before = images.clone()
    plan = transform.plan(images, seed=1)
    assert len(plan) > 3
    changed, labels = transform.synthesize(images, plan)
    assert torch.equal(images, before)
    assert changed.shape == images.shape
    assert changed.dtype == torch.uint8
    assert changed.is_contiguous(memory_format=torch.channels_last)
    assert labels.shape == (6, 1, 120, 111)
    assert labels.dtype == torch.float32

    pixels, blended = interleaved(images), interleaved(changed)
    expected = reference.blend(pixels, plan, transform.config.gradients)
    assert (expected != pixels).any()
    difference = np.abs(blended.astype(int) - expected)
    assert difference.max() <= len(set(plan.column("round").tolist()))  # 1 a patch on another
    assert (difference > 1).mean() < 1e-4
    assert (difference == 0).mean() > 0.99

    # Given the same blended image, labels are the same.
    truth = reference.label(pixels, blended, plan, transform.config)
    assert truth.any()
    tolerance = 0 if label == "binary" else 1e-6 * max(1, truth.max())
    assert np.abs(labels[:, 0].numpy() - truth).max() <= tolerance


@pytest.mark.parametrize("variant", ["released", "paper"])
@pytest.mark.parametrize(("name", "channels"), [("bottle", 3), ("carpet", 3), ("rcxr_male", 1)])
@pytest.mark.parametrize("method", [name for name in METHODS if name != "nsa"])
def test_every_method_equals_the_reference_on_the_same_plan(
    method: str, name: str, channels: int, variant: str
) -> None:
    transform = nsa.NSA.from_preset(name, variant=variant, method=method, min_overlap=0.25)
    _equals_the_reference(transform, channels)


@pytest.mark.parametrize("variant", ["released", "paper"])
@pytest.mark.parametrize(("name", "channels"), [("bottle", 3), ("carpet", 3), ("rcxr_male", 1)])
def test_a_mixture_equals_the_reference_on_the_same_plan(
    name: str, channels: int, variant: str
) -> None:
    transform = nsa.NSA.from_preset(
        name, variant=variant, min_overlap=0.25, opacity_bounds=(0.4, 1.0),
        mixture={"altered": 0.3, "cutpaste": 0.3, "ellipses": 0.2},
    )  # fmt: skip
    _equals_the_reference(transform, channels, count=12)


def _equals_the_reference(transform: nsa.NSA, channels: int, count: int = 5) -> None:
    images = scenes(count, 110, 97, channels, transform.config.background)
    plan = transform.plan(images, seed=1)
    assert len(plan) > 2
    changed, labels = transform.synthesize(images, plan)

    pixels, blended = interleaved(images), interleaved(changed)
    expected = reference.blend(pixels, plan, transform.config.blend_mode)
    assert (expected != pixels).any()
    difference = np.abs(blended.astype(int) - expected)
    if transform.config.blend_mode in ("paste", "interpolate"):
        assert difference.max() <= transform.config.relit  # the reference lights in floating point
    assert difference.max() <= len(set(plan.column("round").tolist()))  # 1 a patch on another
    assert (difference > 1).mean() < 1e-4
    assert (difference == 0).mean() > 0.99

    truth = reference.label(pixels, blended, plan, transform.config)
    assert truth.any()
    kind = transform.config.label_kind
    assert np.abs(labels[:, 0].numpy() - truth).max() <= (1e-6 if kind == "logistic" else 0)
    if kind == "factor":
        assert set(truth.ravel().tolist()) <= {0.0, *plan.factors.tolist()}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_tiny_images_and_batches(method: str) -> None:
    for shape in ((2, 3, 1, 1), (3, 1, 6, 40), (1, 3, 33, 20), (0, 3, 32, 32)):
        images = torch.randint(0, 256, shape, dtype=torch.uint8)
        for background in (None, 0):
            transform = nsa.NSA(method=method, background=background)
            changed, labels = transform(images)
            assert changed.shape == images.shape
            assert labels.shape == (shape[0], 1, *shape[2:])
            assert not labels[(changed == images).all(1, keepdim=True).all(2).all(2)[:, 0]].any()


@pytest.mark.parametrize("method", METHODS)
def test_the_plain_pipeline_makes_every_method(method: str) -> None:
    images = interleaved(scenes(4, 90, 90, 3, 200))
    config = replace(nsa.preset("bottle").synthesis, method=method)
    changed, labels = reference.synthesize(images, config, seed=1)
    assert (changed != images).any()
    assert 0 < labels.max() <= 1


@pytest.mark.parametrize("name", ["bottle", "rcxr_male"])
def test_object_masks_of_the_plan_are_those_of_the_reference(name: str) -> None:
    config = nsa.preset(name).synthesis
    assert config.background is not None
    images = scenes(5, 64, 90, 3, config.background)
    expected = np.stack(
        [
            reference.object_mask(image, config.background, config.background_threshold)
            for image in interleaved(images)
        ]
    )
    plan = nsa.draw_plan(config, 5, 64, 90, seed=3, object_masks=expected)
    assert len(plan) > 0
    assert np.array_equal(plan.rows, nsa.NSA(config).plan(images, 3).rows)
    assert np.array_equal(plan.masks, nsa.NSA(config).plan(images, 3).masks)


def test_a_generator_fixes_the_result() -> None:
    images = scenes(4, 64, 64, 3, None)

    def run(generator: torch.Generator | None) -> list[Tensor]:
        transform = nsa.NSA.from_preset("carpet", generator=generator)
        return [*transform(images), *transform(images)]

    first = run(torch.Generator().manual_seed(1))
    second = run(torch.Generator().manual_seed(1))
    other = run(torch.Generator().manual_seed(2))
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], first[2])  # every batch is new

    torch.manual_seed(1)
    first = run(None)
    torch.manual_seed(1)
    assert all(torch.equal(one, two) for one, two in zip(first, run(None), strict=True))


def test_pickles_and_copies() -> None:
    images = scenes(3, 64, 64, 3, None)
    transform = nsa.NSA.from_preset("carpet", generator=torch.Generator().manual_seed(1))
    copies = [copy.deepcopy(transform), pickle.loads(pickle.dumps(transform))]
    expected = transform(images)[0]
    for other in copies:
        assert other.config == transform.config
        assert torch.equal(other(images)[0], expected)


class Collate:
    """Stacks a batch and adds anomalies, in the worker."""

    def __init__(self, transform: nsa.NSA) -> None:
        self.transform = transform

    def __call__(self, images: list[Tensor]) -> tuple[Tensor, Tensor]:
        return self.transform(torch.stack(images))


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize(
    ("start", "own_generator"), [("spawn", True), ("fork", True), ("fork", False)]
)
def test_workers_of_a_data_loader_draw_different_anomalies(start: str, own_generator: bool) -> None:
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {start}")
    image = scenes(1, 64, 64, 3, None)[0]
    generator = torch.Generator().manual_seed(1) if own_generator else None
    transform = nsa.NSA.from_preset("carpet", generator=generator)
    transform(image[None].repeat(8, 1, 1, 1))  # threads of the parent must not hang its children
    loader = DataLoader(
        [image] * 8,
        batch_size=2,
        num_workers=2,
        collate_fn=Collate(transform),
        multiprocessing_context=start,
        timeout=60,
    )
    batches = [images for images, _ in loader]
    assert len(batches) == 4
    for k, one in enumerate(batches):
        assert not any(torch.equal(one, other) for other in batches[:k])


@pytest.mark.parametrize("name", ["carpet", "bottle"])
def test_small_batches(name: str) -> None:
    transform = nsa.NSA.from_preset(name)
    images = scenes(1, 80, 80, 3, transform.config.background)
    changed, labels = transform.synthesize(images, transform.plan(images, 2))
    assert not torch.equal(changed, images)  # from itself
    assert labels.any()
    changed, labels = transform(images[:0])
    assert changed.shape == (0, 3, 80, 80)
    assert labels.shape == (0, 1, 80, 80)


def test_an_empty_image_is_left_as_it_is() -> None:
    images = torch.full((2, 3, 64, 64), 200, dtype=torch.uint8)
    changed, labels = nsa.NSA.from_preset("bottle")(images)
    assert torch.equal(changed, images)
    assert not labels.any()


def test_any_memory_layout() -> None:
    transform = nsa.NSA.from_preset("carpet")
    images = scenes(3, 64, 50, 3, None)
    plan = transform.plan(images, 1)
    expected, labels = transform.synthesize(images, plan)
    for other in (
        images.contiguous(),
        images.transpose(2, 3).contiguous().transpose(2, 3),
        torch.stack([images, images], dim=1)[:, 0],
    ):
        changed, other_labels = transform.synthesize(other, plan)
        assert torch.equal(changed, expected)
        assert torch.equal(other_labels, labels)


def test_is_an_ordinary_module_to_its_parent() -> None:
    visited: list[torch.nn.Module] = []
    parent = torch.nn.Sequential(nsa.NSA())
    assert parent.apply(visited.append) is parent  # as initialisers of weights do
    assert visited == [parent[0], parent]


def test_fields_and_repr() -> None:
    transform = nsa.NSA.from_preset("bottle", max_patches=1, label="binary")
    assert transform.config == nsa.SynthesisConfig(
        background=200, background_threshold=60, label_midpoint=24, label_steepness=1 / 12,
        max_patches=1, label="binary",
    )  # fmt: skip
    assert "max_patches=1" in repr(transform)
    assert nsa.NSA().config == nsa.SynthesisConfig()
    assert not list(transform.parameters())
    assert not transform.state_dict()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 3, 64, 64), "values 0 to 255, got torch.float32"),
        (np.zeros((2, 3, 64, 64), np.uint8), "got ndarray"),
        (torch.zeros(3, 64, 64, dtype=torch.uint8), r"shape \(3, 64, 64\)"),
        (
            torch.zeros(2, 4, 64, 64, dtype=torch.uint8),
            "uint8 tensor .N, 1 or 3, H, W.*got .*2, 4, 64, 64",
        ),
        (torch.zeros(2, 3, 0, 64, dtype=torch.uint8), r"shape \(2, 3, 0, 64\)"),
        (torch.zeros(2, 3, 64, 64, dtype=torch.uint8, device="meta"), "on meta"),
    ],
)
def test_wrong_images_are_refused(images: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        nsa.NSA()(images)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'max_patches'"):
        nsa.NSA(max_patch=2)
    with pytest.raises(InputError, match="did you mean 'bottle'"):
        nsa.NSA.from_preset("botle")


def test_the_package_imports_quickly_and_names_everything() -> None:
    code = (
        "import sys, nsa\n"
        "assert not {'torch', 'numba'} & set(sys.modules)\n"
        "assert set(nsa.__all__) <= set(dir(nsa))\n"
        "assert all(getattr(nsa, name) is not None for name in nsa.__all__)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = nsa.nonsense
