"""ROC, precision and recall against scikit-learn and against plain loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from nsa.errors import InputError
from nsa.metrics import auroc, average_precision, f1_at, f1_max, roc_curve
from nsa.metrics._ranks import order_keys, ranks, sort_keys


def random_case(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 400))
    labels = rng.random(size) < rng.choice([0.05, 0.5, 0.9])
    labels[:2] = True, False
    scores = rng.normal(size=size) + labels * rng.choice([0.0, 1.0, 4.0])
    if seed % 2:  # heavy ties
        scores = np.round(scores * 2) / 2
    return labels, scores.astype([np.float32, np.float64][seed // 2 % 2])


@pytest.mark.parametrize("seed", range(40))
def test_areas_equal_scikit_learn(seed):
    labels, scores = random_case(seed)
    assert auroc(labels, scores) == pytest.approx(
        sklearn_metrics.roc_auc_score(labels, scores), abs=1e-12
    )
    assert average_precision(labels, scores) == pytest.approx(
        sklearn_metrics.average_precision_score(labels, scores), abs=1e-12
    )


@pytest.mark.parametrize("seed", range(12))
def test_best_f1_equals_a_loop_over_all_thresholds(seed):
    labels, scores = random_case(seed)
    every = {float(t): sklearn_metrics.f1_score(labels, scores >= t) for t in np.unique(scores)}
    f1, threshold = f1_max(labels, scores)
    assert f1 == pytest.approx(max(every.values()), abs=1e-12)
    assert every[threshold] == pytest.approx(f1, abs=1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_f1_at_a_threshold_calls_defective_what_is_above_it(seed):
    labels, scores = random_case(seed)
    for threshold in np.unique(scores):
        expected = sklearn_metrics.f1_score(labels, scores > threshold)
        assert f1_at(labels, scores, threshold) == pytest.approx(expected, abs=1e-12)


def test_a_threshold_between_two_numbers_of_float32_is_not_rounded():
    low = np.float32(0.1)
    labels, scores = [0, 1], np.array([low, np.nextafter(low, np.float32(1))])
    assert f1_at(labels, scores, (float(scores[0]) + float(scores[1])) / 2) == 1.0
    assert f1_at(labels, scores, float(scores[1])) == 0.0


def test_pixel_maps_equal_scikit_learn():
    rng = np.random.default_rng(0)
    masks = rng.random((3, 128, 128)) < 0.03
    maps = (rng.random(masks.shape) + 0.3 * masks).astype(np.float32)
    flat = masks.ravel(), maps.ravel()
    assert auroc(masks, maps) == pytest.approx(sklearn_metrics.roc_auc_score(*flat), abs=1e-12)
    assert average_precision(masks, maps) == pytest.approx(
        sklearn_metrics.average_precision_score(*flat), abs=1e-12
    )


def test_roc_curve_holds_the_area():
    labels, scores = random_case(4)
    fpr, tpr, thresholds = roc_curve(labels, scores)
    assert sklearn_metrics.auc(fpr, tpr) == pytest.approx(auroc(labels, scores), abs=1e-12)
    assert (fpr[0], tpr[0], thresholds[0]) == (0, 0, np.inf)
    assert (fpr[-1], tpr[-1]) == (1, 1)


def test_the_truth_comes_first_as_in_scikit_learn():
    labels, scores = random_case(4)
    for ours, theirs in zip(
        roc_curve(labels, scores), sklearn_metrics.roc_curve(labels, scores), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_order_is_all_that_matters():
    labels, scores = random_case(2)
    for metric in (auroc, average_precision, lambda *both: f1_max(*both)[0]):
        assert metric(labels, np.arctan(scores)) == metric(labels, scores)
    assert auroc(labels, -scores) == pytest.approx(1 - auroc(labels, scores), abs=1e-12)


def test_constant_and_perfect_scores():
    labels = np.array([0, 0, 0, 1])
    assert auroc(labels, np.ones(4)) == 0.5
    assert average_precision(labels, np.ones(4)) == 0.25
    assert f1_max(labels, np.ones(4)) == (0.4, 1.0)
    assert (auroc(labels, labels), average_precision(labels, labels)) == (1, 1)
    assert f1_max(labels, labels * 0.5) == (1.0, 0.5)


def test_lists_and_tensors():
    assert auroc([0, 0, 1], [0.1, 0.2, 0.9]) == 1
    scores = torch.tensor([[0.5, 0.1], [0.7, 0.2]], dtype=torch.bfloat16, requires_grad=True)
    assert auroc(torch.tensor([[True, False], [False, False]]), scores) == pytest.approx(2 / 3)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1),
    st.sampled_from([np.float32, np.float64]),
)
def test_keys_keep_the_order_of_floats(values, dtype):
    """Signs, zeros of both signs and denormals included."""
    scores = np.array([*values, 0.0, -0.0], dtype)
    keys = order_keys(scores)
    assert np.array_equal(scores[:, None] < scores, keys[:, None] < keys)
    ordered = sort_keys(keys)
    assert np.array_equal(ordered, np.sort(keys))
    below, equal = ranks(ordered, keys)
    assert np.array_equal(below, np.count_nonzero(scores[:, None] > scores, axis=1))
    assert np.array_equal(equal, np.count_nonzero(scores[:, None] == scores, axis=1))


@pytest.mark.parametrize("metric", [auroc, average_precision, f1_max, roc_curve])
@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 1], [0.1, 0.2], "all 2 labels are defective"),
        ([0, 0], [0.1, 0.2], "all 2 labels are normal"),
        ([], [], "there are no labels"),
        ([0, 1, 1], [0.1, 0.2], r"same shape, got \(3,\) and \(2,\)"),
        ([0, 1], [0.1, float("nan")], "scores hold NaN"),
        ([0, 1], [0.1, float("-inf")], "scores hold NaN or infinity"),
        ([0, 2], [0.1, 0.2], "got 2"),
        (["good", "bad"], [0.1, 0.2], "labels must be"),
        ([0, 1], ["low", "high"], "scores must be numbers"),
        ([0.1, 0.2], [0, 1], r"got 0.1; labels come first, then scores\."),
        ([0.0, 1.0], [False, True], "scores are booleans, but labels are not; labels come first"),
    ],
)
def test_bad_input(metric, labels, scores, message):
    with pytest.raises(InputError, match=message):
        metric(labels, scores)
