"""Detectors do not see the pixels that do not count: bit for bit, in every frame and score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nsa.detectors.detector import Detector
from nsa.detectors.ensemble.detector import EnsembleDetector
from nsa.detectors.ensemble.fit import HeldOut, standardise
from nsa.detectors.hidden import counting
from nsa.detectors.network.detector import NetworkDetector
from nsa.detectors.network.image_score import MEAN, SCORES, ImageScore
from nsa.detectors.network.score_choice import judge, judge_on_crops
from nsa.detectors.network.settings import NetworkSettings
from nsa.errors import InputError
from nsa.images import Contents, stack
from nsa.images.ignored import Ignored
from nsa.model import EncoderDecoder
from nsa.settings.config import ImageConfig, SynthesisConfig, TrainConfig

SHAPE = 90, 110  # of the images, px
FRAMES: dict[str, dict[str, Any]] = {
    "stretch": {"size": (64, 72), "crop": (64, 72)},
    "crop": {"size": (72, 80), "crop": (64, 64)},
    "larger": {"size": (128, 160), "crop": (128, 160)},
    "fit": {"size": (80, 80), "crop": (80, 80), "resize": "fit"},
    "fit in crops": {"size": (80, 80), "crop": (32, 32), "resize": "fit"},
    "native": {"size": SHAPE, "crop": (64, 64), "resize": "none"},
}


def detector(frame: str = "stretch", score: ImageScore = MEAN, seed: int = 0) -> NetworkDetector:
    torch.manual_seed(seed)
    settings = NetworkSettings(
        category="disc", kind="object", synthesis=SynthesisConfig(), training=TrainConfig(),
        images=ImageConfig(center_crop=None, **FRAMES[frame]),
    )  # fmt: skip
    return NetworkDetector(EncoderDecoder(), settings, torch.device("cpu"), score)


def mask() -> Ignored:
    found = np.zeros(SHAPE, np.uint8)
    found[17:58, 20:51] = 1
    return Ignored(Path("m.png"), found)


def pair(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two images that differ only where nothing counts."""
    one, noise = random.integers(0, 256, (2, *SHAPE, 3), dtype=np.uint8)
    return one, np.where(mask().one[:, :, None] > 0, noise, one)  # type: ignore[index]


def images_of(*images: np.ndarray) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def check_blind(subject: Detector, random: np.random.Generator) -> None:
    """Check that a detector says the same of two images, and of others something else."""
    one, other = pair(random)
    third = one.copy()
    third[60:70, 60:70] = 255 - third[60:70, 60:70]
    hidden = mask().one
    before = subject.judge([one])[0].score
    assert subject.judge([other])[0].score != before
    given = [subject.judge([image], [hidden])[0] for image in (one, other, third)]
    subject.ignore(mask())
    subject.ignore(mask())  # once more changes nothing
    own = [subject.judge([image])[0] for image in (one, other, third)]
    for said in (given, own):
        assert said[0].score == said[1].score
        np.testing.assert_array_equal(said[0].map, said[1].map)
        assert said[2].score != said[0].score
        assert said[0].map.shape == SHAPE
        assert len({*said[0].map[hidden > 0].tolist()}) == 1  # type: ignore[operator]
        assert said[0].map[hidden > 0].max() <= said[0].map.min()  # type: ignore[operator]
    assert [one.score for one in given] == [one.score for one in own]
    maps, scores = subject.predict(images_of(one, other))
    assert scores[0] == scores[1]
    assert torch.equal(maps[0], maps[1])
    with pytest.raises(InputError, match=r"110 x 89 pixels, but the mask m\.png .* 110 x 90"):
        subject.judge([one[:89]])
    with pytest.raises(InputError, match=r"must be of one size"):
        subject.predict(images_of(one[:89]))


@pytest.mark.parametrize("frame", FRAMES)
def test_a_network_is_blind_there(frame: str, fresh_seed: int) -> None:
    check_blind(detector(frame), np.random.default_rng(fresh_seed))


