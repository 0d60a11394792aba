"""The cases that explain a matching score: confident false alarms, missed segments, and a few that were found.

Axes: N matches, M true segments.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.challenges.vsc import layout
from podium.challenges.vsc.matches import Judgeable
from podium.metrics.overlaps import overlapping
from podium.metrics.segments import Segments
from podium.types import Clip, DataSet, Exhibit, ExhibitKind


def exhibits(data: DataSet, judged: Judgeable, score_N: NDArray[np.float64], *, count: int) -> tuple[Exhibit, ...]:
    """The `count` most confident false alarms, the `count` longest misses and half as many finds.

    A match is a false alarm when it overlaps no true segment on both axes; a true segment is missed when no match
    overlaps it so.

    Args:
        data: Where the videos lie.
        judged: Matches and truth.
        score_N: Of the matches.
        count: How many of a kind.
    """
    if not count:
        return ()
    rows, true = overlapping(
        judged.predicted.times_N4, _pairs(judged, judged.predicted), judged.truth.times_N4, _pairs(judged, judged.truth)
    )
    order_N = np.argsort(-score_N, kind="stable")
    rank_N = np.empty(len(order_N), np.int64)
    rank_N[order_N] = np.arange(1, len(order_N) + 1)
    false = order_N[~np.isin(order_N, rows)][:count].tolist()
    best_M = np.full(len(judged.truth), len(order_N) + 1)
    np.minimum.at(best_M, true, rank_N[rows])
    found_M = best_M <= len(order_N)
    length_M = judged.truth.times_N4[:, 1] - judged.truth.times_N4[:, 0]
    missed = np.argsort(-length_M, kind="stable")
    missed = missed[~found_M[missed]][:count].tolist()
    hits = np.argsort(best_M, kind="stable")
    hits = hits[found_M[hits]][: max(count // 2, 1)].tolist()
    gallery = _Gallery(data, judged)
    return (
        *(gallery.false_alarm(row, float(score_N[row]), int(rank_N[row])) for row in false),
        *(gallery.true_segment(ExhibitKind.MISSED, at, None, None) for at in missed),
        *(
            gallery.true_segment(ExhibitKind.FOUND, at, int(best_M[at]), float(score_N[order_N[best_M[at] - 1]]))
            for at in hits
        ),
    )


def _pairs(judged: Judgeable, boxes: Segments) -> NDArray[np.int64]:
    return boxes.query_N.astype(np.int64) * len(judged.reference_ids) + boxes.reference_N


class _Gallery:
    """Draws exhibits of one submission."""

    def __init__(self, data: DataSet, judged: Judgeable) -> None:
        self._folder: Path = layout.judged_split(data).relative_to(data.root)
        self._judged = judged

    def false_alarm(self, row: int, similarity: float, rank: int) -> Exhibit:
        query, reference = self._clips(self._judged.predicted, row)
        return Exhibit(
            kind=ExhibitKind.FALSE_POSITIVE,
            query=query,
            reference=reference,
            similarity=similarity,
            rank=rank,
            note="No labelled copy overlaps this match on both sides.",
        )

    def true_segment(self, kind: ExhibitKind, at: int, rank: int | None, similarity: float | None) -> Exhibit:
        query, reference = self._clips(self._judged.truth, at)
        where = "no match touches it" if rank is None else f"the first match that touches it has rank {rank}"
        return Exhibit(
            kind=kind,
            query=query,
            reference=reference,
            similarity=similarity,
            rank=rank,
            note=f"A labelled copy; {where}.",
        )

    def _clips(self, boxes: Segments, row: int) -> tuple[Clip, Clip]:
        times = boxes.times_N4[row].tolist()
        query = str(self._judged.query_ids[boxes.query_N[row]])
        reference = str(self._judged.reference_ids[boxes.reference_N[row]])
        return self._clip("query", query, times[:2]), self._clip("reference", reference, times[2:])

    def _clip(self, kind: str, video: str, times: list[float]) -> Clip:
        path = (self._folder / kind / f"{video}.mp4").as_posix()
        return Clip(item=video, path=path, start_seconds=times[0], end_seconds=times[1])
