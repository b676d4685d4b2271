"""The graph of a detector in its run folder, made where there is none that fits.

It is no result: whoever needs it makes it, and nothing else reads it. What decides about it is in
a digest at its end, together with all of its bytes. So a file of other weights or versions, and a
damaged one, is replaced.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nsa.errors import InputError
from nsa.graphs.session import Session, need_packages
from nsa.graphs.trace import Axes, onnx_model, traced
from nsa.system.files import write_atomically
from nsa.system.info import versions

_log = logging.getLogger("nsa")

FILE = "onnxruntime.onnx"
_SAME = 1e-4  # of the largest value, by which outputs may differ from the module's
_MOST = (1 << 31) - (1 << 24)  # bytes of tensors; a file has some more, and 2 GiB at most
_DIGEST = 32  # bytes
# A note, as the end of an ONNX file may have it: what is appended to one adds to its notes.
_NOTE = b"\x72\x4c\x0a\x08contents\x12\x40"


class Graph(NamedTuple):
    """What a graph is made of.

    Attributes:
        module: makes what it does.
        example: inputs that it can be traced and tried with.
        axes: of each input, see :func:`nsa.graphs.trace.traced`.
        inputs, outputs: what they are called.
        tensors, about: what decides about the module beside the code.
        scale: of outputs that have no larger value: what they may differ by is a share of this.
    """

    module: Callable[[], nn.Module]
    example: Sequence[Tensor]
    axes: Sequence[Axes | None]
    inputs: Sequence[str]
    outputs: Sequence[str]
    tensors: Mapping[str, Tensor]
    about: str
    scale: float = 0.0


def open_kept(folder: Path, graph: Graph) -> Session:
    """The session of a graph that a run folder keeps, or will keep from now on.

    Several processes may do this at a time: each makes the same.

    Args:
        folder: where it cannot be written, it is made each time.

    Raises:
        InputError: a package is missing, or ONNX Runtime cannot do what the module does.
    """
    need_packages(["onnxruntime"])
    path, key = folder / FILE, _key(graph)
    content = _read(path, key)
    if content is not None:
        return Session(content)
    need_packages(["onnx", "onnxscript"])
    _log.info("Making %s for ONNX Runtime, once; this takes some seconds.", path)
    module = graph.module().eval()
    content = _make(module, graph)
    session = Session(content)
    _compare(session, module, graph)
    try:
        write_atomically(path, content + _note(content, key))
    except InputError as error:
        _log.warning("%s It is made again each time.", error)
    return session


def _key(graph: Graph) -> bytes:
    """A digest of all that decides about a graph."""
    digest = hashlib.blake2b(digest_size=_DIGEST)
    known = versions()
    decides = [known["nsa"], known["torch"], graph.about, *graph.inputs, *graph.outputs]
    decides += [f"{one.dtype} {one.shape}" for one in graph.example]
    digest.update(repr([decides, graph.axes]).encode())
    for name, tensor in graph.tensors.items():
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.flatten().view(torch.uint8).numpy().data)
    return digest.digest()


def _note(content: bytes, key: bytes) -> bytes:
    digest = hashlib.blake2b(content, key=key, digest_size=_DIGEST)
    return _NOTE + digest.hexdigest().encode()


def _read(path: Path, key: bytes) -> bytes | None:
    """The graph in a file; None: there is none, or it is of something else or damaged."""
    with contextlib.suppress(OSError):
        whole = path.read_bytes()
        end = len(_NOTE) + 2 * _DIGEST
        content, note = whole[:-end], whole[-end:]
        if note == _note(content, key):
            return content
    return None


def _make(module: nn.Module, graph: Graph) -> bytes:
    size = sum(tensor.nbytes for tensor in module.state_dict().values())
    if size > _MOST:
        raise InputError(f"{_cannot()} takes {size / 1e9:.1f} GB, and an ONNX file at most 2.1 GB.")
    try:
        program = traced(module, graph.example, graph.axes)
        content: bytes = onnx_model(program, graph.inputs, graph.outputs).SerializeToString()
    except RuntimeError as error:  # of which those of the exporters are
        raise InputError(
            f"{_cannot()} cannot be written as ONNX ({str(error).strip().splitlines()[0]})."
        ) from error
    return content


def _compare(session: Session, module: nn.Module, graph: Graph) -> None:
    with torch.inference_mode():
        expected = module(*graph.example)
    expected = [expected] if isinstance(expected, Tensor) else [*expected]
    for name, one, other in zip(graph.outputs, expected, session(*graph.example), strict=True):
        apart = float((one - other).abs().max())
        allowed = _SAME * max(float(one.abs().max()), graph.scale)
        if not apart <= allowed:  # nor is a NaN
            raise InputError(
                f"{_cannot()} gives other {name} by ONNX Runtime, by {apart:.3g} where "
                f"{allowed:.3g} is allowed."
            )


def _cannot() -> str:
    return "--engine onnxruntime is of no use here, leave it out: the detector"
