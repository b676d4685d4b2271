"""Compile what draws plans, once, while the GPU is busy: every later process finds it on disk."""

from __future__ import annotations

import sys
import time

from device import products

from nsa.settings.config import TrainConfig
from nsa.settings.presets import preset
from nsa.training.draw import StepDrawer


def main() -> None:
    start = time.perf_counter()
    images = products(3)
    for name in ("bottle", "carpet"):  # with object masks and without
        chosen = preset(name)
        draw = StepDrawer(
            images, chosen.synthesis, chosen.images, TrainConfig(epochs=1, batch_size=3), threads=1
        )
        draw(0, 0)
    print(f"plans compiled in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
