"""What a dataset is to the rest of the package: paths, defect names and masks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nsa.images.ignored import Ignored

GOOD = "good"


@dataclass(frozen=True)
class Sample:
    """One image on disk.

    Attributes:
        path: the image file.
        defect: name of the kind of defect; ``"good"`` for a normal image.
        mask: file with the defect's pixels, or a folder of files whose union they are; None for
            normal images and where there is none.
    """

    path: Path
    defect: str = GOOD
    mask: Path | None = None

    @property
    def is_good(self) -> bool:
        """Whether the image is normal."""
        return self.defect == GOOD


@dataclass(frozen=True)
class Dataset:
    """The images of one category, in natural order.

    Attributes:
        name: the category; presets are looked up by it.
        train: normal images only, at least one.
        test: normal and defective images; empty where there is no test set.
        validation: normal images that are kept out of the training, to calibrate with.
        further: normal images to train on besides, of which none is held out.
        presets: whether the preset of its name, if there is one, is that of this category; False
            in data sets whose categories only share names with those of the presets.
        ignored: which pixels of them all do not count; None: all do.
    """

    name: str
    train: list[Sample]
    test: list[Sample] = field(default_factory=list)
    validation: list[Sample] = field(default_factory=list)
    further: list[Sample] = field(default_factory=list)
    presets: bool = True
    ignored: Ignored | None = None

    def ignoring(self, ignored: Ignored | None) -> Dataset:
        """The same images, of which some pixels do not count.

        Raises:
            InputError: none of the images has a mask, or two have the same.
        """
        if ignored is not None:
            ignored.check([one.path for one in (*self.train, *self.test, *self.validation)])
        return dataclasses.replace(self, ignored=ignored)
