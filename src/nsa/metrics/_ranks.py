"""Exact ranks of some scores among many others, by radix sort and a short binary search.

Millions of pixels are ranked for every metric, and only order matters. A float is therefore mapped
to an unsigned integer of the same order, which a radix sort handles several times faster than a
comparison sort handles floats.

numba is imported when the first function is called, so that a program without metrics, or with the
working points alone, need not wait for it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

from nsa.metrics._inputs import Booleans, Floats
from nsa.system.compiled import compiled

Keys: TypeAlias = npt.NDArray[Any]  # uint32 for float32 scores, uint64 for float64
Counts: TypeAlias = npt.NDArray[np.int64]
Function = TypeVar("Function", bound=Callable[..., Any])

_DIGIT = 11  # bits a pass; 2048 counters and write positions stay in the first-level cache
_BUCKETS = 1 << _DIGIT
_PREFIX = 16  # leading bits that narrow the binary search
_LOCK = threading.Lock()


def compiled_once(function: Function) -> Function:
    """Compile on first use and keep the machine code on disk; release the GIL while it runs."""

    once = functools.cache(lambda: compiled(function))

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        with _LOCK:  # metrics run in threads, and none of them should compile what another does
            dispatcher = once()
        return dispatcher(*arguments)

    return cast(Function, call)


def order_keys(scores: Floats) -> Keys:
    """Unsigned integers in the order of ``scores`` (n,); equal scores have equal keys."""
    unsigned = np.uint32 if scores.dtype == np.float32 else np.uint64
    keys: Keys = (scores + scores.dtype.type(0)).view(unsigned)  # the sum turns -0 into +0
    _order_bits(keys, unsigned(1 << (8 * keys.itemsize - 1)))
    return keys


@compiled_once
def _order_bits(keys: Keys, sign: np.unsignedinteger[Any]) -> None:
    """Positive floats already sort like their bits; negative ones sort backwards, so flip these."""
    for index in range(len(keys)):
        keys[index] = ~keys[index] if keys[index] & sign else keys[index] | sign


@compiled_once
def sort_keys(keys: Keys) -> Keys:
    """``keys`` in ascending order, in a new array."""
    passes = (8 * keys.itemsize + _DIGIT - 1) // _DIGIT
    counts = np.zeros((passes, _BUCKETS), np.int64)
    for key in keys:
        for step in range(passes):
            counts[step, (key >> (step * _DIGIT)) & (_BUCKETS - 1)] += 1
    source, target = keys.copy(), np.empty_like(keys)
    for step in range(passes):
        if counts[step].max() == len(keys):  # one digit everywhere: already in order
            continue
        position = 0
        for bucket in range(_BUCKETS):
            count = counts[step, bucket]
            counts[step, bucket] = position
            position += count
        for key in source:
            bucket = (key >> (step * _DIGIT)) & (_BUCKETS - 1)
            target[counts[step, bucket]] = key
            counts[step, bucket] += 1
        source, target = target, source
    return source


@compiled_once
def largest_keys(keys: Keys, excluded: Booleans, count: int) -> Keys:
    """All of the ``count`` largest keys that are not excluded, with ties, and possibly some more.

    One histogram of the leading bits finds a bound below them, so that what needs sorting shrinks
    to little more than ``count`` keys.
    """
    shift = 8 * keys.itemsize - _PREFIX
    counts = np.zeros(1 << _PREFIX, np.int64)
    for index in range(len(keys)):
        counts[keys[index] >> shift] += not excluded[index]
    bound = len(counts) - 1
    kept = counts[bound]
    while kept < count and bound > 0:
        bound -= 1
        kept += counts[bound]
    tail = np.empty(kept, keys.dtype)
    position = 0
    for index in range(len(keys)):
        if not excluded[index] and keys[index] >> shift >= bound:
            tail[position] = keys[index]
            position += 1
    return tail


@compiled_once
def ranks(ordered: Keys, queries: Keys) -> tuple[Counts, Counts]:
    """For every query the number of ``ordered`` keys below it and the number equal to it.

    Args:
        ordered: (n,) ascending.
        queries: (m,) in any order.
    """
    shift = 8 * ordered.itemsize - _PREFIX
    starts = np.zeros((1 << _PREFIX) + 1, np.int64)  # first index of every prefix
    for key in ordered:
        starts[(key >> shift) + 1] += 1
    for prefix in range(1 << _PREFIX):
        starts[prefix + 1] += starts[prefix]

    below, equal = np.empty(len(queries), np.int64), np.empty(len(queries), np.int64)
    for index in range(len(queries)):
        query = queries[index]
        first, end = starts[query >> shift], starts[(query >> shift) + 1]
        low, high = first, end
        while low < high:
            middle = (low + high) // 2
            if ordered[middle] < query:
                low = middle + 1
            else:
                high = middle
        below[index] = low
        high = end
        while low < high:
            middle = (low + high) // 2
            if ordered[middle] <= query:
                low = middle + 1
            else:
                high = middle
        equal[index] = low - below[index]
    return below, equal
