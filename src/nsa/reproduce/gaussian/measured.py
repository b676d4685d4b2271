"""What the finished jobs of the Gaussian detector's paper say, as the tables ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nsa.gaussian.networks import NETWORKS
from nsa.reproduce.cells import Cell
from nsa.reproduce.gaussian.paper import TABLE_VIII
from nsa.reproduce.gaussian.systems import approach_system
from nsa.reproduce.paper import Figure
from nsa.reproduce.results import Result
from nsa.reproduce.statistics import Estimate, estimate

_Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """A mean with its standard error, in percent, and what both are over."""

    estimate: Estimate
    categories: tuple[str, ...]


class Measured:
    """The results of a folder, by system, category and approach.

    Args:
        results: of finished jobs.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        self._results = [result for result in results if result.values["paper"] == "gaussian"]

    def has(self, network: str, *kinds: str) -> bool:
        """Whether any job of such a kind (any kind if none is named) ran on a network."""
        return any(
            r.values["settings"]["network"] == network
            and (not kinds or r.values["settings"]["system"] in kinds)
            for r in self._results
        )

    def networks(self, kind: str, known: Sequence[str]) -> list[str]:
        """The known networks that jobs of a kind ran on, else whichever they ran on."""
        found = [network for network in known if self.has(network, kind)]
        return found or [network for network in NETWORKS if self.has(network, kind)]

    def shortened(self, *kinds: str) -> bool:
        """Whether any job of such a kind was shorter than usual."""
        return any(r.shortened for r in self._results if r.values["settings"]["system"] in kinds)

    def folds(self, system: str, approach: str, what: str = "aurocs") -> dict[str, _Array]:
        """Category -> values by fold (of all seeds) in the first dimension, as fractions."""
        found: dict[str, list[_Array]] = {}
        for result in self._results:
            values = result.values["metrics"][what].get(approach)
            if result.system == system and values is not None:
                found.setdefault(result.category, []).append(np.asarray(values, np.float64))
        order = [*TABLE_VIII, *sorted(set(found) - set(TABLE_VIII))]
        return {name: np.concatenate(found[name]) for name in order if name in found}

    def levels(self, system: str, approach: str) -> list[Spread]:
        """AUROC of every level and, last, of their sum."""
        found = self.folds(system, approach)
        count = next(iter(found.values())).shape[1]
        return [_spread({name: v[:, i] for name, v in found.items()}) for i in range(count)]

    def rates(self, network: str, approach: str) -> list[tuple[Spread, Spread]]:
        """False and true positive rate of every row of Table IV."""
        found = self.folds(f"{network}_augmented", approach, "rates")
        count = next(iter(found.values())).shape[1]
        columns = [
            [_spread({name: v[:, row, which] for name, v in found.items()}) for which in (0, 1)]
            for row in range(count)
        ]
        return [(fpr, tpr) for fpr, tpr in columns]

    def approach_folds(self, approach: str, network: str) -> dict[str, _Array]:
        """:meth:`folds` of an approach of Table V, by its last column: the sum over levels."""
        found = self.folds(approach_system(approach, network).name, approach)
        return {name: values[:, -1] for name, values in found.items()}

    def approach(self, approach: str, network: str) -> Spread:
        """AUROC of an approach of Table V."""
        return _spread(self.approach_folds(approach, network))

    def per_category(self, approach: str, network: str) -> dict[str, Estimate]:
        """AUROC of an approach of Table V on every category, over folds."""
        found = self.approach_folds(approach, network)
        return {name: estimate((100 * values).tolist()) for name, values in found.items()}

    def passes(self, networks: Sequence[str]) -> str:
        """Augmented passes behind these networks' distributions."""
        found = sorted({
            r.epochs for r in self._results
            if r.values["settings"]["system"] == "augmented"
            and r.values["settings"]["network"] in networks
        })  # fmt: skip
        return " to ".join(str(number) for number in dict.fromkeys((found[0], found[-1])))

    def weights(self, networks: Sequence[str], kinds: Sequence[str]) -> str:
        """A sentence on the weights that the networks started from."""
        sources = sorted({
            _source(r) for r in self._results
            if r.values["settings"]["system"] in kinds
            and r.values["settings"]["network"] in networks
        })  # fmt: skip
        return f" Weights: {', '.join(sources)}." if sources else ""

    def caption(self, spreads: Sequence[Spread], printed: Literal["all", "same"] | None) -> str:
        """What the figures are over.

        Args:
            printed: whether the paper's figures beside them are over all its categories or over the
                same; None: there are none.
        """
        numbers = sorted({len(spread.categories) for spread in spreads})
        folds = sorted({
            len(r.values["metrics"]["aurocs"][name]) for r in self._results
            for name in r.values["metrics"]["aurocs"]
        })  # fmt: skip
        start = "AUROC in percent, mean \N{PLUS-MINUS SIGN} standard error over "
        if numbers == [1]:
            [name] = {spread.categories for spread in spreads}
            start += f"the {folds[-1]} folds of {name[0].replace('_', ' ')}."
        else:
            span = "-".join(str(n) for n in dict.fromkeys((numbers[0], numbers[-1])))
            start += f"{span} categories, each the mean of its {folds[-1]} folds."
        if printed is not None and numbers[0] < len(TABLE_VIII):
            every = "the same" if printed == "same" else f"all {len(TABLE_VIII)} of MVTec AD"
            start += f" The paper's categories are {every}."
        return start


def _source(result: Result) -> str:
    """Where a job's weights come from; a file by its name and content, not by its place."""
    settings = result.values["settings"]
    if settings["digest"] is None:
        return str(result.values["weights"])
    return f"{settings['weights']} (SHA-256 {settings['digest']}...)"


def cell(
    spread: Spread | None, figure: tuple[float, float | None] | None, same: bool = False
) -> Cell:
    """A cell of ours and the paper's.

    Args:
        figure: the paper's, over all its categories, or over the same if ``same``.
    """
    printed = None if figure is None else Figure(*figure)
    if spread is None:
        return Cell(None, printed)
    return Cell(spread.estimate, printed, same or set(spread.categories) == set(TABLE_VIII))


def _spread(by_category: dict[str, _Array]) -> Spread:
    """Over categories, each the mean of its folds, as the paper's; of one category over folds."""
    values = [100 * folds for folds in by_category.values()]
    over = values[0] if len(values) == 1 else np.array([folds.mean() for folds in values])
    return Spread(estimate(over.tolist()), tuple(by_category))
