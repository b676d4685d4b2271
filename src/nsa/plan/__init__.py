"""Draw what is random about images and synthetic anomalies, as data; no image is changed here."""

from typing import TYPE_CHECKING

from nsa.system.lazy import lazily

if TYPE_CHECKING:
    from nsa.plan.augmentation import Augmentation, draw_augmentation
    from nsa.plan.draw import draw_plan
    from nsa.plan.objects import object_masks
    from nsa.plan.table import COLUMNS, Plan
else:
    __getattr__ = lazily(
        __name__,
        table=("Plan", "COLUMNS"),
        draw=("draw_plan",),
        objects=("object_masks",),
        augmentation=("Augmentation", "draw_augmentation"),
    )

__all__ = ["Plan", "draw_plan", "object_masks", "COLUMNS", "Augmentation", "draw_augmentation"]
