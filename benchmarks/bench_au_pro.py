"""Pixel metrics of a test set: AU-PRO, AUROC and average precision."""

import numpy as np
import pytest
from common import defect_maps
from scipy import ndimage
from sklearn import metrics as sklearn_metrics

import nsa.metrics

SIZE = "83 maps of 256 x 256"  # the test set of MVTec AD's bottle


@pytest.fixture(scope="module")
def masks_and_maps():
    maps, masks = defect_maps(83, 256)
    return masks, maps


def vectorised_au_pro(masks, maps, max_fpr=0.3):
    """The MVTec AD benchmark's algorithm in NumPy: sort all pixels, sum the changes, integrate."""
    regions = 0
    change = np.zeros(maps.shape)
    for index, mask in enumerate(masks):
        components, count = ndimage.label(mask, structure=np.ones((3, 3), int))
        areas = np.bincount(components.ravel(), minlength=count + 1)
        change[index] = np.where(mask, 1 / np.maximum(areas, 1)[components], 0)
        regions += count
    scores = maps.ravel()
    order = np.argsort(scores)[::-1]
    fpr = np.cumsum(~masks.ravel()[order]) / np.count_nonzero(~masks)
    pro = np.cumsum(change.ravel()[order]) / regions
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    fpr, pro = np.append(0, fpr[last_of_tie]), np.append(0, pro[last_of_tie])
    inside = fpr <= max_fpr
    fpr_cut = np.append(fpr[inside], max_fpr)
    pro_cut = np.append(pro[inside], np.interp(max_fpr, fpr, pro))
    return sklearn_metrics.auc(fpr_cut, pro_cut) / max_fpr


@pytest.mark.parametrize("peer", ["nsa", "vectorised NumPy"])
def test_au_pro(benchmark, masks_and_maps, peer):
    benchmark.group = f"AU-PRO, {SIZE}"
    benchmark.extra_info["peer"] = peer
    if peer == "nsa":
        area = benchmark(nsa.metrics.au_pro, *masks_and_maps)
        assert area == pytest.approx(vectorised_au_pro(*masks_and_maps), abs=1e-6)
    else:
        benchmark.pedantic(vectorised_au_pro, masks_and_maps, rounds=3)


@pytest.mark.parametrize("peer", ["nsa", "scikit-learn"])
@pytest.mark.parametrize(
    ("metric", "ours", "theirs"),
    [
        ("AUROC", nsa.metrics.auroc, sklearn_metrics.roc_auc_score),
        (
            "average precision",
            nsa.metrics.average_precision,
            sklearn_metrics.average_precision_score,
        ),
    ],
    ids=["auroc", "average_precision"],
)
def test_pixels(benchmark, masks_and_maps, metric, ours, theirs, peer):
    benchmark.group = f"pixel {metric}, {SIZE}"
    benchmark.extra_info["peer"] = peer
    labels, scores = (array.ravel() for array in masks_and_maps)
    if peer == "nsa":
        assert benchmark(ours, labels, scores) == pytest.approx(theirs(labels, scores), abs=1e-9)
    else:
        benchmark.pedantic(theirs, (labels, scores), rounds=3)
