"""Maps of videos in several views: the parts of a split screen, each over all of the time, one after the other.

Pieces never cross from one view into another, so every pair of views is a map of its own.

Legend: N boxes, B maps, V views, 4 bounds (query start and end, reference start and end).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from podium.errors import UsageError
from podium.search.alignment.boxes import Aligner, Boxes, Integers
from podium.search.alignment.maps import Map


@dataclass(frozen=True, kw_only=True, eq=False)
class ViewedBoxes:
    """Boxes, and which views they were found in.

    Attributes:
        boxes: Bounds count from the first frame of the box's views.
        query_view_N: (N,) the view of the query, from 0.
        reference_view_N: (N,) the view of the reference.
    """

    boxes: Boxes
    query_view_N: Integers
    reference_view_N: Integers


def align_views(
    aligner: Aligner,
    maps: Sequence[Map],
    query_rows: Sequence[Sequence[int]],
    reference_columns: Sequence[Sequence[int]],
) -> ViewedBoxes:
    """The boxes of maps whose videos have views; boxes of one map may lie on each other in different views.

    Args:
        aligner: Any.
        maps: Each (rows of all query views, columns of all reference views).
        query_rows: For each map the rows of each query view, in order; their sum is the map's rows.
        reference_columns: Likewise for the reference views.

    Raises:
        UsageError: The views of a map do not add up to it.

    >>> from podium.search.alignment import TemporalNetwork
    >>> stacked = np.concatenate([np.zeros((9, 8)), np.eye(9, 8)])
    >>> found = align_views(TemporalNetwork(top_k=1), [stacked], [[9, 9]], [[8]])
    >>> found.boxes.bounds_N4.tolist(), found.query_view_N.tolist()
    ([[0, 8, 0, 8]], [1])
    """
    parts: list[Map] = []
    origins: list[tuple[int, int, int]] = []
    for number, (map_QR, rows, columns) in enumerate(zip(maps, query_rows, reference_columns, strict=True)):
        if (sum(rows), sum(columns)) != map_QR.shape or min(*rows, *columns, 0) < 0:
            found = f"views of `{list(rows)}` rows and `{list(columns)}` columns"
            raise UsageError(f"map `{number}` has shape `{map_QR.shape}` and {found}; both must add up to the shape")
        tops, lefts = np.cumsum([0, *rows]).tolist(), np.cumsum([0, *columns]).tolist()
        for above in range(len(rows)):
            for beside in range(len(columns)):
                parts.append(map_QR[tops[above] : tops[above + 1], lefts[beside] : lefts[beside + 1]])
                origins.append((number, above, beside))
    found = aligner.align(parts)
    origins_M3 = np.array(origins, np.int64).reshape(-1, 3)[found.map_N]
    boxes = Boxes(map_N=origins_M3[:, 0], bounds_N4=found.bounds_N4, score_N=found.score_N)
    return ViewedBoxes(boxes=boxes, query_view_N=origins_M3[:, 1], reference_view_N=origins_M3[:, 2])
