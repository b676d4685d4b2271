"""From a module to a graph of plain operations: ``torch.export``, and ONNX."""

from __future__ import annotations

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

Axes = dict[int, Any]
"""Axes of an input that may have any length, each with its ``torch.export.Dim``."""


def traced(
    module: nn.Module, example: Sequence[Tensor], axes: Sequence[Axes | None]
) -> ExportedProgram:
    """What a module does, on the CPU, with inputs like the example.

    Args:
        module: stays as it is.
        axes: of each input.
    """
    on_cpu = copy.deepcopy(module).to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    on_cpu.eval().requires_grad_(False)
    with quiet(), torch.inference_mode(False), torch.no_grad():
        return torch.export.export(on_cpu, tuple(example), dynamic_shapes=tuple(axes))


def onnx_model(
    program: ExportedProgram,
    inputs: Sequence[str],
    outputs: Sequence[str],
    notes: Mapping[str, str] | None = None,
) -> Any:
    """A program as an ``onnx.ModelProto``.

    Args:
        inputs, outputs: what they are called.
        notes: what the file is to say of itself.
    """
    with quiet(), torch.inference_mode(False), torch.no_grad():
        written = torch.onnx.export(
            program, input_names=inputs, output_names=outputs, dynamo=True, verbose=False
        )
    if written is None:  # only where a file is named
        raise RuntimeError("torch.onnx.export gave no program")
    written.model.metadata_props.update(notes or {})
    return written.model_proto


@contextlib.contextmanager
def quiet() -> Iterator[None]:
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
