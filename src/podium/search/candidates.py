"""From hits between rows to candidate pairs of videos.

Legend: N hits, P candidate pairs, Q query rows, R reference rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from podium.errors import UsageError
from podium.search.exact import Hits


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Pairs of videos, most similar first.

    Attributes:
        query_ids: (P,) codes of the query videos.
        reference_ids: (P,) codes of the reference videos.
        similarities: (P,) float32, the highest similarity of any two rows of the pair.
        query_rows: (P,) the query row that gave it.
        reference_rows: (P,) the reference row that gave it.
    """

    query_ids: NDArray[np.int64]
    reference_ids: NDArray[np.int64]
    similarities: NDArray[np.float32]
    query_rows: NDArray[np.int64]
    reference_rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.similarities)


def candidates(
    hits: Hits, query_video_of_row: ArrayLike, reference_video_of_row: ArrayLike, *, limit: int
) -> Candidates:
    """The best pairs of videos: each takes the similarity of its best hit.

    Equal similarities keep the order of their best hits, which `top_pairs` makes unique.

    Args:
        hits: Sorted as `top_pairs` returns them.
        query_video_of_row: (Q,) code of the video of each query row, 0 or more.
        reference_video_of_row: (R,) code of the video of each reference row, 0 or more.
        limit: Pairs to keep, best first.

    Raises:
        UsageError: A negative limit or code.

    >>> hits = Hits(
    ...     query_rows=np.array([0, 1, 2]),
    ...     reference_rows=np.array([0, 1, 0]),
    ...     similarities=np.array([3, 2, 1], np.float32),
    ... )
    >>> found = candidates(hits, [0, 0, 1], [0, 0], limit=10)
    >>> found.query_ids.tolist(), found.reference_ids.tolist(), found.similarities.tolist()
    ([0, 1], [0, 0], [3.0, 1.0])
    """
    query_codes, reference_codes = _codes(query_video_of_row), _codes(reference_video_of_row)
    if limit < 0:
        raise UsageError(f"the limit of candidate pairs is `{limit}`; 0 or more is allowed")
    query_N, reference_N = query_codes[hits.query_rows], reference_codes[hits.reference_rows]
    width = int(reference_codes.max(initial=0)) + 1
    first_P = np.sort(_first_of_each(query_N * width + reference_N))[:limit]
    return Candidates(
        query_ids=query_N[first_P],
        reference_ids=reference_N[first_P],
        similarities=hits.similarities[first_P],
        query_rows=hits.query_rows[first_P],
        reference_rows=hits.reference_rows[first_P],
    )


def _first_of_each(codes_N: NDArray[np.int64]) -> NDArray[np.intp]:
    return np.unique(codes_N, return_index=True)[1]


def _codes(video_of_row: ArrayLike) -> NDArray[np.int64]:
    codes: NDArray[Any] = np.asarray(video_of_row)
    if codes.ndim != 1 or (codes.size and (codes.dtype.kind not in "iu" or int(codes.min()) < 0)):
        raise UsageError("videos of rows are given as one whole number, 0 or more, for each row")
    return codes.astype(np.int64)
