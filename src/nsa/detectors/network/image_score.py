"""The score of an image, made of its map: the mean of all of it, or of what stands out in it.

A mean over the whole map hardly moves where a defect has a thousandth of the pixels. The mean of
the highest share of pixels and the maximum of a slightly smoothed map do, but rest on few pixels,
which noise decides where defects are large and faint. :mod:`nsa.detectors.network.score_choice`
chooses.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nsa.detectors.hidden import counting
from nsa.errors import InputError, shown
from nsa.model.weights import read_metadata

Kind = Literal["mean", "top", "maximum"]


class ImageScore(NamedTuple):
    """A way to score images by their maps, in plain tensor operations.

    Attributes:
        kind: ``"mean"``: of the whole map; ``"top"``: mean of the highest values; ``"maximum"``: of
            the map after a box blur, inside which the box lies as a whole.
        extent: ``"top"``: of how many pixels one counts, 1000 for the highest 0.1 %;
            ``"maximum"``: side of the box in pixels, at most that of the maps.
    """

    kind: Kind
    extent: int = 1

    def __call__(self, maps: Tensor) -> Tensor:
        """Scores, float32 (N,), of maps, float32 (N, H, W) of any size.

        Each depends on its own map alone, so maps may come in any parts.
        """
        if self.kind == "top":
            return maps.flatten(1).topk(self._count(maps), sorted=False).values.mean(1)
        if self.kind == "maximum":
            return F.avg_pool2d(maps[:, None], self.extent, stride=1).amax((1, 2, 3))
        return maps.flatten(1).mean(1)

    @property
    def whole(self) -> bool:
        """Whether it is of whole maps, and not of values wherever they are."""
        return self.kind == "maximum"

    def of_rest(self, maps: Tensor, ignored: Tensor) -> Tensor:
        """Scores of what counts of maps, which are 0 elsewhere.

        Args:
            ignored: bool (N or 1, H, W).
        """
        if self.whole:
            return self(maps)
        return torch.cat([self(part) for part in counting(maps, ignored)])

    def _count(self, maps: Tensor) -> int:
        """Pixels that count: ``ceil(H W / extent)``, in whole numbers, which can be exported."""
        return (maps.shape[1] * maps.shape[2] + self.extent - 1) // self.extent

    def __str__(self) -> str:
        if self.kind == "top":
            return f"mean of the highest {100 / self.extent:g} % of pixels"
        return (
            f"maximum over {self.extent} x {self.extent} px" if self.kind == "maximum" else "mean"
        )

    @property
    def note(self) -> dict[str, str]:
        """What the file with a network's weights says of it, for :func:`read_score`."""
        return {_NOTE: f"{self.kind} {self.extent}"}


MEAN = ImageScore("mean")
SCORES = (
    MEAN, ImageScore("top", 100), ImageScore("top", 1000),
    ImageScore("maximum", 3), ImageScore("maximum", 5),
)  # fmt: skip
LARGEST_BOX = max(score.extent for score in SCORES if score.kind == "maximum")
# What the settings of these names mean.
NAMED = {"mean": MEAN, "top": SCORES[2], "maximum": SCORES[4]}
_NOTE = "image_score"


def read_score(path: Path) -> ImageScore:
    """What a file with a network's weights says; the mean, where it is of before there were others.

    Raises:
        InputError: the file is missing or damaged.
    """
    note = read_metadata(path).get(_NOTE, MEAN.note[_NOTE])
    for score in SCORES:
        if score.note[_NOTE] == note:
            return score
    raise InputError(f"{path} is damaged: it scores images by {shown(note)}; train again.")
