"""A random stream per image: a seed and an image's index fix it on any machine, in any thread.

xoshiro256++ (Blackman and Vigna, 2021) seeded by splitmix64. The state is an array of four uint64,
changed in place.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nsa.plan._jit import inlined

State = npt.NDArray[np.uint64]

# numba turns uint64 mixed with Python integers into float64, hence the wrapped constants.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_LOW_32 = np.uint64(0xFFFFFFFF)
_TWO_32 = np.uint64(1 << 32)
_HALF = np.uint64(1 << 63)
_12, _17, _23, _27, _30, _31, _32, _45, _64 = (
    np.uint64(bits) for bits in (12, 17, 23, 27, 30, 31, 32, 45, 64)
)


@inlined
def _mix(word: np.uint64) -> np.uint64:
    word = (word ^ (word >> _30)) * _MIX_1
    word = (word ^ (word >> _27)) * _MIX_2
    return word ^ (word >> _31)


@inlined
def seed_stream(state: State, seed: np.uint64, index: int) -> None:
    """Start the stream of one image."""
    # The seed is mixed first, so that (seed, index + 1) and (seed + 1, index) are unrelated.
    word = _mix(seed + _GOLDEN) ^ _mix(np.uint64(index) * _GOLDEN)
    for k in range(4):
        word += _GOLDEN
        state[k] = _mix(word)


@inlined
def _rotate(word: np.uint64, bits: np.uint64) -> np.uint64:
    return (word << bits) | (word >> (_64 - bits))


@inlined
def next_word(state: State) -> np.uint64:
    """64 random bits."""
    result: np.uint64 = _rotate(state[0] + state[3], _23) + state[0]
    shifted = state[1] << _17
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= shifted
    state[3] = _rotate(state[3], _45)
    return result


@inlined
def uniform(state: State) -> float:
    """Uniform on the open interval (0, 1)."""
    return (np.float64(next_word(state) >> _12) + 0.5) * 2.0**-52


@inlined
def below(state: State, count: int) -> int:
    """An integer uniform on 0, ..., count - 1 for 1 <= count < 2^32 (Lemire, 2019; no bias)."""
    bound = np.uint64(count)
    while True:
        product = (next_word(state) >> _32) * bound
        low = product & _LOW_32
        if low >= bound or low >= (_TWO_32 - bound) % bound:
            return int(np.int64(product >> _32))  # int() alone would stay unsigned


@inlined
def coin(state: State) -> bool:
    """True with probability 1/2."""
    return bool(next_word(state) < _HALF)


@inlined
def gamma2(state: State, scale: float) -> float:
    """Gamma with shape 2: the sum of two exponentials."""
    return -scale * math.log(uniform(state) * uniform(state))


@inlined
def normal(state: State, mean: float, deviation: float) -> float:
    """Normal, by Box and Muller."""
    radius = math.sqrt(-2.0 * math.log(uniform(state)))
    return mean + deviation * radius * math.cos(2.0 * math.pi * uniform(state))
