"""A first run without any images: the demo set, and settings that suit it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TypeVar

from nsa.detectors.registry import find_method
from nsa.errors import InputError
from nsa.images import demo
from nsa.settings.options import TrainRequest
from nsa.system.console import console

_log = logging.getLogger("nsa")

DEMO_FOLDER = Path("runs/demo-data")
AnyRequest = TypeVar("AnyRequest", bound=TrainRequest)


def use_demo_data(request: AnyRequest) -> AnyRequest:
    """The request, with a demo set drawn and chosen where it names no images, and no run.

    Raises:
        InputError: the demo set cannot be written.
    """
    if any((request.data_root, request.normal_dir, request.resume_from)):
        return request
    category = request.category or demo.CATEGORIES[0]
    if category not in demo.CATEGORIES:
        raise InputError(
            f"Where are the images of {category!r}? Give --data-root or --normal-dir; without "
            f"them only the demo categories {', '.join(demo.CATEGORIES)} can be drawn."
        )
    _log.info("No images were named: using the demo set '%s' in %s.", category, DEMO_FOLDER)
    demo.write(DEMO_FOLDER, category, progress=console.is_terminal)
    placed = request.replace(category=category, data_root=DEMO_FOLDER)
    suited: AnyRequest = find_method(request.method).demo(placed, category)
    return suited
