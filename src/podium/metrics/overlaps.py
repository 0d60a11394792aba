"""Which predicted boxes meet which true boxes.

Legend: N predicted boxes, M true boxes, 4 times (query start and end, reference start and end).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.metrics.ranking import Floats

Integers = NDArray[np.integer[Any]]


def overlapping(
    times_N4: Floats, pair_N: Integers, times_M4: Floats, pair_M: Integers
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of all (predicted, true) boxes of one pair that overlap on both axes.

    >>> true = np.array([[1.0, 3, 1, 3], [1, 3, 5, 6]])
    >>> overlapping(np.array([[0.0, 2, 0, 2]]), np.array([7]), true, np.array([7, 7]))
    (array([0]), array([0]))
    """
    found = list(overlaps_by_turn(times_N4, pair_N, times_M4, pair_M))
    nothing = np.empty(0, np.int64)
    return np.concatenate([nothing, *(row for row, _ in found)]), np.concatenate(
        [nothing, *(true for _, true in found)]
    )


def overlaps_by_turn(
    times_N4: Floats, pair_N: Integers, times_M4: Floats, pair_M: Integers
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The rows of `overlapping`, one true box of every pair at a time, so that memory grows with the boxes only."""
    order_M = np.argsort(pair_M, kind="stable")
    sorted_M = np.asarray(pair_M)[order_M]
    first_N = np.searchsorted(sorted_M, pair_N, side="left")
    count_N = np.searchsorted(sorted_M, pair_N, side="right") - first_N
    rows_N = np.flatnonzero(count_N)
    rows_N = rows_N[np.argsort(-count_N[rows_N], kind="stable")]
    falling_N = -count_N[rows_N]
    for place in range(int(count_N.max(initial=0))):
        mine = rows_N[: np.searchsorted(falling_N, -place, side="left")]
        true = order_M[first_N[mine] + place]
        a_N4, b_N4 = times_N4[mine], times_M4[true]
        span_N2 = np.minimum(a_N4[:, 1::2], b_N4[:, 1::2]) - np.maximum(a_N4[:, ::2], b_N4[:, ::2])
        hit = (span_N2 > 0).all(axis=1)
        yield mine[hit], true[hit]
