"""What the layout of a data set is: how its categories are recognised, and how one is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nsa.images.files import list_folders
from nsa.images.sample import Dataset


@dataclass(frozen=True)
class Layout:
    """One way in which data sets lie on disk: as folders, one a category.

    Attributes:
        datasets: names of data sets that lie so, for help and messages.
        is_category: whether a folder is one category, with images in it or not.
        open_category: lists the images of a category's folder as a dataset of the given name;
            raises InputError where that is not possible or nothing is there to train on.
        find: the categories of a data root by name; None: the folders directly inside it for which
            ``is_category`` holds.
        rank: layouts of a lower rank are asked first, since a folder may fit several. 0: a table,
            lists or file names of its own mark it; 1: its folders do; 2: others share its folders.
    """

    datasets: tuple[str, ...]
    is_category: Callable[[Path], bool]
    open_category: Callable[[Path, str], Dataset]
    find: Callable[[Path], Mapping[str, Path]] | None = None
    rank: int = 1

    def categories(self, root: Path) -> Mapping[str, Path]:
        """The folders of the categories below a data root, by name.

        Raises:
            InputError: the root is no folder, or what names its categories is damaged.
        """
        if self.find is not None:
            return self.find(root)
        return {folder.name: folder for folder in list_folders(root) if self.is_category(folder)}
