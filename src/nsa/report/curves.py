"""Curves of a run: the loss while training, and ROC and PRO of the result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsa.errors import InputError
from nsa.report.canvas import INK, PRIMARY, SECONDARY, new_figure, plain, save

Curve = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
_MOST_POINTS = 2000  # more than a figure has pixels


def loss_curve(
    losses: Sequence[float], learning_rates: Sequence[float] | None, path: Path | str
) -> Path:
    """The mean loss of every epoch, and the learning rate below it, as a PNG.

    Args:
        losses: one a finished epoch; logarithmic where they span more than a decade.
        learning_rates: one an epoch, or None.
        path: file to write.

    Raises:
        InputError: no losses, or lists of different lengths.
    """
    if not losses:
        raise InputError("There is no finished epoch to draw.")
    if learning_rates is not None and len(learning_rates) != len(losses):
        raise InputError(
            f"losses and learning_rates must have the same length, got {len(losses)} and "
            f"{len(learning_rates)}."
        )
    epochs = np.arange(1, len(losses) + 1)
    marker = "o" if len(losses) < 40 else None
    rows = 1 if learning_rates is None else 2
    figure = new_figure(7.0, 3.6 if rows == 1 else 4.8)
    axes = figure.subplots(rows, 1, squeeze=False, sharex=True, height_ratios=[3, 1][:rows])[:, 0]
    axes[0].plot(epochs, losses, color=PRIMARY, linewidth=1.6, marker=marker, markersize=3.5)
    if 0 < 10 * min(losses) < max(losses):
        axes[0].set_yscale("log")
    axes[0].set_ylabel("training loss", color=INK, fontsize=10)
    if learning_rates is not None:
        axes[1].plot(epochs, learning_rates, color=SECONDARY, linewidth=1.6)
        axes[1].set_ylabel("learning rate", color=INK, fontsize=10)
        axes[1].set_ylim(bottom=0)
        axes[1].ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    for cell in axes:
        plain(cell)
    axes[-1].set_xlabel("epoch", color=INK, fontsize=10)
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    axes[-1].set_xlim(1 - 0.02 * len(losses), len(losses) * 1.02)
    return save(figure, path)


def roc_pro_figure(
    curves: dict[str, Curve], path: Path | str, *, max_fpr: float | None = None
) -> Path:
    """ROC and PRO curves over the false positive rate in one square figure, as a PNG.

    Args:
        curves: name for the legend -> (false positive rates, shares found), ascending, as
            :func:`nsa.metrics.roc_curve` and :func:`nsa.metrics.pro_curve` return them.
        path: file to write.
        max_fpr: marks the limit of the AU-PRO; None: no mark.

    Raises:
        InputError: no curves.
    """
    if not curves:
        raise InputError("There is no curve to draw.")
    figure = new_figure(5.2, 5.0)
    axes = figure.subplots()
    for name, (fpr, found) in curves.items():
        # Evenly along both axes, so that the steep start keeps its shape.
        where = np.linspace(0, fpr[-1] + found[-1], _MOST_POINTS)
        chosen = np.unique(np.searchsorted(fpr + found, where).clip(0, len(fpr) - 1))
        axes.plot(fpr[chosen], found[chosen], linewidth=1.8, label=name)
    if max_fpr is not None:
        axes.axvline(max_fpr, color="#888888", linewidth=1, linestyle="--")
        axes.annotate(
            f"limit {max_fpr:g}", (max_fpr, 0.02), xytext=(4, 0), textcoords="offset points",
            fontsize=9, color="#555555",
        )  # fmt: skip
    plain(axes)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)
    axes.set_aspect("equal")
    axes.set_xlabel("false positive rate", color=INK, fontsize=10)
    axes.set_ylabel("share of defects found", color=INK, fontsize=10)
    axes.legend(loc="lower right", fontsize=9, frameon=False)
    return save(figure, path)
