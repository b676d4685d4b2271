"""Draw what is random about synthetic anomalies, as data; no pixel is written here."""

from nsa.plan.draw import draw_plan
from nsa.plan.table import COLUMNS, Plan

__all__ = ["Plan", "draw_plan", "COLUMNS"]
