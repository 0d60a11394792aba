"""AP at k and intervals of its mean: hand-worked cases, slow plain twins, laws."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.metrics import average_precisions_at_k, bootstrap_mean, bootstrap_means
from podium.metrics.retrieval import best_first

K = 20


def plain_ap(similarity: list[float], relevant: list[bool], positives: int, k: int = K) -> float:
    """One query, one group of equal similarities after the other."""
    groups: defaultdict[float, list[bool]] = defaultdict(list)
    for value, right in zip(similarity, relevant, strict=True):
        groups[value].append(right)
    total, rows, found = 0.0, 0, 0
    for value in sorted(groups, reverse=True):
        rows, found = rows + len(groups[value]), found + sum(groups[value])
        total += sum(groups[value]) * found / rows
    return total / min(positives, k)


def plain_aps(query: np.ndarray, similarity: np.ndarray, relevant: np.ndarray, positives: np.ndarray) -> list[float]:
    return [
        plain_ap(similarity[query == at].tolist(), relevant[query == at].tolist(), int(count))
        for at, count in enumerate(positives)
    ]


@st.composite
def rankings(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Interleaved queries, few levels of similarity, at most 20 rows a query, queries without rows."""
    queries = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows_Q = rng.integers(0, K + 1, queries)
    query_N = rng.permutation(np.repeat(np.arange(queries), rows_Q))
    similarity_N = rng.integers(0, draw(st.sampled_from([1, 3, 100])), len(query_N)) / 4
    relevant_N = rng.random(len(query_N)) < draw(st.sampled_from([0.0, 0.2, 0.6, 1.0]))
    found_Q = np.bincount(query_N[relevant_N], minlength=queries)
    return query_N, similarity_N, relevant_N, np.maximum(found_Q + rng.integers(0, 30, queries), 1)


