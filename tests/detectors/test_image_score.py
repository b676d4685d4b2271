"""What of its map is the score of an image, and what the file with the weights says of it."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from nsa.detectors.network.image_score import MEAN, NAMED, SCORES, ImageScore, read_score
from nsa.errors import InputError
from nsa.model.weights import save_model
from nsa.settings.config import IMAGE_SCORES


def some_maps(seed: int, count: int, height: int, width: int) -> Tensor:
    """Mostly near 0, as those of a network are."""
    values = np.random.default_rng(seed).gamma(0.2, 0.1, (count, height, width))
    return torch.from_numpy(values.clip(0, 1).astype(np.float32))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 101), (224, 57)])
def test_scores_by_their_definition(fresh_seed: int, height: int, width: int) -> None:
    maps = some_maps(fresh_seed, 5, height, width)
    for score in SCORES:
        expected = []
        for one in maps.double().numpy():
            if score.kind == "mean":
                expected.append(one.mean())
            elif score.kind == "top":
                count = -(-one.size // score.extent)
                expected.append(np.sort(one, axis=None)[-count:].mean())
            else:
                sides = (score.extent, score.extent)
                boxes = np.lib.stride_tricks.sliding_window_view(one, sides)
                expected.append(boxes.mean((2, 3)).max())
        found = score(maps)
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        # An image's score is its own, whatever comes with it.
        assert torch.equal(torch.cat([score(maps[:2]), score(maps[2:])]), found)
        assert score(maps[:0]).shape == (0,)


def test_a_small_defect_moves_all_but_the_mean(fresh_seed: int) -> None:
    """One pixel in a thousand, in maps whose mean varies by more than that."""
    random = np.random.default_rng(fresh_seed)
    level = torch.from_numpy(random.uniform(0, 0.02, (200, 1, 1)).astype(np.float32))
    maps = some_maps(fresh_seed, 200, 128, 128) * 0.05 + level
    defective = maps[100:]
    defective[:, 40:44, 60:64] += 0.5
    for score in SCORES:
        higher = (score(defective)[:, None] > score(maps[:100])).double().mean()
        assert (higher < 0.65) if score is MEAN else (higher > 0.99), score


class _All(nn.Module):
    def forward(self, maps: Tensor) -> tuple[Tensor, ...]:
        return tuple(score(maps) for score in SCORES)


@pytest.mark.parametrize("any_size", [False, True])
def test_exported_scores_are_the_same(fresh_seed: int, any_size: bool) -> None:
    """Also where the sides of a map, and with them the number of pixels that count, are open."""
    free = {0: torch.export.Dim("images", min=1)}
    if any_size:
        free |= {1: torch.export.Dim("height", min=32), 2: torch.export.Dim("width", min=32)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the exporters' own insides
        program = torch.export.export(_All(), (torch.rand(2, 72, 65),), dynamic_shapes=(free,))
        written = torch.onnx.export(program, input_names=["maps"], dynamo=True, verbose=False)
    assert written is not None
    session = onnxruntime.InferenceSession(written.model_proto.SerializeToString())
    for shape in ((4, 72, 65), (1, 101, 47)) if any_size else ((4, 72, 65), (1, 72, 65)):
        maps = some_maps(fresh_seed, *shape)
        for score, onnx, pt2 in zip(
            SCORES, session.run(None, {"maps": maps.numpy()}), program.module()(maps), strict=True
        ):
            np.testing.assert_allclose(onnx, score(maps), rtol=1e-5, err_msg=str(score))
            np.testing.assert_allclose(pt2, score(maps), rtol=1e-6, err_msg=str(score))


def test_every_setting_has_its_score() -> None:
    assert {*NAMED, "auto"} == set(IMAGE_SCORES)
    assert [str(NAMED[name]) for name in ("mean", "top", "maximum")] == [
        "mean", "mean of the highest 0.1 % of pixels", "maximum over 5 x 5 px",
    ]  # fmt: skip


def test_weights_say_how_images_are_scored(tmp_path: Path) -> None:
    path, network = tmp_path / "w.safetensors", nn.Linear(1, 1)
    save_model(path, network)  # as before there was a choice
    assert read_score(path) == MEAN
    for score in SCORES:
        save_model(path, network, score.note)
        assert read_score(path) == score
    save_model(path, network, ImageScore("top", 7).note)
    with pytest.raises(InputError, match=r"w\.safetensors is damaged: .*'top 7'; train again"):
        read_score(path)
