"""The input of a step on the GPU as one block of bytes: packed plan, views, and lights.

A captured graph reads this block and nothing else that changes, so one copy makes a replay do
another step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from nsa._native.extension import C
from nsa._native.layout import LIGHT, VIEW, lights_table, views
from nsa.plan.bounds import plan_bounds
from nsa.settings.config import ImageConfig, SynthesisConfig
from nsa.synthesis.on_gpu import sources_of
from nsa.training.draw import Drawn


class PackedStep:
    """Where the parts of the block lie, for steps of ``count`` images.

    Args:
        count: images of a step.
        stored: images of the store that the step's images are taken from.
        synthesis, image_config: the settings.
        limits: of the GPU, see :func:`nsa._native.cuda.plan.device_limits`.
        objects: whether there are object masks though there is no background.

    Attributes:
        count: as given.
        plan: layout of the plan and bounds of its launches, for any plan of these settings.
        plan_bytes: bytes of the plan, which comes first.
        relit: whether there are lights, in which the images are seen.
        patches_relit: whether there are lights of the patches, which come last.
        bytes: of the whole.
    """

    def __init__(
        self,
        count: int,
        stored: int,
        synthesis: SynthesisConfig,
        image_config: ImageConfig,
        limits: Any,
        *,
        objects: bool = False,
    ) -> None:
        height, width = image_config.crop
        bounds = plan_bounds(synthesis, height, width, objects=objects)
        shape = (count, height, width, image_config.channels)
        # Wider boxes are refused when they are packed.
        tall, wide = min(C.widest_box, bounds.height), min(C.widest_box, bounds.width)
        self.count, self._stored = count, stored
        self.plan = C.DevicePlan.reserve(
            shape,
            sources_of(shape, synthesis.relit),
            synthesis.blend_mode,
            limits,
            bounds.rounds,
            tall,
            wide,
            count * bounds.mask_bytes,
        )
        self.plan_bytes = int(self.plan.bytes)
        self.relit = image_config.relit
        self._lights = self.plan_bytes + count * VIEW.itemsize
        self.patches_relit = synthesis.relit
        self._patch_lights = self._lights + self.relit * count * LIGHT.itemsize
        self.bytes = self._patch_lights + self.patches_relit * count * LIGHT.itemsize
        self._channels = image_config.channels

    def pack(self, drawn: Drawn, image: npt.NDArray[np.int64], out: Tensor) -> None:
        """Write a step into ``out``, uint8 (bytes,) on the CPU.

        Args:
            drawn: the step, of ``count`` images.
            image: (count,) where in the store they are.

        Raises:
            InputError: a patch is larger than the kernels take.
        """
        table = (part.numpy() for part in drawn.plan.tensors())
        self.plan.pack(*table, out[: self.plan_bytes].numpy())
        out[self.plan_bytes : self._lights] = views(drawn.augmentation, image, self._stored)
        if drawn.lights is not None:
            lights = lights_table(drawn.lights)
            out[self._lights : self._lights + len(lights)] = lights
        if drawn.plan.lights is not None:
            out[self._patch_lights :] = lights_table(drawn.plan.lights.in_channels(self._channels))

    def views_of(self, block: Tensor) -> Tensor:
        """The part of a block that says how images are taken from the store."""
        return block[self.plan_bytes : self._lights]

    def lights_of(self, block: Tensor, own: int) -> Tensor:
        """The part of a block that says in which light the first ``own`` images are seen."""
        return block[self._lights : self._lights + own * LIGHT.itemsize]

    def patch_lights_of(self, block: Tensor) -> Tensor | None:
        """The part of a block that says in which light patches are; None: there is none."""
        return block[self._patch_lights :] if self.patches_relit else None

    def plan_of(self, block: Tensor) -> Tensor:
        """The part of a block that holds the plan."""
        return block[: self.plan_bytes]
