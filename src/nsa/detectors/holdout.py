"""How many training images are held out, to set thresholds by, whatever the method."""

from __future__ import annotations

import logging

from nsa.errors import InputError
from nsa.images import Contents, Dataset
from nsa.images.contents import example
from nsa.metrics.conformal import allowed_exceedances, check_rate, images_needed, rate_text
from nsa.system.console import counted

_log = logging.getLogger("nsa")

ENOUGH = 30  # training images, or all of them are needed to train
_SHARE = 10  # one image of ten,
_LEAST, _MOST = 19, 200  # but so many for a rate of 5 %, and no more than for one of 0.5 %,
_LARGEST_SHARE = 3  # and never more than one of three


def held_out_count(
    count: int, holdout: float | None, fpr: float | None = None, validation: int = 0
) -> int:
    """How many of ``count`` training images are held out.

    Args:
        holdout: share of them; None: by their number, and by what ``fpr`` needs.
        fpr: wanted false positive rate, if any.
        validation: further normal images there are, used instead where they are enough.

    Raises:
        InputError: that is none although a share was given, or all, or too few for the rate.
    """
    held = _by_number(count, fpr) if holdout is None else _by_share(count, holdout)
    by_validation = holdout is None and validation >= _LEAST
    if fpr is not None and holdout is None and not by_validation:
        check_rate(fpr)
        needed = images_needed(fpr)
        if held < needed:
            raise InputError(
                f"A false positive rate of {fpr:g} needs {needed} held-out images, and of {count} "
                f"training images at most a third is held out; give at least "
                f"{_LARGEST_SHARE * needed}, ask for {rate_text(1 / (held + 1))} or more, or set "
                "it afterwards with others (nsa calibrate)."
            )
    elif fpr is not None:
        allowed_exceedances(fpr, validation if by_validation else held)
    return 0 if by_validation else held


def _by_number(count: int, fpr: float | None) -> int:
    if count < ENOUGH and fpr is None:
        return 0
    wanted = min(_MOST, max(_LEAST, count // _SHARE))
    return min(max(wanted, 0 if fpr is None else images_needed(fpr)), count // _LARGEST_SHARE)


def _by_share(count: int, holdout: float) -> int:
    held = round(holdout * count)
    if holdout > 0 and held == 0:
        raise InputError(
            f"A holdout of {holdout:g} of {counted(count, 'training image')} is none; raise it, or "
            "set it to 0."
        )
    if held == count:
        raise InputError(f"A holdout of {holdout:g} leaves none of {count} images to train on.")
    return held


def judges_by_validation(dataset: Dataset, holdout: float | None) -> bool:
    """Whether the data set has enough images beside those to train on, and nobody asked else."""
    return holdout is None and len(dataset.validation) >= _LEAST


def rows_that_count(
    held_out: Contents, trained: Contents, what: str, fpr: float | None = None
) -> list[int]:
    """Those of held-out images that are no copies of training images, nor of each other.

    The log says how many are.

    Args:
        what: the images are.
        fpr: wanted false positive rate, if any.

    Raises:
        InputError: too few are left for the rate.
    """
    copies, of_trained = held_out.copies(), held_out.copies_of(trained)
    rows = [row for row in range(len(held_out)) if row not in copies and row not in of_trained]
    left_out = len(held_out) - len(rows)
    if not left_out:
        return rows
    such = (
        example(of_trained, held_out, trained) if of_trained
        else example(copies, held_out, held_out)
    )  # fmt: skip
    said = f"{left_out} of {len(held_out)} {what} are copies of training images or of each other"
    if fpr is not None:
        try:
            allowed_exceedances(fpr, len(rows))
        except InputError as error:
            why = str(error)
            raise InputError(
                f"{said}, {such}, and do not count: {why[0].lower()}{why[1:]}"
            ) from error
    _log.warning("%s, %s; they do not count.", said, such)
    return rows


def say_held_out(held: int, count: int, validation: int = 0) -> None:
    """Say what the threshold is set by, or why by nothing, before the training.

    Args:
        held: of ``count`` training images; 0 where nobody asked for that.
        validation: images of the data set that are used instead.
    """
    if validation:
        _log.info("The %d validation images set the threshold.", validation)
    elif held:
        _log.info(
            "%d of %d training images are held out, to set the threshold by (--holdout 0 trains on "
            "all of them).", held, count,
        )  # fmt: skip
    elif count < ENOUGH:
        _log.info(
            "No image is held out, since there are fewer than %d: images get raw scores and no "
            "labels until nsa calibrate has seen other normal images.", ENOUGH,
        )  # fmt: skip
