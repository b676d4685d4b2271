"""Curves of a result, against the exact ones of nsa.metrics."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from nsa.images import Sample
from nsa.metrics import pro_curve, roc_curve
from nsa.reproduce.evidence import FALSE_POSITIVE_RATES, cases, curves


def judged(ties: bool) -> tuple[Any, list[Sample]]:
    """An evaluation of 3 normal and 4 defective images, the last without a mask."""
    random = np.random.default_rng(0)
    maps = random.random((7, 40, 40)).astype(np.float32)
    masks = np.zeros((7, 40, 40), np.uint8)
    masks[3, 4:9, 4:9] = masks[4, 20:39, 2:30] = masks[4, 1:3, 1:3] = masks[5, :, 35:] = 1
    maps += 0.4 * masks
    if ties:
        maps = np.round(maps, 1)
    test = [Sample(Path(f"{i}.png")) for i in range(3)]
    test += [
        Sample(Path(f"{i}.png"), "hole", Path("m.png") if i < 6 else None) for i in (3, 4, 5, 6)
    ]
    paper = SimpleNamespace(
        metrics={"image_auroc": 0.9, "pixel_auroc": 0.9}, maps=torch.from_numpy(maps),
        scores=maps.mean((1, 2)),
    )  # fmt: skip
    images = torch.zeros((7, 3, 40, 40), dtype=torch.uint8)
    evaluation = SimpleNamespace(paper=paper, masks=masks, images=images)
    return evaluation, test


@pytest.mark.parametrize("ties", [False, True])
def test_curves_are_those_of_the_metrics(ties: bool) -> None:
    evaluation, test = judged(ties)
    found = curves(evaluation, test)
    maps, masks = evaluation.paper.maps.numpy()[:6], evaluation.masks[:6]
    fpr, tpr, _ = roc_curve(masks, maps)
    exact = {"pixel_roc": (fpr, tpr), "pro": pro_curve(masks, maps)}
    exact["image_roc"] = roc_curve([0, 0, 0, 1, 1, 1, 1], evaluation.paper.scores)[:2]
    for name, (rates, shares) in exact.items():
        wanted = np.interp(FALSE_POSITIVE_RATES, rates, shares)
        assert found[name] == pytest.approx(wanted, abs=1e-4), name


def test_best_and_worst_cases(tmp_path: Path) -> None:
    evaluation, test = judged(False)
    entries = cases(evaluation, test, tmp_path, "job")
    assert [entry["kind"] for entry in entries] == ["best", "best", "worst", "worst", "worst"]
    scores = [entry["score"] for entry in entries]
    assert scores[:4] == sorted(map(float, evaluation.paper.scores[3:]), reverse=True)
    assert scores[4] == max(map(float, evaluation.paper.scores[:3]))
    assert entries[4]["defect"] == "good"
    for entry in entries:
        picture = cv2.imread(str(tmp_path / entry["image"]))
        assert picture is not None
        assert picture.shape == (144, 288, 3)


def test_no_test_images_give_no_cases(tmp_path: Path) -> None:
    paper = SimpleNamespace(scores=np.empty(0, np.float32), maps=torch.empty(0, 8, 8))
    nothing = SimpleNamespace(paper=paper)
    assert cases(nothing, [], tmp_path, "job") == []  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
