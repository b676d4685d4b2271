"""The members of an ensemble to be: finished runs that go together, and images they never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nsa.detectors.detector import Detector
from nsa.detectors.ensemble.fit import HeldOut, check_enough
from nsa.detectors.hidden import ignored_by
from nsa.detectors.registry import DEFAULT, load
from nsa.detectors.registry import open_run as open_any
from nsa.errors import InputError
from nsa.folder import MEMBERS, AnyRun, read_config
from nsa.images import Contents, load_images
from nsa.images.contents import example
from nsa.images.files import find_all_images
from nsa.images.ignored import Ignored
from nsa.runs.calibrate import FILE as CALIBRATION
from nsa.runs.calibrate import Calibration
from nsa.runs.copies import find_training_contents, kept_held_out
from nsa.runs.ignoring import ignored_of
from nsa.system.console import as_argument, console
from nsa.system.mirror import fetch, fetch_all

_OTHERS = "name others, which no member was trained on, with --normals"


@dataclass(frozen=True)
class Member:
    """A finished run that becomes part of an ensemble.

    Attributes:
        run: where it is.
        detector: of it.
        trained: what the images hold that it was trained on; None: nobody knows.
        ignored: what does not count of images, by its training and calibration.
    """

    run: AnyRun
    detector: Detector
    trained: Contents | None
    ignored: Ignored | None = None


def open_members(paths: Sequence[Path], device: str) -> dict[str, Member]:
    """The members by their names in the ensemble.

    Raises:
        InputError: one is no finished run, or they do not go together.
    """
    if len(paths) < 2:
        raise InputError(f"An ensemble is made of two runs or more, got {len(paths)}.")
    members: dict[str, Member] = {}
    for number, path in enumerate(paths, 1):
        method = read_config(fetch(path)).get("method") or DEFAULT
        if (path / MEMBERS).is_dir():
            names = ", ".join(sorted(entry.name for entry in (path / MEMBERS).iterdir()))
            raise InputError(
                f"{path} is an ensemble itself; name the runs in its folder {MEMBERS} instead, "
                f"{names}."
            )
        same = next((one.run.path for one in members.values() if one.run.path.samefile(path)), None)
        if same is not None:
            raise InputError(
                f"{path} is named twice" + (f", also as {same}" if same != path else "")
                + "; a run says the same each time, so name others."
            )  # fmt: skip
        run, detector = open_any(path), load(path, device)
        if detector.resize != "stretch":
            raise InputError(
                f"{path} judges images in their own shape, and members of an ensemble see all of "
                "them stretched to one size; leave it out, or train it without --size."
            )
        detector.be_quiet()
        ignored = detector.ignored or ignored_by(path, run.places.get("ignore"))
        member = Member(run, detector, _trained_on(run, detector), ignored)
        for other in members.values():
            _check_pair(other, member)
        members[f"{number:02d}-{method}"] = member
    return members


def _check_pair(one: Member, other: Member) -> None:
    """Refuse runs of different products, sizes or channels."""
    categories = [member.run.settings.category for member in (one, other)]
    if categories[0] != categories[1]:
        raise InputError(
            f"{one.run.path} inspects {categories[0]!r} and {other.run.path} {categories[1]!r}; an "
            "ensemble is of one product."
        )
    sizes = ["{} x {}".format(*member.detector.size) for member in (one, other)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"{one.run.path} judges images of {sizes[0]} px and {other.run.path} of {sizes[1]} px; "
            "train them for one size."
        )
    if one.detector.channels != other.detector.channels:
        grey, coloured = sorted((one, other), key=lambda member: member.detector.channels)
        raise InputError(
            f"{grey.run.path} judges grey images and {coloured.run.path} colour ones; train them "
            "for the same channels."
        )
    levels = [member.detector.levels for member in (one, other)]
    if levels[0] != levels[1]:
        ranges = ["{} to {}".format(*pair) if pair else "fixed scales" for pair in levels]
        raise InputError(
            f"{one.run.path} reads 16-bit images by {ranges[0]} and {other.run.path} by "
            f"{ranges[1]}; train them with the same 'levels'."
        )
    _check_ignored(one, other)


def _check_ignored(one: Member, other: Member) -> None:
    """Refuse runs that ignore different pixels: what one of them ignores would count after all."""
    masks, folders = (
        [None if found is None else getattr(found, name) for found in (one.ignored, other.ignored)]
        for name in ("one", "source")
    )
    both = [mask for mask in masks if mask is not None]
    if len(both) == 1 or (not np.array_equal(*both) if both else folders[0] != folders[1]):
        raise InputError(
            f"{one.run.path} and {other.run.path} do not ignore the same pixels; train them with "
            "the same --ignore."
        )


def find_held_out(members: Mapping[str, Member], normals: Sequence[Path]) -> HeldOut:
    """Normal images that no member was trained on.

    Raises:
        InputError: there are none or too few, they cannot be read, or one was trained on.
    """
    paths = find_all_images(normals) if normals else _calibrated_with(members)
    contents, detector = Contents(paths), next(iter(members.values())).detector
    images = load_images(
        paths, detector.size, detector.channels, console.is_terminal, contents=contents,
        levels=detector.levels,
    )  # fmt: skip
    for member in members.values():
        copies = {} if member.trained is None else contents.copies_of(member.trained)
        if member.trained is not None and copies:
            raise InputError(
                f"{len(copies)} of {len(contents)} held-out images were trained on by "
                f"{member.run.path}, or are copies of what was, "
                f"{example(copies, contents, member.trained)}; {_OTHERS}."
            )
    ignored = next(iter(members.values())).ignored
    rows = contents.different("held-out images")
    check_enough(len(rows), "name more with --normals")
    hidden = ignored_of(detector, [paths[row] for row in rows], ignored)
    return HeldOut(images[rows], contents.take(rows), hidden)


def _calibrated_with(members: Mapping[str, Member]) -> list[Path]:
    """The images with which the members were calibrated, each once.

    Raises:
        InputError: a member was not calibrated, or images are gone.
    """
    found: dict[Path, Path] = {}
    for member in members.values():
        run = member.run.path
        if not (run / CALIBRATION).is_file():
            raise InputError(
                f"The run in {run} is not calibrated, so there are no held-out images to "
                f"standardise its scores by; nsa calibrate {as_argument(run)} FOLDER does that, or "
                "name some with --normals."
            )
        found.update(dict.fromkeys(fetch_all(Calibration.read(run).paths), run))
    gone = [path for path in found if not path.is_file()]
    if gone:
        raise InputError(
            f"{len(gone)} of {len(found)} images that the runs were calibrated with are gone, such "
            f"as {gone[0]} of {found[gone[0]]}; {_OTHERS}."
        )
    return list(found)


def _trained_on(run: AnyRun, detector: Detector) -> Contents | None:
    """What the images hold that a member was trained on, without those it held out itself.

    Raises:
        InputError: a file of the run is damaged.
    """
    contents = find_training_contents(run, detector)
    own_held = kept_held_out(run.path)
    if contents is not None and own_held is not None:
        there = contents.copies_of(own_held)
        contents = contents.take([row for row in range(len(contents)) if row not in there])
    if contents is None or not (run.path / CALIBRATION).is_file():
        return contents
    kept = Calibration.read(run.path)
    known, own = (
        (contents.paths, kept.paths) if kept.contents is None else (contents.names(), kept.contents)
    )
    held = set(own)
    return contents.take([row for row, name in enumerate(known) if name not in held])
