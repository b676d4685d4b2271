"""What a further training is told whose images are not those that it began with."""

from pathlib import Path

import pytest

from nsa.detectors.same_images import need_same_images
from nsa.errors import InputError
from nsa.folder import CONTENTS, HELD_OUT
from nsa.images import Contents


def contents(*digests: int) -> Contents:
    made = Contents([f"{digest}.png" for digest in digests])
    made.digests[:, 0] = digests
    return made


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A run that was trained on images 1 to 4 and held out 5 and 6."""
    contents(1, 2, 3, 4).write(tmp_path / CONTENTS)
    contents(5, 6).write(tmp_path / HELD_OUT)
    return tmp_path


def refusal(start: Path, *now: Contents, further: int = 0) -> str:
    with pytest.raises(InputError) as error:
        need_same_images(start, *now, further=further)
    assert "start a new run" in str(error.value)
    return str(error.value)


def test_the_same_and_further_images_go_on(start: Path) -> None:
    need_same_images(start, contents(4, 3, 2, 1), contents(5, 6))
    need_same_images(start, contents(1, 2, 3, 4, 7), contents(8), further=1)


def test_images_that_are_gone_are_named(start: Path) -> None:
    message = refusal(start, contents(1, 3, 5, 6), contents(4))
    assert "1 of the 4 images that" in message
    assert "/2.png" in message
    message = refusal(start, contents(1, 2, 3, 5), contents(4))
    assert "1 of the 2 images that" in message
    assert "held out are gone" in message
    assert "/6.png" in message


def test_images_that_were_added_are_named_and_not_called_gone(start: Path) -> None:
    message = refusal(start, contents(1, 2, 3, 5, 6, 9), contents(4, 7, 8), further=1)
    assert "2 images were added" in message
    assert "/7.png" in message
    assert "gone" not in message
    message = refusal(start, contents(1, 2, 3, 5, 6), contents(4))
    assert "have other names than before" in message
    (start / HELD_OUT).unlink()  # as of an older run
    message = refusal(start, contents(1, 2, 3, 5, 6, 7), contents(4))
    assert "or images were added" in message
    (start / CONTENTS).unlink()
    assert "is missing" in refusal(start, contents(1))
