"""Whole numbers of 8 bits in an ONNX file's convolutions, which processors multiply faster.

Static quantisation by ONNX Runtime's own tools: each convolution's inputs get one scale, from the
values that normal images give, its weights one a channel. What is sensitive and cheap stays
float32: the scaling of pixels, the decoder of NSA's network, and all that makes maps and scores of
features.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

Array = npt.NDArray[Any]
MOST = 128
"""Images that scales are taken from, at most: more hardly widen the ranges."""

_ALONG = ("Add", "Clip", "MaxPool", "Relu")  # stay in 8 bits between convolutions


def quantise(content: bytes, images: Sequence[Tensor]) -> bytes:
    """An ONNX file with convolutions in 8 bits.

    Args:
        content: the file in float32, as :func:`nsa.runs.export.formats.to_onnx` gives it.
        images: normal ones, uint8 (1, channels, H, W) each, as the file takes them.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(images)

        def get_next(self) -> dict[str, Array] | None:
            image = next(self._left, None)
            return None if image is None else {"images": image.numpy()}

    model = onnx.load_from_string(content)
    nodes = quantised_nodes(model.graph)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        before, after = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        before.write_bytes(content)
        quantize_static(
            before, after, Reader(), per_channel=True, nodes_to_quantize=nodes,
            op_types_to_quantize=["Conv", *_ALONG], activation_type=QuantType.QUInt8,
        )  # fmt: skip
        made = onnx.load(after)
    result: bytes = made.SerializeToString()
    return result


def quantised_nodes(graph: Any) -> list[str]:
    """Names of the nodes of an ``onnx.GraphProto`` that are to compute in 8 bits.

    Convolutions of several channels, up to the first transposed one, and what lies between them.
    """
    weights = {value.name: tuple(value.dims) for value in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    users: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)

    def reaches(node: Any, kinds: set[str], names: set[str], back: bool) -> bool:
        """Whether a node of these names or kinds is before it, or after it."""
        seen, ahead = {node.name}, [node]
        while ahead:
            here = ahead.pop()
            beside = (
                [makers[name] for name in here.input if name in makers]
                if back
                else [user for name in here.output for user in users.get(name, ())]
            )
            for other in beside:
                if other.name in names or other.op_type in kinds:
                    return True
                if other.name not in seen:
                    seen.add(other.name)
                    ahead.append(other)
        return False

    convolutions = {
        node.name
        for node in graph.node
        if node.op_type == "Conv"
        and weights.get(node.input[1], (1,))[0] > 1
        and not reaches(node, {"ConvTranspose"}, set(), back=True)
    }
    between = [
        node.name
        for node in graph.node
        if node.op_type in _ALONG
        and reaches(node, set(), convolutions, back=True)
        and reaches(node, set(), convolutions, back=False)
    ]
    return [*sorted(convolutions), *between]


def with_label(content: bytes, threshold: float | None, notes: dict[str, str]) -> bytes:
    """An ONNX file with notes, and a label by a threshold of its scores if there is one."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(content)
    helper.set_model_props(model, notes)
    if threshold is None:
        unlabelled: bytes = model.SerializeToString()
        return unlabelled
    [scores] = [value for value in model.graph.output if value.name == "scores"]
    kind = scores.type.tensor_type.elem_type
    limit = np.array(threshold, helper.tensor_dtype_to_np_dtype(kind))
    model.graph.initializer.append(numpy_helper.from_array(limit, "threshold"))
    model.graph.node.append(helper.make_node("Greater", ["scores", "threshold"], ["anomalous"]))
    axis = scores.type.tensor_type.shape.dim[0]
    label = helper.make_tensor_value_info("anomalous", TensorProto.BOOL, [axis.dim_param])
    model.graph.output.append(label)
    result: bytes = model.SerializeToString()
    return result


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the tools say about preparing a model, on the root logger."""
    logger = logging.getLogger()
    level = logger.level
    handlers = [*logger.handlers]
    logger.handlers = [logging.NullHandler()]  # or logging.warning() would make one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.handlers = handlers
            logger.setLevel(level)
