"""Plan, blend and label as one batch transform, used after the data loader like CutMix."""

from __future__ import annotations

import dataclasses
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.utils.data import get_worker_info

from nsa._native.devices import check_devices
from nsa._native.layout import check_images
from nsa.blend import blend
from nsa.errors import InputError
from nsa.label import label
from nsa.plan import Plan, draw_plan, object_masks
from nsa.settings.config import SynthesisConfig
from nsa.settings.fields import replace
from nsa.settings.presets import preset
from nsa.synthesis.on_gpu import synthesize as synthesize_on_gpu


class NSA(nn.Module):
    """Turn normal images into training pairs: images with anomalies, and a label for every pixel.

    >>> images = torch.randint(256, (4, 3, 224, 224), dtype=torch.uint8)
    >>> synthesize = NSA.from_preset("bottle", label="binary")
    >>> images, labels = synthesize(images)
    >>> images.shape, labels.shape
    (torch.Size([4, 3, 224, 224]), torch.Size([4, 1, 224, 224]))

    Every image of the batch gets one to ``max_patches`` patches of another image of the batch
    (now and then none, where no place for one is found, or by ``clean_share``).
    ``method="pii"`` and others make the anomalies of the paper's other systems, see
    :data:`nsa.settings.methods.METHODS`. ``train()`` and ``eval()`` make no difference, and there
    are no parameters.

    Args:
        config: all settings; None: the defaults of :class:`nsa.SynthesisConfig`.
        generator: source of randomness; None: torch's default one, so that ``torch.manual_seed``
            fixes the result. One 64-bit seed is drawn from it per batch. In a worker process of a
            data loader that process's own seed is mixed in, since all workers begin with the same
            copy of ``generator``.
        **fields: settings by name, in place of those of ``config``.

    Raises:
        InputError: no such setting, a value out of range, or a generator that is not on the CPU.
    """

    def __init__(
        self,
        config: SynthesisConfig | None = None,
        *,
        generator: torch.Generator | None = None,
        **fields: Any,
    ) -> None:
        super().__init__()
        self.config = replace(config or SynthesisConfig(), **fields)
        if generator is not None and generator.device.type != "cpu":
            raise InputError(f"generator must be a CPU generator, got one on {generator.device}.")
        self.generator = generator

    @classmethod
    def from_preset(
        cls, name: str, *, generator: torch.Generator | None = None, **fields: Any
    ) -> NSA:
        """The paper's settings for a category (Table 4), with some changed.

        Raises:
            InputError: no such category or setting, or a value out of range.
        """
        return cls(preset(name).synthesis, generator=generator, **fields)

    @overload
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]: ...
    @overload
    def forward(self, images: Any, *others: Any) -> Any: ...

    def forward(self, images: Any, *others: Any) -> Any:
        """Make one training batch.

        In torchvision's v2 pipelines, too: a sample may also be a ``tv_tensors.Image``, several
        arguments, or a tuple, list or dictionary. Its images are the ``Image`` in it, else the
        first plain tensor. It comes back with the changed images in their place and the labels as
        a ``tv_tensors.Mask``: in the place of the sample's own mask, where that is empty, else
        behind all others, and in a dictionary as ``"mask"``. Everything else passes through.

        >>> images = torch.randint(256, (3, 3, 64, 64), dtype=torch.uint8)
        >>> batch = NSA()({"image": images, "name": ["a", "b", "c"]})
        >>> [type(value).__name__ for value in batch.values()]
        ['Tensor', 'list', 'Mask']

        Args:
            images: uint8 (N, C, H, W) in [0, 255], C in {1, 3}, normal images; left unchanged.
                Or a sample that holds such, a batch as after the data loader.
            others: of a sample.

        Returns:
            The changed images, uint8 (N, C, H, W) stored channels-last, and the labels, float32
            (N, 1, H, W): in [0, 1], or grey levels for continuous labels. Of a sample all of it.

        Raises:
            InputError: ``images`` has another type, shape or device; or a sample has no images,
                several, or a mask that marks a pixel.
        """
        if others or not _is_plain(images):
            from nsa.synthesis.sample import change_sample

            return change_sample((images, *others), self._make)
        return self._make(images)

    def _make(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.synthesize(images, self.plan(images, self._draw_seed()))

    def plan(self, images: Tensor, seed: int) -> Plan:
        """Draw what is random about a batch; the images are read only for object masks.

        Args:
            images: as for :meth:`forward`.
            seed: any integer, taken modulo 2^64.
        """
        _check(images)
        masks = None
        background = self.config.mask_background
        if background is not None:
            found = object_masks(images, background, self.config.background_threshold)
            # All are 0 or 1, and as bool that need not be checked.
            masks = found[:, 0].cpu().view(torch.bool).numpy()
        count, _, height, width = images.shape
        return draw_plan(self.config, count, height, width, seed=seed, object_masks=masks)

    def synthesize(self, images: Tensor, plan: Plan) -> tuple[Tensor, Tensor]:
        """Blend and label what a plan says; no randomness. Arguments as for :meth:`forward`."""
        _check(images)
        if images.is_cuda:
            return synthesize_on_gpu(images, plan, self.config)
        blended = blend(images, plan, self.config.blend_mode)
        return blended, label(images, blended, plan, self.config)

    def extra_repr(self) -> str:
        """The settings, for ``print(module)``."""
        return ", ".join(f"{k}={v!r}" for k, v in dataclasses.asdict(self.config).items())

    def __getstate__(self) -> dict[str, Any]:
        """For pickling: the generator as bytes, which reach spawned workers of a data loader.

        Their way of sending tensors loses the state that a pickled generator holds.
        """
        state = self.__dict__.copy()
        if self.generator is not None:
            state["generator"] = self.generator.get_state().numpy().tobytes()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        saved = state["generator"]
        if saved is not None:
            generator = torch.Generator("cpu")
            generator.set_state(torch.frombuffer(bytearray(saved), dtype=torch.uint8))
            state = {**state, "generator": generator}
        super().__setstate__(state)  # type: ignore[no-untyped-call]

    def _draw_seed(self) -> int:
        drawn = torch.empty((), dtype=torch.int64, device="cpu").random_(
            -(2**63), None, generator=self.generator
        )
        seed = int(drawn.item())
        worker = get_worker_info()
        if worker is not None and self.generator is not None:
            seed ^= worker.seed
        return seed


def _is_plain(images: object) -> bool:
    """Whether it is no sample of torchvision's, which need not be imported then."""
    if isinstance(images, tuple | list | dict):
        return False
    return not isinstance(images, Tensor) or type(images) in (Tensor, nn.Parameter)


def _check(images: Tensor) -> None:
    check_images(images)
    check_devices(images=images)
