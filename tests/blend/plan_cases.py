"""Random plans that the blending tests build by hand, and the plain loop they are compared with."""

from __future__ import annotations

import math

import cv2
import numpy as np

from nsa.plan.table import COLUMNS, Plan
from nsa.settings.methods import PATCH_MODES

EXACT = ("paste", "interpolate")  # to the bit; the others to a grey level


def random_plan(
    rng: np.random.Generator,
    count: int,
    size: tuple[int, int],
    source_count: int,
    source_size: tuple[int, int],
    rounds: int,
    masked: bool,
) -> Plan:
    """Patches of any size, some touching a border, some with an elliptical mask."""
    rows, factors, masks = [], [], [np.zeros(0, np.uint8)]
    for number in range(rounds):
        for image in range(count):
            if rng.random() < 0.2:
                continue
            width, height = (int(rng.integers(3, side + 1)) for side in size[::-1])
            src_w, src_h = (int(rng.integers(1, side + 1)) for side in source_size[::-1])
            if rng.random() < 0.3:  # no resize
                width = src_w = min(max(src_w, 3), size[1])
                height = src_h = min(max(src_h, 3), size[0])
            dst_x, dst_y = int(rng.integers(size[1] - width + 1)), size[0] - height
            roi = (1, 1, width - 2, height - 2)
            offset = -1
            if masked and rng.random() < 0.6:
                drawn = np.zeros((height, width), np.uint8)
                center, axes = (width // 2, height // 2), (width // 3, height // 2)
                cv2.ellipse(drawn, center, axes, 30, 0, 360, 1, -1)
                inner = np.zeros_like(drawn)
                inner[1:-1, 1:-1] = drawn[1:-1, 1:-1]
                roi = cv2.boundingRect(inner)
                if roi[2] == 0:
                    continue
                offset = sum(map(len, masks))
                masks.append(drawn.ravel())
            row = {
                "image": image, "source": int(rng.integers(source_count)),
                "src_x": int(rng.integers(source_size[1] - src_w + 1)),
                "src_y": int(rng.integers(source_size[0] - src_h + 1)),
                "src_w": src_w, "src_h": src_h, "width": width, "height": height,
                "dst_x": dst_x, "dst_y": dst_y,
                "place_x": dst_x + roi[0], "place_y": dst_y + roi[1],
                "blend_mask": offset, "label_mask": offset, "round": number,
                "mode": int(rng.integers(len(PATCH_MODES))),
                **dict(zip(("roi_x", "roi_y", "roi_w", "roi_h"), roi, strict=True)),
            }  # fmt: skip
            rows.append([row[name] for name in COLUMNS])
            factors.append(rng.uniform(0.05, 0.95) if rng.random() < 0.5 else 1)
    return Plan(
        np.array(rows, np.int32).reshape(-1, len(COLUMNS)),
        np.array(factors, np.float32),
        np.concatenate(masks),
    )


def blend_slowly(images: np.ndarray, sources: np.ndarray, plan: Plan, mode: str) -> np.ndarray:
    """(N, H, W, C) blended with OpenCV, one patch after the other."""
    out = images.copy()
    for values, factor in zip(plan.rows, plan.factors, strict=True):
        row = dict(zip(COLUMNS, map(int, values), strict=True))
        x, y, w, h = (row[name] for name in ("src_x", "src_y", "src_w", "src_h"))
        size = row["width"], row["height"]
        patch = cv2.resize(sources[row["source"], y : y + h, x : x + w], size)
        patch = patch.reshape(size[1], size[0], -1)
        mask = np.ones(size[::-1], np.uint8)
        if row["blend_mask"] >= 0:
            start = row["blend_mask"]
            mask = plan.masks[start : start + size[0] * size[1]].reshape(size[::-1])
        rx, ry, rw, rh = (row[name] for name in ("roi_x", "roi_y", "roi_w", "roi_h"))
        image = out[row["image"]]
        how = PATCH_MODES[row["mode"]] if mode == "planned" else mode
        if how not in EXACT:
            center = row["place_x"] + rw // 2, row["place_y"] + rh // 2
            weighted = mask * math.ceil(255 * np.float32(factor))
            image[:] = clone(patch, image, weighted.astype(np.uint8), center, how)
            continue
        box = image[row["place_y"] :, row["place_x"] :][:rh, :rw]
        cut = patch[ry : ry + rh, rx : rx + rw]
        if how == "interpolate":
            a = float(factor)
            cut = np.floor(box - a * box + a * cut).astype(np.uint8)
        where = mask[ry : ry + rh, rx : rx + rw, None] > 0
        box[:] = np.where(where, cut, box)
    return out


def clone(patch, image, mask, center, mode):
    """cv2.seamlessClone for colour and grey; boxes below 7 px are left as they are."""
    inner = mask[1:-1, 1:-1]
    if min(cv2.boundingRect(inner)[2:]) < 7:
        return image
    patch, colour = (np.repeat(x, 3, 2) if x.shape[2] == 1 else x for x in (patch, image))
    flag = cv2.MIXED_CLONE if mode == "mixed" else cv2.NORMAL_CLONE
    return cv2.seamlessClone(patch, colour, mask, center, flag)[..., : image.shape[2]]
