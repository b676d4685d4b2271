"""The plan: everything random about a batch of synthetic anomalies, as plain arrays.

A plan is drawn once, on the host, and applied by any backend. It has one row per patch, sorted by
round (the first patch of every image, then the second, ...), so that a round can be blended in
parallel and rounds follow one another. Nothing after the plan is random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsa.plan.light import Lights

# Columns of Plan.rows. csrc/plan/table.h holds the same list; test_plan_table compares the two.
COLUMNS = (
    "image",  # index of the destination image in the batch
    "source",  # index of the image the patch is cut from; plus their number: of its copy in a light
    "src_x", "src_y", "src_w", "src_h",  # box cut from the source, px
    "width", "height",  # size after the resize, px
    "dst_x", "dst_y",  # top left of the sampled destination box of that size; the label stays here
    "roi_x", "roi_y", "roi_w", "roi_h",  # bounding box of what is blended of the resized patch
    "place_x", "place_y",  # where the top left of that bounding box lands in the destination
    "blend_mask", "label_mask",  # offset of a height x width mask in Plan.masks; -1: all ones
    "round",  # 0 for the first patch of an image, 1 for the second, ...
    "mode",  # how it is blended: index into nsa.settings.methods.PATCH_MODES
)  # fmt: skip
(
    IMAGE, SOURCE, SRC_X, SRC_Y, SRC_W, SRC_H, WIDTH, HEIGHT, DST_X, DST_Y,
    ROI_X, ROI_Y, ROI_W, ROI_H, PLACE_X, PLACE_Y, BLEND_MASK, LABEL_MASK, ROUND, MODE,
) = range(len(COLUMNS))  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What to cut, where to put it and what to label, for one batch.

    Attributes:
        rows: int32 (patches, 20), one row a patch, columns as in ``COLUMNS``, sorted by round and
            then by image.
        factors: float32 (patches,), the interpolation factor of FPI and PII in (0, 1]; 1 elsewhere.
        masks: uint8 (bytes,), 0 or 1, the masks that are not rectangles, row-major, one after
            another.
        lights: of N images; then there are 2 N sources: the images, and the same in these lights.
    """

    rows: npt.NDArray[np.int32]
    factors: npt.NDArray[np.float32]
    masks: npt.NDArray[np.uint8]
    lights: Lights | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> npt.NDArray[np.int32]:
        """One column of ``rows`` by name, as a view."""
        return self.rows[:, COLUMNS.index(name)]

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Rows, factors and masks as tensors on the CPU, where every operator checks them."""
        return (
            torch.from_numpy(np.require(self.rows, np.int32, ["C", "W"])),
            torch.from_numpy(np.require(self.factors, np.float32, ["C", "W"])),
            torch.from_numpy(np.require(self.masks, np.uint8, ["C", "W"])),
        )