@pytest.mark.parametrize("score", SCORES, ids=str)
def test_every_score_is_of_the_rest(score: ImageScore, fresh_seed: int) -> None:
    random = np.random.default_rng(fresh_seed)
    check_blind(detector("stretch", score), random)
    maps = torch.rand(3, 40, 50)
    hidden = torch.rand(3, 40, 50) < 0.3
    maps[hidden] = 0
    found = score.of_rest(maps, hidden)
    for row in range(3):  # the same of one mask as of many
        torch.testing.assert_close(
            score.of_rest(maps[row : row + 1], hidden[row : row + 1])[0], found[row]
        )
        if score.kind != "maximum":
            rest = maps[row][~hidden[row]]
            count = len(rest) if score.kind == "mean" else -(-len(rest) // score.extent)
            torch.testing.assert_close(found[row], rest.sort(descending=True)[0][:count].mean())


def test_the_published_crop_is_blind_too(fresh_seed: int) -> None:
    subject, images = detector("crop"), pair(np.random.default_rng(fresh_seed))
    subject.ignore(mask())
    one, other = (subject.score_as_published(stack([image], subject.size)) for image in images)
    assert one is not None
    assert other is not None
    assert torch.equal(one.scores, other.scores)
    assert torch.equal(one.maps, other.maps)


def test_calibration_is_blind(fresh_seed: int) -> None:
    subject, images = detector(), pair(np.random.default_rng(fresh_seed))
    seen = [stack([image], subject.size) for image in images]
    hidden = subject.hidden(mask().seen([], subject.size))
    given = [subject.calibrate(one, [SHAPE], hidden) for one in seen]
    subject.ignore(mask())
    own = [subject.calibrate(one, [SHAPE]) for one in seen]
    for one in (given[1], *own):
        np.testing.assert_array_equal(one.scores, given[0].scores)
        np.testing.assert_array_equal(one.levels, given[0].levels)


def test_an_ensemble_is_blind_and_its_scale_too(fresh_seed: int) -> None:
    random = np.random.default_rng(fresh_seed)
    members: dict[str, Detector] = {str(seed): detector(seed=seed) for seed in (1, 2)}
    pairs = [pair(random) for _ in range(8)]
    for member in members.values():
        member.ignore(mask())
    scales = []
    for side in (0, 1):
        held = stack([both[side] for both in pairs], (64, 72))
        scales.append(standardise(members, HeldOut(held, Contents([Path("a.png")] * 8)))[0])
    assert scales[0] == scales[1]
    blind = EnsembleDetector([*members.values()], scales[0])
    assert blind.ignored is not None
    check_blind(EnsembleDetector([detector(seed=seed) for seed in (1, 2)], scales[0]), random)


@pytest.mark.parametrize("score", [SCORES[0], SCORES[2], SCORES[4]], ids=str)
def test_what_is_exported_is_blind(score: ImageScore, fresh_seed: int) -> None:
    subject, images = detector("stretch", score), pair(np.random.default_rng(fresh_seed))
    subject.ignore(mask())
    module, _ = subject.deployable()
    seen = stack(images, subject.size).float()
    axes = ({0: torch.export.Dim("images", min=1)},)
    program = torch.export.export(module.eval(), (seen,), dynamic_shapes=axes)
    maps, scores = program.module()(seen)
    expected = subject.score(seen.to(torch.uint8))
    torch.testing.assert_close(maps, expected.maps)
    torch.testing.assert_close(scores, expected.scores)
    assert torch.equal(maps[0], maps[1])


def test_a_file_of_any_size_has_no_mask() -> None:
    subject = detector("native")
    subject.ignore(mask())
    with pytest.raises(InputError, match="only detectors that see whole images at one size"):
        subject.deployable()


def test_what_counts_of_maps() -> None:
    maps = torch.arange(12.0).reshape(2, 2, 3)
    hidden = torch.tensor([[[True, False, False], [False, True, True]]])
    [both] = counting(maps, hidden)
    assert both.tolist() == [[[1, 2, 3]], [[7, 8, 9]]]
    each = counting(maps, torch.cat([hidden, ~hidden]))
    assert [one.tolist() for one in each] == [[[[1, 2, 3]]], [[[6, 10, 11]]]]


@pytest.mark.parametrize("whole", [True, False])
def test_the_choice_of_a_score_is_blind(whole: bool, fresh_seed: int) -> None:
    random = np.random.default_rng(fresh_seed)
    subject, pairs = detector(), [pair(random) for _ in range(3)]
    hidden = torch.from_numpy(mask().one).bool()  # type: ignore[arg-type]
    seen = [images_of(*(both[side] for both in pairs)) for side in (0, 1)]
    if whole:
        found = [judge(subject.maps, one, SynthesisConfig(), 1, hidden[None]) for one in seen]
    else:
        found = [
            judge_on_crops(
                subject.maps, ((image, hidden) for image in one), 3, (48, 48), SynthesisConfig(), 1
            )
            for one in seen
        ]
    assert len(found[0].synthetic) > 100
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
