"""Graphs that ONNX Runtime runs on the CPU."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nsa.errors import InputError


class Session:
    """A graph that is run with as many threads as torch would use, whatever their number is then.

    Results are the same for any number. May be used by several threads of a program at a time.

    Args:
        content: of an .onnx file; kept, since every number of threads takes a session of its own.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._sessions: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._names = [value.name for value in self._with(torch.get_num_threads()).get_inputs()]

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """The graph's outputs of its inputs, all on the CPU."""
        session = self._with(torch.get_num_threads())
        given = dict(zip(self._names, (one.numpy() for one in inputs), strict=True))
        return [torch.from_numpy(one) for one in session.run(None, given)]

    def _with(self, threads: int) -> Any:
        with self._lock:
            if threads not in self._sessions:
                self._sessions[threads] = _open(self._content, threads)
            return self._sessions[threads]


def _open(content: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Within a call a thread that waits for others does so in a loop: on two cores an image takes
    # 15 % longer where they sleep. After a call they would go on for a millisecond and take the
    # core from whatever follows, so there they sleep.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def need_packages(names: Sequence[str]) -> None:
    """Check that packages of ``nsa[export]`` are there, without importing them.

    Raises:
        InputError: one is not.
    """
    lacking = [name for name in names if importlib.util.find_spec(name) is None]
    if lacking:
        raise InputError(
            f"--engine onnxruntime needs {', '.join(lacking)}, not installed here; "
            "pip install 'nsa[export]'."
        )
