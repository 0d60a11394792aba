"""Paths through similarity maps, and the pieces of them that go forward on both axes.

Legend: P points of all paths, one path after the other, each in the order of time; S steps between points; F pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.search.alignment.boxes import Bools, Boxes, Doubles, Integers


@dataclass(frozen=True, kw_only=True, eq=False)
class Paths:
    """Points of many paths.

    Attributes:
        path_P: (P,) the number of each point's path, not decreasing.
        map_P: (P,) the map that it lies on.
        query_P: (P,) its row.
        reference_P: (P,) its column.
    """

    path_P: Integers
    map_P: Integers
    query_P: Integers
    reference_P: Integers


@dataclass(frozen=True, kw_only=True)
class PieceRules:
    """Which pieces of a path are boxes.

    Attributes:
        max_run: A run of points that stay in one row, or in one column, may have so many; longer runs are cut out.
        min_length: Points of a piece, and its steps forward on each axis, must be more than this.
        min_mean: The mean similarity over a piece's points must be more than this.
    """

    max_run: int
    min_length: int
    min_mean: float


def walked(steps: Sequence[tuple[Integers, Integers, Integers]], *, maps: Integers) -> Paths:
    """Paths out of what a walk from their ends noted: at each step the path, row and column of those still walking.

    Args:
        steps: From the ends backwards; paths are numbered from 0.
        maps: The map of each path.
    """
    path_P, query_P, reference_P = (np.concatenate([step[at] for step in steps[::-1]]) for at in range(3))
    order = np.argsort(path_P, kind="stable")
    path_P = path_P[order]
    return Paths(path_P=path_P, map_P=maps[path_P], query_P=query_P[order], reference_P=reference_P[order])


def pieces(paths: Paths, rules: PieceRules, similarity: Callable[[Paths], Doubles], numbers_B: Integers) -> Boxes:
    """The boxes of all paths; a box's score is the mean similarity over its points.

    Args:
        paths: Numbered by the maps of one block.
        rules: What makes a box.
        similarity: The (P,) similarities at the points.
        numbers_B: What the block's maps are called outside.
    """
    keep_P = ~(
        _in_long_run(paths, paths.query_P, rules.max_run) | _in_long_run(paths, paths.reference_P, rules.max_run)
    )
    begins_P = keep_P.copy()
    begins_P[1:] &= ~keep_P[:-1] | (np.diff(paths.path_P) != 0)
    first_F = np.flatnonzero(begins_P)
    count_F = np.add.reduceat(keep_P, first_F, dtype=np.int64) if len(first_F) else np.empty(0, np.int64)
    last_F = first_F + count_F - 1
    totals = np.where(keep_P, similarity(paths), 0.0)
    mean_F = np.add.reduceat(totals, first_F) / count_F if len(first_F) else np.empty(0)
    forward_F = np.minimum(
        paths.query_P[last_F] - paths.query_P[first_F], paths.reference_P[last_F] - paths.reference_P[first_F]
    )
    good_F = (count_F > rules.min_length) & (forward_F > rules.min_length) & (mean_F > rules.min_mean)
    first_F, last_F = first_F[good_F], last_F[good_F]
    bounds_F4 = np.stack(
        [
            paths.query_P[first_F],
            paths.query_P[last_F] + 1,
            paths.reference_P[first_F],
            paths.reference_P[last_F] + 1,
        ],
        axis=1,
    )
    return Boxes(map_N=numbers_B[paths.map_P[first_F]], bounds_N4=bounds_F4, score_N=mean_F[good_F])


def _in_long_run(paths: Paths, place_P: Integers, longest: int) -> Bools:
    """Which points lie in a run of more than `longest` points of one path that stay at one place."""
    stays_S = (np.diff(place_P) == 0) & (np.diff(paths.path_P) == 0)
    edges_S = np.diff(np.concatenate([[False], stays_S, [False]]).astype(np.int8))
    first, stop = np.flatnonzero(edges_S == 1), np.flatnonzero(edges_S == -1)
    long = stop - first + 1 > longest
    change_P = np.zeros(len(place_P) + 1, np.int64)
    np.add.at(change_P, first[long], 1)
    np.add.at(change_P, stop[long] + 1, -1)
    return np.cumsum(change_P[:-1]) > 0


def slanted(cells_BQR: NDArray[np.float64], *, fill: float) -> Doubles:
    """(Q + R - 1, Q, B): entry (d, q) is the cell at row q and column d - q, so that d is a diagonal across time."""
    count, rows, columns = cells_BQR.shape
    slanted_DQB = np.full((rows + columns - 1, rows, count), fill)
    for row in range(rows):
        slanted_DQB[row : row + columns, row] = cells_BQR[:, row].T
    return slanted_DQB


def straightened(slanted_DQB: NDArray[np.generic], columns: int) -> NDArray[np.generic]:
    """(B, Q, R) again."""
    _, rows, count = slanted_DQB.shape
    cells_BQR = np.empty((count, rows, columns), slanted_DQB.dtype)
    for row in range(rows):
        cells_BQR[:, row] = slanted_DQB[row : row + columns, row].T
    return cells_BQR
