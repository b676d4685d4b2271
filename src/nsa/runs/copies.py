"""Images that were trained on, found again among those that are to judge a detector.

A training keeps what its images hold in ``training_images.safetensors``, so that copies are known
after the images have moved, too.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from nsa.detectors.detector import Detector
from nsa.errors import InputError
from nsa.folder import CONTENTS, HELD_OUT, AnyRun
from nsa.images import Contents, Sample, open_dataset
from nsa.images.contents import example
from nsa.images.load import load_contents
from nsa.system.console import console

_log = logging.getLogger("nsa")

TOO_LOW = "their scores may be too low for a threshold"


def keep_training_contents(run: Path, contents: Contents) -> None:
    """Keep in a run folder what the training images hold, and say how many are copies.

    Raises:
        InputError: the folder cannot be written to.
    """
    contents.write(run / CONTENTS)
    copies = contents.copies()
    if copies:
        _log.warning(
            "%d of %d training images are copies of others, %s; the training sees such a picture "
            "more often than the rest.",
            len(copies), len(contents), example(copies, contents, contents),
        )  # fmt: skip


def kept_training_contents(run: AnyRun) -> Contents | None:
    """What the training images of a run hold; None: it was trained before that was kept.

    Raises:
        InputError: the file is damaged.
    """
    path = run.path / CONTENTS
    return Contents.read(path) if path.is_file() else None


def kept_held_out(run: Path) -> Contents | None:
    """What the images hold that a run's training held out; None: none, or it is an older run.

    Raises:
        InputError: the file is damaged.
    """
    path = run / HELD_OUT
    return Contents.read(path) if path.is_file() else None


def find_training_contents(run: AnyRun, detector: Detector) -> Contents | None:
    """The same, read from the training images where it was not kept; None: they are gone.

    Args:
        detector: of the run.

    Raises:
        InputError: the run's own file is damaged.
    """
    kept = kept_training_contents(run)
    if kept is not None:
        return kept
    places = run.places
    try:
        dataset = open_dataset(places["data_root"], run.settings.category, places["normal_dir"])
        paths = [sample.path for sample in dataset.train]
        _log.info("Reading the %d training images once, to know copies of them.", len(paths))
        contents = load_contents(paths, detector.channels, console.is_terminal, detector.levels)
    except InputError as error:
        _log.warning(
            "The training images cannot be read, so it cannot be checked that these are others: %s",
            error,
        )
        return None
    return contents


def warn_about_test(test: Sequence[Sample], contents: Contents, trained: Contents | None) -> None:
    """Say which test images cannot judge a detector.

    Args:
        test: the test set.
        contents: what its images hold.
        trained: what the training images hold; None: nobody knows.
    """
    twice = contents.copies()
    if twice:
        odd = sum(test[i].is_good != test[first].is_good for i, first in twice.items())
        both = f" ({odd} of them normal in one place and defective in another)" if odd else ""
        _log.warning(
            "%d of %d test images are copies of others%s, %s; each counts in the metrics.",
            len(twice), len(test), both, example(twice, contents, contents),
        )  # fmt: skip
    if trained is None:
        return
    copies = contents.copies_of(trained)
    if copies:
        normal = sum(test[i].is_good for i in copies)
        _log.warning(
            "%d normal and %d defective test images are copies of training images, %s; the metrics "
            "do not say how new images are judged.",
            normal, len(copies) - normal, example(copies, contents, trained),
        )  # fmt: skip
    good = [i for i, sample in enumerate(test) if sample.is_good]
    warn_about_near(contents.take(good), trained, "normal test images", "the metrics may flatter")


def warn_about_held_out(contents: Contents, held_out: Contents) -> None:
    """Say which test images set the threshold, and an ensemble's scales, that judge them."""
    copies = contents.copies_of(held_out)
    if copies:
        _log.warning(
            "%d of %d test images are held-out images or copies of them, %s; what is found out "
            "about a threshold leaves them out, but the metrics count them.",
            len(copies), len(contents), example(copies, contents, held_out),
        )  # fmt: skip


def warn_about_near(contents: Contents, trained: Contents, what: str, so: str) -> None:
    """Say which images are nearly training images.

    Args:
        what: the images are.
        so: what follows.
    """
    near = contents.near_copies_of(trained)
    if near:
        _log.warning(
            "%d of %d %s look like the same photographs as training images, saved, resized or lit "
            "differently, %s; %s.",
            len(near), len(contents), what, example(near, contents, trained), so,
        )  # fmt: skip


def warn_about_near_pairs(contents: Contents, trained: Contents) -> None:
    """Say which images to calibrate with are nearly others of them, as alike images go."""
    near = contents.near_copies_within(trained)
    if near:
        _log.warning(
            "%d of %d images look like the same photographs as others, saved, resized or lit "
            "differently, %s; each counts, so a threshold rests on fewer images than it seems.",
            len(near), len(contents), example(near, contents, contents),
        )  # fmt: skip


def refuse_training_images(contents: Contents, trained: Contents) -> None:
    """Refuse to calibrate with images that were trained on.

    Raises:
        InputError: some were.
    """
    copies = contents.copies_of(trained)
    if copies:
        raise InputError(
            f"{len(copies)} of {len(contents)} images are training images or copies of them, "
            f"{example(copies, contents, trained)}: their scores are too low to set a threshold; "
            "name normal images that were not trained on."
        )
