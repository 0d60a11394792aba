"""The best assignment against all permutations and scipy."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from podium.errors import UsageError
from podium.metrics.assignment import best_assignment

numbers = st.floats(-10, 10, allow_nan=False).map(lambda value: round(value, 2))


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=numbers))
def test_no_other_pairs_gain_more(gain: np.ndarray) -> None:
    rows, columns = best_assignment(gain)
    wide = gain if gain.shape[0] <= gain.shape[1] else gain.T
    best = max(
        sum(wide[row, column] for row, column in enumerate(chosen))
        for chosen in permutations(range(wide.shape[1]), wide.shape[0])
    )
    assert gain[rows, columns].sum() == pytest.approx(best, abs=1e-9)
    assert len(rows) == min(gain.shape)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert len(set(columns.tolist())) == len(columns)


@pytest.mark.parametrize("shape", [(20, 20), (5, 20), (20, 5), (1, 20), (40, 31)])
def test_random_gains_are_assigned_as_scipy_does(shape: tuple[int, int]) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    for seed in range(20):
        gain = np.random.default_rng(seed).random(shape)
        rows, columns = best_assignment(gain)
        theirs = optimize.linear_sum_assignment(-gain)
        assert rows.tolist() == theirs[0].tolist()
        assert columns.tolist() == theirs[1].tolist()


def test_nothing_to_assign_gives_no_pairs() -> None:
    rows, columns = best_assignment(np.empty((0, 3)))
    assert len(rows) == len(columns) == 0
    rows, columns = best_assignment(np.empty((3, 0)))
    assert len(rows) == len(columns) == 0


def test_gains_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(UsageError, match="finite"):
        best_assignment(np.array([[np.nan]]))
    with pytest.raises(UsageError, match="finite"):
        best_assignment(np.zeros(3))
