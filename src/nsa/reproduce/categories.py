"""Which categories of a data root the tables are filled for."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from nsa.errors import InputError
from nsa.images import Dataset, list_categories, open_dataset
from nsa.reproduce.request import ReproduceRequest
from nsa.settings.presets import find_preset

_log = logging.getLogger("nsa")


def find_categories(request: ReproduceRequest, wanted: Sequence[str]) -> list[str]:
    """The categories asked for, else those of the tables that the data root has.

    Args:
        wanted: those of the tables, in their order.

    Raises:
        InputError: the data root has none of them.
    """
    if request.categories:
        return list(dict.fromkeys(request.categories))
    root = request.data_root
    found = list_categories(root)
    wanted = list(dict.fromkeys(wanted))
    chosen = [name for name in wanted if name in found]
    if not chosen:
        listed = ", ".join(found) or "no category at all"
        tables = f"table {', '.join(request.tables)}" if request.tables else "the tables"
        raise InputError(
            f"{root} has none of the categories of {tables}; it has {listed}: name some with "
            "--categories."
        )
    missing = [name for name in wanted if name not in chosen]
    if missing:
        _log.warning("Not in %s, so left out of the tables: %s.", root, ", ".join(missing))
    return chosen


def open_category(request: ReproduceRequest, name: str) -> Dataset:
    """Open a category of the data root for the tables, which have the paper's beside it.

    Raises:
        InputError: it cannot be opened, or is another product than the paper's of that name.
    """
    dataset = open_dataset(request.data_root, name)
    if not dataset.presets and find_preset(dataset.name) is not None:
        raise InputError(
            f"{dataset.name!r} in {request.data_root} is of another data set than the paper's, so "
            "the tables cannot set one beside the other; name other --categories."
        )
    return dataset
