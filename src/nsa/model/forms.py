"""Which layers of the network are computed in another form, equal but faster on some devices."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Forms:
    """The layers that are rewritten; the others are computed as they are written down.

    Every form is the same function of the same parameters, so results differ by rounding alone.

    Attributes:
        stem: the first convolution, 7 x 7 with stride 2, as one of 4 x 4 on the input's 2 x 2
            blocks (:func:`nsa.model.layers.stem`).
        decoder: both transposed convolutions of a block as one convolution of 2 x 2, and a pixel
            shuffle (:func:`nsa.model.layers.up_and_shortcut`).
        upsampling: bilinear interpolation as two matrix products, whose gradient is the same in
            every run (:func:`nsa.model.layers.upsample`).
        head: the transposed convolution of 7 x 7 as one of 4 x 4, and a pixel shuffle
            (:func:`nsa.model.layers.transposed_convolution`).

    Example:
        >>> trainer.model.forms = Forms(head=True)  # before training; None: by the device
    """

    stem: bool = False
    decoder: bool = False
    upsampling: bool = False
    head: bool = False

    @classmethod
    def for_device(cls, device: torch.device) -> Forms:
        """What is used on a device unless a network's ``forms`` say otherwise.

        On a CPU nothing: its libraries leave out zeros and gaps already, and no form was faster in
        both precisions (AVX-512 and AMX, one and two threads). The largest gain, interpolation in
        float32 at twice the speed, is a hundredth of a step.
        """
        if device.type == "cuda":
            return cls(stem=True, decoder=True, upsampling=True, head=True)
        return cls()
