"""Several detectors of one product as one: standardised, summed, and how far they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nsa._native.layout import check_images
from nsa.detectors.detector import Detector, Judged, Pixels, Scored, enlarge
from nsa.detectors.ensemble.folder import Scales, check_members, held_out_contents, read_scales
from nsa.detectors.ensemble.standard import ROUNDING, UPPER_DEVIATIONS
from nsa.detectors.hidden import part_of
from nsa.detectors.registry import load as load_any
from nsa.folder import MEMBERS, AnyRun
from nsa.images import stack
from nsa.images.ignored import Ignored
from nsa.images.masks import Mask

_CHUNK = 16  # images at a time, so that the maps of all members are never all in memory


class Parts(NamedTuple):
    """What each member says of images, standardised.

    Attributes:
        scores: float64 (N, members).
        maps: float32 (N, members, H, W).
    """

    scores: Tensor
    maps: Tensor


class EnsembleDetector(Detector):
    """Sums what its members say, each in multiples of how much normal images vary by it.

    The standard deviation between the members' standardised scores is the spread: where it is
    large, they disagree.

    Attributes:
        members: the detectors, whose images have one size and number of channels.
        scales: by which each is standardised.
    """

    has_spread = True

    def __init__(
        self,
        members: Sequence[Detector],
        scales: Sequence[Scales],
        *,
        scaled_by: Sequence[str] = (),
        default_fpr: float | None = None,
    ) -> None:
        self.members, self.scales = list(members), list(scales)
        self.size, self.channels = members[0].size, members[0].channels
        self.levels, self.ignored = members[0].levels, members[0].ignored
        # As far above what a hundredth of all normal pixels exceeds as their median is below it.
        self.map_range = 0.0, UPPER_DEVIATIONS * len(members)
        self.scaled_by = frozenset(scaled_by)
        # Of logarithms that are divided by the scales.
        self.rounding = sum(ROUNDING / one.scores.scale for one in scales)
        self.default_fpr = default_fpr

    def ignore(self, ignored: Ignored | None) -> None:
        """See :meth:`Detector.ignore`; the members do it."""
        super().ignore(ignored)
        for member in self.members:
            member.ignore(ignored)

    def score(self, images: Tensor, ignored: Tensor | None = None) -> Scored:
        """See :meth:`Detector.score`; scores are float64."""
        count = len(images)
        scores, spreads = (torch.empty(count, dtype=torch.float64, device="cpu") for _ in range(2))
        maps = torch.empty((count, *self.size), dtype=torch.float32, device="cpu")
        for first in range(0, count, _CHUNK):
            part = slice(first, first + _CHUNK)
            parts = self.parts(images[part], part_of(ignored, part))
            scores[part], spreads[part] = parts.scores.sum(1), spread(parts.scores)
            maps[part] = parts.maps.sum(1)
        return Scored(scores, maps, spreads)

    def judge(
        self, images: Sequence[Pixels], ignored: Sequence[Mask | None] | None = None
    ) -> list[Judged]:
        """See :meth:`Detector.judge`; with the spread between the members."""
        self._check_images(images)
        judged: list[Judged] = []
        masks = self._stacked(ignored)
        for first in range(0, len(images), _CHUNK):
            group = images[first : first + _CHUNK]
            part = slice(first, first + _CHUNK)
            parts = self.parts(stack(group, self.size), part_of(masks, part))
            scores, maps = parts.scores.sum(1).tolist(), parts.maps.sum(1)
            spreads, map_spreads = spread(parts.scores).tolist(), spread(parts.maps)
            for row, image in enumerate(group):
                whole, apart = (
                    enlarge(one[row][None, None], image.shape[:2])[0, 0].numpy()
                    for one in (maps, map_spreads)
                )
                judged.append(Judged(scores[row], whole, spreads[row], apart))
        return judged

    def spread(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """How far the members disagree: the standard deviation of their standardised values.

        Args:
            images: uint8 (N, channels, H, W) of any size.

        Returns:
            Of every pixel, float32 (N, 1, H, W), at the images' own resolution, and of the scores,
            float64 (N,). Both on the CPU.

        Raises:
            InputError: wrong dtype, shape or number of channels.
        """
        check_images(images, channels=(self.channels,))
        size = tuple(images.shape[2:])
        maps = torch.empty((len(images), 1, *size), dtype=torch.float32, device="cpu")
        scores = torch.empty(len(images), dtype=torch.float64, device="cpu")
        for first in range(0, len(images), _CHUNK):
            part = slice(first, first + _CHUNK)
            group = stack(images[part].cpu().permute(0, 2, 3, 1).numpy(), self.size)
            parts = self.parts(group)
            scores[part] = spread(parts.scores)
            maps[part] = enlarge(spread(parts.maps)[:, None], size)
        return maps, scores

    def parts(self, images: Tensor, ignored: Tensor | None = None) -> Parts:
        """What each member says of images that fit into memory at once, see :meth:`score`."""
        scores, maps = [], []
        for member, scales in zip(self.members, self.scales, strict=True):
            said = member.score(images, ignored)
            scores.append(scales.scores(said.scores.double()))
            maps.append(scales.maps(said.maps))
        return Parts(torch.stack(scores, 1), torch.stack(maps, 1))

    def use_onnxruntime(self, folder: Path) -> None:
        """See :meth:`Detector.use_onnxruntime`; the members do it."""
        for member, scales in zip(self.members, self.scales, strict=True):
            member.use_onnxruntime(folder / MEMBERS / scales.name)

    def deployable(self) -> tuple[nn.Module, dict[str, str]]:
        """See :meth:`Detector.deployable`."""
        height, width = self.size
        deployed = _Sums(self.members, self.scales)
        outputs = {
            "maps": f"float32 (N, {height}, {width})",
            "spread": "float64 (N)",
            "scores": "float64 (N)",
        }
        return deployed, outputs


class _Sums(nn.Module):
    def __init__(self, members: Sequence[Detector], scales: Sequence[Scales]) -> None:
        super().__init__()
        found = [member.deployable() for member in members]
        self.members = nn.ModuleList(module for module, _ in found)
        self.map_places = [list(outputs).index("maps") for _, outputs in found]
        self.scales = list(scales)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps, float32 (N, H, W), spreads and scores, float64 (N,), of images."""
        scores, maps = [], []
        rows = zip(self.members, self.map_places, self.scales, strict=True)
        for member, place, scales in rows:
            said = member(pixels)
            scores.append(scales.scores(said[-1].double()))
            maps.append(scales.maps(said[place]))
        every = torch.stack(scores, 1)
        return torch.stack(maps, 1).sum(1), spread(every), every.sum(1)


def spread(values: Tensor) -> Tensor:
    """The standard deviation between members: (N, members, ...) -> (N, ...)."""
    return (values - values.mean(1, keepdim=True)).square().mean(1).sqrt()


def load_members(path: Path, names: Sequence[str], device: str | torch.device) -> list[Detector]:
    """The detectors of runs below a run.

    Raises:
        InputError: one of them is gone, or has not finished.
    """
    members = [load_any(path / MEMBERS / name, device) for name in names]
    for member in members:
        member.be_quiet()
    return members


def load(
    run: AnyRun, device: str | torch.device = "auto", default_fpr: float | None = None
) -> EnsembleDetector:
    """The detector of a finished run.

    Args:
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        default_fpr: see :class:`Detector`.

    Raises:
        InputError: the run has not finished, something of it is gone or damaged, or there is no
            such device.
    """
    scales = read_scales(run.path)
    check_members(run.path, [one.name for one in scales])
    return EnsembleDetector(
        load_members(run.path, [one.name for one in scales], device), scales,
        scaled_by=held_out_contents(run.path), default_fpr=default_fpr,
    )  # fmt: skip
