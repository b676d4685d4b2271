"""Figures and tables that one would show to a colleague."""

from nsa.report.curves import loss_curve, roc_pro_figure
from nsa.report.grids import choose_examples, heat_map_grid, image_grid, synthesis_grid
from nsa.report.methods import Examples, method_grid
from nsa.report.overlay import overlay, shared_limit
from nsa.report.tables import calibration_table, results_table

__all__ = [
    "heat_map_grid",
    "image_grid",
    "choose_examples",
    "overlay",
    "shared_limit",
    "loss_curve",
    "synthesis_grid",
    "Examples",
    "method_grid",
    "roc_pro_figure",
    "results_table",
    "calibration_table",
]
