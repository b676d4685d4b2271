"""Training steps on a GPU: everything after the plan stays there, in one captured graph.

The images lie on the device. Threads on the host draw and pack later steps; a step copies its block
of bytes and replays a graph of all its kernels, from the crop to the optimiser's. The host runs a
few steps ahead and never waits, except when losses are read.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nsa._native.cuda import kernels
from nsa._native.cuda.plan import DevicePlan, device_limits
from nsa.images.full_size import FullSizeImages
from nsa.settings.config import ImageConfig, SynthesisConfig
from nsa.synthesis.on_gpu import blend_and_label
from nsa.system.cores import own_cores
from nsa.training.draw import Drawn
from nsa.training.packed import PackedStep
from nsa.training.profile import NO_CLOCK, SYNTHESIS, Clock
from nsa.training.steps import undo
from nsa.training.update import Updater

_log = logging.getLogger("nsa")

_STEPS_AHEAD = 3  # of the device: enough to keep it busy, few enough to bound what they hold
_MOST_WORKERS = 8
_READY_EACH = 3  # steps that a worker keeps ready
_READY_BYTES = 256 << 20  # of pinned memory for them, unless two take more
# Real steps that are run kernel by kernel first: they load kernels, let cuDNN choose algorithms and
# make the state of the optimiser, none of which a capture may do.
WARM_UP = 3


@dataclass
class HostStep:
    """A step that is ready to be copied to the device.

    Attributes:
        count: its images.
        own: how many of them are trained on.
        block: uint8, see :class:`PackedStep`, pinned.
        pixels: uint8 (count, height, width, channels), pinned; None: they are on the device.
        ignored: bool (count, *crop), pinned, see :class:`nsa.training.draw.Drawn`.
    """

    count: int
    own: int
    block: Tensor
    pixels: Tensor | None
    ignored: Tensor | None = None


@dataclass
class _Slot:
    """What steps of one size read and write on the device, always at the same addresses."""

    own: int
    layout: PackedStep
    block: Tensor
    plan: DevicePlan
    store: Tensor
    loss: Tensor
    ignored: Tensor | None = None
    eager_runs: int = 0
    graph: torch.cuda.CUDAGraph | None = None


class DeviceSteps:
    """See :class:`nsa.training.steps.Steps`.

    Args:
        images: uint8 (N, C, height, width) on the CPU, stored channels-last; or of their own sizes:
            each step brings its crops.
        synthesis, image_config: the settings.
        updater: changes the network.
        batch_size: images of a step, about.
        device: the GPU.
        captured: replay graphs. Not with several ranks, whose shares have many sizes and whose
            batch normalisation exchanges its moments.
        resident_limit: bytes that the images may take there; beyond it they stay on the host and
            each step brings its own.
        ignores: whether pixels do not count, which each step brings.

    Attributes:
        resident: whether the images are on the device.
    """

    read_every = 32

    def __init__(
        self,
        images: Tensor | FullSizeImages,
        synthesis: SynthesisConfig,
        image_config: ImageConfig,
        updater: Updater,
        *,
        batch_size: int,
        device: torch.device,
        captured: bool,
        resident_limit: int,
        ignores: bool = False,
    ) -> None:
        self.workers = min(_MOST_WORKERS, max(1, own_cores() - 1))
        self._count = len(images)
        self._pixels = images.permute(0, 2, 3, 1) if isinstance(images, Tensor) else None
        # Of an image as a step brings it.
        self._shape = tuple(
            (*image_config.crop, image_config.channels)
            if self._pixels is None
            else self._pixels.shape[1:]
        )
        self._synthesis, self._images = synthesis, image_config
        # By its number: threads that prepare steps have a current GPU of their own.
        self._device = _numbered(device)
        self._updater = updater
        self.resident = isinstance(images, Tensor) and images.numel() <= resident_limit
        self._captured, self._ignores = captured, ignores
        self._limits = device_limits(self._device)
        self._layouts: dict[int, PackedStep] = {}
        size = self._layout(batch_size).bytes
        if not self.resident:
            size += batch_size * math.prod(self._shape)
        size += ignores * batch_size * math.prod(image_config.crop)
        self.most_ready = max(2, min(_READY_EACH * self.workers, _READY_BYTES // size))
        self._slots: dict[tuple[int, int], _Slot] = {}
        self._pool: Any = None  # torch's handle of the memory that graphs share
        self._losses = torch.empty(self.read_every, dtype=torch.float32, device=self._device)
        self._unread = 0
        self._store: Tensor | None = None
        self._running: deque[torch.cuda.Event] = deque()
        self._context = contextlib.ExitStack()

    def __enter__(self) -> DeviceSteps:
        with contextlib.ExitStack() as context:
            context.enter_context(torch.cuda.device(self._device))
            context.enter_context(_chosen_algorithms())
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = before = torch.cuda.current_stream(self._device)
            # Not torch's default stream, which cannot be captured.
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
            self._copies = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
            self._stream.wait_stream(before)
            context.callback(before.wait_stream, self._stream)
            context.enter_context(torch.cuda.stream(self._stream))
            self._store = None
            if self._pixels is not None and self.resident:
                self._store = self._pixels.to(self._device)
            elif self._pixels is not None:
                _log.info("The images do not fit on the GPU; they stay in host memory and stream.")
            self._context = context.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._slots.clear()  # and the graphs with their memory
        self._pool = self._store = None
        self._updater.optimizer.zero_grad(set_to_none=True)
        self._context.close()

    def prepare(self, drawn: Drawn) -> HostStep:
        """Pack a step into pinned memory, with its images if the device does not hold them."""
        layout = self._layout(len(drawn))
        # Else a thread's pinned memory would belong to the first GPU.
        with torch.cuda.device(self._device):
            block = _pinned(layout.bytes)
            image, pixels = drawn.image, None
            if not self.resident:
                pixels = _pinned(len(drawn), *self._shape)
                image = np.arange(len(drawn))
                if drawn.pixels is not None:
                    pixels.numpy()[:] = drawn.pixels
                else:
                    assert self._pixels is not None
                    # Not index_select: in every worker it would start as many threads as there are
                    # cores. Clipped, for otherwise NumPy copies through a buffer.
                    source, out = self._pixels.numpy(), pixels.numpy()
                    np.take(source, drawn.image, axis=0, out=out, mode="clip")
            layout.pack(drawn, image, block)
            ignored = None
            if drawn.ignored is not None:
                ignored = _pinned(*drawn.ignored.shape)
                ignored.numpy()[:] = drawn.ignored
                ignored = ignored.view(torch.bool)
        return HostStep(len(drawn), drawn.own, block, pixels, ignored)

    def make_batch(self, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """See :meth:`nsa.training.steps.Steps.make_batch`."""
        step = self.prepare(drawn)
        slot = self._slot(step)
        self._bring(step, slot)
        images, labels = self._batch(slot)
        for made in (images, labels):
            made.record_stream(self._before)  # where they are used
        return images, labels

    def run(self, prepared: HostStep, clock: Clock) -> None:
        """See :meth:`nsa.training.steps.Steps.run`."""
        slot = self._slot(prepared)
        self._bring(prepared, slot)
        if clock.active or not self._captured or slot.eager_runs < WARM_UP:
            self._work(slot, clock)
            slot.eager_runs += 1
        else:
            if slot.graph is None:
                slot.graph = self._capture(slot)
            slot.graph.replay()
        self._losses[self._unread].copy_(slot.loss)
        self._unread += 1
        self._hold_back()

    def read(self) -> list[float]:
        """See :meth:`nsa.training.steps.Steps.read`."""
        losses: list[float] = self._losses[: self._unread].tolist()
        self._unread = 0
        self._running.clear()
        return losses

    def _layout(self, count: int) -> PackedStep:
        layout = self._layouts.get(count)
        if layout is None:  # two threads may make the same one
            stored = self._count if self.resident else count
            layout = PackedStep(
                count, stored, self._synthesis, self._images, self._limits, objects=self._ignores
            )
            self._layouts[count] = layout
        return layout

    def _slot(self, step: HostStep) -> _Slot:
        size = step.count, step.own
        if size not in self._slots:
            layout, store = self._layout(step.count), self._store
            block = torch.zeros(layout.bytes, dtype=torch.uint8, device=self._device)
            if store is None:
                shape = (layout.count, *self._shape)
                store = torch.zeros(shape, dtype=torch.uint8, device=self._device)
            plan = DevicePlan(layout.plan, layout.plan_of(block))
            loss = torch.zeros((), dtype=torch.float32, device=self._device)
            ignored = None
            if step.ignored is not None:
                ignored = torch.zeros_like(step.ignored, device=self._device)
            self._slots[size] = _Slot(step.own, layout, block, plan, store, loss, ignored)
        return self._slots[size]

    def _bring(self, step: HostStep, slot: _Slot) -> None:
        """Copy a step to where its kernels read it, as soon as the last one of its size is done.

        The way from the host is taken on another stream, while the device works on earlier steps.
        """
        pairs = [(step.block, slot.block)]
        if step.pixels is not None:
            pairs.append((step.pixels, slot.store))
        if step.ignored is not None and slot.ignored is not None:
            pairs.append((step.ignored, slot.ignored))
        with torch.cuda.stream(self._copies):
            arrived = [source.to(self._device, non_blocking=True) for source, _ in pairs]
        self._stream.wait_stream(self._copies)
        for source, (_, target) in zip(arrived, pairs, strict=True):
            target.copy_(source)
            source.record_stream(self._stream)

    def _make(self, slot: _Slot) -> tuple[Tensor, Tensor, Tensor]:
        """Augmented images, the same with anomalies, uint8 (n, C, *crop), and labels."""
        views = slot.layout.views_of(slot.block)
        normal = kernels.augment(slot.store, views, *self._images.crop)
        lights = slot.layout.patch_lights_of(slot.block)
        images, labels = blend_and_label(normal, slot.plan, self._synthesis, lights)
        return normal.permute(0, 3, 1, 2), images, labels

    def _batch(self, slot: _Slot) -> tuple[Tensor, Tensor]:
        """What is trained on."""
        normal, images, labels = self._make(slot)
        if slot.ignored is not None:
            images, labels = undo(normal, images, labels, slot.ignored)
        images, labels = images[: slot.own], labels[: slot.own]
        if slot.layout.relit:
            pixels = images.permute(0, 2, 3, 1).contiguous()
            lights = slot.layout.lights_of(slot.block, slot.own)
            images = kernels.relight(pixels, lights).permute(0, 3, 1, 2)
        return images, labels

    def _work(self, slot: _Slot, clock: Clock) -> None:
        """All of a step; what it reads and writes outside is in the slot and the network."""
        with clock.part(SYNTHESIS):
            images, labels = self._batch(slot)
        ignored = None if slot.ignored is None else slot.ignored[: slot.own]
        slot.loss.copy_(self._updater(images, labels, clock, ignored))

    def _capture(self, slot: _Slot) -> torch.cuda.CUDAGraph:
        self._updater.optimizer.zero_grad(set_to_none=True)  # gradients live in the graph's memory
        graph = torch.cuda.CUDAGraph()
        # Threads that prepare steps pin memory meanwhile, which a global capture would forbid. All
        # sizes share memory: their graphs never run at once, and what they keep lies outside it.
        with torch.cuda.graph(
            graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
        ):
            self._work(slot, NO_CLOCK)
        self._pool = graph.pool()
        return graph

    def _hold_back(self) -> None:
        """Wait until the device is at most a few steps behind."""
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        event.record(self._stream)
        self._running.append(event)
        if len(self._running) > _STEPS_AHEAD:
            self._running.popleft().synchronize()


def _pinned(*shape: int) -> Tensor:
    """Memory that is copied from while the host goes on; torch keeps it until that is over."""
    return torch.empty(shape, dtype=torch.uint8, device="cpu", pin_memory=True)


def _numbered(device: torch.device) -> torch.device:
    if str(device) != "cuda":
        return device
    return torch.device("cuda", torch.cuda.current_device())


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a GPU."""
    return int(torch.cuda.mem_get_info(device)[0])


@contextlib.contextmanager
def _chosen_algorithms() -> Iterator[None]:
    """Let cuDNN time its algorithms once for every shape and take the fastest."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
