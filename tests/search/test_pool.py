"""The pool keeps the k best pairs, whatever order they come in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.search import pool as pool_module
from podium.search.pool import Pool, ordered

parts = st.lists(st.lists(st.integers(-3, 3), max_size=30), min_size=1, max_size=8)


@pytest.fixture(autouse=True, scope="module")
def prune_often():
    patch = pytest.MonkeyPatch()
    patch.setattr(pool_module, "_SPARE", 3)
    yield
    patch.undo()


@given(parts, st.integers(1, 40), st.randoms(use_true_random=False))
def test_the_k_best_come_out_in_order(parts: list[list[int]], k: int, random) -> None:
    levels = [level for part in parts for level in part]
    keys = list(range(len(levels)))
    random.shuffle(keys)
    pool = Pool(k)
    start = 0
    for part in parts:
        pool.add(np.array(part, np.float32), np.array(keys[start : start + len(part)], np.int64))
        start += len(part)
    expected = sorted(zip(levels, keys, strict=True), key=lambda pair: (-pair[0], pair[1]))[:k]
    similarities, kept = pool.best()
    assert list(zip(similarities.tolist(), kept.tolist(), strict=True)) == expected
    assert len(pool) == len(expected)


def test_the_floor_rises_to_the_kth_best_and_keeps_what_ties_with_it() -> None:
    pool = Pool(2)
    pool.add(np.array([5, 4, 4, 3, 2, 1], np.float32), np.array([9, 8, 7, 6, 5, 4]))
    assert pool.floor == 4
    pool.add(np.array([4, 4], np.float32), np.array([3, 99]))
    assert pool.best()[1].tolist() == [9, 3]


def test_pairs_below_the_first_floor_are_not_kept() -> None:
    pool = Pool(5, floor=0.5)
    pool.add(np.array([0.4, 0.5, 0.6], np.float32), np.array([0, 1, 2]))
    assert pool.best()[1].tolist() == [2, 1]


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=50))
def test_order_is_similarity_descending_then_key(values: list[float]) -> None:
    similarities = np.array(values, np.float32) + np.float32(0)
    keys = np.arange(len(values))[::-1].copy()
    order = np.lexsort((keys, -similarities))
    sorted_similarities, sorted_keys = ordered(similarities, keys)
    np.testing.assert_array_equal(sorted_similarities, similarities[order])
    np.testing.assert_array_equal(sorted_keys, keys[order])
