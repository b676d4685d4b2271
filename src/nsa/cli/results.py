"""How commands show what a test set says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nsa.system.console import console, standard_output

if TYPE_CHECKING:
    from nsa.runs.evaluate import Evaluation


def print_results(evaluation: Evaluation, category: str) -> None:
    """A table of the metrics, and the working point where there is one."""
    from nsa.report.tables import results_table

    if len(evaluation.contents) > 0:
        whole, paper = evaluation.whole, evaluation.paper
        columns = {"%": whole.metrics}
        if paper.maps is not whole.maps:
            columns = {
                "whole image %": whole.metrics,
                "centre crop, as in the paper %": paper.metrics,
            }
        table = results_table(columns, title=category, reasons=whole.reasons)
        standard_output.print(table)
    else:
        console.print(
            "There are no test images, so there are no metrics; 'nsa predict' scores any images.",
            soft_wrap=True,
        )
    if evaluation.working_point is not None:
        from nsa.runs.working_point import describe

        console.print(describe(evaluation.working_point), soft_wrap=True)
