"""Draw what is random about synthetic anomalies, as data; no image is changed here."""

from nsa.plan.draw import draw_plan
from nsa.plan.objects import object_masks
from nsa.plan.table import COLUMNS, Plan

__all__ = ["Plan", "draw_plan", "object_masks", "COLUMNS"]
