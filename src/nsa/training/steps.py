"""Training steps on the host: synthesis, then the update, one batch after the other.

There is nothing to gain from doing both at once: the network keeps every core busy, and the
synthesis is a hundredth of its work.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from nsa.images.full_size import FullSizeImages
from nsa.images.gather import gather
from nsa.images.light import relight
from nsa.synthesis import NSA
from nsa.training.draw import Drawn
from nsa.training.profile import SYNTHESIS, Clock
from nsa.training.update import Updater

Prepared = TypeVar("Prepared")


class Steps(Protocol[Prepared]):
    """Does the steps of a run on one kind of device, inside a ``with`` block.

    Attributes:
        workers: threads that call ``prepare`` ahead of time; 0: none.
        most_ready: steps that may be prepared before they are run, at least 1.
        read_every: steps after which the losses are worth waiting for.
    """

    workers: int
    most_ready: int
    read_every: int

    def __enter__(self) -> Steps[Prepared]: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def prepare(self, drawn: Drawn) -> Prepared:
        """Work on the host that needs no device; called from other threads."""

    def make_batch(self, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """The own images, uint8 (n, C, *crop), and labels, float32 (n, 1, *crop), of a step."""

    def run(self, prepared: Prepared, clock: Clock) -> None:
        """Start one step; its loss is kept on the device."""

    def read(self) -> list[float]:
        """Wait for the steps since the last call; their losses."""


def undo(images: Tensor, blended: Tensor, labels: Tensor, ignored: Tensor) -> tuple[Tensor, Tensor]:
    """Take back what was blended where pixels do not count.

    Args:
        images, blended: uint8 (n, C, H, W), before and after.
        labels: float32 (n, 1, H, W).
        ignored: bool (n, H, W).

    Returns:
        ``blended`` and ``labels``, as they would be with nothing there.
    """
    hidden = ignored[:, None]
    return torch.where(hidden, images, blended), labels.masked_fill(hidden, 0.0)


class HostSteps:
    """Steps on the CPU.

    Args:
        images: uint8 (N, C, height, width), stored channels-last; or of their own sizes, which come
            with each step.
    """

    workers = 0
    most_ready = 1
    read_every = 1

    def __init__(self, images: Tensor | FullSizeImages, synthesis: NSA, updater: Updater) -> None:
        self._pixels = None
        if isinstance(images, Tensor):
            self._pixels = images.permute(0, 2, 3, 1).numpy()
        self._synthesis, self._updater = synthesis, updater
        self._losses: list[float] = []

    def __enter__(self) -> HostSteps:
        return self

    def __exit__(self, *_: object) -> None:
        self._losses.clear()

    def prepare(self, drawn: Drawn) -> Drawn:
        """Nothing to do: the pixels are made where they are used."""
        return drawn

    def normal_batch(self, drawn: Drawn) -> Tensor:
        """The images of a step before anything is blended into them: uint8 (n, C, *crop)."""
        normal = drawn.pixels
        if normal is None:
            assert self._pixels is not None
            threads = torch.get_num_threads()
            normal = gather(self._pixels, drawn.image, drawn.augmentation, threads)
        return torch.from_numpy(normal).permute(0, 3, 1, 2)

    def make_batch(self, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """See :meth:`Steps.make_batch`."""
        images = self.normal_batch(drawn)
        blended, labels = self._synthesis.synthesize(images, drawn.plan)
        if drawn.ignored is not None:
            blended, labels = undo(images, blended, labels, torch.from_numpy(drawn.ignored))
        blended, labels = blended[: drawn.own], labels[: drawn.own]
        return blended if drawn.lights is None else relight(blended, drawn.lights), labels

    def run(self, prepared: Drawn, clock: Clock) -> None:
        """See :meth:`Steps.run`."""
        with clock.part(SYNTHESIS):
            images, labels = self.make_batch(prepared)
        ignored = None
        if prepared.ignored is not None:
            ignored = torch.from_numpy(prepared.ignored[: prepared.own])
        self._losses.append(float(self._updater(images, labels, clock, ignored)))

    def read(self) -> list[float]:
        """See :meth:`Steps.read`."""
        losses, self._losses = self._losses, []
        return losses
