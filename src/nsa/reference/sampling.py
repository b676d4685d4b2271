"""Draw a plan with NumPy and OpenCV, patch by patch, as Section 3 of the paper tells it.

Statistically the same as :func:`nsa.plan.draw_plan`, from another random generator.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from nsa.config import Bounds, SynthesisConfig
from nsa.plan.table import COLUMNS, Plan

TRIES = 200
Box = tuple[int, int, int, int]  # y, x, height, width
Mask = npt.NDArray[np.uint8]


def draw_plan(
    config: SynthesisConfig,
    count: int,
    height: int,
    width: int,
    *,
    seed: int,
    object_masks: npt.NDArray[np.uint8] | None = None,
) -> Plan:
    """Draw a plan; arguments and result as of :func:`nsa.plan.draw_plan`."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, int]] = []
    masks: list[Mask] = []
    used = 0
    for image in range(count):
        source = _source_image(rng, config, image, count)
        patches = 0
        for attempt in range(config.max_patches):
            if attempt > 0 and rng.random() < 0.5:
                continue
            pair = None if object_masks is None else (object_masks[source], object_masks[image])
            found = _draw_patch(rng, config, (height, width), pair)
            if found is None:
                continue
            row, mask = found
            row.update(image=image, source=source, round=patches, blend_mask=-1, label_mask=-1)
            if mask is not None:
                row["label_mask"] = used
                masks.append(mask.ravel())
                used += mask.size
            rows.append(row)
            patches += 1
    rows.sort(key=lambda row: (row["round"], row["image"]))
    table = [[row[name] for name in COLUMNS] for row in rows]
    return Plan(
        rows=np.array(table, np.int32).reshape(len(rows), len(COLUMNS)),
        factors=np.ones(len(rows), np.float32),
        masks=np.concatenate(masks) if masks else np.zeros(0, np.uint8),
    )


def _source_image(rng: np.random.Generator, config: SynthesisConfig, image: int, count: int) -> int:
    if count == 1:
        return 0
    if config.variant == "paper":
        return int((image + rng.integers(1, count)) % count)
    return (image - 1) % count


def _draw_patch(
    rng: np.random.Generator,
    config: SynthesisConfig,
    shape: tuple[int, int],
    object_masks: tuple[Mask, Mask] | None,
) -> tuple[dict[str, int], Mask | None] | None:
    """A row of the plan and its label mask; None if no place is found."""
    for y, x, h, w in _source_boxes(rng, config, shape):
        if object_masks is None:
            break
        source_object = object_masks[0][y : y + h, x : x + w]
        if source_object.sum() > config.min_object_share * h * w:
            break
    else:
        return None

    new_h, new_w = _resized(rng, config, shape, h, w)
    if max(new_h - 2, 0) * max(new_w - 2, 0) < 50:
        return None

    mask: Mask | None = None
    for top, left in _destinations(rng, config, shape, new_h, new_w):
        if object_masks is None:
            break
        target_object = object_masks[1][top : top + new_h, left : left + new_w]
        resized = np.asarray(cv2.resize(source_object, (new_w, new_h)), np.uint8)  # bilinear
        tested = target_object if config.variant == "paper" else resized
        overlap = (resized & target_object).sum()
        if (
            tested.sum() > config.min_object_share * new_h * new_w
            and overlap > config.min_overlap * resized.sum()
        ):
            mask = resized | target_object
            break
    else:
        return None

    # cv2 centres the bounding box of the mask, which lacks the outermost pixels of the patch.
    shift = 1 if config.variant == "paper" else 1 + new_w % 2
    return {
        "src_y": y, "src_x": x, "src_h": h, "src_w": w,
        "height": new_h, "width": new_w, "dst_y": top, "dst_x": left,
        "roi_y": 1, "roi_x": 1, "roi_h": new_h - 2, "roi_w": new_w - 2,
        "place_y": top + 1, "place_x": left + shift,
    }, mask  # fmt: skip


def _half_bounds(bounds: Bounds, side: int) -> tuple[int, int]:
    low = max(1, round(bounds[0] / 2 * side))
    return low, max(low, round(bounds[1] / 2 * side))


def _source_boxes(
    rng: np.random.Generator, config: SynthesisConfig, shape: tuple[int, int]
) -> Iterator[Box]:
    """Boxes of one random size around random centres, clipped to the image (eq. 5-7)."""
    both = (config.height_bounds, config.width_bounds)
    lengths: list[float] = []
    for side, (low, high) in zip(shape, both, strict=True):
        if config.variant == "paper":
            lengths.append(side * np.clip(0.06 + rng.gamma(2, 0.1), low, high))
        else:
            half = (0.03 + rng.gamma(2, 0.05)) * side
            lengths.append(2 * int(np.clip(half, *_half_bounds((low, high), side))))
    for _ in range(TRIES):
        ends = []
        for side, bounds, length in zip(shape, both, lengths, strict=True):
            if config.variant == "paper":
                centre = float(rng.uniform(side * bounds[0] / 2, side - side * bounds[0] / 2))
            else:
                low, _high = _half_bounds(bounds, side)
                centre = float(rng.integers(low, max(low + 1, side - low)))
            first = int(np.clip(np.floor(centre - length / 2 + 0.5), 0, side - 1))
            end = int(np.clip(np.floor(centre + length / 2 + 0.5), first + 1, side))
            ends.append((first, end))
        (top, bottom), (left, right) = ends
        yield top, left, bottom - top, right - left


def _resized(
    rng: np.random.Generator, config: SynthesisConfig, shape: tuple[int, int], h: int, w: int
) -> tuple[int, int]:
    """Height and width after the random resize (eq. 9)."""
    scale = np.clip(rng.normal(1, 0.5), *config.scale_bounds)
    if config.variant == "paper":
        # Relative to the sides of the patch, so that both axes share one factor.
        sides = ((h, shape[0], config.height_bounds), (w, shape[1], config.width_bounds))
        scale = min(scale, *(high * side / length for length, side, (_, high) in sides))
        scale = max(scale, *(low * side / length for length, side, (low, _) in sides))
        return max(1, int(np.floor(scale * h + 0.5))), max(1, int(np.floor(scale * w + 0.5)))
    rows = _half_bounds(config.height_bounds, shape[0])
    columns = _half_bounds(config.width_bounds, shape[1])
    scaled = np.clip(scale * h, *rows)
    new_w = int(np.clip(int(scaled / h * w), *columns))
    return int(np.clip(int(new_w / w * h), *rows)), new_w


def _destinations(
    rng: np.random.Generator, config: SynthesisConfig, shape: tuple[int, int], h: int, w: int
) -> Iterator[tuple[int, int]]:
    """Random places for the top left of the resized patch (eq. 10); none if it does not fit."""
    ranges = []
    for side, length in zip(shape, (h, w), strict=True):
        if config.variant == "paper":
            ranges.append((0, side - length + 1))
        else:  # the centre keeps a pixel of distance to the border
            ranges.append((1, side - 2 * (length // 2) - 1))
    if any(end <= first for first, end in ranges):
        return
    for _ in range(TRIES):
        yield int(rng.integers(*ranges[0])), int(rng.integers(*ranges[1]))
