"""The definitions of the metrics, written for reading: loops over thresholds and regions."""

from __future__ import annotations

import numpy as np


def regions(mask: np.ndarray) -> list[np.ndarray]:
    """8-connected components of a boolean mask, by flood fill."""
    left = {(int(row), int(column)) for row, column in np.argwhere(mask)}
    found = []
    while left:
        stack, region = [left.pop()], np.zeros_like(mask)
        while stack:
            row, column = stack.pop()
            region[row, column] = True
            near = [(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
            stack += [pixel for pixel in near if pixel in left]
            left.difference_update(near)
        found.append(region)
    return found


def pro_curve(masks: np.ndarray, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False positive rate and mean per-region overlap at every threshold, from (0, 0)."""
    found = [(image, region) for image, mask in zip(maps, masks, strict=True)
             for region in regions(mask)]  # fmt: skip
    fpr, pro = [0.0], [0.0]
    for threshold in np.unique(maps)[::-1]:
        fpr.append(float(np.mean(maps[~masks] >= threshold)))
        pro.append(float(np.mean([np.mean(image[region] >= threshold) for image, region in found])))
    return np.array(fpr), np.array(pro)


def au_pro(masks: np.ndarray, maps: np.ndarray, max_fpr: float) -> float:
    """Trapezoids up to ``max_fpr``, the last one cut by linear interpolation."""
    fpr, pro = pro_curve(masks, maps)
    area = 0.0
    for x0, x1, y0, y1 in zip(fpr, fpr[1:], pro, pro[1:], strict=False):
        if x0 < max_fpr and x1 > x0:
            end = min(x1, max_fpr)
            y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            area += (end - x0) * (y0 + y_end) / 2
    return area / max_fpr
