"""Draw in which light each image of a batch is seen; whoever applies it draws nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsa.settings.config import ImageConfig

_MIDDLE = 128.0  # the grey level that contrast leaves as it is


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

    def of(self, chosen: slice) -> Lights:
        """The parameters of some images."""
        return Lights(
            self.blur[chosen], self.gain[chosen], self.shift[chosen], self.noise[chosen],
            self.key[chosen],
        )  # fmt: skip


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

    def factor(most: float, *shape: int) -> npt.NDArray[np.float64]:
        factors: npt.NDArray[np.float64] = np.exp(random.uniform(-1, 1, shape) * np.log1p(most))
        return factors

    brightness = factor(config.brightness, count, 1)
    balance = factor(config.white_balance if config.channels > 1 else 0, count, config.channels)
    contrast = factor(config.contrast, count, 1)
    light = brightness * balance
    return Lights(
        blur=(random.random(count) * config.blur).astype(np.float32),
        gain=(light * contrast).astype(np.float32),
        shift=(light * (1 - contrast) * _MIDDLE).astype(np.float32),
        noise=(random.random(count) * config.noise).astype(np.float32),
        key=random.integers(0, 2**32, count, dtype=np.uint32),
    )
