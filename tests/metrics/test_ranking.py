"""Ranking metrics against hand-worked cases, slow loops, scikit-learn and laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from podium.errors import ChallengeError, UsageError
from podium.metrics import average_precision, precision_recall, recall_at_precision, simple_average_precision

rankings = st.lists(st.tuples(st.integers(-4, 4), st.booleans()), max_size=40)


def arrays(ranking: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([each for each, _ in ranking], float), np.array([each for _, each in ranking], bool)


def slow(similarity: np.ndarray, relevant: np.ndarray, positives: int) -> float:
    """Every cut by itself."""
    total, recall_before = 0.0, 0.0
    for cut in sorted(set(similarity.tolist()), reverse=True):
        called = similarity >= cut
        found = int((called & relevant).sum())
        total += found / int(called.sum()) * (found / positives - recall_before)
        recall_before = found / positives
    return total


def test_a_hand_worked_ranking_without_ties() -> None:
    similarity, relevant = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])
    assert average_precision(similarity, relevant, positives=4) == pytest.approx((1 + 2 / 3) / 4, abs=1e-15)


def test_a_tie_counts_as_one_cut_whatever_its_order() -> None:
    ties = np.ones(2)
    for relevant in ([True, False], [False, True]):
        assert average_precision(ties, np.array(relevant), positives=1) == 0.5
    assert simple_average_precision(ties, np.array([True, False]), positives=1) == 1.0
    assert simple_average_precision(ties, np.array([False, True]), positives=1) == 0.5


@given(rankings, st.integers(0, 5))
def test_average_precision_is_that_of_a_plain_loop(ranking: list[tuple[int, bool]], missed: int) -> None:
    similarity, relevant = arrays(ranking)
    positives = int(relevant.sum()) + missed
    assume(positives)
    found = average_precision(similarity, relevant, positives=positives)
    assert found == pytest.approx(slow(similarity, relevant, positives), abs=1e-12)
    assert 0 <= found <= 1


@given(rankings, st.integers(0, 5))
def test_average_precision_is_scikit_learns_times_the_share_found(ranking: list[tuple[int, bool]], missed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    similarity, relevant = arrays(ranking)
    assume(relevant.any())
    positives = int(relevant.sum()) + missed
    expected = metrics.average_precision_score(relevant, similarity) * relevant.sum() / positives
    assert average_precision(similarity, relevant, positives=positives) == pytest.approx(expected, abs=1e-12)


@given(rankings, st.randoms(use_true_random=False))
def test_the_order_of_rows_plays_no_part(ranking: list[tuple[int, bool]], random) -> None:
    shuffled = random.sample(ranking, len(ranking))
    first, second = (average_precision(*arrays(each), positives=50) for each in (ranking, shuffled))
    assert first == pytest.approx(second, abs=1e-15)


@given(rankings)
def test_an_order_preserving_change_of_similarities_changes_nothing(ranking: list[tuple[int, bool]]) -> None:
    similarity, relevant = arrays(ranking)
    before = average_precision(similarity, relevant, positives=50)
    assert average_precision(np.exp(similarity) * 7 - 3, relevant, positives=50) == before
    assert average_precision(similarity.astype(np.float32), relevant, positives=50) == before


@given(rankings)
def test_without_ties_the_simple_form_is_the_same(ranking: list[tuple[int, bool]]) -> None:
    _, relevant = arrays(ranking)
    similarity = np.arange(len(relevant), 0, -1) / 7
    simple = simple_average_precision(similarity, relevant, positives=50)
    assert simple == pytest.approx(average_precision(similarity, relevant, positives=50), abs=1e-12)


@given(rankings, st.integers(-6, 6))
def test_adding_a_right_pair_never_lowers_the_score(ranking: list[tuple[int, bool]], level: int) -> None:
    before = average_precision(*arrays(ranking), positives=50)
    assert average_precision(*arrays([*ranking, (level, True)]), positives=50) >= before - 1e-12


def test_a_perfect_ranking_scores_exactly_one() -> None:
    for positives in range(1, 200):
        assert average_precision(np.arange(positives, 0.0, -1), np.ones(positives, bool), positives=positives) <= 1
    assert average_precision(np.ones(7), np.ones(7, bool), positives=7) == 1.0


def test_nothing_predicted_scores_zero_and_has_an_empty_curve() -> None:
    empty = np.empty(0), np.empty(0, bool)
    assert average_precision(*empty, positives=3) == 0.0
    assert simple_average_precision(*empty, positives=3) == 0.0
    assert recall_at_precision(*empty, positives=3) == 0.0
    assert len(precision_recall(*empty, positives=3).recall_G) == 0


def test_the_curve_has_one_point_a_distinct_similarity() -> None:
    curve = precision_recall(np.array([1, 3, 2, 2]), np.array([True, True, False, True]), positives=4)
    assert curve.similarity_G.tolist() == [3, 2, 1]
    assert curve.precision_G.tolist() == pytest.approx([1, 2 / 3, 3 / 4])
    assert curve.recall_G.tolist() == [0.25, 0.5, 0.75]


def test_recall_at_precision_takes_the_deepest_cut_that_is_precise_enough() -> None:
    similarity = np.array([5.0, 4, 3, 2, 1])
    relevant = np.array([True, False, True, True, True])
    assert recall_at_precision(similarity, relevant, positives=8, precision=0.8) == 0.5
    assert recall_at_precision(similarity, relevant, positives=8, precision=0.9) == 0.125
    assert recall_at_precision(-similarity, ~relevant, positives=8, precision=0.9) == 0.0


def test_nothing_to_score_is_the_challenges_fault() -> None:
    for positives in (0, -1):
        with pytest.raises(ChallengeError, match="no positive"):
            average_precision(np.ones(2), np.zeros(2, bool), positives=positives)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_similarities_that_are_not_finite_are_refused_with_their_place(bad: float) -> None:
    with pytest.raises(UsageError, match="similarity `1` is"):
        average_precision(np.array([0.5, bad]), np.array([True, False]), positives=1)


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="one entry a pair"):
        average_precision(np.ones(2), np.ones(3, bool), positives=3)
    with pytest.raises(UsageError, match="only `1`"):
        average_precision(np.ones(2), np.ones(2, bool), positives=1)
