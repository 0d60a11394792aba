"""Dynamic time warping: the cheapest way from the first to the last frames of both videos, without its standstills.

Source: the variant of VCSL: cost is 1 - similarity, and what stays on one axis for long is cut out of the path.

Legend: B maps, Q query rows, R reference columns, D diagonals across time, W paths still walking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from podium.errors import UsageError
from podium.search.alignment.boxes import Boxes, Doubles, gathered
from podium.search.alignment.maps import Block, Map, blocks
from podium.search.alignment.paths import Paths, PieceRules, pieces, slanted, walked

_CELLS_AT_ONCE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class TimeWarping:
    """Settings of dynamic time warping; the defaults are VCSL's.

    Attributes:
        max_run: A path may stay in one row or column for so many points; longer runs are cut out.
        min_similarity: The mean over a piece must be more than this.
        min_length: A piece must go forward by more than this on both axes.
    """

    max_run: int = 3
    min_similarity: float = 0.2
    min_length: int = 5

    def __post_init__(self) -> None:
        if self.max_run < 1 or self.min_length < 0:
            raise UsageError(f"time warping has `{self}`; max_run from 1 and min_length from 0 are needed")

    def align(self, maps: Sequence[Map]) -> Boxes:
        """The boxes of all maps, in the order of time; a box's score is the mean similarity along its path.

        Args:
            maps: Each (query rows, reference columns) of similarities, finite.

        >>> boxes = TimeWarping().align([np.eye(8)])
        >>> boxes.bounds_N4.tolist(), boxes.score_N.tolist()
        ([[0, 8, 0, 8]], [1.0])
        """
        rules = PieceRules(max_run=self.max_run, min_length=self.min_length, min_mean=self.min_similarity)
        found: list[Boxes] = []
        for block in blocks(maps, cells=_CELLS_AT_ONCE):
            cells_BQR = block.cells_BQR
            paths = _cheapest(block)
            found.append(
                pieces(
                    paths,
                    rules,
                    lambda at, cells_BQR=cells_BQR: cells_BQR[at.map_P, at.query_P, at.reference_P],
                    block.numbers_B,
                )
            )
        return gathered(found)


def _cheapest(block: Block) -> Paths:
    total_DQB = _accumulated(block.cells_BQR)
    count = len(block.numbers_B)
    at_W, row_W, column_W = np.arange(count), block.rows_B - 1, block.columns_B - 1
    steps = [(at_W, row_W, column_W)]
    while True:
        goes_on = (row_W > 0) | (column_W > 0)
        at_W, row_W, column_W = at_W[goes_on], row_W[goes_on], column_W[goes_on]
        if not len(at_W):
            break
        diagonal_W = row_W + column_W
        # One diagonal and one row of infinities lie before the first ones.
        choices_3W = np.stack(
            [
                total_DQB[diagonal_W, row_W, at_W],
                total_DQB[diagonal_W + 1, row_W, at_W],
                total_DQB[diagonal_W + 1, row_W + 1, at_W],
            ]
        )
        choice_W = choices_3W.argmin(axis=0)
        row_W, column_W = row_W - (choice_W != 2), column_W - (choice_W != 1)
        steps.append((at_W, row_W, column_W))
    return walked(steps, maps=np.arange(count))


def _accumulated(cells_BQR: Doubles) -> Doubles:
    """(D + 2, Q + 1, B) the least cost of a way to each cell, slanted, behind two diagonals and a row of infinities."""
    cost_DQB = slanted(1.0 - cells_BQR, fill=np.inf)
    diagonals, rows, count = cost_DQB.shape
    total_DQB = np.full((diagonals + 2, rows + 1, count), np.inf)
    total_DQB[2, 1] = cost_DQB[0, 0]
    for diagonal in range(1, diagonals):
        best_QB = np.minimum(total_DQB[diagonal + 1, :-1], total_DQB[diagonal + 1, 1:])
        np.minimum(best_QB, total_DQB[diagonal, :-1], out=best_QB)
        np.add(cost_DQB[diagonal], best_QB, out=total_DQB[diagonal + 2, 1:])
    return total_DQB
