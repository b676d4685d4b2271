"""A detector as plain tensor operations, and as the files that hold them."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from nsa.detectors.detector import Detector

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
    on_cpu = copy.deepcopy(judge).to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    deployed = Deployed(on_cpu, threshold).eval().requires_grad_(False)
    axes, size = {0: torch.export.Dim(_AXES[0], min=1)}, detector.size
    if detector.any_size:
        axes |= {axis: torch.export.Dim(_AXES[axis], min=SMALLEST) for axis in (2, 3)}
        size = _EXAMPLE
    example = torch.zeros((2, detector.channels, *size), dtype=torch.uint8, device="cpu")
    with _quiet(), torch.inference_mode(False), torch.no_grad():
        return torch.export.export(deployed, (example,), dynamic_shapes=(axes,))


def to_onnx(program: ExportedProgram, notes: dict[str, str], outputs: Sequence[str]) -> bytes:
    """The content of an .onnx file with notes and named outputs."""
    with _quiet(), torch.inference_mode(False), torch.no_grad():
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


def to_pt2(program: ExportedProgram, notes: dict[str, str]) -> bytes:
    """The content of a .pt2 file with notes."""
    buffer = io.BytesIO()
    with _quiet():
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
