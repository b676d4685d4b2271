"""One update of the network: normalise, forward, loss, backward, optimise; nothing here waits.

``torch.compile`` was tried on two CPU cores with bfloat16 and does not pay: a step of 64 images
took 8 % longer than without it (2.57 against 2.38 s), after a compilation as long as 34 steps. The
convolutions, which it leaves as they are, already run near the peak of the cores.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nsa.images import to_network_input
from nsa.model import EncoderDecoder
from nsa.settings.config import ImageConfig, TrainConfig
from nsa.system.device import Precision, memory_format
from nsa.training.distributed import ALONE, Ranks
from nsa.training.optimizer import make_optimizer
from nsa.training.profile import BACKWARD, FORWARD, OPTIMISER, SYNTHESIS, Clock

_NORMAL = -1e4  # a logit that is so certain of the label 0 that its loss is 0, by any of the losses


class Updater:
    """Changes a network by batches of images and labels.

    Args:
        model: the network, on its device.
        image_config: how images are normalised.
        training: how weights are moved, see :func:`nsa.training.optimizer.make_optimizer`, and by
            which loss.
        precision: ``"bf16"`` (autocast) or ``"fp32"``.
        unbounded: labels are grey levels, see :func:`loss_of`.
        ranks: the processes that share every batch.

    Attributes:
        optimizer: what moves the weights.
    """

    def __init__(
        self,
        model: EncoderDecoder,
        image_config: ImageConfig,
        training: TrainConfig,
        *,
        device: torch.device,
        precision: Precision,
        unbounded: bool,
        ranks: Ranks = ALONE,
    ) -> None:
        self._model = model
        self._images = image_config
        self._device, self._precision, self._ranks = device, precision, ranks
        self._loss = loss_of(training, unbounded)
        # On the GPU the rate is read from its memory, so that a captured graph sees it change.
        self.optimizer = make_optimizer(
            training.optimizer, model.parameters(), training.learning_rate, device,
            half=precision == "bf16", captured=device.type == "cuda",
        )  # fmt: skip

    def set_learning_rate(self, value: float) -> None:
        """For the next steps."""
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(value)
            else:
                group["lr"] = value

    def __call__(
        self, images: Tensor, labels: Tensor, clock: Clock, ignored: Tensor | None = None
    ) -> Tensor:
        """Do one step; returns the loss of all ranks, a scalar on the device.

        Args:
            images: uint8 (n, C, H, W) on the device, this rank's share.
            labels: float32 (n, 1, H, W) there.
            ignored: bool (n, H, W) there, pixels with label 0 whose loss is 0; None: none.
        """
        half = self._precision == "bf16"
        height, width = images.shape[2:]
        in_blocks = self._model.forms_on(self._device).stem
        with clock.part(SYNTHESIS):
            dtype = torch.bfloat16 if half else torch.float32
            inputs = to_network_input(images, self._images, dtype, in_blocks=in_blocks)
            inputs = inputs.contiguous(memory_format=memory_format(self._device, self._precision))
        with clock.part(FORWARD):
            with torch.autocast(self._device.type, torch.bfloat16, enabled=half):
                logits = self._model(inputs, (height, width) if in_blocks else None)
            logits = logits.float()
            if ignored is not None:
                logits = logits.masked_fill(ignored[:, None], _NORMAL)
            loss = self._ranks.weigh(self._loss(logits, labels), len(images))
        with clock.part(BACKWARD):
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            loss = self._ranks.reduce(self._model.parameters(), loss, len(images))
        with clock.part(OPTIMISER):
            self.optimizer.step()
        return loss.detach()


def loss_of(training: TrainConfig, unbounded: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """The mean loss of logits and labels, float32 (n, 1, H, W), over images and pixels.

    Cross-entropy (Section 3.3) with what ``training`` makes of it; where labels are grey levels,
    squared error of the ReLU, which nothing changes.
    """
    if unbounded:
        return _squared_error
    if training.focal == training.dice == 0:
        return F.binary_cross_entropy_with_logits
    return functools.partial(_focal_and_dice, focal=training.focal, dice=training.dice)


def _focal_and_dice(logits: Tensor, labels: Tensor, *, focal: float, dice: float) -> Tensor:
    found = torch.sigmoid(logits)
    entropy = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    if focal:
        entropy = entropy * (found - labels).abs().pow(focal)
    loss = entropy.mean()
    if dice:
        # Of each image, so that it does not depend on the others of its batch or share.
        both, either = (one.flatten(1).sum(1) for one in (found * labels, found**2 + labels**2))
        loss = loss + dice * (1 - (2 * both + 1) / (either + 1)).mean()
    return loss


def _squared_error(logits: Tensor, labels: Tensor) -> Tensor:
    """The loss of the continuous label, which is not bounded by one (Section 3.3)."""
    return F.mse_loss(F.relu(logits), labels)
