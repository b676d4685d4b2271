"""MVTec AD 2: ``train/good``, ``validation/good`` and ``test_public``, which holds its masks too.

``test_public/bad`` has its masks in ``test_public/ground_truth/bad/<stem>_mask.png``. What is in
``test_private`` and ``test_private_mixed`` has no labels, so it is for ``nsa predict`` only.
"""

from __future__ import annotations

from pathlib import Path

from nsa.images.layout import Layout
from nsa.images.layouts import mvtec
from nsa.images.sample import Dataset

_TEST = "test_public"


def is_category(folder: Path) -> bool:
    """Whether ``folder`` is laid out as a category of MVTec AD 2."""
    return mvtec.is_category(folder) and (folder / _TEST).is_dir()


def open_category(folder: Path, name: str) -> Dataset:
    """List one category; see :func:`nsa.images.layouts.mvtec.list_category`."""
    tests = folder / _TEST
    return mvtec.list_category(folder, name, tests, tests / "ground_truth")


LAYOUT = Layout(("MVTec AD 2",), is_category, open_category)
