"""Unions of intervals on a line, many lines at once, and when each piece of a union was first covered.

A line is cut at every start and end into slices. Which of many intervals is the first to cover a slice is the least
of their ranks, and a sparse table finds that for all slices in N log N steps, whatever the intervals' overlap.

Legend: N intervals, S slices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.integer[Any]]

NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True, kw_only=True, eq=False)
class Slices:
    """The lines cut at every start and end; no slice lies in two lines.

    Attributes:
        line_S: (S,) the line of each slice, not decreasing.
        length_S: (S,) 0 or more, in the unit of the times.
        first_N: (N,) the first slice of each interval.
        stop_N: (N,) one past its last slice; at most `first_N` where the interval is empty or reversed.
    """

    line_S: NDArray[np.int64]
    length_S: NDArray[np.float64]
    first_N: NDArray[np.int64]
    stop_N: NDArray[np.int64]


def cut(line_N: Integers, start_N: NDArray[np.float64], end_N: NDArray[np.float64]) -> Slices:
    """Cuts lines into slices.

    Args:
        line_N: The line of each interval; any whole numbers.
        start_N: Finite.
        end_N: Finite; an interval whose end is not after its start covers nothing.

    >>> slices = cut(np.array([0, 0]), np.array([0.0, 2.0]), np.array([3.0, 5.0]))
    >>> slices.length_S.tolist(), slices.first_N.tolist(), slices.stop_N.tolist()
    ([2.0, 1.0, 2.0, 0.0], [0, 1], [2, 3])
    """
    count = len(line_N)
    line_E = np.concatenate([line_N, line_N]).astype(np.int64)
    time_E = np.concatenate([start_N, end_N]).astype(np.float64)
    by_time = np.argsort(time_E)
    order_E = by_time[np.argsort(line_E[by_time], kind="stable")]
    line_E, time_E = line_E[order_E], time_E[order_E]
    new_E = np.ones(len(line_E), np.bool_)
    new_E[1:] = (line_E[1:] != line_E[:-1]) | (time_E[1:] != time_E[:-1])
    place_E = np.empty(len(line_E), np.int64)
    place_E[order_E] = np.cumsum(new_E) - 1
    line_S, time_S = line_E[new_E], time_E[new_E]
    length_S = np.zeros(len(line_S))
    same = line_S[1:] == line_S[:-1]
    length_S[:-1][same] = (time_S[1:] - time_S[:-1])[same]
    return Slices(line_S=line_S, length_S=length_S, first_N=place_E[:count], stop_N=place_E[count:])


def first_covered(slices: Slices, rank_N: Integers, chosen_N: NDArray[np.bool_]) -> NDArray[np.int32]:
    """(S,) the least rank among the chosen intervals that cover each slice; `NEVER` where none does.

    >>> slices = cut(np.zeros(3), np.array([0.0, 2.0, 1.0]), np.array([3.0, 5.0, 2.0]))
    >>> first_covered(slices, np.array([7, 4, 5]), np.array([True, True, True])).tolist()[:4]
    [7, 5, 4, 4]
    """
    use_N = np.flatnonzero(chosen_N & (slices.stop_N > slices.first_N) & (rank_N != NEVER))
    first_N, rank_N = slices.first_N[use_N], np.asarray(rank_N)[use_N].astype(np.int32)
    width_N = slices.stop_N[use_N] - first_N
    level_N = np.frexp(width_N.astype(np.float64))[1] - 1
    table_S = np.full(len(slices.line_S), NEVER, np.int32)
    order_N = np.argsort(level_N, kind="stable")
    bounds = np.searchsorted(level_N[order_N], np.arange(int(level_N.max(initial=-1)) + 2))
    for level in range(len(bounds) - 2, -1, -1):
        mine = order_N[bounds[level] : bounds[level + 1]]
        np.minimum.at(table_S, first_N[mine], rank_N[mine])
        if level:
            # An entry of level k stands for 2^k slices: its two halves take it over.
            np.minimum.at(table_S, first_N[mine] + width_N[mine] - (1 << level), rank_N[mine])
            half = 1 << (level - 1)
            table_S[half:] = np.minimum(table_S[half:], table_S[:-half])
    return table_S


def union_lengths(
    line_N: Integers, start_N: NDArray[np.float64], end_N: NDArray[np.float64], *, lines: int
) -> NDArray[np.float64]:
    """The length of the union of the intervals of each line.

    Args:
        line_N: 0 to `lines` - 1.
        start_N: Finite.
        end_N: Finite; an interval whose end is not after its start covers nothing.
        lines: How many there are.

    >>> union_lengths(np.array([0, 0, 2]), np.array([0.0, 2.0, 1.0]), np.array([3.0, 5.0, 2.0]), lines=3)
    array([5., 0., 1.])
    """
    slices = cut(line_N, start_N, end_N)
    covered_S = first_covered(slices, np.zeros(len(line_N), np.int32), np.ones(len(line_N), np.bool_)) < NEVER
    summed = np.bincount(slices.line_S[covered_S], weights=slices.length_S[covered_S], minlength=lines)
    return summed.astype(np.float64)
