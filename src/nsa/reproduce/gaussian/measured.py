"""What the finished jobs of the Gaussian detector's paper say, as the tables ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nsa.model.backbones import NETWORKS
from nsa.reproduce.cells import Cell, Figure
from nsa.reproduce.gaussian.paper import TABLE_VIII
from nsa.reproduce.gaussian.systems import approach_system, by_current_names
from nsa.reproduce.results import Result
from nsa.reproduce.statistics import Estimate, estimate

_Array = npt.NDArray[np.float64]
_Folds = dict[str, list[_Array]]
"""Category -> per seed an array with the folds in its first dimension, as fractions."""


@dataclass(frozen=True)
class Spread:
    """A mean with its standard error, in percent.

    Attributes:
        categories: what it is the mean of.
        over: what the error is over, in words.
    """

    estimate: Estimate
    categories: tuple[str, ...]
    over: str


class Measured:
    """The results of a folder, by system, category and approach.

    Args:
        results: of finished jobs.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        self._results = [result for result in results if result.values["paper"] == "gaussian"]

    def has(self, network: str, *tasks: str) -> bool:
        """Whether any job with such a task (any if none is named) ran on a network."""
        return any(
            r.values["settings"]["network"] == network
            and (not tasks or r.values["settings"]["system"] in tasks)
            for r in self._results
        )

    def networks(self, task: str, known: Sequence[str]) -> list[str]:
        """The known networks that jobs with a task ran on, else whichever they ran on."""
        found = [network for network in known if self.has(network, task)]
        return found or [network for network in NETWORKS if self.has(network, task)]

    def shortened(self, *tasks: str) -> bool:
        """Whether any job with such a task was shorter than usual."""
        return any(r.shortened for r in self._results if r.values["settings"]["system"] in tasks)

    def folds(self, system: str, approach: str, what: str = "aurocs") -> _Folds:
        """AUROCs (folds, levels and sum), or rates (folds, rows of Table IV, FPR and TPR)."""
        found: _Folds = {}
        for result in self._results:
            values = by_current_names(result.values["metrics"][what]).get(approach)
            if result.system == system and values is not None:
                found.setdefault(result.category, []).append(np.asarray(values, np.float64))
        order = [*TABLE_VIII, *sorted(set(found) - set(TABLE_VIII))]
        return {name: found[name] for name in order if name in found}

    def levels(self, system: str, approach: str) -> list[Spread]:
        """AUROC of every level and, last, of their sum."""
        found = self.folds(system, approach)
        count = next(iter(found.values()))[0].shape[1]
        return [_spread(_pick(found, level)) for level in range(count)]

    def rates(self, network: str, approach: str) -> list[tuple[Spread, Spread]]:
        """False and true positive rate of every row of Table IV."""
        found = self.folds(f"{network}_augmented", approach, "rates")
        count = next(iter(found.values()))[0].shape[1]
        return [
            (_spread(_pick(found, row, 0)), _spread(_pick(found, row, 1))) for row in range(count)
        ]

    def approach_folds(self, approach: str, network: str) -> _Folds:
        """:meth:`folds` of an approach of Table V, by its last column: the sum over levels."""
        return _pick(self.folds(approach_system(approach, network).name, approach), -1)

    def approach(self, approach: str, network: str) -> Spread:
        """AUROC of an approach of Table V."""
        return _spread(self.approach_folds(approach, network))

    def per_category(self, approach: str, network: str) -> dict[str, Spread]:
        """AUROC of an approach of Table V on every category, over folds."""
        found = self.approach_folds(approach, network)
        return {name: _spread({name: values}) for name, values in found.items()}

    def passes(self, networks: Sequence[str]) -> str:
        """Augmented passes behind these networks' distributions."""
        found = sorted({
            r.epochs for r in self._results
            if r.values["settings"]["system"] == "augmented"
            and r.values["settings"]["network"] in networks
        })  # fmt: skip
        return " to ".join(str(number) for number in dict.fromkeys((found[0], found[-1])))

    def weights(self, networks: Sequence[str], tasks: Sequence[str]) -> str:
        """A sentence on the weights that the networks started from."""
        used = [
            r for r in self._results
            if r.values["settings"]["system"] in tasks
            and r.values["settings"]["network"] in networks
        ]  # fmt: skip
        sources = {_source(r) for r in used if r.values["settings"]["weights"] != "random"}
        seeds = {r.seed for r in used if r.values["settings"]["weights"] == "random"}
        if seeds:
            listed = ", ".join(str(seed) for seed in sorted(seeds))
            sources.add(f"random (seed{'s' if len(seeds) > 1 else ''} {listed})")
        return f" Weights: {', '.join(sorted(sources))}." if sources else ""


def caption(spreads: Sequence[Spread], printed: Literal["all", "same"] | None) -> str:
    """What the figures of a table are over.

    Args:
        printed: whether the paper's figures beside them are over all its categories or over the
            same; None: there are none.
    """
    over = " or ".join(dict.fromkeys(spread.over for spread in spreads))
    text = f"AUROC in percent, mean \N{PLUS-MINUS SIGN} standard error over {over}."
    if printed is None or all(len(s.categories) == len(TABLE_VIII) for s in spreads):
        return text
    every = "the same" if printed == "same" else f"all {len(TABLE_VIII)} of MVTec AD"
    return f"{text} The paper's categories are {every}."


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


def _pick(found: _Folds, *place: int) -> _Folds:
    """One column, or one number of a row, of every fold."""
    index: tuple[Any, ...] = (..., *place)
    return {name: [values[index] for values in seeds] for name, seeds in found.items()}


def _spread(found: _Folds) -> Spread:
    """Over categories, each the mean of its folds and seeds, as the paper's.

    Of one category over seeds, each the mean of its folds, which share much; of one seed over its
    folds.
    """
    seeds = next(iter(found.values()))
    count = len(seeds[0])
    each = f"each the mean of its {count} folds"
    if len(found) > 1:
        values = np.array([np.mean(every) for every in found.values()])
        over = f"{len(found)} categories, {each}"
        over += f" of {len(seeds)} seeds" if len(seeds) > 1 else ""
    elif len(seeds) > 1:
        values = np.array([folds.mean() for folds in seeds])
        over = f"{len(seeds)} seeds on {_plain(found)}, {each}"
    else:
        values, over = seeds[0], f"the {count} folds of {_plain(found)}"
    return Spread(estimate((100 * values).tolist()), tuple(found), over)


def _plain(found: _Folds) -> str:
    return next(iter(found)).replace("_", " ")
