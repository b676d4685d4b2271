"""A first run without any images: the demo set, and settings that suit two cores."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from nsa.errors import InputError
from nsa.images import demo
from nsa.settings.options import GAUSSIAN, merge_options
from nsa.system.console import console

_log = logging.getLogger("nsa")

DEMO_FOLDER = Path("runs/demo-data")
# Two to three minutes on two cores with bfloat16: many small steps teach more in that time than
# few large ones, and at this size the finest defects are still several pixels wide.
_DEMO_TRAINING = {"epochs": 32, "batch_size": 8}
_DEMO_IMAGES = {
    "flange": {"size": [184, 184], "center_crop": [168, 168], "crop": [160, 160]},
    "fabric": {"size": [168, 168], "center_crop": None, "crop": [160, 160]},
}


def use_demo_data(options: dict[str, Any], config: Path | None = None) -> dict[str, Any]:
    """``options``, with a demo set drawn and chosen where they name no images.

    Raises:
        InputError: the demo set cannot be written.
    """
    merged = merge_options(options, config)
    if "data_root" in merged or "normal_dir" in merged:
        return options
    category = merged.get("category", demo.CATEGORIES[0])
    if category not in demo.CATEGORIES:
        raise InputError(
            f"Where are the images of {category!r}? Give --data-root or --normal-dir; without "
            f"them only the demo categories {', '.join(demo.CATEGORIES)} can be drawn."
        )
    _log.info("No images were named: using the demo set '%s' in %s.", category, DEMO_FOLDER)
    demo.write(DEMO_FOLDER, category, progress=console.is_terminal)
    place = {"category": category, "data_root": DEMO_FOLDER}
    if merged.get("method") == GAUSSIAN:
        return {**options, **place}
    section = merged.get("training", {})
    chosen: dict[str, Any] = {
        name: value for name, value in _DEMO_TRAINING.items() if name not in section
    }
    chosen = {**chosen, "images": _DEMO_IMAGES[category], **merged}
    return {**chosen, **place}
