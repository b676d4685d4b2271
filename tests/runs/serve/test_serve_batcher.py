"""Images of several requests come together, and part again."""

from __future__ import annotations

import numpy as np
import pytest
from served import PlainDetector

from nsa.runs.serve.batcher import Batcher, DetectorError


def _image(value: int) -> np.ndarray:
    return np.full((4, 5, 3), value, np.uint8)


def test_images_wait_together_while_others_are_judged():
    detector, counted = PlainDetector(), []
    detector.may.clear()
    batcher = Batcher(detector, 4, 0.0, counted.append)
    first = batcher.submit(_image(10))
    while not detector.begun:
        pass
    others = [batcher.submit(_image(20 + number)) for number in range(7)]
    assert others[2].cancel()
    assert batcher.waiting == 7
    detector.may.set()
    batcher.close()
    assert first.result().score == 10
    assert [one.result().score for one in others if not one.cancelled()] == [
        20, 21, 23, 24, 25, 26
    ]  # fmt: skip
    assert counted == detector.begun == [1, 3, 3]
    assert not batcher.alive


def test_images_wait_a_moment_for_others():
    detector = PlainDetector()
    batcher = Batcher(detector, 2, 30.0, lambda _: None)
    both = [batcher.submit(_image(value)) for value in (10, 20)]
    assert [one.result(20).score for one in both] == [10, 20]
    alone = batcher.submit(_image(30))
    batcher.close()  # waits for nobody else
    assert alone.result().score == 30
    assert detector.begun == [2, 1]


def test_an_image_that_fails_fails_alone():
    batcher = Batcher(PlainDetector(), 3, 30.0, lambda _: None)
    good, white, dark = (batcher.submit(_image(value)) for value in (100, 255, 0))
    assert good.result(20).score == 100
    with pytest.raises(ValueError, match="white"):
        white.result(20)
    with pytest.raises(DetectorError, match="not finite"):
        dark.result(20)
    batcher.close()
