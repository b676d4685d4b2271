"""Running exported files: what they say of images, beside what the checkpoint says."""

from __future__ import annotations

import importlib.util
import io
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsa.detectors.detector import Detector
from nsa.errors import InputError

Array = npt.NDArray[Any]
Outputs = dict[str, Array]
Session = Callable[[Tensor], Outputs]
"""From images, uint8 (N, channels, H, W), to what a file gives, by name."""


class Differences(NamedTuple):
    """How far two ways to judge the same images lie apart, at most.

    Attributes:
        scores, maps: largest absolute differences.
        largest_score, largest_map: largest absolute values of the first way.
        typical_score: median of the scores' differences.
        labels: images with another label; None: there are no labels.
    """

    scores: float
    maps: float
    largest_score: float
    largest_map: float
    typical_score: float
    labels: int | None


def need_onnxruntime(what: str) -> None:
    """Check that ONNX Runtime is there.

    Raises:
        InputError: it is not installed.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise InputError(f"{what} needs onnxruntime: pip install onnxruntime.")


def open_onnx(content: bytes) -> Session:
    """A file for ONNX Runtime, on the CPU with its own choice of threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(
        zip(names, session.run(None, {"images": images.numpy()}), strict=True)
    )


def open_pt2(content: bytes, names: Sequence[str]) -> Session:
    """A file for torch; its outputs have no names of their own."""
    module = torch.export.load(io.BytesIO(content)).module()

    def run(images: Tensor) -> Outputs:
        with torch.inference_mode():
            return {name: one.numpy() for name, one in zip(names, module(images), strict=True)}

    return run


def checkpoint(detector: Detector, threshold: float | None) -> Session:
    """What the detector itself says, as ``nsa predict`` runs it."""

    def run(images: Tensor) -> Outputs:
        said = detector.score(images)
        found = {"maps": said.maps.numpy(), "scores": said.scores.numpy()}
        if threshold is not None:
            found["anomalous"] = found["scores"] > threshold
        return found

    return run


def differences(one: Session, two: Session, images: Sequence[Tensor]) -> Differences:
    """Of what two of them say of images of any sizes."""
    labels, labelled = 0, False
    scores: list[float] = []
    apart: list[float] = []
    maps: list[float] = []
    largest: list[float] = []
    for image in images:
        first, second = one(image), two(image)
        scores.extend(first["scores"].tolist())
        apart.extend(np.abs(first["scores"] - second["scores"]).tolist())
        maps.append(float(np.abs(first["maps"] - second["maps"]).max()))
        largest.append(float(np.abs(first["maps"]).max()))
        if labelled := "anomalous" in first and "anomalous" in second:
            labels += int((first["anomalous"] != second["anomalous"]).sum())
    # Unlike Python's, NumPy's maxima do not pass over what is not a number.
    return Differences(
        float(np.max(apart)), float(np.max(maps)), float(np.abs(scores).max()),
        float(np.max(largest)), float(np.median(apart)), labels if labelled else None,
    )  # fmt: skip


def seconds(sessions: Sequence[Session], image: Tensor, rounds: int = 15) -> list[float]:
    """Median times of each for one image, taken in turns so that all meet the same machine."""
    times: list[list[float]] = [[] for _ in sessions]
    for number in range(rounds + 2):
        for session, taken in zip(sessions, times, strict=True):
            begin = time.perf_counter()
            session(image)
            if number >= 2:
                taken.append(time.perf_counter() - begin)
    return [float(np.median(taken)) for taken in times]
