"""Seamless cloning of tensors on the GPU: masks become a plan of one box an image."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nsa._native import C
from nsa._native.cuda import kernels
from nsa._native.cuda.plan import DevicePlan
from nsa.errors import InputError
from nsa.plan import table

_GREY_UNIT = 1 / 255


def seamless_clone(
    sources: Tensor, destinations: Tensor, masks: Tensor, centers: Tensor, mixed: bool
) -> Tensor:
    """Clone every masked source into its destination, see :func:`nsa.seamless_clone`.

    The boxes around the masks are found on the host, so masks on the GPU are waited for.

    Args:
        sources: uint8 (N, h, w, C). destinations: uint8 (N, H, W, C).
        masks: uint8 (N, h, w). centers: int64 (N, 2), x and y.
    """
    rows, packed = boxes(
        masks.cpu().numpy(), centers.cpu().numpy(), destinations.shape[1], destinations.shape[2]
    )
    mode = int(C.Blend.mixed if mixed else C.Blend.source)
    plan = DevicePlan.of(
        torch.from_numpy(rows),
        torch.ones(len(rows)),
        torch.from_numpy(packed),
        images=kernels.shape_of(destinations),
        sources=kernels.shape_of(sources),
        mode=mode,
        device=destinations.device,
    )
    return kernels.blend(destinations, sources, plan, mode, grey_unit=_GREY_UNIT)


def boxes(
    masks: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]],
    centers: np.ndarray[tuple[int, int], np.dtype[np.int64]],
    height: int,
    width: int,
) -> tuple[
    np.ndarray[tuple[int, int], np.dtype[np.int32]], np.ndarray[tuple[int], np.dtype[np.uint8]]
]:
    """A plan's rows and grey masks: the box around each mask, centred as OpenCV does.

    Empty masks have no row.

    Raises:
        InputError: a box leaves the destination of ``height`` x ``width`` px.
    """
    rows, parts, used = [], [], 0
    for item, mask in enumerate(masks):
        inner = mask[1:-1, 1:-1]  # the outer 1-px frame counts as zero
        lines, columns = np.flatnonzero(inner.any(axis=1)), np.flatnonzero(inner.any(axis=0))
        if not len(lines):
            continue
        top, left = lines[0] + 1, columns[0] + 1
        high, wide = lines[-1] - lines[0] + 1, columns[-1] - columns[0] + 1
        x, y = (int(c) for c in centers[item])
        to_x, to_y = x - wide // 2, y - high // 2
        if to_x < 0 or to_y < 0 or to_x + wide > width or to_y + high > height:
            which = f" of item {item}" if len(masks) > 1 else ""
            raise InputError(
                f"center ({x}, {y}){which} puts the mask's {wide} x {high} px box outside the "
                f"{width} x {height} px destination; move it inside."
            )
        box = mask[top : top + high, left : left + wide]
        row = np.zeros(len(table.COLUMNS), np.int32)
        row[[table.IMAGE, table.SOURCE]] = item
        row[[table.SRC_X, table.SRC_Y, table.SRC_W, table.SRC_H]] = left, top, wide, high
        row[[table.DST_X, table.DST_Y, table.WIDTH, table.HEIGHT]] = to_x, to_y, wide, high
        row[[table.ROI_W, table.ROI_H, table.PLACE_X, table.PLACE_Y]] = wide, high, to_x, to_y
        row[[table.BLEND_MASK, table.LABEL_MASK]] = -1
        if box.min() < 255:
            row[table.BLEND_MASK] = used
            parts.append(box.reshape(-1))
            used += box.size
        rows.append(row)
    packed = np.concatenate(parts) if parts else np.zeros(0, np.uint8)
    return np.array(rows, np.int32).reshape(-1, len(table.COLUMNS)), packed
