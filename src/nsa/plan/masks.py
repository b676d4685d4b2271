"""Object masks inside boxes: counting, overlapping and resizing them.

A mask is uint8, 0 or 1, in rows of whole 64-bit words, so that eight pixels are counted at once:
its words are ``mask.view(np.uint64)``, little-endian, pixel 0 in the lowest byte. The tests of one
try are cheap enough this way that no table needs to be built for an image first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsa.plan._jit import inlined

Mask = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Index = int | np.uint64

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_1, _8, _48, _63 = (np.uint64(bits) for bits in (1, 8, 48, 63))
_EVEN = np.uint64(0x00FF00FF00FF00FF)
_ONES = np.uint64(0x0001000100010001)
_BYTES = np.uint64(0x0101010101010101)


def padded(masks: Mask) -> Mask:
    """Masks (..., height, width) with rows of whole words, as they are where they fit already."""
    words = -(-masks.shape[-1] // 8)
    fit = masks.shape[-1] == 8 * words and masks.ctypes.data % 8 == 0
    # numba would compile everything again for an array that is read-only.
    if fit and masks.flags.c_contiguous and masks.flags.writeable:
        return masks
    result = np.zeros((*masks.shape[:-1], 8 * words), np.uint8)
    result[..., : masks.shape[-1]] = masks
    return result


@inlined
def _pairs(word: np.uint64) -> np.uint64:
    """Set pixels of a word as four 16-bit sums of two: adds up over 65,535 pixels of a row."""
    return (word & _EVEN) + ((word >> _8) & _EVEN)


@inlined
def _total(pairs: np.uint64) -> int:
    return int(np.int64((pairs * _ONES) >> _48))


@inlined
def _span(x: int, width: int) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """First and last word of a run of pixels, and which bits of these two belong to it."""
    first, last = np.uint64(x >> 3), np.uint64((x + width - 1) >> 3)
    inside_first = _ALL << np.uint64(8 * (x & 7))
    inside_last = _ALL >> np.uint64(8 * (-(x + width) & 7))
    return first, last, inside_first, inside_last


@inlined
def _count_row(
    words: Words, row: Index, span: tuple[np.uint64, np.uint64, np.uint64, np.uint64]
) -> int:
    first, last, inside_first, inside_last = span
    if first == last:
        return _total(_pairs(words[row, first] & inside_first & inside_last))
    pairs = _pairs(words[row, first] & inside_first) + _pairs(words[row, last] & inside_last)
    for k in range(first + _1, last):
        pairs += _pairs(words[row, k])
    return _total(pairs)


@inlined
def count(words: Words, y: int, x: int, height: int, width: int) -> int:
    """Set pixels of a box."""
    total, span = 0, _span(x, width)
    for row in range(np.uint64(y), np.uint64(y + height)):
        total += _count_row(words, row, span)
    return total


@inlined
def has_more(words: Words, y: int, x: int, height: int, width: int, limit: float) -> bool:
    """Whether more than ``limit`` pixels of a box are set; reads no more rows than that takes."""
    total, left, span = 0, height * width, _span(x, width)
    for row in range(np.uint64(y), np.uint64(y + height)):
        total += _count_row(words, row, span)
        left -= width
        if total > limit or total + left <= limit:
            break
    return total > limit


@inlined
def overlaps_more(
    patch: Words, words: Words, y: int, x: int, height: int, width: int, limit: float
) -> bool:
    """Whether more than ``limit`` pixels are set in the patch and in the mask under it.

    The patch is zero beyond its width. Reads no more rows than the answer takes.
    """
    first, last = np.uint64(x >> 3), np.uint64((width - 1) >> 3)
    shift = np.uint64(8 * (x & 7))
    # Where the row of the mask ends, the patch has ended before.
    final = np.uint64(words.shape[1] - 1)
    total, left = 0, height * width
    for row in range(np.uint64(height)):
        under = row + np.uint64(y)
        pairs = np.uint64(0)
        for k in range(last):
            part = _shifted(words[under, first + k], words[under, first + k + _1], shift)
            pairs += _pairs(patch[row, k] & part)
        end = first + last
        following = words[under, end + _1] if end < final else np.uint64(0)
        pairs += _pairs(patch[row, last] & _shifted(words[under, end], following, shift))
        total += _total(pairs)
        left -= width
        if total > limit or total + left <= limit:
            break
    return total > limit


@inlined
def _shifted(word: np.uint64, following: np.uint64, shift: np.uint64) -> np.uint64:
    """Eight pixels that begin ``shift`` bits into a word."""
    # Two shifts to the left, because one by 64 is undefined.
    return (word >> shift) | ((following << _1) << (_63 - shift))


@inlined
def _tap(index: int, scale: float) -> tuple[int, int, int]:
    """First source pixel of an output pixel and the two 11-bit weights, as OpenCV rounds them."""
    position = np.float32((index + 0.5) * scale - 0.5)
    first = int(position)  # towards zero, and no call of a function as math.floor would be
    if position < first:
        first -= 1
    fraction = position - np.float32(first)
    weight_0 = int(np.rint((np.float32(1.0) - fraction) * np.float32(2048.0)))
    weight_1 = int(np.rint(fraction * np.float32(2048.0)))
    return first, weight_0, weight_1


@inlined
def resize(
    mask: Mask, y: int, x: int, height: int, width: int, out: Mask, new_height: int, new_width: int
) -> int:
    """Resize a box of a mask into the top left of ``out`` and count the set pixels.

    Bit for bit ``cv2.resize(box, INTER_LINEAR)`` on 0/1 bytes, which works in fixed point: 11-bit
    weights, 4 bits dropped between the passes, 16 after. A pixel is set iff it rounds to 1.
    The last word of each row of ``out`` is zero beyond ``new_width``.
    """
    words = mask.view(np.uint64)
    out_words = out.view(np.uint64)
    last = np.uint64((new_width - 1) >> 3)
    inside_last = _ALL >> np.uint64(8 * (-new_width & 7))
    counts = np.empty(height, np.int64)
    span, total = _span(x, width), 0
    for row in range(np.uint64(height)):
        counts[row] = _count_row(words, row + np.uint64(y), span)
        total += counts[row]
    if total == height * width:  # a third of the boxes in practice
        for row in range(np.uint64(new_height)):
            for k in range(last):
                out_words[row, k] = _BYTES
            out_words[row, last] = _BYTES & inside_last
        return new_height * new_width
    columns = np.empty(new_width, np.uint64)
    weights = np.empty(new_width, np.int32)
    scale = 1.0 / (new_width / width)
    for column in range(new_width):
        first, _, weight = _tap(column, scale)
        if first < 0:
            first, weight = 0, 0
        if first >= width - 1:
            # The last pixel alone; written so that no pixel after the row is read.
            first = max(x + width - 2, 0) - x
            weight = 2048 * (width - 1 - first)
        columns[column] = x + first
        weights[column] = weight
    # Neighbouring source rows differ in their last bit, which is the slot that holds them.
    lines = np.empty((2, new_width), np.int32)
    held = np.full(2, -1, np.int64)
    out_span = _span(0, new_width)
    total = 0
    scale = 1.0 / (new_height / height)
    for row in range(np.uint64(new_height)):
        first, weight_0, weight_1 = _tap(int(row), scale)
        upper = min(max(first, 0), height - 1)
        lower = min(max(first + 1, 0), height - 1)
        # Most rows of a box are all object or all background.
        both = counts[np.uint64(upper)] + counts[np.uint64(lower)]
        if both == 0 or both == 2 * width:
            fill = _BYTES if both > 0 else np.uint64(0)
            for k in range(last):
                out_words[row, k] = fill
            out_words[row, last] = fill & inside_last
            total += new_width if both > 0 else 0
            continue
        for source in (upper, lower):
            slot = np.uint64(source & 1)
            if held[slot] == source:
                continue
            held[slot] = source
            set_pixels, line = counts[np.uint64(source)], y + source
            # The edge of an object cuts most rows into one run of each kind.
            if set_pixels == 0 or count(words, line, x, 1, set_pixels) == set_pixels:
                _resize_edge(x + set_pixels, 1, columns, weights, lines, slot)
            elif count(words, line, x + width - set_pixels, 1, set_pixels) == set_pixels:
                _resize_edge(x + width - set_pixels, 0, columns, weights, lines, slot)
            else:
                _resize_line(mask, np.uint64(line), columns, weights, lines, slot)
        out_words[row, last] = 0
        above, below = np.uint64(upper & 1), np.uint64(lower & 1)
        _mix_lines(lines, above, weight_0, below, weight_1, out, row)
        total += _count_row(out_words, row, out_span)
    return total


@inlined
def _resize_line(
    mask: Mask,
    row: np.uint64,
    columns: npt.NDArray[np.uint64],
    weights: npt.NDArray[np.int32],
    out: npt.NDArray[np.int32],
    slot: np.uint64,
) -> None:
    for k in range(np.uint64(len(columns))):
        column = columns[k]
        here, after = np.int32(mask[row, column]), np.int32(mask[row, column + _1])
        out[slot, k] = (2048 * here + weights[k] * (after - here)) >> 4


@inlined
def _resize_edge(
    edge: int,
    left: int,
    columns: npt.NDArray[np.uint64],
    weights: npt.NDArray[np.int32],
    out: npt.NDArray[np.int32],
    slot: np.uint64,
) -> None:
    """:func:`_resize_line` of a row that is ``left`` before column ``edge``, the opposite after."""
    step = np.int32(1 - 2 * left)
    for k in range(np.uint64(len(columns))):
        first = np.int64(columns[k])
        here = np.int32(left if first < edge else 1 - left)
        weight = weights[k] if first == edge - 1 else np.int32(0)
        out[slot, k] = (2048 * here + weight * step) >> 4


@inlined
def _mix_lines(
    lines: npt.NDArray[np.int32],
    upper: np.uint64,
    upper_weight: int,
    lower: np.uint64,
    lower_weight: int,
    out: Mask,
    row: Index,
) -> None:
    # Products of 32 bits: numba's own choice of 64 halves the width of the vectors.
    weight_0, weight_1 = np.int32(upper_weight), np.int32(lower_weight)
    for k in range(np.uint64(lines.shape[1])):
        value = np.int32(np.int32(weight_0 * lines[upper, k]) >> 16)
        value += np.int32(np.int32(weight_1 * lines[lower, k]) >> 16)
        out[row, k] = value >= 2
