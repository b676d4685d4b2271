"""What an exported file says about itself."""

from __future__ import annotations

import torch

from nsa.detectors.detector import Detector
from nsa.folder import AnyRun
from nsa.runs.decisions import Decisions
from nsa.runs.export.formats import SMALLEST
from nsa.system.console import printable
from nsa.system.info import versions


def notes_of(
    run: AnyRun, detector: Detector, outputs: dict[str, str], decisions: Decisions | None
) -> dict[str, str]:
    """For people ``category``, ``inputs``, ``outputs``, ``resize`` and versions; for programs:

    * ``resize_rule``: how an image comes to the detector's ``height`` and ``width``: ``stretch``:
      to just that; ``fit``: in its own shape until it just fits; ``frame``: so, too, and then into
      the middle of that size, the rest filled by its reflection; ``none``: it is left as it is;
    * ``channels``, 1 or 3, and ``smallest``, px, the least side of an image where any will do;
    * ``levels``, which begins with two numbers, where images of more than 8 bits have some;
    * ``fpr`` and ``threshold``, of scores, and ``pixel_threshold``, of maps at their images' own
      resolution, where the run is calibrated.

    Args:
        outputs: what each is called and holds.
        decisions: that the label follows from.
    """
    channels, colours = detector.channels, "RGB" if detector.channels == 3 else "grey"
    height, width = detector.size
    inputs = f"images: uint8 (N, {channels}, {height}, {width}), {colours}"
    resize = "bilinear with antialiasing, as PIL.Image.resize does"
    rule: str = detector.resize
    if detector.any_size:
        inputs = f"images: uint8 (N, {channels}, height, width), {colours}, of any height and width"
        inputs += f" from {SMALLEST} px"
        longest = f"in its own shape until it just fits into {height} x {width} px, "
        resize = "none" if detector.resize == "none" else longest + resize
    elif detector.resize == "fit":
        rule = "frame"
        resize = (
            f"in its own shape until it just fits into the middle of {height} x {width} px, the "
            "rest filled by its reflection (scores are right only of images that fill it), "
            + resize
        )
    notes = {
        "category": printable(run.settings.category),
        "inputs": inputs,
        "outputs": ", ".join(f"{name}: {what}" for name, what in outputs.items()),
        "resize": resize,
        "resize_rule": rule,
        "height": str(height),
        "width": str(width),
        "channels": str(channels),
        "nsa": versions()["nsa"],
        "torch": torch.__version__,
    }
    if detector.any_size:
        notes["smallest"] = str(SMALLEST)
    if detector.levels is not None:
        low, high = detector.levels
        notes["levels"] = (
            f"{low} {high}: values of images with more than 8 bits that become 0 and 255, linearly "
            "between and clipped beyond, before the resizing"
        )
    if decisions is not None:
        notes |= {"fpr": repr(decisions.fpr), "threshold": repr(decisions.threshold)}
        if decisions.pixels is not None:
            notes["pixel_threshold"] = repr(decisions.pixels.threshold)
    return notes
