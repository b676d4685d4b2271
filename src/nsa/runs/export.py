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
            images: uint8 (N, channels, H, W), already of the detector's size.
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

    Args:
        path: what it ends in says the format: ``.onnx`` or ``.pt2`` (``torch.export``).
        fpr: also give a label that follows from this false positive rate; needs a calibrated run.
        overwrite: replace what an earlier call wrote there.

    Returns:
        What the file says about itself: ``inputs``, ``outputs``, ``resize``, ``height``, ``width``,
        ``channels``, ``category``, ``levels``, ``threshold`` and ``fpr`` where there are any, and
        versions.

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
    example = torch.zeros((2, detector.channels, *detector.size), dtype=torch.uint8, device="cpu")
    to_onnx = ending == ".onnx"
    with _quiet(), torch.inference_mode(False), torch.no_grad():
        program = torch.export.export(
            deployed, (example,), dynamic_shapes=({0: torch.export.Dim("images", min=1)},)
        )
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
    (height, width), channels = detector.size, detector.channels
    notes = {
        "category": printable(run.settings.category),
        "inputs": f"images: uint8 (N, {channels}, {height}, {width}), "
        + ("RGB" if channels == 3 else "grey"),
        "outputs": ", ".join(f"{name}: {what}" for name, what in outputs.items()),
        "resize": "bilinear with antialiasing, as PIL.Image.resize does",
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
