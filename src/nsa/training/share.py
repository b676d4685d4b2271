"""A process's share of a batch: some images, and what their patches are cut from.

Every process draws augmentations and plan of the whole batch from the same seed, which costs
microseconds an image, and makes only the images of its own share. So the synthetic images of a
batch do not depend on the number of processes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsa.plan import Plan
from nsa.plan.table import IMAGE, SOURCE


def share_of(total: int, number: int, count: int) -> range:
    """The images of process ``number`` of ``count``: consecutive, sizes differ by one at most."""
    return range(number * total // count, (number + 1) * total // count)


def take_share(plan: Plan, total: int, own: range) -> tuple[npt.NDArray[np.int64], Plan]:
    """Cut the plan of a batch down to some of its images.

    Args:
        plan: of the whole batch.
        total: images of the whole batch.
        own: which of them are wanted.

    Returns:
        int64 indices into the batch, ``own`` followed by the other images that patches are cut
        from, and the plan for a batch of these: synthesised with it, the first ``len(own)`` images
        and labels are those of the whole batch, and the rest is of no use.
    """
    kept = (plan.rows[:, IMAGE] >= own.start) & (plan.rows[:, IMAGE] < own.stop)
    rows = plan.rows[kept]
    sources = rows[:, SOURCE] % total  # beyond the images come their copies in another light
    others = np.setdiff1d(sources, own)
    chosen = np.concatenate([np.arange(own.start, own.stop), others]).astype(np.int64)
    position = np.zeros(total, dtype=np.int32)
    position[chosen] = np.arange(len(chosen), dtype=np.int32)
    rows[:, IMAGE] = position[rows[:, IMAGE]]
    rows[:, SOURCE] = position[sources] + (rows[:, SOURCE] >= total) * len(chosen)
    # Rows stay sorted by round and image, since the order of the own images is kept.
    lights = None if plan.lights is None else plan.lights.of(chosen)
    return chosen, Plan(rows, plan.factors[kept], plan.masks, lights)
