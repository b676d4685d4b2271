"""Which categories of a data root the tables are filled for."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from nsa.errors import InputError
from nsa.images import list_categories
from nsa.reproduce.request import ReproduceRequest

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
    root = request.data_root.expanduser()
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
