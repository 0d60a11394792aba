"""Ranking with everything that a model's settings ask for; every query as if it were the only one.

Axes: Q queries, N images of the database, K ranked images, P pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from podium.solutions.reidentification import expansion as expansions
from podium.solutions.reidentification import reranking as rerankings
from podium.solutions.reidentification.local_features import Matcher, rescore
from podium.solutions.reidentification.ranking import (
    NOBODY,
    Comparison,
    Floats,
    Images,
    Indices,
    Part,
    Ranking,
    own_rows,
    rank_images,
    rank_rows,
)
from podium.types import Progress, silent

if TYPE_CHECKING:
    from podium.solutions.reidentification.model import InferenceSettings, Model


@dataclass(frozen=True, kw_only=True, eq=False)
class Matches:
    """The best images of the database for each query, best first.

    Attributes:
        indices_QK: Rows of the database; `NOBODY` where a query has no more.
        similarity_QK: By the networks and what the settings do with them; -inf where a query has no more.
        confidence_QK: From 0 to 1; falls where the ranking says that it falls. Probabilities of showing one individual
            when the model is calibrated. 0 where a query has no more.
    """

    indices_QK: Indices
    similarity_QK: Floats
    confidence_QK: Floats


def match(
    model: Model,
    query: Images,
    database: Images,
    *,
    own_Q: NDArray[Any] | None = None,
    limit: int | None = None,
    query_paths: Sequence[Path] = (),
    database_paths: Sequence[Path] = (),
    progress: Progress = silent,
) -> Matches:
    """The best images of the database for each query.

    Args:
        model: Its settings and calibrations; the networks are not run.
        query: Embedded by the model.
        database: The same.
        own_Q: The row of each query's own image in the database, -1 where it has none.
        limit: Images of a query; None is the settings'.
        query_paths: Files of the queries, for local features.
        database_paths: Files of the database, for local features.
        progress: Shown a step for each query where that takes long.

    Raises:
        UsageError: Shapes, types or numbers do not fit.
        MachineError: A package that the settings need is missing.
    """
    limit = limit or model.settings.limit
    local = model.settings.local
    count = limit if local is None else max(limit, local.shortlist)
    found = best(query, database, parts=model.parts, settings=model.settings, own_Q=own_Q, k=count, progress=progress)
    if local is None:
        confidence_QK = confidences(model, found.similarity_QK)
        order_QK = np.broadcast_to(np.arange(count), found.indices_QK.shape)
    else:
        confidence_QK = _rescored(model, found, query_paths, database_paths, progress)
        order_QK = np.argsort(-confidence_QK, axis=1, kind="stable")
    return Matches(
        indices_QK=np.take_along_axis(found.indices_QK, order_QK, axis=1)[:, :limit],
        similarity_QK=np.take_along_axis(found.similarity_QK, order_QK, axis=1)[:, :limit],
        confidence_QK=np.take_along_axis(confidence_QK, order_QK, axis=1)[:, :limit],
    )


def best(
    query: Images,
    database: Images,
    *,
    parts: Sequence[Part],
    settings: InferenceSettings,
    own_Q: NDArray[Any] | None = None,
    k: int = 20,
    progress: Progress = silent,
) -> Ranking:
    """As `match`, without confidences and local features."""
    if settings.expansion is None and settings.reranking is None:
        return rank_images(query, database, parts=parts, own_Q=own_Q, k=k)
    similarity_QN = similarities(query, database, parts=parts, settings=settings, own_Q=own_Q, progress=progress)
    return rank_rows(similarity_QN, own_Q=own_Q, k=k)


def similarities(
    query: Images,
    database: Images,
    *,
    parts: Sequence[Part],
    settings: InferenceSettings,
    own_Q: NDArray[Any] | None = None,
    progress: Progress = silent,
) -> Floats:
    """(Q, N) every similarity, with the expansion or re-ranking of the settings.

    What stands at a query's own image means nothing.
    """
    own = own_rows(own_Q, len(query), len(database))
    if settings.expansion is not None:
        return expansions.similarity_rows(
            query, database, parts=parts, own_Q=own, expansion=settings.expansion, progress=progress
        )
    plain_QN = plain_similarities(query, database, parts)
    if settings.reranking is None:
        return plain_QN
    between_NN = plain_similarities(database, database, parts)
    rows = progress(zip(plain_QN, own.tolist(), strict=True), what="re-ranking", total=len(query))
    found = list(rerankings.similarity_rows(rows, between_NN, settings=settings.reranking))
    return np.array(found).reshape(len(query), len(database))


def plain_similarities(query: Images, database: Images, parts: Sequence[Part]) -> Floats:
    """(Q, N) every similarity, exactly, as the networks say it."""
    comparison = Comparison(query, database, parts)
    similarity_QN = np.empty((len(query), len(database)))
    for span in comparison.query_spans():
        similarity_QN[span] = comparison.exact(span)
    return similarity_QN


def confidences(model: Model, similarity_QK: Floats) -> Floats:
    """Confidences from 0 to 1 that fall along a row wherever its similarities fall.

    By the model's calibration; without one, (1 + similarity) / 2. 0 for -inf, which stands where nothing is ranked.
    """
    ranked = np.isfinite(similarity_QK)
    finite_QK = np.where(ranked, np.clip(similarity_QK, -1, 1), -1.0)
    raw_QK = (1 + finite_QK) / 2 if model.calibration is None else model.calibration.apply(finite_QK)
    return np.where(ranked, falling(raw_QK, finite_QK), 0.0)


def falling(confidence_QK: Floats, similarity_QK: Floats) -> Floats:
    """The confidences, moved by the least step where rounding merged or swapped two whose similarities fall.

    >>> falling(np.array([[0.5, 0.5, 0.5]]), np.array([[0.9, 0.8, 0.8]])).tolist() == [
    ...     [0.5, np.nextafter(0.5, 0), np.nextafter(0.5, 0)]
    ... ]
    True
    """
    moved_QK = np.array(confidence_QK, np.float64)
    for place in range(1, moved_QK.shape[1]):
        before_Q = moved_QK[:, place - 1]
        falls_Q = similarity_QK[:, place] < similarity_QK[:, place - 1]
        ceiling_Q = np.where(falls_Q, np.nextafter(before_Q, 0.0), before_Q)
        moved_QK[:, place] = np.minimum(moved_QK[:, place], ceiling_Q)
    return moved_QK


def _rescored(
    model: Model, found: Ranking, query_paths: Sequence[Path], database_paths: Sequence[Path], progress: Progress
) -> Floats:
    """Confidences with local features for the shortlist; those behind it stay behind it."""
    settings = model.settings.local
    if settings is None:
        return confidences(model, found.similarity_QK)
    matcher = Matcher(settings)
    confidence_QK = confidences(model, found.similarity_QK)
    for row in progress(range(len(found.indices_QK)), what="matching details", total=len(found.indices_QK)):
        listed = found.indices_QK[row][: settings.shortlist]
        listed = listed[listed != NOBODY].tolist()
        counts = [matcher.count(query_paths[row], database_paths[each]) for each in listed]
        mixed_K = rescore(
            found.similarity_QK[row, : len(listed)],
            counts,
            settings,
            global_map=model.calibration,
            local_map=model.local_calibration,
        )
        confidence_QK[row, : len(listed)] = mixed_K
        if len(listed):
            rest = confidence_QK[row, len(listed) :]
            confidence_QK[row, len(listed) :] = np.minimum(rest, np.nextafter(mixed_K.min(), 0.0))
    return confidence_QK