@pytest.mark.parametrize(
    ("similarity", "hits", "positives", "expected"),
    [
        ([0.9, 0.8, 0.7, 0.6], [0, 2], 3, (1 + 2 / 3) / 3),
        ([0.9, 0.8], [0], 1, 1.0),
        ([0.5] * 4, [0, 2], 3, 2 * (2 / 4) / 3),
        ([0.9, 0.9, 0.7], [0, 2], 3, (1 / 2 + 2 / 3) / 3),
        ([0.5] * 4, [2], 1, 0.25),
        ([0.6, 0.5, 0.5, 0.5], [0, 2], 2, (1 + 2 / 4) / 2),
        (list(range(20, 0, -1)), range(20), 25, 1.0),
        (list(range(20, 0, -1)), range(10), 25, 0.5),
        ([0.9, 0.8], [], 1, 0.0),
        ([0.0], [0], 1, 1.0),
        (list(range(21, 0, -1)), [20], 1, 1 / 21),
        ([0.0, -0.0], [0], 1, 0.5),
    ],
    ids=["E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "E9", "E10", "E11", "two zeros tie"],
)
def test_the_cases_worked_by_hand(similarity: list[float], hits: range, positives: int, expected: float) -> None:
    relevant_N = np.isin(np.arange(len(similarity)), list(hits))
    query_N = np.zeros(len(similarity), int)
    (value,) = average_precisions_at_k(query_N, np.array(similarity, float), relevant_N, np.array([positives]), k=K)
    assert value == pytest.approx(expected, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(rankings())
def test_every_query_has_the_ap_of_the_plain_way(case: tuple[np.ndarray, ...]) -> None:
    assert average_precisions_at_k(*case, k=K) == pytest.approx(plain_aps(*case), abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(rankings())
def test_ap_is_what_scikit_learn_gives_times_the_share_of_right_rows_listed(case: tuple[np.ndarray, ...]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    query_N, similarity_N, relevant_N, positives_Q = case
    for query, value in enumerate(average_precisions_at_k(*case, k=K)):
        mine = query_N == query
        found = int(relevant_N[mine].sum())
        theirs = metrics.average_precision_score(relevant_N[mine], similarity_N[mine]) if found else 0.0
        assert value == pytest.approx(theirs * found / min(int(positives_Q[query]), K), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(rankings())
def test_ap_lies_between_0_and_1(case: tuple[np.ndarray, ...]) -> None:
    values_Q = average_precisions_at_k(*case, k=K)
    assert values_Q.shape == case[3].shape
    assert ((values_Q >= 0) & (values_Q <= 1 + 1e-12)).all()


@settings(max_examples=60, deadline=None)
@given(rankings())
def test_an_order_preserving_change_of_the_similarities_changes_nothing(case: tuple[np.ndarray, ...]) -> None:
    query_N, similarity_N, relevant_N, positives_Q = case
    shifted_Q = np.arange(len(positives_Q)) * 7.0
    changed_N = np.exp(similarity_N / 50) - shifted_Q[query_N]
    before_Q = average_precisions_at_k(*case, k=K)
    assert (average_precisions_at_k(query_N, changed_N, relevant_N, positives_Q, k=K) == before_Q).all()


@settings(max_examples=60, deadline=None)
@given(rankings(), st.integers(0, 1_000))
def test_the_order_of_the_rows_changes_nothing(case: tuple[np.ndarray, ...], seed: int) -> None:
    order_N = np.random.default_rng(seed).permutation(len(case[0]))
    shuffled = (*(each[order_N] for each in case[:3]), case[3])
    assert (average_precisions_at_k(*shuffled, k=K) == average_precisions_at_k(*case, k=K)).all()


@settings(max_examples=100, deadline=None)
@given(rankings(), st.integers(0, 1_000))
def test_dropping_a_right_row_never_helps_and_dropping_a_wrong_one_never_hurts(
    case: tuple[np.ndarray, ...], seed: int
) -> None:
    if not len(case[0]):
        return
    row = seed % len(case[0])
    less = (*(np.delete(each, row) for each in case[:3]), case[3])
    gained_Q = average_precisions_at_k(*less, k=K) - average_precisions_at_k(*case, k=K)
    gained = gained_Q[case[0][row]]
    assert gained <= 1e-12 if case[2][row] else gained >= -1e-12
    assert (np.delete(gained_Q, case[0][row]) == 0).all(), "another query changed"


@settings(max_examples=100, deadline=None)
@given(rankings(), st.integers(0, 1_000))
def test_without_ties_giving_a_right_row_the_place_of_a_wrong_one_above_it_never_hurts(
    case: tuple[np.ndarray, ...], seed: int
) -> None:
    query_N, _, relevant_N, positives_Q = case
    similarity_N = np.random.default_rng(seed).permutation(len(query_N)).astype(float)
    wrong, right = np.flatnonzero(~relevant_N), np.flatnonzero(relevant_N)
    pairs = [(a, b) for a in wrong for b in right if query_N[a] == query_N[b] and similarity_N[a] > similarity_N[b]]
    if not pairs:
        return
    above, below = pairs[seed % len(pairs)]
    swapped_N = relevant_N.copy()
    swapped_N[[above, below]] = True, False
    before_Q = average_precisions_at_k(query_N, similarity_N, relevant_N, positives_Q, k=K)
    after_Q = average_precisions_at_k(query_N, similarity_N, swapped_N, positives_Q, k=K)
    assert (after_Q >= before_Q - 1e-12).all()
    assert after_Q.sum() > before_Q.sum()


def test_with_ties_a_right_row_may_lose_by_moving_up() -> None:
    """Fifteen right rows with one score after five wrong ones; then one of them ties with the five."""
    scores, relevant_N = np.repeat([2.0, 1.0], [5, 15]), np.repeat([False, True], [5, 15])
    moved = scores.copy()
    moved[5] = 2.0
    before, after = (
        average_precisions_at_k(np.zeros(20, int), each, relevant_N, np.array([15]), k=K)[0] for each in (scores, moved)
    )
    assert before == pytest.approx(15 / 20)
    assert after == pytest.approx((1 / 6 + 14 * 15 / 20) / 15)


@settings(max_examples=40, deadline=None)
@given(rankings())
def test_more_right_images_in_the_database_never_help(case: tuple[np.ndarray, ...]) -> None:
    more = average_precisions_at_k(*case[:3], case[3] + 1, k=K)
    assert (more <= average_precisions_at_k(*case, k=K)).all()


def test_k_bounds_the_divisor_and_cuts_nothing() -> None:
    similarity_N, relevant_N = np.array([3.0, 2.0, 1.0]), np.array([True, False, True])
    values = [
        average_precisions_at_k(np.zeros(3, int), similarity_N, relevant_N, np.array([9]), k=k)[0] for k in (1, 2, 9)
    ]
    assert values == pytest.approx([5 / 3, 5 / 6, 5 / 27], abs=1e-12)


def test_no_rows_give_0_for_every_query() -> None:
    nothing = np.empty(0)
    values_Q = average_precisions_at_k(nothing.astype(int), nothing, nothing.astype(bool), np.array([3, 1]), k=K)
    assert values_Q.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("query", "similarity", "positives", "k", "message"),
    [
        ([0], [0.5, 0.4], [1], K, "one entry a row"),
        ([0, 0], [0.5, np.nan], [1], K, "similarity `1` is `nan`"),
        ([0, 0], [np.inf, 0.5], [1], K, "must be finite"),
        ([0, 1], [0.5, 0.4], [1, 0], K, "query `1` has `0` positives"),
        ([0, 2], [0.5, 0.4], [1, 1], K, "`0` to `2`; 0 to 1 are known"),
        ([-1, 0], [0.5, 0.4], [1, 1], K, "`-1` to `0`"),
        ([0, 0], [0.5, 0.4], [1], 0, "k is `0`"),
    ],
)
def test_what_does_not_fit_is_refused(
    query: list[int], similarity: list[float], positives: list[int], k: int, message: str
) -> None:
    relevant_N = np.zeros(len(similarity), bool)
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        average_precisions_at_k(np.array(query), np.array(similarity), relevant_N, np.array(positives), k=k)


def test_rows_that_stand_in_order_are_not_sorted_again() -> None:
    query_N, similarity_N = np.array([0, 0, 1, 1]), np.array([0.9, 0.1, 0.8, 0.8])
    assert best_first(query_N, similarity_N) is None
    order_N = best_first(query_N[::-1], similarity_N)
    assert order_N is not None
    assert order_N.tolist() == [2, 3, 0, 1]


def plain_bootstrap(values: np.ndarray, groups: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Draws groups one resample at a time and averages the queries of those drawn."""
    names = np.unique(groups)
    drawn = np.random.default_rng(seed).integers(0, len(names), (resamples, len(names)), dtype=np.int32)
    means = []
    for row in drawn:
        taken = [value for at in row for value in values[groups == names[at]] if not np.isnan(value)]
        means.append(sum(taken) / len(taken) if taken else np.nan)
    return np.array(means)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 40))
def test_each_resample_is_the_mean_over_the_queries_of_the_groups_drawn(seed: int, groups: int, queries: int) -> None:
    rng = np.random.default_rng(seed)
    values_MQ = rng.random((2, queries))
    values_MQ[1, rng.random(queries) < 0.7] = np.nan
    group_Q = rng.integers(0, groups, queries) * 5 - 3
    for interval, values_Q in zip(bootstrap_means(values_MQ, group_Q, resamples=50, seed=seed), values_MQ, strict=True):
        means = plain_bootstrap(values_Q, group_Q, 50, seed)
        means = means[~np.isnan(means)]
        if not len(means):
            assert interval is None
            continue
        assert interval is not None
        assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=1e-12)
        count = len(np.unique(group_Q[~np.isnan(values_Q)]))
        assert (interval.resamples, interval.unit.split()[0]) == (len(means), str(count))


def test_drawing_in_pieces_draws_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values_Q, group_Q = np.random.default_rng(0).random(300), np.arange(300) // 3
    whole = bootstrap_mean(values_Q, group_Q, resamples=101, seed=2)
    monkeypatch.setattr("podium.metrics.retrieval._DRAWS_AT_ONCE", 700)
    pieces = bootstrap_mean(values_Q, group_Q, resamples=101, seed=2)
    assert (pieces.low, pieces.high) == pytest.approx((whole.low, whole.high), abs=1e-12)


def test_the_interval_repeats_with_its_seed_and_narrows_with_its_level() -> None:
    values_Q, group_Q = np.random.default_rng(0).random(200), np.arange(200) // 4
    first, again, other = (bootstrap_mean(values_Q, group_Q, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first.low < values_Q.mean() < first.high
    narrow = bootstrap_mean(values_Q, group_Q, seed=1, level=0.5)
    assert first.low < narrow.low < narrow.high < first.high
    assert (first.unit, first.level, first.resamples, narrow.level) == ("50 groups", 0.95, 1_000, 0.5)


def test_queries_that_are_alike_within_a_group_give_a_wider_interval_than_queries_alone() -> None:
    rng = np.random.default_rng(3)
    group_Q = np.repeat(np.arange(40), 25)
    values_Q = np.clip(rng.random(40)[group_Q] + rng.normal(0, 0.02, 1_000), 0, 1)
    grouped, single = bootstrap_mean(values_Q, group_Q), bootstrap_mean(values_Q, np.arange(1_000))
    assert grouped.high - grouped.low > 3.5 * (single.high - single.low)


def test_the_interval_is_as_wide_as_the_spread_over_new_samples_of_groups() -> None:
    means, widths = [], []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, 8, 60)
        group_Q = np.repeat(np.arange(60), sizes)
        values_Q = rng.random(60)[group_Q]
        means.append(values_Q.mean())
        interval = bootstrap_mean(values_Q, group_Q, resamples=200)
        widths.append(interval.high - interval.low)
    assert float(np.mean(widths)) == pytest.approx(3.92 * float(np.std(means)), rel=0.2)


@pytest.mark.parametrize(
    ("values", "groups", "how", "message"),
    [
        ([0.5], [0, 1], {}, "one entry a query"),
        ([], [], {}, "at least one"),
        ([0.5], [0], {"resamples": 0}, "`0` resamples"),
        ([0.5], [0], {"level": 1.0}, "level `1.0`"),
        ([np.inf], [0], {}, "infinite"),
        ([np.nan], [0], {}, "no value is finite"),
    ],
)
def test_what_cannot_be_resampled_is_refused(
    values: list[float], groups: list[int], how: dict[str, float], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        bootstrap_mean(np.array(values), np.array(groups, int), **how)
