"""Temporal Hough voting: every pair of similar frames votes for its shift in time.

Finds much and marks much that is no copy: a shift says nothing about where a copy begins and ends.

Source: Douze, Jégou, Schmid: An image-based approach to video copy detection with spatio-temporal post-filtering, 2010,
in the variant of VCSL.

Legend: B maps, Q query rows, R reference columns, S shifts, K candidates of a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from podium.errors import UsageError
from podium.search.alignment.boxes import Boxes, Integers, gathered, not_overlapping
from podium.search.alignment.maps import Block, Map, blocks

_CELLS_AT_ONCE = 1 << 18


@dataclass(frozen=True, kw_only=True)
class HoughVoting:
    """Settings of temporal Hough voting; the defaults are VCSL's.

    Attributes:
        min_similarity: Pairs of frames below this have no vote.
        max_peaks: How many shifts of a map are taken.
        max_iou: A box may overlap each better one by at most this.
        min_length: A box must go forward by more than this.
        reference: As VCSL's code: a box is the whole of its shift, from edge to edge of the map, and any length will
            do. The default begins and ends at the first and last frames with a vote.
    """

    min_similarity: float = 0.2
    max_peaks: int = 100
    max_iou: float = 0.9
    min_length: int = 5
    reference: bool = False

    def __post_init__(self) -> None:
        if self.max_peaks < 1 or self.min_length < 0:
            raise UsageError(f"Hough voting has `{self}`; max_peaks from 1 and min_length from 0 are needed")

    def align(self, maps: Sequence[Map]) -> Boxes:
        """The boxes of all maps, best first; a box's score is the sum of the similarities that voted.

        Args:
            maps: Each (query rows, reference columns) of similarities, finite.

        >>> boxes = HoughVoting().align([np.eye(8)])
        >>> boxes.bounds_N4.tolist(), boxes.score_N.tolist()
        ([[0, 8, 0, 8]], [8.0])
        """
        return gathered([_boxes(block, self) for block in blocks(maps, cells=_CELLS_AT_ONCE)])


def _boxes(block: Block, settings: HoughVoting) -> Boxes:
    count, rows, columns = block.cells_BQR.shape
    shifts = rows + columns - 1
    at, row, column = np.nonzero(block.cells_BQR >= settings.min_similarity)
    shift = at * shifts + column - row + rows - 1
    score_BS = np.bincount(shift, block.cells_BQR[at, row, column], count * shifts).reshape(count, shifts)
    voted_BS = np.bincount(shift, minlength=count * shifts).reshape(count, shifts) > 0
    lag_S: Integers = np.arange(1 - rows, columns, dtype=np.int64)
    if settings.reference:
        first_BS = np.broadcast_to(np.maximum(0, -lag_S), (count, shifts))
        stop_BS = np.minimum(block.rows_B[:, None], block.columns_B[:, None] - lag_S)
    else:
        first_BS = np.full(count * shifts, rows)
        np.minimum.at(first_BS, shift, row)
        stop_BS = np.zeros(count * shifts, np.int64)
        np.maximum.at(stop_BS, shift, row + 1)
        first_BS, stop_BS = first_BS.reshape(count, shifts), stop_BS.reshape(count, shifts)
        voted_BS &= stop_BS - first_BS - 1 > settings.min_length
    voted_BS &= score_BS > 0
    order_BK = np.argsort(np.where(voted_BS, -score_BS, np.inf), axis=1, kind="stable")[:, : settings.max_peaks]
    most = int(voted_BS.sum(axis=1).max(initial=0))
    order_BK = order_BK[:, :most]
    first_BK, stop_BK = (np.take_along_axis(each, order_BK, axis=1) for each in (first_BS, stop_BS))
    lag_BK: Integers = lag_S[order_BK]
    bounds_BK4 = np.stack([first_BK, stop_BK, first_BK + lag_BK, stop_BK + lag_BK], axis=-1)
    allowed_BK = np.take_along_axis(voted_BS, order_BK, axis=1)
    kept_BK = not_overlapping(bounds_BK4, allowed_BK, max_iou=settings.max_iou, at_the_limit=True)
    map_N, place_N = np.nonzero(kept_BK)
    return Boxes(
        map_N=block.numbers_B[map_N],
        bounds_N4=bounds_BK4[map_N, place_N],
        score_N=score_BS[map_N, order_BK[map_N, place_N]].astype(np.float64),
    )
