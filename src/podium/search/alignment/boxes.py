"""What an aligner finds: boxes on similarity maps, with scores.

Legend: N boxes, B maps, K candidates of a map, Q query rows, R reference columns,
4 bounds (query start and end, reference start and end; ends are one past the last cell).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.search.alignment.maps import Doubles, Map

Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Boxes:
    """Aligned pieces of many maps, by map and in the order in which the aligner found them.

    Attributes:
        map_N: (N,) the map of each box, not decreasing.
        bounds_N4: (N, 4) query start and end, reference start and end, in cells; ends are one past the last.
        score_N: (N,) the aligner's own: higher is better among boxes of one aligner.
    """

    map_N: Integers
    bounds_N4: Integers
    score_N: Doubles

    def __len__(self) -> int:
        return len(self.map_N)

    def of(self, number: int) -> Integers:
        """(N, 4) the bounds of the boxes of one map."""
        return self.bounds_N4[self.map_N == number]


class Aligner(Protocol):
    """Finds the aligned pieces of similarity maps. Settings are its fields."""

    def align(self, maps: Sequence[Map]) -> Boxes:
        """The boxes of all maps.

        Args:
            maps: Each (query rows, reference columns) of similarities, finite; rows and columns in the order of time.
        """
        ...


def gathered(parts: Sequence[Boxes]) -> Boxes:
    """Boxes of several blocks as one value, sorted by map."""
    if not parts:
        return Boxes(map_N=np.empty(0, np.int64), bounds_N4=np.empty((0, 4), np.int64), score_N=np.empty(0))
    map_N = np.concatenate([each.map_N for each in parts])
    order = np.argsort(map_N, kind="stable")
    return Boxes(
        map_N=map_N[order],
        bounds_N4=np.concatenate([each.bounds_N4 for each in parts])[order],
        score_N=np.concatenate([each.score_N for each in parts])[order],
    )


def not_overlapping(bounds_BK4: Integers, allowed_BK: Bools, *, max_iou: float, at_the_limit: bool) -> Bools:
    """Which candidates are kept when each is held against those of its map that were kept before it.

    Args:
        bounds_BK4: (B, K, 4) the candidates, best first.
        allowed_BK: (B, K) the others are passed over.
        max_iou: Intersection over union, in cells.
        at_the_limit: A candidate of exactly this overlap is kept.
    """
    kept_BK = np.zeros_like(allowed_BK)
    areas_BK = (bounds_BK4[..., 1] - bounds_BK4[..., 0]) * (bounds_BK4[..., 3] - bounds_BK4[..., 2])
    for place in range(allowed_BK.shape[1]):
        rows = np.flatnonzero(allowed_BK[:, place])
        mine, before = bounds_BK4[rows, place][:, None], bounds_BK4[rows, :place]
        span = np.minimum(mine[..., 1::2], before[..., 1::2]) - np.maximum(mine[..., ::2], before[..., ::2])
        shared = np.maximum(span, 0).prod(axis=-1)
        iou = shared / np.maximum(areas_BK[rows, place][:, None] + areas_BK[rows, :place] - shared, 1)
        iou = np.where(kept_BK[rows, :place], iou, 0.0).max(axis=1, initial=0.0)
        kept_BK[rows, place] = iou <= max_iou if at_the_limit else iou < max_iou
    return kept_BK


def peaks(maps: Sequence[Map], boxes: Boxes, *, reference: bool = False) -> Doubles:
    """(N,) the highest similarity inside each box: the score that the challenge's baseline gives a match.

    Args:
        maps: As given to the aligner.
        boxes: As it found them.
        reference: Leave out the last row and column of each box, as the baseline does.

    >>> box = Boxes(map_N=np.array([0]), bounds_N4=np.array([[0, 2, 0, 2]]), score_N=np.array([1.0]))
    >>> [peaks([np.array([[0.1, 0.2], [0.3, 0.9]])], box, reference=each).tolist() for each in (False, True)]
    [[0.9], [0.1]]
    """
    less = 1 if reference else 0
    highest_N = np.empty(len(boxes))
    for place, (number, bounds) in enumerate(zip(boxes.map_N.tolist(), boxes.bounds_N4.tolist(), strict=True)):
        piece = maps[int(number)][bounds[0] : bounds[1] - less, bounds[2] : bounds[3] - less]
        if not piece.size:
            raise UsageError(f"box `{place}` is `{bounds}`; it needs a row and a column to have a highest similarity")
        highest_N[place] = piece.max()
    return highest_N


def seconds(bounds_N4: NDArray[Any], query_Q2: Doubles, reference_R2: Doubles) -> Doubles:
    """(N, 4) bounds in seconds: from the start of the first cell's frame to the end of the last one's.

    Args:
        bounds_N4: (N, 4) in cells.
        query_Q2: (Q, 2) start and end of each query frame, in seconds.
        reference_R2: (R, 2) likewise.

    >>> frames = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]])
    >>> seconds(np.array([[0, 2, 1, 3]]), frames, frames + 10)
    array([[ 0.,  2., 11., 13.]])
    """
    return np.stack(
        [
            query_Q2[bounds_N4[:, 0], 0],
            query_Q2[bounds_N4[:, 1] - 1, 1],
            reference_R2[bounds_N4[:, 2], 0],
            reference_R2[bounds_N4[:, 3] - 1, 1],
        ],
        axis=1,
    )
