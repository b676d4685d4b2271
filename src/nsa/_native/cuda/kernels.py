"""One kernel a function: outputs allocated by torch, launched on its current stream.

Images are uint8 (count, height, width, channels), contiguous, on one GPU. Callers have checked
dtypes and shapes; nothing here waits for the GPU.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from nsa._native.cuda.plan import DevicePlan, Shape
from nsa._native.cuda.support import check_device, memory_for
from nsa._native.cuda.tables import label_table, sine_tables
from nsa._native.extension import C

_WORKSPACE = 256 << 20  # bytes for boxes beyond shared memory: as many at a time as fit into this
_BATCH = "the batch size"


@contextlib.contextmanager
def _stream(device: torch.device) -> Iterator[int]:
    """Torch's current stream on a GPU, made the target of this thread's launches."""
    with torch.cuda.device(device):
        C.use_cuda_device(torch.cuda.current_device())
        yield torch.cuda.current_stream(device).cuda_stream


def _memory(tensor: Tensor | None) -> tuple[int, int]:
    """Address and bytes of a contiguous tensor, which the bindings hold against what is needed."""
    return (0, 0) if tensor is None else (tensor.data_ptr(), tensor.nbytes)


def shape_of(images: Tensor) -> Shape:
    """(count, height, width, channels) as plain numbers."""
    count, height, width, channels = images.shape
    return count, height, width, channels


def blend(
    images: Tensor, sources: Tensor, plan: DevicePlan, mode: str, *, grey_unit: float = 0.0
) -> Tensor:
    """The images with the plan's patches in them, see :func:`nsa.blend.blend`.

    Args:
        grey_unit: above 0: masks are grey, and this is the weight of a gradient per unit.
    """
    with memory_for("Blending", images.numel(), _BATCH):
        out = images.clone(memory_format=torch.contiguous_format)
    return blend_(out, sources, plan, mode, grey_unit=grey_unit)


def blend_(
    images: Tensor, sources: Tensor, plan: DevicePlan, mode: str, *, grey_unit: float = 0.0
) -> Tensor:
    """:func:`blend` in place; ``sources`` must be other memory than ``images``."""
    slices = 0
    workspace = None
    if plan.native.workspace > 0:
        slices = max(1, min(512, _WORKSPACE // plan.native.workspace))
        size = slices * plan.native.workspace
        with memory_for("Blending large patches", size, "the size of the patches"):
            workspace = torch.empty(size, dtype=torch.uint8, device=images.device)
    tables = sine_tables(images.device)
    with _stream(images.device) as stream:
        C.blend_cuda(
            plan.native,
            _memory(plan.buffer),
            None if plan.masks is None else _memory(plan.masks),
            _memory(images),
            shape_of(images),
            _memory(sources),
            shape_of(sources),
            [_memory(table) for table in tables],
            mode,
            grey_unit,
            _memory(workspace),
            slices,
            stream,
        )
    return images


def label(
    original: Tensor,
    blended: Tensor,
    plan: DevicePlan,
    kind: str,
    variant: str,
    midpoint: float,
    steepness: float,
) -> Tensor:
    """float32 (count, height, width), see :func:`nsa.label.label`."""
    count, height, width, channels = shape_of(original)
    size = 4 * count * height * width
    with memory_for("Labelling", size, _BATCH):
        labels = torch.empty((count, height, width), dtype=torch.float32, device=original.device)
    table = label_table(kind, channels, midpoint, steepness, original.device)
    with _stream(original.device) as stream:
        C.label_cuda(
            plan.native,
            _memory(plan.buffer),
            None if plan.masks is None else _memory(plan.masks),
            _memory(original),
            _memory(blended),
            shape_of(original),
            kind,
            variant,
            _memory(table),
            _memory(labels),
            stream,
        )
    return labels


def object_masks(images: Tensor, background: float, threshold: float) -> Tensor:
    """uint8 (count, height, width), see :func:`nsa.plan.object_masks`."""
    check_device(images.device)
    masks = torch.empty(images.shape[:3], dtype=torch.uint8, device=images.device)
    low, extent = C.background_range(images.shape[3], background, threshold)
    with _stream(images.device) as stream:
        C.object_masks_cuda(_memory(images), shape_of(images), low, extent, _memory(masks), stream)
    return masks


def augment(store: Tensor, table: Tensor, rows: int, columns: int) -> Tensor:
    """uint8 (count, rows, columns, channels): images of ``store``, rotated, cropped and flipped.

    Args:
        table: of :func:`nsa._native.layout.views`, with every ``image`` inside the store; copied to
            the GPU if it is on the CPU.
    """
    check_device(store.device)
    count = len(table) // C.view.itemsize
    channels = store.shape[3]
    there = table if table.is_cuda else table.pin_memory().to(store.device, non_blocking=True)
    with memory_for("Augmentation", count * rows * columns * channels, _BATCH):
        out = torch.empty((count, rows, columns, channels), dtype=torch.uint8, device=store.device)
    with _stream(store.device) as stream:
        C.augment_cuda(
            _memory(store),
            shape_of(store),
            _memory(there),
            count,
            rows,
            columns,
            _memory(out),
            stream,
        )
    return out


def relight(images: Tensor, table: Tensor) -> Tensor:
    """The images in another light, see :func:`nsa.images.light.relight`.

    Args:
        table: of :func:`nsa._native.layout.lights_table`; copied to the GPU if it is on the CPU.
    """
    check_device(images.device)
    there = table if table.is_cuda else table.pin_memory().to(images.device, non_blocking=True)
    with memory_for("Lighting", images.numel(), _BATCH):
        out = torch.empty_like(images)
    with _stream(images.device) as stream:
        C.relight_cuda(_memory(images), shape_of(images), _memory(there), _memory(out), stream)
    return out


def normalise(images: Tensor, scale: list[float], shift: list[float], dtype: torch.dtype) -> Tensor:
    """``images * scale + shift`` per channel, float32 or bfloat16 of the same shape."""
    # Whole 16-byte loads; a slice of a larger tensor may start anywhere.
    images = images if images.data_ptr() % 16 == 0 else images.clone()
    return _normalise(C.normalise_cuda, images, shape_of(images), scale, shift, dtype)


def normalise_in_blocks(
    images: Tensor, scale: list[float], shift: list[float], dtype: torch.dtype
) -> Tensor:
    """:func:`normalise` in the layout of :func:`nsa._native.layout.space_to_depth`.

    Returns:
        (count, ceil(height / 2) + 3, ceil(width / 2) + 3, 4 (channels + 1)), contiguous.
    """
    count, height, width, channels = shape_of(images)
    shape = (count, (height + 1) // 2 + 3, (width + 1) // 2 + 3, 4 * (channels + 1))
    return _normalise(C.normalise_in_blocks_cuda, images, shape, scale, shift, dtype)


def _normalise(
    launch: Any,
    images: Tensor,
    shape: Shape,
    scale: list[float],
    shift: list[float],
    dtype: torch.dtype,
) -> Tensor:
    check_device(images.device)
    with memory_for("The network's input", math.prod(shape) * dtype.itemsize, _BATCH):
        out = torch.empty(shape, dtype=dtype, device=images.device)
    half = dtype == torch.bfloat16
    with _stream(images.device) as stream:
        launch(
            _memory(images),
            shape_of(images),
            _three(scale),
            _three(shift),
            half,
            _memory(out),
            stream,
        )
    return out


def _three(values: list[float]) -> list[float]:
    return (values * 3)[:3] if len(values) == 1 else values
