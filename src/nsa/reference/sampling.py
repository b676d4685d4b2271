"""Draw a plan with NumPy and OpenCV, patch by patch, as Section 3 of the paper tells it.

Statistically the same as :func:`nsa.plan.draw_plan` for every method, from another random
generator.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from nsa.plan.light import draw_patch_lights
from nsa.plan.table import COLUMNS, Plan
from nsa.reference.shapes import (
    Box,
    Mask,
    bounding_box,
    cutpaste_boxes,
    cutpaste_place,
    ellipses,
    perlin,
    scar,
)
from nsa.settings.config import Bounds, SynthesisConfig
from nsa.settings.methods import PATCH_MODES, SEAMLESS

TRIES = 200
MIN_PIXELS = 50

Row = dict[str, int]
Patch = tuple[Row, dict[str, Mask]]  # without its image and round, and with its masks


def draw_plan(
    config: SynthesisConfig,
    count: int,
    height: int,
    width: int,
    *,
    seed: int,
    object_masks: npt.NDArray[np.uint8] | npt.NDArray[np.bool_] | None = None,
) -> Plan:
    """Draw a plan; arguments and result as of :func:`nsa.plan.draw_plan`."""
    rng = np.random.default_rng(seed)
    shares = [*config.mixture.values(), 1 - sum(config.mixture.values())]
    method = rng.choice(len(shares), count, p=np.maximum(shares, 0))
    lights = draw_patch_lights([member.way.light for member in config.members], method, seed)
    rows: list[Row] = []
    factors: list[float] = []
    masks: list[Mask] = []
    used = 0
    for image in range(count):
        member = config.members[method[image]]
        way = member.way
        source = _source_image(rng, member, image, count)
        factor = rng.uniform(0.05, 0.95) if way.interpolates else 1.0
        if config.clean_share and rng.random() < config.clean_share:
            continue
        pair = None
        if way.object_masks and object_masks is not None:
            objects = object_masks.view(np.uint8)
            pair = objects[source], objects[image]
        patches = 0
        for attempt in range(config.max_patches if way.several else 1):
            if attempt > 0 and rng.random() < 0.5:
                continue
            draw = _draw_scar if way.shapes == "scars" else _draw_patch
            drawn = draw(rng, member, (height, width), pair)
            if drawn is None:
                continue
            row, found = drawn
            if config.translucent:
                factor = rng.uniform(*config.opacity_bounds)
            row.update(
                image=image, source=source if way.light is None else count + source,
                round=patches, blend_mask=-1, label_mask=-1,
                mode=PATCH_MODES.index(member.patch_mode),
            )  # fmt: skip
            for name, mask in found.items():
                row[name] = used
                masks.append(mask.ravel())
                used += mask.size
            rows.append(row)
            factors.append(factor)
            patches += 1
    order = sorted(range(len(rows)), key=lambda k: (rows[k]["round"], rows[k]["image"]))
    table = [[rows[k][name] for name in COLUMNS] for k in order]
    return Plan(
        rows=np.array(table, np.int32).reshape(len(rows), len(COLUMNS)),
        factors=np.array([factors[k] for k in order], np.float32),
        masks=np.concatenate(masks) if masks else np.zeros(0, np.uint8),
        lights=lights,
    )


def _source_image(rng: np.random.Generator, config: SynthesisConfig, image: int, count: int) -> int:
    if count == 1 or not config.way.other_image:
        return image
    if config.variant == "paper":
        return int((image + rng.integers(1, count)) % count)
    return (image - 1) % count


def _draw_patch(
    rng: np.random.Generator,
    config: SynthesisConfig,
    shape: tuple[int, int],
    object_masks: tuple[Mask, Mask] | None,
) -> Patch | None:
    """A patch of any shapes but scars; None if no place is found or too little is left of it."""
    row = _draw_boxes(rng, config, shape, object_masks)
    return None if row is None else _draw_masks(rng, config, row, object_masks)


def _draw_scar(
    rng: np.random.Generator,
    config: SynthesisConfig,
    shape: tuple[int, int],
    object_masks: tuple[Mask, Mask] | None,
) -> Patch | None:
    """A scar, whose centre lies on the object where it is cut and where it lands."""
    mask = scar(rng, min(shape))
    h, w = mask.shape
    if h > shape[0] or w > shape[1] or mask.sum() < MIN_PIXELS:
        return None
    places = []
    for objects in object_masks or (None, None):
        tries = (cutpaste_place(rng, shape, h, w) for _ in range(TRIES))
        on_it = (p for p in tries if objects is None or objects[p[0] + h // 2, p[1] + w // 2])
        places.append(next(on_it, None))
    source, target = places
    if source is None or target is None:
        return None
    row = {"src_y": source[0], "src_x": source[1], "src_h": h, "src_w": w, "height": h, "width": w}
    row |= {"dst_y": target[0], "dst_x": target[1]}
    return _placed(config, row, mask, mask)


def _draw_boxes(
    rng: np.random.Generator,
    config: SynthesisConfig,
    shape: tuple[int, int],
    object_masks: tuple[Mask, Mask] | None,
) -> Row | None:
    """Source box, size and destination of a patch; None if no place is found."""
    way = config.way
    cutpaste = way.shapes == "cutpaste"
    boxes = cutpaste_boxes(rng, shape) if cutpaste else _source_boxes(rng, config, shape)
    for y, x, h, w in boxes:
        if object_masks is None:
            break
        source_object = object_masks[0][y : y + h, x : x + w]
        if source_object.sum() > config.min_object_share * h * w:
            break
    else:
        return None

    new_h, new_w = _resized(rng, config, shape, h, w) if way.resize else (h, w)
    if max(new_h - 2, 0) * max(new_w - 2, 0) < MIN_PIXELS:
        return None
    row = {"src_y": y, "src_x": x, "src_h": h, "src_w": w, "height": new_h, "width": new_w}
    if not way.shift:
        return row | {"dst_y": y, "dst_x": x}
    if cutpaste:
        top, left = cutpaste_place(rng, shape, h, w)
        return row | {"dst_y": top, "dst_x": left}

    for top, left in _destinations(rng, config, shape, new_h, new_w):
        row |= {"dst_y": top, "dst_x": left}
        if object_masks is None:
            return row
        resized, target_object = _objects(row, object_masks)
        tested = target_object if config.variant == "paper" else resized
        overlap = (resized & target_object).sum()
        if (
            tested.sum() > config.min_object_share * new_h * new_w
            and overlap > config.min_overlap * resized.sum()
        ):
            return row
    return None


def _objects(row: Row, object_masks: tuple[Mask, Mask]) -> tuple[Mask, Mask]:
    """The object in the resized patch and under it."""
    y, x, h, w = (row[name] for name in ("src_y", "src_x", "src_h", "src_w"))
    source = np.ascontiguousarray(object_masks[0][y : y + h, x : x + w])
    y, x, h, w = (row[name] for name in ("dst_y", "dst_x", "height", "width"))
    resized = np.asarray(cv2.resize(source, (w, h), interpolation=cv2.INTER_LINEAR), np.uint8)
    return resized, object_masks[1][y : y + h, x : x + w]


def _draw_masks(
    rng: np.random.Generator,
    config: SynthesisConfig,
    row: Row,
    object_masks: tuple[Mask, Mask] | None,
) -> Patch | None:
    """A patch with its masks; None if too little of it is left."""
    h, w = row["height"], row["width"]
    label = np.ones((h, w), np.uint8)
    if config.way.shapes == "ellipses":
        label = ellipses(rng, h, w)
    elif config.way.shapes == "perlin":
        label = perlin(rng, h, w)
    blend = label
    if object_masks is not None:
        resized, target_object = _objects(row, object_masks)
        either = resized | target_object
        label = label & either
        blend = label | (1 - either)
    random = config.way.shapes in ("ellipses", "perlin")
    # A paste changes no background.
    if random and config.patch_mode not in SEAMLESS and label[1:-1, 1:-1].sum() < MIN_PIXELS:
        return None
    return _placed(config, row, label, blend)


def _placed(config: SynthesisConfig, row: Row, label: Mask, blend: Mask) -> Patch | None:
    """The masks that are not all ones; what is blended, and where, goes into ``row``."""
    h, w = row["height"], row["width"]
    if config.patch_mode not in SEAMLESS:
        # Only seamless cloning needs a rim, and background to be blended smoothly.
        row.update(roi_y=0, roi_x=0, roi_h=h, roi_w=w, place_y=row["dst_y"], place_x=row["dst_x"])
        blend = label
    else:
        inside = blend.copy()
        inside[[0, -1], :] = inside[:, [0, -1]] = 0
        if inside.sum() < MIN_PIXELS:
            return None
        y, x, roi_h, roi_w = bounding_box(inside)
        if config.variant == "paper":
            top, left = row["dst_y"] + y, row["dst_x"] + x
        else:  # cv2 centres the bounding box
            top = row["dst_y"] + h // 2 - roi_h // 2
            left = row["dst_x"] + w - w // 2 - roi_w // 2
        row.update(roi_y=y, roi_x=x, roi_h=roi_h, roi_w=roi_w, place_y=top, place_x=left)
    if label is blend:
        return row, {} if label.all() else {"label_mask": label, "blend_mask": blend}
    return row, {"label_mask": label} if blend.all() else {"label_mask": label, "blend_mask": blend}


def _bounds(config: SynthesisConfig, shape: tuple[int, int]) -> tuple[Bounds, Bounds]:
    """Smallest and largest height and width of a patch, relative to the image's."""
    if config.patch_pixels is None:
        return config.height_bounds, config.width_bounds
    low, high = config.patch_pixels
    rows, columns = ((min(low, side) / side, min(high, side) / side) for side in shape)
    return rows, columns


