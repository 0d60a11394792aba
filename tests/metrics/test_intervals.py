"""Unions of intervals against a plain count of small cells."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from podium.metrics.intervals import NEVER, cut, first_covered, union_lengths

intervals = st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 20), st.integers(-3, 12)), max_size=40)


def arrays(drawn: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.array(drawn, float).reshape(-1, 3)
    return table[:, 0].astype(int), table[:, 1], table[:, 1] + table[:, 2]


@given(intervals, st.randoms(use_true_random=False))
def test_a_slice_is_first_covered_by_the_least_rank_over_it(drawn: list[tuple[int, int, int]], random) -> None:
    line, start, end = arrays(drawn)
    ranks = np.array(random.sample(range(100), len(drawn)), int)
    chosen = np.array([random.random() < 0.8 for _ in drawn], bool)
    slices = cut(line, start, end)
    found = first_covered(slices, ranks, chosen)
    expected = np.full(len(found), NEVER)
    for row in np.flatnonzero(chosen):
        covered = slice(slices.first_N[row], max(slices.stop_N[row], slices.first_N[row]))
        expected[covered] = np.minimum(expected[covered], ranks[row])
    assert found.tolist() == expected.tolist()


@given(intervals)
def test_the_slices_of_an_interval_add_up_to_it(drawn: list[tuple[int, int, int]]) -> None:
    line, start, end = arrays(drawn)
    slices = cut(line, start, end)
    for row in np.flatnonzero(end > start):
        mine = slice(slices.first_N[row], slices.stop_N[row])
        assert slices.length_S[mine].sum() == end[row] - start[row]
        assert (slices.line_S[mine] == line[row]).all()


@given(intervals)
def test_the_length_of_a_union_is_that_of_its_cells(drawn: list[tuple[int, int, int]]) -> None:
    line, start, end = arrays(drawn)
    line = line + 2
    found = union_lengths(line, start, end, lines=5)
    for each in range(5):
        cells = {cell for row in np.flatnonzero(line == each) for cell in range(int(start[row]), int(end[row]))}
        assert found[each] == len(cells)
