"""Dynamic programming (mPDP): paths of the greatest sum that break where too much in a row does not match.

Source: Chou, Chen, Lee: Pattern-based near-duplicate video retrieval and localization on web-scale videos, 2015, in the
variant of VCSL: similarities are raised by 1; a step forward on both axes earns the whole similarity, on one axis half;
found paths are blanked with their whole box.

Legend: B maps, Q query rows, R reference columns, D diagonals across time, A maps still at work, W paths still walking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.search.alignment.boxes import Boxes, Doubles, gathered
from podium.search.alignment.maps import Block, Map, blocks
from podium.search.alignment.paths import Paths, PieceRules, pieces, slanted, straightened, walked

_CELLS_AT_ONCE = 1 << 20
_START, _BOTH, _QUERY, _REFERENCE = -1, 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class DynamicProgramming:
    """Settings of mPDP; the defaults are VCSL's, written for similarities as they are (VCSL adds 1 to both).

    Attributes:
        max_unmatched: So many cells in a row may not match; a path breaks at the next.
        min_similarity: A cell below this does not match.
        min_mean: The mean over a piece must be more than this.
        min_length: A piece must go forward by more than this on both axes.
        max_run: A path may stay in one row or column for so many points; longer runs are cut out.
        max_paths: How many paths are looked for.
    """

    max_unmatched: int = 3
    min_similarity: float = 0.0
    min_mean: float = 0.3
    min_length: int = 5
    max_run: int = 30
    max_paths: int = 100

    def __post_init__(self) -> None:
        if min(self.max_unmatched, self.min_length) < 0 or min(self.max_run, self.max_paths) < 1:
            raise UsageError(
                f"dynamic programming has `{self}`; max_unmatched and min_length from 0, max_run and max_paths from 1 "
                "are needed"
            )

    def align(self, maps: Sequence[Map]) -> Boxes:
        """The boxes of all maps, best path first; a box's score is the mean similarity along its path.

        Args:
            maps: Each (query rows, reference columns) of similarities, finite.

        >>> boxes = DynamicProgramming().align([np.eye(8)])
        >>> boxes.bounds_N4.tolist(), boxes.score_N.tolist()
        ([[0, 8, 0, 8]], [1.0])
        """
        rules = PieceRules(max_run=self.max_run, min_length=self.min_length, min_mean=self.min_mean)
        found: list[Boxes] = []
        for block in blocks(maps, cells=_CELLS_AT_ONCE):
            cells_BQR = block.cells_BQR
            found += [
                pieces(
                    paths,
                    rules,
                    lambda at, cells_BQR=cells_BQR: cells_BQR[at.map_P, at.query_P, at.reference_P],
                    block.numbers_B,
                )
                for paths in _Search(block, self).paths()
            ]
        return gathered(found)


class _Search:
    """The best sum at every cell of a block's maps, and the way it came."""

    def __init__(self, block: Block, settings: DynamicProgramming) -> None:
        self._settings = settings
        raised_BQR = block.cells_BQR + 1.0
        worth = np.where(np.isfinite(raised_BQR), raised_BQR, 0.0)
        # A kept piece has two points more than min_length, each of which earns at least half of what it holds.
        least = 0.5 * (settings.min_length + 2) * (settings.min_mean + 1.0)
        self._floor = least if worth.min() >= 0 else -np.inf
        sum_DQB, way_DQB = _propagated(slanted(raised_BQR, fill=-np.inf), settings)
        columns = raised_BQR.shape[2]
        self._sum_BQR: Doubles = straightened(sum_DQB, columns).astype(np.float64, copy=False)
        self._way_BQR = straightened(way_DQB, columns).astype(np.int8, copy=False)

    def paths(self) -> list[Paths]:
        """One path of every map a time, until none can hold a piece."""
        maps_A = np.arange(len(self._sum_BQR))
        found: list[Paths] = []
        for _ in range(self._settings.max_paths):
            flat = self._sum_BQR.reshape(len(self._sum_BQR), -1)
            end_A = flat[maps_A].argmax(axis=1) if len(maps_A) < len(flat) else flat.argmax(axis=1)
            good = flat[maps_A, end_A] > self._floor
            maps_A, end_A = maps_A[good], end_A[good]
            if not len(maps_A):
                break
            found.append(self._walk(maps_A, end_A))
            self._blank(found[-1])
        return found

    def _walk(self, maps_A: NDArray[np.int64], end_A: NDArray[np.int64]) -> Paths:
        row_W, column_W = np.divmod(end_A, self._sum_BQR.shape[2])
        at_W = np.arange(len(maps_A))
        steps = [(at_W, row_W, column_W)]
        while True:
            way_W = self._way_BQR[maps_A[at_W], row_W, column_W]
            goes_on = way_W != _START
            at_W, way_W = at_W[goes_on], way_W[goes_on]
            row_W = row_W[goes_on] - (way_W != _REFERENCE)
            column_W = column_W[goes_on] - (way_W != _QUERY)
            open_W = self._sum_BQR[maps_A[at_W], row_W, column_W] > -np.inf
            at_W, row_W, column_W = at_W[open_W], row_W[open_W], column_W[open_W]
            if not len(at_W):
                return walked(steps, maps=maps_A)
            steps.append((at_W, row_W, column_W))

    def _blank(self, paths: Paths) -> None:
        first = np.flatnonzero(np.diff(paths.path_P, prepend=-1))
        last = np.append(first[1:], len(paths.path_P)) - 1
        bounds = [
            each.tolist()
            for each in (
                paths.map_P[first],
                paths.query_P[first],
                paths.query_P[last],
                paths.reference_P[first],
                paths.reference_P[last],
            )
        ]
        for at, top, bottom, left, right in zip(*bounds, strict=True):
            self._sum_BQR[at, top : bottom + 1, left : right + 1] = -np.inf


