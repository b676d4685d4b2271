"""What the layout of a data set is: how its categories are recognised, and how one is opened."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsa.images.sample import Dataset, Sample
from nsa.system.console import counted

_log = logging.getLogger("nsa")


@dataclass(frozen=True)
class Layout:
    """One way in which data sets lie on disk: as folders, one a category.

    Attributes:
        datasets: names of data sets that lie so, for help and messages.
        is_category: whether a folder is one category, with images in it or not.
        open_category: lists the images of a category's folder as a dataset of the given name;
            raises InputError where that is not possible or nothing is there to train on.
        rank: layouts of a lower rank are asked first, since a folder may fit several. 0: a table,
            lists or file names of its own mark it; 1: its folders do; 2: others share its folders.
        presets: whether its categories are those of the presets where they have their names, as
            in MVTec AD; elsewhere a namesake is another product.
        marks: endings of names of images by which its categories are recognised.
        beside: whether images of a category may lie beside its folder.
        further: the folders that may be categories below a data root, apart from those directly
            inside it; raises InputError where it cannot be known which are meant.
    """

    datasets: tuple[str, ...]
    is_category: Callable[[Path], bool]
    open_category: Callable[[Path, str], Dataset]
    rank: int = 1
    presets: bool = False
    marks: tuple[str, ...] = ()
    beside: bool = False
    further: Callable[[Path], list[Path]] = lambda _root: []


def normal_images(samples: Sequence[Sample], folder: Path) -> list[Sample]:
    """Those without a defect, to train on; the log says how many of a category's are left out."""
    good = [sample for sample in samples if sample.is_good]
    lost = len(samples) - len(good)
    if lost:
        _log.warning(
            "Left out: %s of the training set of %s with a defect.", counted(lost, "image"), folder
        )
    return good
