"""What runs ignore: whether members of an ensemble go together, and what a calibration keeps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nsa.detectors.hidden import Ignoring, ignored_by, kept
from nsa.errors import InputError
from nsa.folder import CALIBRATED_IGNORED, IGNORED
from nsa.images.ignored import Ignored
from nsa.runs.ignoring import keep_ignored
from nsa.runs.members import _check_ignored


def box(*place: int) -> Ignored:
    mask = np.zeros((6, 7), np.uint8)
    mask[place[0] : place[0] + 2, place[1] : place[1] + 2] = 1
    return Ignored(Path("box.png"), mask)


def test_members_ignore_the_same_pixels() -> None:
    def member(name: str, ignored: Ignored | None) -> Any:
        return SimpleNamespace(run=SimpleNamespace(path=name), ignored=ignored)

    folder = Ignored(Path("masks"))
    for same in (None, box(1, 2), folder):
        _check_ignored(member("a", same), member("b", same))
    _check_ignored(member("a", box(1, 2)), member("b", box(1, 2)))
    pairs = [(box(1, 2), None), (box(1, 2), box(2, 2)), (folder, None), (box(1, 2), folder)]
    pairs += [(folder, Ignored(Path("others")))]
    for one, other in pairs:
        for masks in ((one, other), (other, one)):
            with pytest.raises(InputError, match="a and b do not ignore the same pixels"):
                _check_ignored(member("a", masks[0]), member("b", masks[1]))


def test_a_calibration_keeps_what_the_training_does_not(tmp_path: Path) -> None:
    detector: Any = Ignoring()
    box(0, 0).write(tmp_path / IGNORED)
    detector.ignore(kept(tmp_path))
    keep_ignored(tmp_path, detector)
    assert not (tmp_path / CALIBRATED_IGNORED).exists()
    detector.ignore(box(3, 3))
    keep_ignored(tmp_path, detector)
    found, own = kept(tmp_path), kept(tmp_path, calibrated=False)
    assert found is not None
    assert own is not None
    np.testing.assert_array_equal(found.one, box(0, 0).one | box(3, 3).one)  # type: ignore[operator]
    np.testing.assert_array_equal(own.one, box(0, 0).one)
    again: Any = Ignoring()
    again.ignore(own)
    keep_ignored(tmp_path, again)
    assert not (tmp_path / CALIBRATED_IGNORED).exists()


def test_a_training_prefers_what_its_run_keeps(tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    assert ignored_by(tmp_path, None) is None
    found = ignored_by(tmp_path, str(masks))
    assert found is not None
    assert found.source == masks
    box(1, 1).write(tmp_path / IGNORED)
    found = ignored_by(tmp_path, str(tmp_path / "gone.png"))
    assert found is not None
    np.testing.assert_array_equal(found.one, box(1, 1).one)
