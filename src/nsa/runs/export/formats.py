"""A detector as plain tensor operations, and as the files that hold them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from nsa.detectors.detector import Detector
from nsa.graphs import trace

_AXES = ("images", "channels", "height", "width")
_EXAMPLE = 90, 170  # px, of what is traced where sizes are free: nothing special
SMALLEST = 33
"""Least height and width in px of images for a file that takes any.

Up to 32 the encoding has one position, which ``torch.export`` takes for a size of its own.
"""


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


def traced(judge: nn.Module, detector: Detector, threshold: float | None) -> ExportedProgram:
    """What ``judge`` does and the label, for any number of images.

    Where the detector does (``any_size``), it takes any height and width from :data:`SMALLEST`.
    """
    axes, size = {0: torch.export.Dim(_AXES[0], min=1)}, detector.size
    if detector.any_size:
        axes |= {axis: torch.export.Dim(_AXES[axis], min=SMALLEST) for axis in (2, 3)}
        size = _EXAMPLE
    example = torch.zeros((2, detector.channels, *size), dtype=torch.uint8, device="cpu")
    return trace.traced(Deployed(judge, threshold), [example], [axes])


def to_onnx(program: ExportedProgram, notes: dict[str, str], outputs: Sequence[str]) -> bytes:
    """The content of an .onnx file with notes and named outputs."""
    model = trace.onnx_model(program, ["images"], outputs, notes)
    _name_axes(model.graph)
    content: bytes = model.SerializeToString()
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


def to_pt2(program: ExportedProgram, notes: dict[str, str]) -> bytes:
    """The content of a .pt2 file with notes."""
    buffer = io.BytesIO()
    with trace.quiet():
        torch.export.save(program, buffer, extra_files={"nsa.json": json.dumps(notes, indent=2)})
    return buffer.getvalue()
