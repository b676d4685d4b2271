"""Whether a training that goes on from a finished run has the images which that one had."""

from __future__ import annotations

from pathlib import Path

from nsa.errors import InputError
from nsa.folder import CONTENTS, HELD_OUT
from nsa.images import Contents
from nsa.images.contents import example
from nsa.system.console import counted

_ANEW = "or start a new run without --resume-from"


def need_same_images(
    start: Path, contents: Contents, held_out: Contents | None = None, further: int = 0
) -> None:
    """Check that a training goes on with all images that it began with.

    Others would be held out, some of them trained on before.

    Args:
        start: the run that goes on.
        contents: what its training images hold now, and the further ones.
        held_out: the same of images that are not trained on now.
        further: so many of the contents, the last, are not of its own folder.

    Raises:
        InputError: images are gone, changed or added, or nobody knows.
    """
    if not (start / CONTENTS).is_file():
        raise InputError(
            f"{start / CONTENTS} is missing, by which --resume-from knows the images that {start} "
            "was trained on; start a new run without it."
        )
    before = Contents.read(start / CONTENTS)
    if not _lacking(before, contents):
        return
    held_out = Contents([]) if held_out is None else held_out
    lost = _lacking(before, Contents.joined([contents, held_out]))
    if lost:
        raise InputError(
            f"{len(lost)} of the {counted(len(before), 'image')} that {start} was trained on are "
            f"not among its training images any more, {example(lost, before, before)}; put them "
            f"back, {_ANEW}."
        )
    _say_why_others_are_held_out(start, before, contents, held_out, further)


def _say_why_others_are_held_out(
    start: Path, before: Contents, contents: Contents, held_out: Contents, further: int
) -> None:
    """Refuse images of which some were trained on and are held out now.

    Which ones are held out is drawn by their number and order.
    """
    leak = f"so others would be held out than {start} held out, some of which it was trained on"
    if (start / HELD_OUT).is_file():
        known = Contents.read(start / HELD_OUT)
        lost = _lacking(known, Contents.joined([contents, held_out]))
        if lost:
            raise InputError(
                f"{len(lost)} of the {counted(len(known), 'image')} that {start} held out are gone "
                f"or changed, {example(lost, known, known)}, {leak}; put them back, {_ANEW}."
            )
        own = contents.take(range(len(contents) - further))
        now = Contents.joined([own, held_out])
        added = _lacking(now, Contents.joined([before, known]))
        if added:
            verb, them = ("was", "it") if len(added) == 1 else ("were", "them")
            raise InputError(
                f"{counted(len(added), 'image')} {verb} added to those that {start} had, "
                f"{example(added, now, now)}, {leak}; move {them} elsewhere, or judge {them} good "
                f"in a table of --verdicts from there, {_ANEW}."
            )
    raise InputError(
        f"The training images of {start} have other names than before, or images were added or "
        f"taken away, {leak}; restore the folder, {_ANEW}."
    )


def _lacking(contents: Contents, others: Contents) -> dict[int, int]:
    """The images that are not among others, as :func:`nsa.images.contents.example` takes them."""
    there = contents.copies_of(others)
    return {row: row for row in range(len(contents)) if row not in there}
