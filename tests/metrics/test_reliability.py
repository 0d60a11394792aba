"""Reliability of probabilities: by hand, against a slow plain twin, and its laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from podium.errors import UsageError
from podium.metrics.reliability import reliability, wilson_intervals

predictions = st.lists(
    st.tuples(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0])), st.booleans()),
    min_size=1,
    max_size=60,
)
ways = st.sampled_from(["width", "mass"])


def split(pairs: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([each for each, _ in pairs]), np.array([each for _, each in pairs])


def slow_by_width(pairs: list[tuple[float, bool]], bins: int) -> tuple[list[tuple[int, float, float]], float]:
    """Count, confidence and share of each bin that holds something, and the error, one prediction at a time."""
    held: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for probability, right in pairs:
        at = next((k for k in range(bins) if k / bins <= probability < (k + 1) / bins), bins - 1)
        held[at].append((probability, right))
    rows = [
        (len(each), math.fsum(p for p, _ in each) / len(each), sum(right for _, right in each) / len(each))
        for each in held
        if each
    ]
    return rows, math.fsum(count * abs(share - confidence) for count, confidence, share in rows) / len(pairs)


def test_five_predictions_in_two_bins_are_as_worked_by_hand() -> None:
    found = reliability(np.array([0.2, 0.4, 0.5, 0.7, 1.0]), np.array([False, True, False, True, True]), bins=2)
    assert found.low_B.tolist() == [0.0, 0.5]
    assert found.high_B.tolist() == [0.5, 1.0]
    assert found.count_B.tolist() == [2, 3]
    assert found.positive_B.tolist() == [1, 2]
    assert found.confidence_B == pytest.approx([0.3, 2.2 / 3])
    assert found.share_B == pytest.approx([1 / 2, 2 / 3])
    assert found.expected_calibration_error == pytest.approx((2 * 0.2 + 3 * (2.2 / 3 - 2 / 3)) / 5)
    assert found.brier_score == pytest.approx((0.04 + 0.36 + 0.25 + 0.09 + 0) / 5)


def test_bins_without_a_prediction_are_left_out() -> None:
    found = reliability(np.array([0.05, 0.95]), np.array([False, True]), bins=10)
    assert found.low_B == pytest.approx([0.0, 0.9])
    assert found.count_B.tolist() == [1, 1]


def test_bins_of_equal_mass_hold_equally_many() -> None:
    probability = np.linspace(0, 1, 12) ** 4
    found = reliability(probability, probability > 0.5, bins=4, by="mass")
    assert found.count_B.tolist() == [3, 3, 3, 3]
    assert found.low_B[0] == 0.0
    assert found.high_B[-1] == 1.0
    assert found.high_B[:-1].tolist() == found.low_B[1:].tolist()
    assert found.high_B[0] == pytest.approx((probability[2] + probability[3]) / 2)


def test_equal_probabilities_share_a_bin_of_equal_mass() -> None:
    found = reliability(np.array([0.5] * 9 + [0.9]), np.array([True] * 10), bins=5, by="mass")
    assert found.count_B.tolist() == [9, 1]


def test_the_wilson_interval_is_that_of_the_literature() -> None:
    low, high = wilson_intervals(np.array([81, 0, 10]), np.array([263, 10, 10]))
    assert low == pytest.approx([0.2553, 0.0, 0.7225], abs=1e-4)
    assert high == pytest.approx([0.3662, 0.2775, 1.0], abs=1e-4)


@pytest.mark.parametrize(
    ("probability", "positive", "more", "message"),
    [
        ([], [], {}, "no probability"),
        ([0.5, 1.2], [True, True], {}, "probability `1` is `1.2`"),
        ([math.nan], [True], {}, "is `nan`"),
        ([0.5], [True, False], {}, "one entry a prediction"),
        ([0.5], [True], {"bins": 0}, "`0` bins"),
        ([0.5], [True], {"by": "weight"}, "`width` and `mass`"),
    ],
)
def test_what_makes_no_sense_is_refused(probability, positive, more, message) -> None:
    with pytest.raises(UsageError, match=message):
        reliability(np.array(probability), np.array(positive), **more)


def test_shares_of_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        wilson_intervals(np.array([0]), np.array([0]))
    with pytest.raises(UsageError, match="more successes"):
        wilson_intervals(np.array([3]), np.array([2]))


@given(predictions, st.integers(1, 20))
def test_bins_of_equal_width_are_those_of_the_slow_twin(pairs: list[tuple[float, bool]], bins: int) -> None:
    found = reliability(*split(pairs), bins=bins)
    rows, error = slow_by_width(pairs, bins)
    assert found.count_B.tolist() == [count for count, _, _ in rows]
    assert found.confidence_B == pytest.approx([confidence for _, confidence, _ in rows])
    assert found.share_B == pytest.approx([share for _, _, share in rows])
    assert found.expected_calibration_error == pytest.approx(error, abs=1e-12)


@given(predictions)
def test_the_brier_score_is_that_of_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    probability, positive = split(pairs)
    expected = brier_score_loss(positive, probability, labels=[False, True])
    assert reliability(probability, positive).brier_score == pytest.approx(expected, abs=1e-12)


@given(predictions, st.integers(1, 20), ways)
def test_every_prediction_lies_in_one_bin_and_every_share_in_its_interval(pairs, bins: int, by) -> None:
    probability, positive = split(pairs)
    found = reliability(probability, positive, bins=bins, by=by)
    assert found.count_B.sum() == len(pairs)
    assert found.positive_B.sum() == positive.sum()
    assert len(found.count_B) <= bins
    assert (found.count_B > 0).all()
    assert (found.low_B <= found.confidence_B + 1e-12).all()
    assert (found.confidence_B <= found.high_B + 1e-12).all()
    assert (found.share_low_B <= found.share_B).all()
    assert (found.share_B <= found.share_high_B).all()
    assert 0 <= found.expected_calibration_error <= 1
    assert 0 <= found.brier_score <= 1


@given(predictions, st.integers(1, 20), ways, st.randoms())
def test_the_order_of_the_predictions_plays_no_part(pairs, bins: int, by, random) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)
    first, second = (reliability(*split(each), bins=bins, by=by) for each in (pairs, shuffled))
    assert first.count_B.tolist() == second.count_B.tolist()
    assert first.positive_B.tolist() == second.positive_B.tolist()
    assert first.expected_calibration_error == pytest.approx(second.expected_calibration_error, abs=1e-12)


@given(predictions, st.integers(1, 20))
def test_one_bin_asks_only_for_the_mean(pairs, bins: int) -> None:
    probability, positive = split(pairs)
    coarse = reliability(probability, positive, bins=1).expected_calibration_error
    assert coarse == pytest.approx(abs(probability.mean() - positive.mean()), abs=1e-12)
    assert reliability(probability, positive, bins=bins).expected_calibration_error >= coarse - 1e-12


@given(st.integers(1, 40))
def test_what_is_sure_and_right_has_no_error(count: int) -> None:
    positive = np.arange(count) % 2 == 0
    found = reliability(positive.astype(float), positive)
    assert found.expected_calibration_error == 0
    assert found.brier_score == 0
