"""Draw in which light each image of a batch is seen; whoever applies it draws nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsa.settings.config import ImageConfig
from nsa.settings.methods import PatchLight

_MIDDLE = 128.0  # the grey level that contrast leaves as it is
_PATCHES = 4  # tells the light of patches from whatever else has the same seed

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Lights:
    """How each image of a batch is blurred, then lit, then made noisy.

    Attributes:
        blur: float32 (N,), deviation of the Gaussian, px.
        gain: float32 (N, channels), what grey levels are multiplied by.
        shift: float32 (N, channels), what is then added, grey levels.
        noise: float32 (N,), deviation of what is added to every value, grey levels.
        key: uint32 (N,), of the noise.
    """

    blur: npt.NDArray[np.float32]
    gain: npt.NDArray[np.float32]
    shift: npt.NDArray[np.float32]
    noise: npt.NDArray[np.float32]
    key: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.blur)

    def of(self, chosen: slice | npt.NDArray[np.int64]) -> Lights:
        """The parameters of some images."""
        return Lights(
            self.blur[chosen], self.gain[chosen], self.shift[chosen], self.noise[chosen],
            self.key[chosen],
        )  # fmt: skip

    def in_channels(self, count: int) -> Lights:
        """The parameters of the first channels."""
        return dataclasses.replace(self, gain=self.gain[:, :count], shift=self.shift[:, :count])


def draw_lights(config: ImageConfig, count: int, seed: int) -> Lights | None:
    """Draw the light of ``count`` images; the same seed gives the same one.

    Brightness and contrast of an image and each of its channels are multiplied by factors between
    ``1 / (1 + b)`` and ``1 + b``, all their logarithms equally likely; blur and noise are uniform
    from none to the most.

    Returns:
        None where the settings change nothing.
    """
    if not config.relit:
        return None
    random = np.random.default_rng(seed)
    balance = config.white_balance if config.channels > 1 else 0
    return _lights(
        brightness=_factors(random.uniform(-1, 1, (count, 1)), config.brightness),
        balance=_factors(random.uniform(-1, 1, (count, config.channels)), balance),
        contrast=_factors(random.uniform(-1, 1, (count, 1)), config.contrast),
        blur=random.random(count) * config.blur,
        noise=random.random(count) * config.noise,
        key=random.integers(0, 2**32, count, dtype=np.uint32),
    )


def draw_patch_lights(
    spreads: Sequence[PatchLight | None], method: npt.NDArray[np.int64], seed: int
) -> Lights | None:
    """Draw the light of the copies that patches come from, as :func:`draw_lights` does.

    What is drawn for an image depends on the seed and its index alone.

    Args:
        spreads: of each method; None: its patches come from the images themselves.
        method: (N,), which of them each image has; -1: none.

    Returns:
        Of three channels, of which a grey image has the first; unchanged where there is no spread.
        None where there is none at all.
    """
    if all(spread is None for spread in spreads):
        return None
    table = np.array([spread or PatchLight() for spread in spreads] + [PatchLight()])
    brightness, contrast, balance, blur, noise = table[method].T  # each (N,); -1 is the last
    unit = np.random.default_rng((_PATCHES, seed % 2**64)).random((len(method), 8))
    even = 2 * unit - 1
    return _lights(
        brightness=_factors(even[:, :1], brightness[:, None]),
        balance=_factors(even[:, 1:4], balance[:, None]),
        contrast=_factors(even[:, 4:5], contrast[:, None]),
        blur=unit[:, 5] * blur,
        noise=unit[:, 6] * noise,
        key=(unit[:, 7] * 2**32).astype(np.uint32),
    )


def _factors(drawn: Values, most: float | Values) -> Values:
    """From 1 / (1 + most) to 1 + most, for what is drawn from -1 to 1."""
    factors: Values = np.exp(drawn * np.log1p(most))
    return factors


def _lights(
    *,
    brightness: Values,
    balance: Values,
    contrast: Values,
    blur: Values,
    noise: Values,
    key: npt.NDArray[np.uint32],
) -> Lights:
    """Factors (N, 1), (N, channels) and (N, 1), and deviations (N,)."""
    light = brightness * balance
    return Lights(
        blur=blur.astype(np.float32),
        gain=(light * contrast).astype(np.float32),
        shift=(light * (1 - contrast) * _MIDDLE).astype(np.float32),
        noise=noise.astype(np.float32),
        key=key,
    )
