"""Outlines, numbers and the scale of colours, added to overlays."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from nsa.errors import InputError
from nsa.report import annotations
from nsa.report.annotations import annotate
from nsa.report.overlay import COLOURS, OUTLINE, outline

Mask = npt.NDArray[np.bool_]


def grey(height: int, width: int) -> npt.NDArray[np.uint8]:
    return np.full((height, width, 3), 90, np.uint8)


def boxes_of(mask: Mask) -> list[list[int]]:
    found = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)[2]
    return found[1:].tolist()


def strip_of(width: int, **options: float | str) -> npt.NDArray[np.uint8]:
    return annotate(grey(200, width), 1.0, 5.0, **options)[200:]  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(32, 32), (128, 127), (32, 128), (128, 128), (701, 333)])
def test_the_picture_stays_where_it_is(shape: tuple[int, int], fresh_seed: int) -> None:
    picture = np.random.default_rng(fresh_seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    before = picture.copy()
    drawn = annotate(picture, 0.0, 1.0, threshold=0.5)
    assert drawn.dtype == np.uint8
    assert np.array_equal(drawn[: shape[0]], picture)
    assert (drawn.shape[0] > shape[0]) == (shape[1] >= 128)  # else no strip: it were unreadable
    drawn[:] = 0
    assert np.array_equal(picture, before)


@pytest.mark.parametrize("width", [128, 300, 2000])
def test_the_scale_has_the_colours_in_their_order(width: int) -> None:
    strip = strip_of(width)
    rows = [row for row in strip if (row[width // 2] != 255).any() and len(np.unique(row)) > 99]
    bar = rows[len(rows) // 2]
    margin = int(np.flatnonzero((bar != 255).any(1))[0])
    bar = bar[margin : width - margin]
    place = np.linspace(0, 1, len(bar))
    # A value a quarter up the scale has the colour that the overlay gives it: half of the levels.
    assert np.array_equal(bar, COLOURS[(np.sqrt(place) * 255).astype(int)])


@pytest.mark.parametrize(
    ("threshold", "place"), [(1.0, 0), (2.0, 0.25), (5.0, 1), (9.0, 1), (-3, 0)]
)
def test_the_threshold_is_marked_at_its_value(threshold: float, place: float) -> None:
    width, strip = 800, strip_of(800, threshold=threshold)
    marked = np.flatnonzero((strip == OUTLINE).all(2).any(0))
    margin = annotations._text_size(200, width) // 2
    assert marked.mean() == pytest.approx(margin + place * (width - 2 * margin - 1), abs=1)
    assert strip.shape[0] > strip_of(width).shape[0]  # a line of its own
    assert not (strip_of(width) == OUTLINE).all(2).any()


def test_what_the_scale_says(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    draw = annotations.ImageDraw.ImageDraw.text

    def text(self: object, at: object, words: str, *rest: object, **more: object) -> None:
        said.append(words)
        draw(self, at, words, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(annotations.ImageDraw.ImageDraw, "text", text)
    strip_of(900, threshold=2.34567)
    strip_of(900, threshold=7.0, threshold_name="0.99 quantile")
    strip_of(256)
    strip_of(128, threshold=7.0)
    ends = ["normal up to 1", "5 and above"]
    title = "anomaly score of a pixel"
    assert said == [
        *ends, title, "pixel limit 2.35", *ends, title, "0.99 quantile 7, off the scale",
        *ends, "1", "5", "7",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [128, 129, 200, 256, 333, 640, 4000])
@pytest.mark.parametrize("ends", [(-12345.678, 1e-7), (0.0, 1.0), (-1e-9, 123456.0)])
def test_nothing_is_cut_or_written_over(width: int, ends: tuple[float, float]) -> None:
    """The margins stay white, and the ends of the line of text do not meet."""
    height, size = 3 * width // 4, annotations._text_size(3 * width // 4, width)
    low, high = ends
    strip = annotate(grey(height, width), low, high, threshold=0.3 * low + 0.7 * high)[height:]
    ink = (strip != 255).any(2)
    margin = size // 2
    assert not ink[[0, -1]].any()
    assert not ink[:, : margin - 1].any()
    assert not ink[:, width - margin + 1 :].any()
    for text in (ink[: size + size // 3], ink[-size - size // 4 :]):
        columns = np.flatnonzero(text.any(0))
        assert columns.size
    assert np.diff(columns).max() >= size // 2  # between the ends


def test_regions_are_outlined_and_numbered_beside_themselves() -> None:
    mask = np.zeros((300, 400), bool)
    mask[100:140, 200:260] = True
    drawn = annotate(grey(300, 400), 0.0, 1.0, mask=mask, boxes=boxes_of(mask))[:300]
    plain = grey(300, 400)
    outline(plain, mask)
    changed = (drawn != plain).any(2)
    rows, columns = np.nonzero(changed)
    assert 80 <= rows.min() <= rows.max() < 100  # above it
    assert 215 <= columns.min() <= columns.max() < 245
    colours = {tuple(one) for one in drawn[changed].tolist()}
    assert {OUTLINE, (0, 0, 0)} <= colours


def test_a_number_stands_at_its_own_region_not_at_one_in_its_box() -> None:
    mask = np.zeros((300, 300), bool)
    mask[60:280, 250:270] = mask[260:280, 40:270] = True  # an L that reaches around
    mask[60:80, 60:160] = True  # and starts in the same row
    angle = next(box for box in boxes_of(mask) if box[2] > 100)
    drawn = annotate(grey(300, 300), 0.0, 1.0, mask=mask, boxes=[angle])[:300]
    plain = grey(300, 300)
    outline(plain, mask)
    columns = np.nonzero((drawn != plain).any(2))[1]
    assert 245 <= columns.min() <= columns.max() <= 275


def test_numbers_never_cover_one_another(fresh_seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    placed: list[tuple[int, int, int, int]] = []
    overlap = annotations._overlap

    def noted(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
        placed.append(other)
        return overlap(one, other)

    monkeypatch.setattr(annotations, "_overlap", noted)
    mask = np.random.default_rng(fresh_seed).random((200, 200)) > 0.9
    drawn = annotate(grey(200, 200), 0.0, 1.0, mask=mask, boxes=boxes_of(mask))
    taken = sorted(set(placed))
    assert 10 < len(taken) <= annotations.MOST_NUMBERS
    covered = np.zeros((200, 200), int)
    for left, top, right, bottom in taken:
        assert 0 <= left < right <= 200
        assert 0 <= top < bottom <= 200
        covered[top:bottom, left:right] += 1
    assert covered.max() == 1
    plain = grey(200, 200)
    outline(plain, mask)
    beyond = np.argwhere((drawn[:200] != plain).any(2) & (covered == 0))
    # None but perhaps the last number, of which no later one asked.
    assert beyond.size == 0 or np.ptp(beyond, axis=0).max() < 24


@pytest.mark.parametrize("shape", [(127, 500), (500, 127), (64, 64), (1, 1)])
def test_small_pictures_get_outlines_and_no_numbers(shape: tuple[int, int]) -> None:
    mask = np.ones(shape, bool)
    plain = grey(*shape)
    outline(plain, mask)
    drawn = annotate(grey(*shape), 0.0, 1.0, mask=mask, boxes=boxes_of(mask))
    assert np.array_equal(drawn[: shape[0]], plain)


def test_the_outline_is_that_of_contours(fresh_seed: int) -> None:
    """Equal where the line is one pixel wide."""
    random = np.random.default_rng(fresh_seed)
    for _ in range(50):
        mask = random.random(random.integers(1, 60, 2)) > random.random()
        drawn, expected = grey(*mask.shape), grey(*mask.shape)
        outline(drawn, mask)
        contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(expected, contours, -1, OUTLINE, 1)
        assert np.array_equal(drawn, expected)


def test_the_ends_are_in_order() -> None:
    with pytest.raises(InputError, match=r"high must be above 1, got 1\.0"):
        annotate(grey(8, 8), 1.0, 1.0)
