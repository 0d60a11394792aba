"""The cases that explain a score: confident mistakes, missed copies, and a few that were found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
import polars as pl

from podium.challenges.vsc import layout
from podium.challenges.vsc.predictions import DescriptorPredictions
from podium.challenges.vsc.rankings import Ranking
from podium.formats.descriptors import Descriptors
from podium.types import Clip, DataSet, Exhibit, ExhibitKind

_AROUND_SECONDS = 3.0
_MAP_SIDE = 64


class _Map(TypedDict):
    similarity_map: tuple[tuple[float, ...], ...]
    query_seconds: tuple[float, ...]
    reference_seconds: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """What exhibits are drawn from."""

    root: Path
    judged: Path
    queries: Descriptors
    references: Descriptors
    truth: layout.Truth

    @staticmethod
    def open(data: DataSet, predictions: DescriptorPredictions, truth: layout.Truth) -> Scene:
        """The scene of one submission."""
        return Scene(
            root=data.root,
            judged=layout.judged_split(data),
            queries=predictions.queries,
            references=predictions.references,
            truth=truth,
        )

    def clip(self, kind: str, video: str, start: float | None, end: float | None) -> Clip:
        """Some seconds of a query or reference."""
        path = (self.judged / kind / f"{video}.mp4").relative_to(self.root).as_posix()
        return Clip(item=video, path=path, start_seconds=start, end_seconds=end)

    def similarity_map(self, query: str, reference: str) -> _Map:
        """Inner products of a pair's descriptors, thinned to at most 64 a side."""
        rows = _thin(np.flatnonzero(self.queries.video_ids == query))
        columns = _thin(np.flatnonzero(self.references.video_ids == reference))
        similarity_QR = self.queries.features_ND[rows] @ self.references.features_ND[columns].T
        return _Map(
            similarity_map=tuple(_rounded(row, digits=4) for row in similarity_QR),
            query_seconds=_rounded(self.queries.timestamps_N2[rows].mean(axis=1), digits=3),
            reference_seconds=_rounded(self.references.timestamps_N2[columns].mean(axis=1), digits=3),
        )


def exhibits(scene: Scene, ranking: Ranking, relevant: np.ndarray, *, count: int) -> tuple[Exhibit, ...]:
    """The `count` most confident false positives, the `count` worst misses and half as many finds."""
    false = np.flatnonzero(~relevant)[:count]
    right = np.flatnonzero(relevant)
    listed = {(str(ranking.query_ids[i]), str(ranking.reference_ids[i])): int(i) for i in right}
    absent = sorted(pair for pair in scene.truth.pairs if pair not in listed)
    late = [pair for pair, at in sorted(listed.items(), key=lambda each: -each[1]) if not relevant[: at + 1].all()]
    missed = (absent + late)[:count]
    found = [pair for pair, _ in sorted(listed.items(), key=lambda each: each[1])][: max(count // 2, 1)]
    found = [pair for pair in found if pair not in missed]
    return (
        *(_false_positive(scene, ranking, int(at)) for at in false),
        *_from_truth(scene, ranking, listed, missed, ExhibitKind.MISSED),
        *_from_truth(scene, ranking, listed, found, ExhibitKind.FOUND),
    )


def _false_positive(scene: Scene, ranking: Ranking, at: int) -> Exhibit:
    query, reference = str(ranking.query_ids[at]), str(ranking.reference_ids[at])
    return Exhibit(
        kind=ExhibitKind.FALSE_POSITIVE,
        query=scene.clip("query", query, *_around(scene.queries, int(ranking.query_rows[at]))),
        reference=scene.clip("reference", reference, *_around(scene.references, int(ranking.reference_rows[at]))),
        similarity=float(ranking.similarity[at]),
        rank=at + 1,
        **scene.similarity_map(query, reference),
        note="No copy is labelled between these two; the strips show the frames that matched best.",
    )


def _from_truth(
    scene: Scene,
    ranking: Ranking,
    listed: dict[tuple[str, str], int],
    pairs: Iterable[tuple[str, str]],
    kind: ExhibitKind,
) -> Iterable[Exhibit]:
    for query, reference in pairs:
        segments = scene.truth.segments.filter((pl.col("query_id") == query) & (pl.col("ref_id") == reference))
        first = segments.row(0, named=True)
        at = listed.get((query, reference))
        where = "not listed at all" if at is None else f"listed at rank {at + 1}"
        more = f"; {segments.height} segments, the first is shown" if segments.height > 1 else ""
        yield Exhibit(
            kind=kind,
            query=scene.clip("query", query, first["query_start"], first["query_end"]),
            reference=scene.clip("reference", reference, first["ref_start"], first["ref_end"]),
            similarity=None if at is None else float(ranking.similarity[at]),
            rank=None if at is None else at + 1,
            **scene.similarity_map(query, reference),
            note=f"A labelled copy, {where}{more}.",
        )


def _around(descriptors: Descriptors, row: int) -> tuple[float, float]:
    start, end = (float(each) for each in descriptors.timestamps_N2[row])
    return max(0.0, start - _AROUND_SECONDS), end + _AROUND_SECONDS


def _rounded(values: np.ndarray, *, digits: int) -> tuple[float, ...]:
    return tuple(round(float(each), digits) for each in values)


def _thin(rows: np.ndarray) -> np.ndarray:
    if len(rows) <= _MAP_SIDE:
        return rows
    return rows[np.linspace(0, len(rows) - 1, _MAP_SIDE).round().astype(int)]