def _propagated(worth_DQB: Doubles, settings: DynamicProgramming) -> tuple[Doubles, NDArray[np.int8]]:
    """The best sum at every cell and the way it came, slanted."""
    diagonals, rows, _ = worth_DQB.shape
    columns = diagonals - rows + 1
    sum_DQB = worth_DQB.copy()
    way_DQB = np.full(worth_DQB.shape, _START, np.int8)
    unmatched_DQB = np.zeros(worth_DQB.shape, np.int32)
    bar = settings.min_similarity + 1.0
    for diagonal in range(2, diagonals):
        # The first row and the first column only start paths.
        low, high = max(1, diagonal - columns + 1), min(rows, diagonal)
        here, above = slice(low, high), slice(low - 1, high - 1)
        worth_QB = worth_DQB[diagonal, here]
        choices_3QB = np.stack(
            [
                sum_DQB[diagonal - 2, above] + worth_QB,
                sum_DQB[diagonal - 1, above] + 0.5 * worth_QB,
                sum_DQB[diagonal - 1, here] + 0.5 * worth_QB,
            ]
        )
        way_QB = choices_3QB.argmax(axis=0)
        best_QB = choices_3QB.max(axis=0)
        before_QB = np.where(
            way_QB == _BOTH,
            unmatched_DQB[diagonal - 2, above],
            np.where(way_QB == _QUERY, unmatched_DQB[diagonal - 1, above], unmatched_DQB[diagonal - 1, here]),
        )
        unmatched_QB = np.where(worth_QB < bar, before_QB + 1, 0)
        unmatched_DQB[diagonal, here] = unmatched_QB
        goes_on = unmatched_QB <= settings.max_unmatched
        sum_DQB[diagonal, here] = np.where(goes_on, best_QB, worth_QB)
        way_DQB[diagonal, here] = np.where(goes_on, way_QB, _START)
    return sum_DQB, way_DQB
