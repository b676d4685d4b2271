"""From a run and its detector to one file."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from nsa.detectors.detector import Detector
from nsa.errors import InputError
from nsa.folder import AnyRun
from nsa.runs.calibrate import FILE, Calibration
from nsa.runs.decisions import Decisions
from nsa.runs.export import check as checking
from nsa.runs.export import sessions
from nsa.runs.export.formats import to_onnx, to_pt2, traced
from nsa.runs.export.images import as_taken, calibration_images, drawn, normal_images
from nsa.runs.export.notes import notes_of
from nsa.runs.export.quantise import MOST, quantise, with_label
from nsa.runs.outputs import check_file
from nsa.system.files import write_atomically

_log = logging.getLogger("nsa")

# In every file of ours, by what it ends in: the name of a note, and of the file with the notes.
_MARKS = {".onnx": b"\n\x03nsa\x12", ".pt2": b"nsa.json"}
_NEEDS = {".onnx": ("onnx", "onnxscript"), ".pt2": ()}  # packages, by what a file ends in
_DRAWN = 64, 96  # px, of images of noise where sizes are free


class Exported(NamedTuple):
    """What was written.

    Attributes:
        notes: what the file says about itself, see :func:`nsa.runs.export.notes.notes_of`.
        report: sentences about what was measured.
    """

    notes: dict[str, str]
    report: list[str]


def export(
    run: AnyRun,
    detector: Detector,
    path: Path,
    *,
    fpr: float | None = None,
    int8: bool = False,
    check: bool = False,
    images: Sequence[Path] = (),
    overwrite: bool = False,
) -> Exported:
    """Write a detector as one file for ONNX Runtime and the like, or for torch alone.

    The file takes any number of images, and where the detector does (``any_size``) any height and
    width from :data:`nsa.runs.export.SMALLEST`, of which it makes maps in one pass, without tiles.

    Args:
        path: what it ends in says the format: ``.onnx`` or ``.pt2`` (``torch.export``).
        fpr: the false positive rate that the label follows from; None: that of
            :meth:`Decisions.of`, and no label where the run is not calibrated.
        int8: convolutions in 8 bits; the label then follows from the file's own scores of the
            images that the run is calibrated with.
        check: run the file before it is written and compare it with the detector.
        images: normal images, files and folders, for ``int8`` and ``check``; none: the training
            images of the run.
        overwrite: replace what an earlier call wrote there.

    Raises:
        InputError: another ending, a package that the format needs is missing, the rate cannot be
            set, images are missing, the check fails, the file is there already, or it cannot be
            written.
    """
    ending = path.suffix.lower()
    _check_request(ending, int8=int8, check=check, images=images, path=path)
    check_file(path, _MARKS[ending], [*run.path.iterdir(), *images], overwrite=overwrite)
    _check_packages(ending, int8=int8, check=check)
    decisions = Decisions.of(run.path, detector, fpr)
    judge, outputs = detector.deployable()
    if int8:
        content, done = _in_8_bits(run, detector, outputs, decisions, fpr, images)
        write_atomically(path, content)
        return done
    threshold = None if decisions is None else decisions.threshold
    if threshold is not None:
        outputs = {**outputs, "anomalous": "bool (N)"}
    notes, report = notes_of(run, detector, outputs, decisions), []
    program = traced(judge, detector, threshold)
    content = to_onnx(program, notes, [*outputs]) if ending == ".onnx" else to_pt2(program, notes)
    if check:
        file = (
            sessions.open_onnx(content) if ending == ".onnx"
            else sessions.open_pt2(content, [*outputs])
        )  # fmt: skip
        report = [
            f"Checked with {checking.check(file, detector, threshold, given, what)}."
            for what, given in _to_check(run, detector, images).items()
        ]
    write_atomically(path, content)
    return Exported(notes, report)


def _check_request(
    ending: str, *, int8: bool, check: bool, images: Sequence[Path], path: Path
) -> None:
    if ending not in _NEEDS:
        raise InputError(f"{path} must end in .onnx or .pt2, which says the format.")
    if int8 and ending != ".onnx":
        raise InputError(f"--int8 is for files that end in .onnx; {path} does not.")
    if int8 and check:
        raise InputError(
            "--int8 says itself how far its file differs, which is more than --check allows; leave "
            "one of them out."
        )
    if images and not (int8 or check):
        raise InputError("--images are for --int8 or --check; add one of them, or leave it out.")


def _check_packages(ending: str, *, int8: bool, check: bool) -> None:
    missing = [name for name in _NEEDS[ending] if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"Writing {ending} needs {' and '.join(missing)}: pip install {' '.join(missing)}; or "
            "write .pt2, which needs torch alone."
        )
    if int8 or (check and ending == ".onnx"):
        sessions.need_onnxruntime("--int8" if int8 else "--check of an .onnx file")


def _in_8_bits(
    run: AnyRun,
    detector: Detector,
    outputs: dict[str, str],
    decisions: Decisions | None,
    fpr: float | None,
    images: Sequence[Path],
) -> tuple[bytes, Exported]:
    """The content of an .onnx file with convolutions in 8 bits."""
    calibrated = None
    if decisions is not None:
        try:  # before the long work
            calibrated = calibration_images(run, detector)
        except InputError as error:
            if fpr is not None:
                raise
            _log.warning("The file has no label: %s", error)
    given = [as_taken(detector, path) for path in normal_images(run, images, MOST)]
    judge, _ = detector.deployable()
    plain = to_onnx(traced(judge, detector, None), {}, [*outputs])
    content = quantise(plain, given)
    file, before = sessions.open_onnx(content), sessions.open_onnx(plain)
    if decisions is not None and calibrated is not None:
        calibration, paths = calibrated
        scores = np.array([file(as_taken(detector, path))["scores"][0] for path in paths])
        decisions = _decide_by(calibration, scores, decisions.fpr)
        outputs = {**outputs, "anomalous": "bool (N)"}
    else:
        decisions = None
    notes = notes_of(run, detector, outputs, decisions)
    found = sessions.differences(before, file, given)
    notes["int8"] = (
        f"convolutions in 8 bits, by {len(given)} normal images, on which scores differ from "
        f"float32 by {found.typical_score:.3g} (median) and {found.scores:.3g} at most, of scores "
        f"up to {found.largest_score:.3g}, and maps by {found.maps:.3g} at most, of values up to "
        f"{found.largest_map:.3g}"
    )
    content = with_label(content, None if decisions is None else decisions.threshold, notes)
    slow, fast = sessions.seconds([before, file], given[0])
    report = [
        f"An image takes {1000 * fast:.1f} ms, in float32 {1000 * slow:.1f} ms (medians of 15 in "
        "turns, ONNX Runtime on this machine's CPU).",
        "Judge it by images with defects before it is used: metrics of the run are not its own.",
    ]
    return content, Exported(notes, report)


def _decide_by(calibration: Calibration, scores: npt.NDArray[Any], fpr: float) -> Decisions:
    """What other scores of the images that a run is calibrated with decide."""
    conformal = dataclasses.replace(calibration, scores=scores.astype(np.float64)).threshold
    return Decisions(fpr, conformal.threshold(fpr), None, conformal)


def _to_check(run: AnyRun, detector: Detector, images: Sequence[Path]) -> dict[str, list[Tensor]]:
    """Images of the run where there are any, and of noise, by what one is."""
    size = _DRAWN if detector.any_size else detector.size
    noise = {"noise image": drawn(detector, checking.DRAWN, size)}
    paths: list[Path] = []
    if not images and (run.path / FILE).is_file():
        paths = [
            path for name in Calibration.read(run.path).paths if (path := Path(name)).is_file()
        ]
    try:
        paths = normal_images(run, images or paths, checking.OWN)
    except InputError as error:
        if images:
            raise
        _log.warning("Checked with noise alone: %s", error)
        return noise
    return {"normal image": [as_taken(detector, path) for path in paths], **noise}