def _half_bounds(bounds: Bounds, side: int) -> tuple[int, int]:
    low = max(1, round(bounds[0] / 2 * side))
    return low, max(low, round(bounds[1] / 2 * side))


def _source_boxes(
    rng: np.random.Generator, config: SynthesisConfig, shape: tuple[int, int]
) -> Iterator[Box]:
    """Boxes of one random size around random centres, clipped to the image (eq. 5-7)."""
    both = _bounds(config, shape)
    lengths: list[float] = []
    for side, (low, high) in zip(shape, both, strict=True):
        start, scale = 0.06, 0.1
        if config.patch_pixels is not None:  # the usual 0.06 to 0.8, moved to these limits
            start, scale = low, 0.1 * (high - low) / 0.74
        if config.variant == "paper":
            lengths.append(side * np.clip(start + rng.gamma(2, scale), low, high))
        else:
            half = (start / 2 + rng.gamma(2, scale / 2)) * side
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
    bounds = _bounds(config, shape)
    if config.variant == "paper":
        # Relative to the sides of the patch, so that both axes share one factor.
        sides = ((h, shape[0], bounds[0]), (w, shape[1], bounds[1]))
        scale = min(scale, *(high * side / length for length, side, (_, high) in sides))
        scale = max(scale, *(low * side / length for length, side, (low, _) in sides))
        return max(1, int(np.floor(scale * h + 0.5))), max(1, int(np.floor(scale * w + 0.5)))
    rows, columns = map(_half_bounds, bounds, shape)
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
