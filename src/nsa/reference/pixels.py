"""Apply a plan with OpenCV and scikit-image: blend the patches, then label what they changed."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from skimage.filters import median
from skimage.morphology import disk

from nsa.plan.table import COLUMNS, Plan
from nsa.reference.clone import Image, seamless_clone
from nsa.reference.light import Images, relight
from nsa.settings.config import SynthesisConfig
from nsa.settings.methods import PATCH_MODES, SEAMLESS, BlendMode

Labels = npt.NDArray[np.float32]
Row = dict[str, int]


def blend(images: Images, plan: Plan, mode: BlendMode = "planned") -> Images:
    """Blend every patch of a plan into its image, one onto the result of the one before.

    Args:
        images: uint8 (N, H, W, C); patches are cut from these, or from copies in the plan's lights,
            never from blended ones.
        plan: what to put where.
        mode: Poisson blending with the source's or with mixed gradients, a plain copy, an
            interpolation by the patch's factor, or what each row of the plan says.

    Returns:
        uint8 (N, H, W, C), a new array.
    """
    blended, sources = images.copy(), images
    if plan.lights is not None:
        lit = relight(images, plan.lights.in_channels(images.shape[3]))
        sources = np.concatenate([images, lit])
    for row, factor in zip(_rows(plan), plan.factors, strict=True):
        how = PATCH_MODES[row["mode"]] if mode == "planned" else mode
        patch = _patch(sources[row["source"]], row)
        mask = _mask(plan, row, "blend_mask")
        target = blended[row["image"]]
        if how in SEAMLESS:
            mask[[0, -1], :] = 0
            mask[:, [0, -1]] = 0
            # cv2 centres the mask's bounding box; its top left belongs at (place_x, place_y).
            center = (row["place_x"] + row["roi_w"] // 2, row["place_y"] + row["roi_h"] // 2)
            weight = np.uint8(np.ceil(255 * factor))
            flags = cv2.MIXED_CLONE if how == "mixed" else cv2.NORMAL_CLONE
            target[:] = seamless_clone(patch, target, mask * weight, center, flags)
            continue
        y, x = row["roi_y"], row["roi_x"]
        inside = np.s_[y : y + row["roi_h"], x : x + row["roi_w"]]
        y, x = row["place_y"], row["place_x"]
        box = target[y : y + row["roi_h"], x : x + row["roi_w"]]
        chosen, new = mask[inside] > 0, patch[inside].astype(np.float64)
        if how == "interpolate":
            new = np.floor(box - float(factor) * box + float(factor) * new)
        box[chosen] = new[chosen].astype(np.uint8)
    return blended


def label(images: Images, blended: Images, plan: Plan, config: SynthesisConfig) -> Labels:
    """Label the change of every pixel (eq. 13-14, or its factor): float32 (N, H, W)."""
    masks = patch_masks(images.shape[:3], plan, config)
    factors = np.ones(len(images), np.float32)
    factors[plan.column("image")] = plan.factors  # one for all patches of an image
    labels = [
        difference_label(image, changed, mask, config, float(factor))
        for image, changed, mask, factor in zip(images, blended, masks, factors, strict=True)
    ]
    return np.stack(labels) if labels else np.zeros(images.shape[:3], np.float32)


def patch_masks(shape: tuple[int, int, int], plan: Plan, config: SynthesisConfig) -> Images:
    """Where a pixel may be labelled: the label masks at the sampled boxes, uint8 (N, H, W)."""
    masks = np.zeros(shape, np.uint8)
    for row in _rows(plan):
        y, x = row["dst_y"], row["dst_x"]
        box = masks[row["image"], y : y + row["height"], x : x + row["width"]]
        mask = _mask(plan, row, "label_mask")
        # The released code writes the whole box of a later patch, zeros included; the paper's
        # label is that of the union.
        box[:] = box | mask if config.variant == "paper" else mask
    return masks


def difference_label(
    image: Image, changed: Image, mask: Image, config: SynthesisConfig, factor: float = 1.0
) -> Labels:
    """The label of one image, float32 (H, W), from its change inside a 0/1 mask."""
    kind = config.label_kind
    channels = image.shape[2]
    # What blending changed outside the masks does not count, even where the median below adds it.
    change = np.abs(image.astype(np.int32) - changed).sum(axis=2) * (mask > 0)
    # The paper counts any change, the released code one of more than a grey level on average.
    least = 0 if config.variant == "paper" else channels
    binary = cv2.medianBlur((change > least).astype(np.uint8), 5)
    if kind in ("binary", "factor"):
        return np.asarray(binary, np.float32) * np.float32(factor if kind == "factor" else 1)
    smooth = median(binary * (change / channels), disk(5))  # type: ignore[no-untyped-call]
    if kind == "continuous":
        return np.asarray(smooth, np.float32)
    if kind != "logistic":
        raise ValueError(f"no definition of the label {kind!r}")
    logistic = 1 / (1 + np.exp(-config.label_steepness * (smooth - config.label_midpoint)))
    return np.asarray(binary * logistic, np.float32)


def _rows(plan: Plan) -> list[Row]:
    return [dict(zip(COLUMNS, row.tolist(), strict=True)) for row in plan.rows]


def _patch(source: Image, row: Row) -> Image:
    y, x = row["src_y"], row["src_x"]
    box = source[y : y + row["src_h"], x : x + row["src_w"]]
    resized = cv2.resize(box, (row["width"], row["height"]), interpolation=cv2.INTER_LINEAR)
    # cv2 drops the last axis of a grey image.
    return np.asarray(resized, np.uint8).reshape(row["height"], row["width"], source.shape[2])


def _mask(plan: Plan, row: Row, name: str) -> Image:
    """A mask of a patch, 0 or 1, as a new array."""
    shape = row["height"], row["width"]
    if row[name] < 0:
        return np.ones(shape, np.uint8)
    return plan.masks[row[name] :][: shape[0] * shape[1]].reshape(shape).copy()
