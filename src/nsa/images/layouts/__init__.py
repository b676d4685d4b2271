"""Layouts of data sets. Every module of this folder describes one, as its ``LAYOUT``."""

from __future__ import annotations

import importlib
import pkgutil

from nsa.images.layout import Layout


def all_layouts() -> list[Layout]:
    """The layout of every module here, in the order in which they are asked."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    layouts: list[Layout] = [importlib.import_module(f"{__name__}.{one}").LAYOUT for one in names]
    return sorted(layouts, key=lambda layout: layout.rank)


def dataset_names() -> str:
    """The data sets that are recognised, for a sentence: ``BTAD, KolektorSDD2 or VisA``."""
    names = sorted((name for layout in all_layouts() for name in layout.datasets), key=str.casefold)
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
