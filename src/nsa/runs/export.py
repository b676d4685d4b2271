"""One file that runs a trained detector without this package. ``nsa export --help``."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import io
import json
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nsa.detectors.detector import Detector
from nsa.errors import InputError
from nsa.folder import AnyRun
from nsa.runs.calibrate import Calibration
from nsa.runs.outputs import check_file
from nsa.system.console import printable
from nsa.system.files import write_atomically
from nsa.system.info import versions

# In every file of ours, by what it ends in: the name of a note, and of the file with the notes.
_MARKS = {".onnx": b"\n\x03nsa\x12", ".pt2": b"nsa.json"}
_AXES = ("images", "channels", "height", "width")
_EXAMPLE = 90, 170  # px, of what is traced where sizes are free: nothing special
SMALLEST = 33
"""Least height and width in px of images for a file that takes any.

Up to 32 the encoding has one position, which ``torch.export`` takes for a size of its own.
"""
_NEEDS = {".onnx": ("onnx", "onnxscript"), ".pt2": ()}  # packages, by what a file ends in


class Deployed(nn.Module):
    """A detector as plain tensor operations, from pixels to scores and labels.

    Args:
        judge: as :meth:`nsa.detectors.detector.Detector.deployable` gives it.
        threshold: images with a higher score are labelled; None: no labels.
    """

    def __init__(self, judge: nn.Module, threshold: float | None) -> None:
        super().__init__()
        self.judge = judge
        self.threshold = threshold

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """What ``judge`` gives, and with a threshold bool (N,).

        Args:
            images: uint8 (N, channels, H, W), already of the detector's size if it has one.
        """
        found = self.judge(images.to(torch.float32))
        return found if self.threshold is None else (*found, found[-1] > self.threshold)


def export(
    run: AnyRun,
    detector: Detector,
    path: Path,
    *,
    fpr: float | None = None,
    overwrite: bool = False,
) -> dict[str, str]:
    """Write a detector as one file for ONNX Runtime and the like, or for torch alone.

    The file takes any number of images, and where the detector does (``any_size``) any height and
    width from :data:`SMALLEST`, of which it makes maps in one pass, without tiles.

    Args:
        path: what it ends in says the format: ``.onnx`` or ``.pt2`` (``torch.export``).
        fpr: also give a label that follows from this false positive rate; needs a calibrated run.
        overwrite: replace what an earlier call wrote there.

    Returns:
        What the file says about itself: ``inputs``, ``outputs``, ``resize``, ``height`` and
        ``width`` of the detector's size, ``channels``, ``category``, ``levels``, ``threshold`` and
        ``fpr`` where there are any, and versions.

    Raises:
        InputError: another ending, a package that the format needs is missing, the rate cannot be
            set, the file is there already, or it cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in _NEEDS:
        raise InputError(f"{path} must end in .onnx or .pt2, which says the format.")
    check_file(path, _MARKS[ending], run.path.iterdir(), overwrite=overwrite)
    missing = [name for name in _NEEDS[ending] if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"Writing {ending} needs {' and '.join(missing)}: pip install {' '.join(missing)}; or "
            "write .pt2, which needs torch alone."
        )
    threshold = None
    if fpr is not None:
        threshold = Calibration.read(run.path).threshold.threshold(fpr)
    judge, outputs = detector.deployable()
    if threshold is not None:
        outputs = {**outputs, "anomalous": "bool (N)"}
    notes = _notes(run, detector, outputs, fpr, threshold)
    on_cpu = copy.deepcopy(judge).to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    deployed = Deployed(on_cpu, threshold).eval().requires_grad_(False)
    axes, size = {0: torch.export.Dim(_AXES[0], min=1)}, detector.size
    if detector.any_size:
        axes |= {axis: torch.export.Dim(_AXES[axis], min=SMALLEST) for axis in (2, 3)}
        size = _EXAMPLE
    example = torch.zeros((2, detector.channels, *size), dtype=torch.uint8, device="cpu")
    to_onnx = ending == ".onnx"
    with _quiet(), torch.inference_mode(False), torch.no_grad():
        program = torch.export.export(deployed, (example,), dynamic_shapes=(axes,))
        content = _onnx(program, notes, list(outputs)) if to_onnx else _pt2(program, notes)
    write_atomically(path, content)
    return notes


def _notes(
    run: AnyRun,
    detector: Detector,
    outputs: dict[str, str],
    fpr: float | None,
    threshold: float | None,
) -> dict[str, str]:
    channels, colours = detector.channels, "RGB" if detector.channels == 3 else "grey"
    height, width = detector.size
    inputs = f"images: uint8 (N, {channels}, {height}, {width}), {colours}"
    resize = "bilinear with antialiasing, as PIL.Image.resize does"
    if detector.any_size:
        inputs = f"images: uint8 (N, {channels}, height, width), {colours}, of any height and width"
        inputs += f" from {SMALLEST} px"
        longest = f"in its own shape until it just fits into {height} x {width} px, "
        resize = "none" if detector.resize == "none" else longest + resize
    elif detector.resize == "fit":
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
        "height": str(height),
        "width": str(width),
        "channels": str(channels),
        "nsa": versions()["nsa"],
        "torch": torch.__version__,
    }
    if detector.levels is not None:
        low, high = detector.levels
        notes["levels"] = (
            f"{low} {high}: values of images with more than 8 bits that become 0 and 255, linearly "
            "between and clipped beyond, before the resizing"
        )
    return notes if threshold is None else {**notes, "fpr": repr(fpr), "threshold": repr(threshold)}


def _onnx(
    program: torch.export.ExportedProgram, notes: dict[str, str], outputs: list[str]
) -> bytes:
    written = torch.onnx.export(
        program, input_names=["images"], output_names=outputs, dynamo=True, verbose=False
    )
    if written is None:  # only where a file is named
        raise RuntimeError("torch.onnx.export gave no program")
    written.model.metadata_props.update(notes)
    proto = written.model_proto
    _name_axes(proto.graph)
    content: bytes = proto.SerializeToString()
    return content


def _name_axes(graph: Any) -> None:
    """Name the axes of what goes in and out, which the exporter numbers or computes of numbers.

    Args:
        graph: an ``onnx.GraphProto``. Its inputs are images, its outputs maps or one value each.
    """
    names: dict[str, str] = {}
    for values, axes in ((graph.input, _AXES), (graph.output, (_AXES[0], *_AXES[2:]))):
        for value in values:
            for axis, name in zip(value.type.tensor_type.shape.dim, axes, strict=False):
                if axis.dim_param:
                    axis.dim_param = names.setdefault(axis.dim_param, name)
    inside = re.compile("|".join(rf"\b{name}\b" for name in names if name.isalnum()))
    for value in graph.value_info:
        for axis in value.type.tensor_type.shape.dim:
            axis.dim_param = inside.sub(lambda found: names[found[0]], axis.dim_param)


def _pt2(program: torch.export.ExportedProgram, notes: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={"nsa.json": json.dumps(notes, indent=2)})
    return buffer.getvalue()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters say about their own insides."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
