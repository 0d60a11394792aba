"""Bootstrap intervals of micro-AP."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import ChallengeError, UsageError
from podium.metrics import average_precision, bootstrap_average_precision, resampled_average_precision
from podium.metrics.resampling import _draws


def ranking(seed: int, queries: int = 8, pairs: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    query_N, relevant_N = rng.integers(0, queries, pairs), rng.random(pairs) < 0.3
    similarity_N = rng.integers(0, 12, pairs) + 3.0 * relevant_N
    missed_Q = rng.integers(0, 3, queries)
    return similarity_N, relevant_N, query_N, np.bincount(query_N[relevant_N], minlength=queries) + missed_Q


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_each_resample_is_the_score_of_a_ranking_with_queries_repeated(seed: int) -> None:
    similarity_N, relevant_N, query_N, positives_Q = ranking(seed)
    values = resampled_average_precision(similarity_N, relevant_N, query_N, positives_Q, resamples=5, seed=seed)
    for value, weight_Q in zip(values, _draws(len(positives_Q), 5, seed), strict=True):
        copies_N = np.repeat(np.arange(len(query_N)), weight_Q[query_N])
        positives = int(weight_Q @ positives_Q)
        if not positives:
            assert np.isnan(value)
            continue
        expected = average_precision(similarity_N[copies_N], relevant_N[copies_N], positives=positives)
        assert value == pytest.approx(expected, abs=1e-12)


def test_the_interval_holds_the_score_and_repeats_with_its_seed() -> None:
    case = ranking(0, queries=100, pairs=2_000)
    score = average_precision(case[0], case[1], positives=int(case[3].sum()))
    interval = bootstrap_average_precision(*case, resamples=300, seed=4)
    assert interval.low < score < interval.high
    assert interval == bootstrap_average_precision(*case, resamples=300, seed=4)
    assert interval != bootstrap_average_precision(*case, resamples=300, seed=5)
    assert (interval.unit, interval.level, interval.resamples) == ("query", 0.95, 300)


def test_a_lower_level_gives_a_narrower_interval() -> None:
    case = ranking(1, queries=100, pairs=2_000)
    wide, narrow = (bootstrap_average_precision(*case, resamples=300, level=level) for level in (0.95, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_the_interval_is_as_wide_as_the_spread_over_new_samples() -> None:
    """Draws fresh sets of queries from one population: their scores spread as the bootstrap says."""
    scores, widths = [], []
    for seed in range(60):
        case = ranking(seed, queries=60, pairs=1_200)
        scores.append(average_precision(case[0], case[1], positives=int(case[3].sum())))
        interval = bootstrap_average_precision(*case, resamples=100)
        widths.append(interval.high - interval.low)
    assert 0.6 < np.mean(widths) / (2 * 1.96 * np.std(scores)) < 1.7


def test_draws_without_a_positive_are_left_out() -> None:
    positives_Q = np.array([1, 0, 0, 0])
    interval = bootstrap_average_precision(
        np.ones(1), np.array([True]), np.array([0]), positives_Q, resamples=200, seed=0
    )
    assert 100 < interval.resamples < 180
    assert (interval.low, interval.high) == (1.0, 1.0)


def test_nothing_predicted_gives_an_interval_at_zero() -> None:
    none = np.empty(0), np.empty(0, bool), np.empty(0, int)
    interval = bootstrap_average_precision(*none, np.array([1, 2]), resamples=10)
    assert (interval.low, interval.high) == (0.0, 0.0)


def test_values_that_do_not_fit_are_refused() -> None:
    one = np.ones(1), np.array([True]), np.array([0])
    with pytest.raises(ChallengeError, match="no positive"):
        bootstrap_average_precision(np.ones(1), np.array([False]), np.array([0]), np.array([0]))
    with pytest.raises(UsageError, match="0 to 0 are known"):
        bootstrap_average_precision(np.ones(1), np.array([True]), np.array([3]), np.array([1]))
    with pytest.raises(UsageError, match="query `1` has `1` relevant pairs"):
        bootstrap_average_precision(np.ones(1), np.array([True]), np.array([1]), np.array([1, 0]))
    with pytest.raises(UsageError, match="one entry a pair"):
        bootstrap_average_precision(np.ones(2), *one[1:], np.array([1]))
    with pytest.raises(UsageError, match="finite"):
        bootstrap_average_precision(np.array([np.nan]), *one[1:], np.array([1]))
    for options in ({"resamples": 0}, {"level": 1.0}):
        with pytest.raises(UsageError, match="resamples at level"):
            bootstrap_average_precision(*one, np.array([1]), **options)
