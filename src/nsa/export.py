"""One file that runs a trained detector without this package. ``nsa export --help``."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from nsa.calibration import Calibration
from nsa.detector import Detector, image_scores
from nsa.errors import InputError
from nsa.files import write_atomically
from nsa.images.augment import input_scale
from nsa.info import versions
from nsa.model import EncoderDecoder
from nsa.scorer import NetworkScorer, Scorer

_NEEDS = {".onnx": ("onnx", "onnxscript"), ".pt2": ()}  # packages, by what a file ends in


class Deployed(nn.Module):
    """A detector as plain tensor operations, from pixels to maps, scores and labels.

    Args:
        threshold: images with a higher score are labelled; None: no labels.
    """

    def __init__(
        self, model: EncoderDecoder, scale: Tensor, shift: Tensor, threshold: float | None
    ) -> None:
        super().__init__()
        self.model = model
        self.threshold = threshold
        self.scale = nn.Buffer(scale[:, None, None])
        self.shift = nn.Buffer(shift[:, None, None])

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Maps, float32 (N, H, W), scores, float32 (N,), and with a threshold bool (N,).

        Args:
            images: uint8 (N, channels, H, W), already of the detector's size.
        """
        maps = self.model.predict(images.to(torch.float32) * self.scale + self.shift)[:, 0]
        scores = image_scores(maps)
        return (maps, scores) if self.threshold is None else (maps, scores, scores > self.threshold)


def export(scorer: Scorer, path: Path, *, fpr: float | None = None) -> dict[str, str]:
    """Write a detector as one file for ONNX Runtime and the like, or for torch alone.

    Args:
        path: what it ends in says the format: ``.onnx`` or ``.pt2`` (``torch.export``). A file
            that is there is replaced.
        fpr: also give a label that follows from this false positive rate; needs a calibrated run.

    Returns:
        What the file says about itself: ``inputs``, ``outputs``, ``resize``, ``height``, ``width``,
        ``channels``, ``category``, ``threshold`` and ``fpr`` where there are any, and versions.

    Raises:
        InputError: another ending, a method without a network of its own, a package that the format
            needs is missing, the rate cannot be set, or the file cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in _NEEDS:
        raise InputError(f"{path} must end in .onnx or .pt2, which says the format.")
    if not isinstance(scorer, NetworkScorer):
        raise InputError(
            f"{scorer.run.path} is a Gaussian detector, which has no file of this kind; only "
            "trained networks can be exported."
        )
    missing = [name for name in _NEEDS[ending] if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"Writing {ending} needs {' and '.join(missing)}: pip install {' '.join(missing)}; or "
            "write .pt2, which needs torch alone."
        )
    threshold = None
    if fpr is not None:
        threshold = Calibration.read(scorer.run.path).threshold.threshold(fpr)
    detector = scorer.detector
    notes = _notes(detector, fpr, threshold)
    network = copy.deepcopy(detector.network).to("cpu", memory_format=torch.contiguous_format)
    deployed = Deployed(network, *input_scale(scorer.channels), threshold)
    deployed.eval().requires_grad_(False)
    example = torch.zeros((2, scorer.channels, *detector.size), dtype=torch.uint8)
    with _quiet(), torch.inference_mode(False), torch.no_grad():
        program = torch.export.export(
            deployed, (example,), dynamic_shapes=({0: torch.export.Dim("images", min=1)},)
        )
        content = _onnx(program, notes) if ending == ".onnx" else _pt2(program, notes)
    write_atomically(path, content)
    return notes


def _notes(detector: Detector, fpr: float | None, threshold: float | None) -> dict[str, str]:
    height, width = detector.size
    channels = detector.settings.images.channels
    outputs = [f"maps: float32 (N, {height}, {width})", "scores: float32 (N)"]
    notes = {
        "category": detector.settings.category,
        "inputs": f"images: uint8 (N, {channels}, {height}, {width}), "
        + ("RGB" if channels == 3 else "grey"),
        "resize": "bilinear with antialiasing, as PIL.Image.resize does",
        "height": str(height),
        "width": str(width),
        "channels": str(channels),
        "nsa": versions()["nsa"],
        "torch": torch.__version__,
    }
    if threshold is not None:
        outputs.append("anomalous: bool (N)")
        notes |= {"fpr": repr(fpr), "threshold": repr(threshold)}
    return {**notes, "outputs": ", ".join(outputs)}


def _onnx(program: torch.export.ExportedProgram, notes: dict[str, str]) -> bytes:
    outputs = ["maps", "scores", "anomalous"][: 2 + ("threshold" in notes)]
    written = torch.onnx.export(
        program, input_names=["images"], output_names=outputs, dynamo=True, verbose=False
    )
    if written is None:  # only where a file is named
        raise RuntimeError("torch.onnx.export gave no program")
    written.model.metadata_props.update(notes)
    content: bytes = written.model_proto.SerializeToString()
    return content


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
