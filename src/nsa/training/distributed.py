"""One training over several processes (ranks), as ``torchrun --nproc-per-node N`` starts them.

Rank 0 leads: it reads the options, writes the run folder and evaluates. The others follow: they
get the settings from it, compute their share of every batch, and write and say nothing.

- **Same result on any number of ranks.** Order, augmentations and plan of the whole batch are
  drawn on every rank from the same seed (:mod:`nsa.training.share`), batch normalisation sees all
  images (:mod:`nsa.training.sync_batch_norm`), and gradients are weighted by images, so that a last
  batch may be shared unequally. What differs is the order of sums in floating point.
- **Gradients are summed in one buffer**, together with the loss, by one all-reduce of 46 MB. That
  takes well under a millisecond between GPUs of one machine, so there is little for
  DistributedDataParallel to overlap, and it can be captured in a CUDA graph, needs no wrapper
  round the network and weighs shares of different sizes.
- **Two kinds of messages.** Tensors travel by NCCL between GPUs, by gloo between CPUs. Whatever
  the hosts agree on (settings, stopping) travels by gloo on either.
"""

from __future__ import annotations

import datetime
import os
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed, nn

from nsa.errors import InputError
from nsa.images.full_size import FullSizeImages
from nsa.training.fingerprint import Fingerprint, compare
from nsa.training.share import share_of
from nsa.training.sync_batch_norm import synchronise
from nsa.training.watch import PATIENCE, Watch

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store


class Ranks:
    """The processes of a training, seen from one of them; by default there is no other.

    Attributes:
        number: which of them this is, from 0.
        count: how many there are.
    """

    number = 0
    count = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.number == 0

    def __enter__(self) -> Ranks:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def check_batch_size(self, size: int) -> None:
        """Check that all ranks get as many images of a full batch.

        Raises:
            InputError: they do not.
        """
        if size % self.count:
            near = max(self.count, round(size / self.count) * self.count)
            raise InputError(
                f"A batch of {size} images cannot be shared equally by {self.count} processes; "
                f"use --batch-size {near}, or a number of processes that divides {size}."
            )

    def tell(self, message: Any) -> None:
        """Send plain values and CPU tensors from the leader to the others."""

    def hear(self) -> Any:
        """Receive what the leader tells."""
        raise AssertionError("only followers listen")

    def use(self, device: torch.device) -> None:
        """Prepare to exchange tensors on ``device``; all ranks call it.

        Raises:
            InputError: there is no such GPU for this rank.
        """

    def check_same_images(self, paths: Sequence[Path], images: Tensor | FullSizeImages) -> None:
        """Check that all ranks have loaded the same training set.

        Raises:
            InputError: they have not.
        """

    def prepare(self, model: nn.Module) -> None:
        """Let the network's batch normalisation see the images of all ranks."""

    def share(self, total: int) -> range:
        """The images of a batch of ``total`` that this rank computes."""
        return range(total)

    def weigh(self, loss: Tensor, images: int) -> Tensor:
        """What to differentiate, given the mean loss of so many own images."""
        del images
        return loss

    def reduce(self, parameters: Iterable[nn.Parameter], loss: Tensor, images: int) -> Tensor:
        """Make the gradients, in place, and the weighed loss (returned) those of the whole batch.

        Args:
            parameters: with the gradients of :meth:`weigh`'s result, which is ``loss``.
            images: this rank's share of the batch.
        """
        del parameters, images
        return loss

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is set on some rank; all must call it at the same step."""
        return flag

    def note(self, hint: str) -> None:
        """Keep what a user should do if a rank is lost from here on."""

    def leave(self) -> None:
        """Wait for all ranks and end the exchange; the leader may go on alone."""


ALONE = Ranks()


class _Together(Ranks):
    """Several processes that torch has connected."""

    def __init__(self, store: Store, number: int, count: int) -> None:
        self.number, self.count = number, count
        self._watch = Watch(store, number, count)
        self._group: distributed.ProcessGroup | None = None  # None: gloo, between all

    def __enter__(self) -> Ranks:
        self._watch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watch.finish(error)

    def tell(self, message: Any) -> None:
        distributed.broadcast_object_list([message], src=0)

    def hear(self) -> Any:
        box: list[Any] = [None]
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    def use(self, device: torch.device) -> None:
        if device.type != "cuda":
            return
        local, here = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if local >= here:
            raise InputError(
                f"{socket.gethostname()} has {here} GPUs, but more processes were started on it; "
                f"use --nproc-per-node {here}, or --device cpu."
            )
        torch.cuda.set_device(local)
        self._group = distributed.new_group(backend="nccl", timeout=PATIENCE)

    def check_same_images(self, paths: Sequence[Path], images: Tensor | FullSizeImages) -> None:
        found: list[Fingerprint | None] = [None] * self.count
        distributed.all_gather_object(found, Fingerprint.of(paths, images))
        compare([one for one in found if one is not None])

    def prepare(self, model: nn.Module) -> None:
        synchronise(model, self._group)

    def share(self, total: int) -> range:
        return share_of(total, self.number, self.count)

    def weigh(self, loss: Tensor, images: int) -> Tensor:
        # The mean over no image is not a number, but has a gradient of no elements, so all zeros.
        return loss * images if images else loss.nan_to_num(0.0)

    def reduce(self, parameters: Iterable[nn.Parameter], loss: Tensor, images: int) -> Tensor:
        # All ranks must send as much. Torch's layers may leave no gradient where there is no image.
        gradients = [_gradient(parameter) for parameter in parameters]
        ends = [loss.detach().reshape(1), loss.new_full((1,), images)]
        flat = torch.cat([*(gradient.flatten() for gradient in gradients), *ends])
        distributed.all_reduce(flat, group=self._group)
        flat /= flat[-1].clone()
        pieces = torch.split(flat[:-2], [gradient.numel() for gradient in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view(gradient.shape))
        return flat[-2]

    def any(self, flag: bool) -> bool:
        flags = torch.tensor([int(flag)], device="cpu")
        distributed.all_reduce(flags)
        return bool(flags)

    def note(self, hint: str) -> None:
        self._watch.note(hint)

    def leave(self) -> None:
        self._watch.leave()


def _gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def join() -> Ranks:
    """The ranks that ``torchrun`` has started, connected; :data:`ALONE` without it.

    Raises:
        InputError: this torch cannot connect processes, or another rank was not found.
    """
    environment = os.environ
    if environment.get("WORLD_SIZE", "1") == "1" or "MASTER_ADDR" not in environment:
        return ALONE
    if not (distributed.is_available() and distributed.is_gloo_available()):
        raise InputError("This torch is built without gloo, so it cannot train with torchrun.")
    where = f"{environment['MASTER_ADDR']}:{environment.get('MASTER_PORT', '?')}"
    from torch.distributed.rendezvous import rendezvous

    try:
        store, number, count = next(rendezvous("env://", timeout=PATIENCE))
        distributed.init_process_group(
            "gloo", store=store, rank=number, world_size=count, timeout=PATIENCE
        )
        return _Together(store, number, count)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"The {environment['WORLD_SIZE']} processes did not find each other at {where} within "
            f"{PATIENCE // datetime.timedelta(minutes=1)} minutes ({reason}); check the address "
            "and that torchrun was started on every machine."
        ) from error
