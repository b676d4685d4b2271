"""Ensembles from members that are made up: standardised values, sums, spreads."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from nsa.detectors.detector import Detector, Scored
from nsa.detectors.ensemble.detector import EnsembleDetector
from nsa.detectors.ensemble.fit import HeldOut, check_enough, standardise
from nsa.detectors.ensemble.folder import Scales, read_scales, write_scales
from nsa.detectors.ensemble.standard import Standard, of_maps, of_scores, some_pixels
from nsa.errors import InputError
from nsa.images import Contents

Values = npt.NDArray[np.float64]


def standardised(values: Values, held: Values, *, maps: bool) -> Values:
    """The formula in NumPy."""
    floor = np.sort(held[held > 0])[(np.count_nonzero(held > 0) - 1) // 2] / 1000
    logs, known = np.log(np.maximum(values, floor)), np.log(np.maximum(held, floor))
    if maps:
        middle, upper = np.quantile(known, (0.5, 0.99), method="lower")
        return np.asarray((logs - upper) / ((upper - middle) / 2.3263))
    deviation = np.median(np.abs(known - np.median(known)))
    return np.asarray((logs - np.median(known)) / (1.4826 * deviation))


@pytest.mark.parametrize("maps", [False, True])
@pytest.mark.parametrize("zeros", [0, 7])
def test_logarithms_are_shifted_and_scaled(maps: bool, zeros: int, fresh_seed: int) -> None:
    random = np.random.default_rng([fresh_seed, zeros])
    held = random.lognormal(-3, 2, 101)
    held[:zeros] = 0
    values = np.array([0, 1e-30, 1e-3, 1.0, 50.0, *held])
    make = of_maps if maps else of_scores
    found = make(torch.from_numpy(held))(torch.from_numpy(values))
    np.testing.assert_allclose(found, standardised(values, held, maps=maps), rtol=1e-9)


@pytest.mark.parametrize("make", [of_scores, of_maps])
def test_a_scale_is_found_wherever_values_differ(make: object) -> None:
    """More than half of the scores, or 99 of 100 pixels, are one and the same."""
    held = torch.full((1000,), 0.25, dtype=torch.float64)
    held[:6] = 0.5
    standard = make(held)  # type: ignore[operator]
    mean = 0.006 * math.log(2)
    assert standard.location == pytest.approx(math.log(0.25))
    assert standard.scale == pytest.approx(1.2533 * mean)
    for same in (held[6:], torch.zeros(9), held[6:] * (1 + 1e-6 * torch.rand(994))):
        with pytest.raises(InputError, match=r"they are all 0"):
            make(same)  # type: ignore[operator]


def test_pixels_are_taken_once_and_always_the_same() -> None:
    maps = torch.arange(2 * 6 * 7).reshape(2, 6, 7)
    taken = some_pixels(maps, 20, 3)
    assert taken.shape == (2, 20)
    assert all(len(set(row.tolist())) == 20 for row in taken)
    assert torch.equal(taken, some_pixels(maps, 20, 3))
    assert not torch.equal(taken, some_pixels(maps, 20, 4))
    assert sorted(some_pixels(maps, 99, 0)[1].tolist()) == list(range(42, 84))


class Brightness(Detector):
    """The mean of an image, and the image, to a power."""

    size = (6, 5)

    def __init__(self, power: float, channels: int = 3) -> None:
        self.power, self.channels = power, channels

    def score(self, images: Tensor, ignored: Tensor | None = None) -> Scored:  # noqa: ARG002
        assert images.shape[1] == self.channels
        maps = (images.float() / 255).mean(1) ** self.power
        return Scored(maps.flatten(1).mean(1), maps)

    def deployable(self) -> tuple[nn.Module, dict[str, str]]:
        raise NotImplementedError


def pictures(count: int, seed: int, channels: int = 3) -> Tensor:
    random = np.random.default_rng(seed)
    found = random.integers(0, 256, (count, channels, 6, 5), dtype=np.uint8)
    return torch.from_numpy(found)


def held_out(count: int, channels: int = 3) -> HeldOut:
    contents = Contents([f"{index}.png" for index in range(count)])
    return HeldOut(pictures(count, 0, channels), contents)


@pytest.mark.parametrize("channels", [3, 1])
def test_an_ensemble_sums_its_members(channels: int) -> None:
    """Of 37 images, more than are judged at once."""
    powers = {"a": 1.0, "b": 2.5, "c": 0.3}
    members = {name: Brightness(power, channels) for name, power in powers.items()}
    held, images = held_out(23, channels), pictures(37, 1, channels)
    scales, scores = standardise(members, held)
    ensemble = EnsembleDetector(list(members.values()), scales)
    assert ensemble.channels == channels
    found = ensemble.score(images)
    assert found.spread is not None
    expected: list[list[Values]] = [[], []]
    for name, member in members.items():
        known, new = member.score(held.images), member.score(images)
        np.testing.assert_allclose(scores[name], known.scores)
        for place, maps in ((0, False), (1, True)):
            one, other = known[place], new[place]
            assert one is not None
            assert other is not None
            expected[place].append(
                standardised(other.double().numpy(), one.double().numpy(), maps=maps)
            )
    np.testing.assert_allclose(found.scores, np.sum(expected[0], 0), atol=1e-5)
    np.testing.assert_allclose(found.spread, np.std(expected[0], 0), atol=1e-5)
    np.testing.assert_allclose(found.maps, np.sum(expected[1], 0), atol=1e-4)
    judged = ensemble.judge([image.permute(1, 2, 0).numpy() for image in images])
    assert [one.score for one in judged] == found.scores.tolist()
    assert [one.spread for one in judged] == found.spread.tolist()
    np.testing.assert_allclose(np.stack([one.map for one in judged]), found.maps, atol=1e-5)
    apart = np.stack([one.map_spread for one in judged])
    np.testing.assert_allclose(apart, np.std(expected[1], 0), atol=1e-4)
    maps, spreads = ensemble.spread(images)
    np.testing.assert_allclose(maps[:, 0], apart)
    np.testing.assert_allclose(spreads, found.spread)
    nothing = ensemble.score(images[:0])
    assert [len(one) for one in nothing if one is not None] == [0, 0, 0]
    assert ensemble.judge([]) == []


def test_members_that_say_the_same_of_everything_are_named() -> None:
    members = {"a": Brightness(1.0), "dull": Brightness(0.0)}
    with pytest.raises(InputError, match=r"^dull gives all held-out normal images the same score"):
        standardise(members, held_out(12))


def test_a_member_that_says_nearly_the_same_of_everything_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    members = {"a": Brightness(1.0), "faint": Brightness(0.01)}
    with caplog.at_level("WARNING", "nsa"):
        standardise(members, held_out(12))
    (told,) = [one.getMessage() for one in caplog.records if "nearly the same" in one.getMessage()]
    assert told.startswith("faint gives all normal images")


def test_members_that_say_nothing_finite_are_refused() -> None:
    class Broken(Brightness):
        def score(self, images: Tensor, ignored: Tensor | None = None) -> Scored:  # noqa: ARG002
            scored = super().score(images)
            return Scored(scored.scores.log() * 0 / 0, scored.maps)

    with pytest.raises(InputError, match=r"0\.png a score or a map that is not finite"):
        standardise({"a": Broken(1.0)}, held_out(12))


def test_ten_images_are_enough() -> None:
    check_enough(10, "")
    with pytest.raises(InputError, match=r"but there are 9; name more\.$"):
        check_enough(9, "name more")


def test_damaged_scales_are_named(tmp_path: Path) -> None:
    one = Standard(floor=1e-6, location=-3.0, scale=0.5)
    scales = [Scales(name=name, scores=one, maps=one) for name in ("01-nsa", "02-nsa")]
    write_scales(tmp_path, scales)
    path = tmp_path / "ensemble.yaml"
    assert read_scales(tmp_path) == scales
    whole = path.read_text()
    for old, new, message in (
        ("format: 1", "format: 2", "has the format 2, but this version"),
        ("scale: 0.5", "scale: 0.0", "scale must be above 0"),
        ("scale: 0.5", "scale: high", "scale must be a finite number"),
        ("02-nsa", "[]", "name must be text"),
        ("maps:", "mops:", "no field 'mops'"),
        ("members:", "others:", "it names less than two members"),
    ):
        assert old in whole
        path.write_text(whole.replace(old, new))
        with pytest.raises(InputError, match=message) as caught:
            read_scales(tmp_path)
        assert str(path) in str(caught.value)
