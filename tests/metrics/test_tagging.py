"""GAP, Hit@1, PERR and per-class AP against golden values of the official code, plain loops and laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.errors import UsageError
from podium.metrics import (
    TaggingTally,
    average_precision,
    global_average_precision,
    hit_at_one,
    precision_at_equal_recall,
)
from podium.metrics.tagging import highest

Matrix = np.ndarray


@pytest.fixture(scope="module")
def golden() -> tuple[Matrix, Matrix]:
    rng = np.random.default_rng(0)
    scores = np.round(rng.random((6, 30)), 6)
    labels = rng.random((6, 30)) < 0.15
    labels[2] = False
    return scores, labels


def tally(scores: Matrix, labels: Matrix, *, k: int = 20, batch: int = 3) -> TaggingTally:
    gathered = TaggingTally(scores.shape[1], k=k)
    for start in range(0, len(scores), batch):
        gathered.add(scores[start : start + batch], labels[start : start + batch])
    return gathered


def slow(scores: Matrix, labels: Matrix, *, k: int) -> tuple[float, float, list[tuple[float, bool, int]]]:
    """Hit@1, PERR and the pool, video by video."""
    hits, precision, pool = 0, 0.0, []
    for row, right in zip(scores.tolist(), labels.tolist(), strict=True):
        ranked = sorted(range(len(row)), key=lambda each: (-row[each], each))
        hits += right[ranked[0]]
        top = ranked[: sum(right)]
        precision += sum(right[each] for each in top if row[each] > 0) / len(top) if top else 0.0
        pool += [(row[each], right[each], each) for each in ranked[:k]]
    return hits / len(scores), precision / len(scores), pool


def test_hit_at_one_and_perr_have_their_golden_values(golden: tuple[Matrix, Matrix]) -> None:
    assert hit_at_one(*golden) == pytest.approx(1 / 6, abs=1e-9)
    assert precision_at_equal_recall(*golden) == pytest.approx(0.0972222222222, abs=1e-9)


@pytest.mark.parametrize(("k", "expected"), [(20, 0.0761250287), (5, 0.0252078609), (100, 0.1170673177)])
def test_gap_has_its_golden_values(golden: tuple[Matrix, Matrix], k: int, expected: float) -> None:
    assert global_average_precision(*golden, k=k) == pytest.approx(expected, abs=1e-9)


def test_the_mean_over_classes_has_its_golden_value(golden: tuple[Matrix, Matrix]) -> None:
    found = tally(*golden).result()
    assert found.mean_average_precision == pytest.approx(0.3533333333, abs=1e-9)
    assert (~np.isnan(found.average_precision_C)).sum() == 15
    assert found.videos == 6


def test_float32_scores_give_the_golden_values_as_well(golden: tuple[Matrix, Matrix]) -> None:
    scores, labels = golden
    assert global_average_precision(scores.astype(np.float32), labels) == pytest.approx(0.0761250287, abs=1e-9)


matrices = st.integers(1, 6).flatmap(
    lambda classes: st.lists(
        st.lists(st.tuples(st.integers(-2, 3), st.booleans()), min_size=classes, max_size=classes),
        min_size=1,
        max_size=6,
    )
)


def split(rows: list[list[tuple[int, bool]]]) -> tuple[Matrix, Matrix]:
    return np.array([[s for s, _ in row] for row in rows], float), np.array([[b for _, b in row] for row in rows], bool)


@given(matrices, st.integers(1, 7), st.integers(1, 3))
def test_everything_is_that_of_the_plain_loop_ties_and_all(rows, k: int, batch: int) -> None:
    scores, labels = split(rows)
    found = tally(scores, labels, k=k, batch=batch).result()
    hits, precision, pool = slow(scores, labels, k=k)
    assert found.hit_at_1 == pytest.approx(hits, abs=1e-12)
    assert found.perr == pytest.approx(precision, abs=1e-12)
    positives = int(labels.sum())
    if not positives:
        assert found.gap is None
        assert found.mean_average_precision is None
        return
    pooled = np.array([s for s, _, _ in pool]), np.array([b for _, b, _ in pool], bool)
    assert found.gap == pytest.approx(average_precision(*pooled, positives=positives), abs=1e-12)
    for cls in range(scores.shape[1]):
        mine = [each for each in pool if each[2] == cls]
        alone = np.array([s for s, _, _ in mine], float), np.array([b for _, b, _ in mine], bool)
        has = int(labels[:, cls].sum())
        value = found.average_precision_C[cls]
        assert np.isnan(value) if not has else value == pytest.approx(average_precision(*alone, positives=has))


@given(matrices, st.integers(1, 7))
def test_batches_change_nothing(rows, k: int) -> None:
    scores, labels = split(rows)
    one, other = (tally(scores, labels, k=k, batch=size).result() for size in (1, 10))
    assert one.gap == other.gap
    assert (one.hit_at_1, one.videos) == (other.hit_at_1, other.videos)
    np.testing.assert_array_equal(one.average_precision_C, other.average_precision_C)


@given(matrices, st.integers(1, 7))
def test_an_order_preserving_change_of_scores_changes_no_gap(rows, k: int) -> None:
    scores, labels = split(rows)
    assert global_average_precision(scores, labels, k=k) == global_average_precision(np.exp(scores), labels, k=k)


@given(matrices, st.integers(1, 6))
def test_the_highest_classes_are_those_of_a_stable_sort(rows, k: int) -> None:
    scores, _ = split(rows)
    k = min(k, scores.shape[1])
    np.testing.assert_array_equal(highest(scores, k), np.argsort(-scores, axis=1, kind="stable")[:, :k])


def test_a_video_without_labels_counts_as_missed() -> None:
    scores, labels = np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([[True, False], [False, False]])
    assert hit_at_one(scores, labels) == 0.5
    assert precision_at_equal_recall(scores, labels) == 0.5


def test_a_class_that_never_reaches_the_top_has_precision_zero() -> None:
    found = tally(np.array([[0.9, 0.1]]), np.array([[True, True]]), k=1).result()
    assert found.average_precision_C.tolist() == [1.0, 0.0]
    assert found.gap == 0.5


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="`0` classes"):
        TaggingTally(0)
    gathered = TaggingTally(2)
    with pytest.raises(UsageError, match=r"`\(1, 3\)`"):
        gathered.add(np.zeros((1, 3)), np.zeros((1, 3), bool))
    with pytest.raises(UsageError, match="video `0`, class `1` is `nan`"):
        gathered.add(np.array([[0.0, np.nan]]), np.zeros((1, 2), bool))
    with pytest.raises(UsageError, match="no video"):
        gathered.result()
