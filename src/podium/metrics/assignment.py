"""Which row goes with which column, so that the sum of what they gain is greatest.

The Hungarian method with potentials, rows added one after the other (R. Jonker and A. Volgenant, "A Shortest Augmenting
Path Algorithm for Dense and Sparse Linear Assignment Problems", 1987). Cubic; made for some dozens of objects.

Axes: R rows, C columns, P pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError


def best_assignment(gain_RC: NDArray[np.floating[Any]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs of distinct rows and distinct columns with the greatest sum of gains.

    Args:
        gain_RC: Finite numbers of any sign.

    Returns:
        (P,) rows, rising, and (P,) the column of each; P is the smaller of R and C.

    Raises:
        UsageError: The gains are not two-dimensional, or one is not finite.

    >>> rows, columns = best_assignment(np.array([[0.9, 0.8], [0.7, 0.1], [0.0, 0.2]]))
    >>> rows.tolist(), columns.tolist()
    ([0, 1], [1, 0])
    """
    gain_RC = np.asarray(gain_RC, np.float64)
    if gain_RC.ndim != 2 or not np.isfinite(gain_RC).all():
        raise UsageError(f"gains of shape `{gain_RC.shape}`; finite numbers of (rows, columns) are needed")
    if gain_RC.shape[0] <= gain_RC.shape[1]:
        columns = _columns_of(-gain_RC)
        return np.arange(len(columns)), columns
    rows = _columns_of(-gain_RC.T)
    order = np.argsort(rows)
    return rows[order], order


def _columns_of(cost_RC: NDArray[np.float64]) -> NDArray[np.int64]:
    """The column of each row at the least cost; there are at least as many columns as rows."""
    rows, columns = cost_RC.shape
    # Column 0 is a place to start from and stands for none; all numbers of rows and columns are from 1.
    row_of = np.zeros(columns + 1, np.int64)
    row_price, column_price = np.zeros(rows + 1), np.zeros(columns + 1)
    for row in range(1, rows + 1):
        row_of[0] = row
        came_from = _shortest_path(cost_RC, row_of, row_price, column_price)
        column = came_from[-1]
        while column:
            before = came_from[column]
            row_of[column] = row_of[before]
            column = before
    found = np.zeros(rows, np.int64)
    for column in range(1, columns + 1):
        if row_of[column]:
            found[row_of[column] - 1] = column - 1
    return found


def _shortest_path(
    cost_RC: NDArray[np.float64],
    row_of: NDArray[np.int64],
    row_price: NDArray[np.float64],
    column_price: NDArray[np.float64],
) -> list[int]:
    """Changes the prices so that the new row reaches a free column at no loss.

    Returns:
        For each column the one before it on the way, and at the end the free column.
    """
    columns = cost_RC.shape[1]
    distance = np.full(columns + 1, np.inf)
    came_from, visited, column = [0] * (columns + 1), np.zeros(columns + 1, bool), 0
    while row_of[column]:
        visited[column] = True
        row = int(row_of[column])
        reduced = cost_RC[row - 1] - row_price[row] - column_price[1:]
        open_C = ~visited[1:]
        for each in np.flatnonzero(open_C & (reduced < distance[1:])) + 1:
            distance[each] = reduced[each - 1]
            came_from[int(each)] = column
        nearest = int(np.argmin(np.where(open_C, distance[1:], np.inf))) + 1
        step = distance[nearest]
        row_price[row_of[visited]] += step
        column_price[visited] -= step
        distance[~visited] -= step
        column = nearest
    return [*came_from, column]
