"""How well the matches that the code makes again agree with those that were uploaded.

The official leaderboard trusted the upload. Here each match of either side is held against the matches of the same pair
of videos on the other side: its agreement is the best intersection over union of their boxes. Where a query has very
many matches, those of the highest scores stand for all.

Legend: N matches of one side, M of the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.challenges.vsc.matches import Matches

_MOST = 1_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Agreement:
    """Agreement by query.

    Attributes:
        queries: (Q,) unicode, every query of the subset that either side lists.
        overlap_Q: (Q,) float64, mean over the matches of both sides; 0 where one side has none.
        furthest: The largest difference between the scores of equal boxes; None where no two boxes are equal.
    """

    queries: NDArray[np.str_]
    overlap_Q: NDArray[np.float64]
    furthest: float | None

    @property
    def mean(self) -> float:
        """Over the queries; 1 where neither side lists any, because then they say the same."""
        return float(self.overlap_Q.mean()) if len(self.overlap_Q) else 1.0

    @property
    def lowest(self) -> tuple[str, float] | None:
        """The query that agrees least."""
        if not len(self.overlap_Q):
            return None
        at = int(np.argmin(self.overlap_Q))
        return str(self.queries[at]), float(self.overlap_Q[at])


def compare(uploaded: Matches, remade: Matches, *, subset_ids: NDArray[np.str_]) -> Agreement:
    """The agreement of two sets of matches on the subset's queries."""
    sides = [_by_query(each, subset_ids) for each in (uploaded, remade)]
    queries = sorted(sides[0].keys() | sides[1].keys())
    overlap_Q = np.zeros(len(queries))
    differences: list[float] = []
    for at, query in enumerate(queries):
        if query in sides[0] and query in sides[1]:
            old, new = sides[0][query], sides[1][query]
            overlap_NM = _overlaps(uploaded, old, remade, new)
            overlap_Q[at] = np.concatenate([overlap_NM.max(axis=1), overlap_NM.max(axis=0)]).mean()
            same_N, same_M = np.nonzero(overlap_NM == 1.0)
            was, now = uploaded.score_N[old[same_N]], remade.score_N[new[same_M]]
            differences += np.abs(was[was != now] - now[was != now]).tolist() or [0.0] * (len(was) > 0)
    return Agreement(
        queries=np.array(queries, np.str_),
        overlap_Q=overlap_Q,
        furthest=max(differences) if differences else None,
    )


def _by_query(matches: Matches, subset_ids: NDArray[np.str_]) -> dict[str, NDArray[np.intp]]:
    """The rows of each query, best first."""
    rows = np.flatnonzero(np.isin(matches.query_ids, subset_ids))
    rows = rows[np.lexsort((-matches.score_N[rows], matches.query_ids[rows]))]
    queries, starts = np.unique(matches.query_ids[rows], return_index=True)
    parts = np.split(rows, starts[1:]) if len(queries) else []
    return {str(query): part[:_MOST] for query, part in zip(queries, parts, strict=True)}


def _overlaps(uploaded: Matches, old: NDArray[np.intp], remade: Matches, new: NDArray[np.intp]) -> NDArray[np.float64]:
    """(N, M) intersection over union of the boxes; 0 where the references differ."""
    a_N14, b_1M4 = uploaded.times_N4[old][:, None], remade.times_N4[new][None]
    spans_NM2 = np.minimum(a_N14[..., 1::2], b_1M4[..., 1::2]) - np.maximum(a_N14[..., ::2], b_1M4[..., ::2])
    shared_NM = np.maximum(spans_NM2, 0.0).prod(axis=-1)
    areas = [(each[..., 1::2] - each[..., ::2]).prod(axis=-1) for each in (a_N14, b_1M4)]
    union_NM = areas[0] + areas[1] - shared_NM
    overlap_NM = np.divide(shared_NM, union_NM, out=np.zeros_like(shared_NM), where=union_NM > 0)
    # Equal boxes agree whatever rounding makes of their areas, and also where they have none.
    overlap_NM = np.where((a_N14 == b_1M4).all(axis=-1), 1.0, np.minimum(overlap_NM, np.nextafter(1.0, 0.0)))
    return np.where(uploaded.reference_ids[old][:, None] == remade.reference_ids[new][None], overlap_NM, 0.0)
