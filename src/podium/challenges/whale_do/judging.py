"""Rankings beside the truth: which rows are right, at which rank, and the AP of each query.

Legend: Q queries that are scored, N rows of theirs, best first, I images, L right matches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from podium.challenges.whale_do import layout
from podium.challenges.whale_do.catalogue import Codes, codes
from podium.challenges.whale_do.official import NOTHING, joinable
from podium.challenges.whale_do.predictions import COLUMNS, IMAGE, LIMIT, QUERY, Predictions
from podium.errors import ChallengeError, SubmissionError, UsageError
from podium.formats import tables
from podium.formats.faults import shown
from podium.metrics import average_precisions_at_k
from podium.types import DataSet

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """The rows of every query that is scored, judged.

    Rows stand query after query, the highest score first. Among equal scores the wrong images come first, so that a
    rank promises nothing that the scores do not, and the order in the file plays no part.

    Attributes:
        query_ids: (Q,) in the order of the scenarios.
        place_Q: The number of each query in the catalogue; -1 where it is unknown, only with parity.
        positives_Q: How many images are right, listed or not; at least 1.
        ap_Q: AP at 20.
        image_ids: (I,) what the numbers of images stand for.
        query_N: 0 to Q - 1, not falling.
        image_N: 0 to I - 1.
        score_N: As the submission wrote it.
        relevant_N: The image is right.
        rank_N: From 1 within the query.
        right_L: Query x I + image of every right match, sorted.
    """

    query_ids: tuple[str, ...]
    place_Q: Codes
    positives_Q: Codes
    ap_Q: Floats
    image_ids: tuple[str, ...]
    query_N: Codes
    image_N: Codes
    score_N: Floats
    relevant_N: Bools
    rank_N: Codes
    right_L: Codes

    @cached_property
    def starts_Q(self) -> Codes:
        """Where the rows of each query begin, and one more: where all end."""
        return np.searchsorted(self.query_N, np.arange(len(self.query_ids) + 1))

    @cached_property
    def first_rank_Q(self) -> Floats:
        """The rank of the first right image; infinite where none is listed."""
        first = np.full(len(self.query_ids), np.inf)
        hits = np.flatnonzero(self.relevant_N)
        np.minimum.at(first, self.query_N[hits], self.rank_N[hits])
        return first

    @cached_property
    def found_Q(self) -> Codes:
        """How many right images are listed."""
        return np.bincount(self.query_N[self.relevant_N], minlength=len(self.query_ids)).astype(np.int64)

    def hit_ranks(self) -> Iterator[list[int]]:
        """The ranks of the right images of each query."""
        ranks: list[int] = self.rank_N[self.relevant_N].tolist()
        ends: list[int] = np.cumsum(self.found_Q).tolist()
        for start, end in zip([0, *ends], ends, strict=False):
            yield ranks[start:end]

    def missed(self, query: int) -> list[str]:
        """The right images that a query did not list, by id."""
        images = len(self.image_ids)
        first, last = np.searchsorted(self.right_L, [query * images, (query + 1) * images])
        rows = slice(self.starts_Q[query], self.starts_Q[query + 1])
        missed: list[int] = np.setdiff1d(self.right_L[first:last] - query * images, self.image_N[rows]).tolist()
        return sorted(self.image_ids[image] for image in missed)


def judge(predictions: Predictions, data: DataSet, *, parity: bool) -> Judged:
    """Judges the rows of every query that is scored.

    By default those are the labelled queries, and one without rows has AP 0. With parity they are the queries that
    stand in both files, as the official scorer reads and joins them.

    Raises:
        ChallengeError: There is no label, or one names what the scenarios do not.
        UsageError: The predictions were read with parity and are not to be scored with it.
        SubmissionError: With parity only: no query stands in both files, or the ids cannot be joined.
    """
    if predictions.parity and not parity:
        raise UsageError("the predictions were read with parity; read them without it to score them without it")
    known: dict[bool, Judged] = predictions.memory.setdefault("judged", {})
    if parity not in known:
        case = _official_case(predictions, data) if parity else _case(predictions, data)
        known[parity] = _judged(case)
    return known[parity]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Case:
    """Rows and right matches as numbers; the queries are those that are scored."""

    query_ids: tuple[str, ...]
    place_Q: Codes
    image_ids: tuple[str, ...]
    query_N: Codes
    image_N: Codes
    score_N: Floats
    right_L: Codes


def _case(predictions: Predictions, data: DataSet) -> _Case:
    catalogue = predictions.catalogue
    path = data.answers / layout.LABELS
    labels = layout.read_labels(path)
    if not labels.height:
        raise _nothing(path)
    query_L, image_L = catalogue.queries(labels[QUERY]), catalogue.images(labels[IMAGE])
    for column, known_L in ((QUERY, query_L), (IMAGE, image_L)):
        if len(known_L) and known_L.min() < 0:
            found = labels[column][int(np.flatnonzero(known_L < 0)[0])]
            raise ChallengeError(f"`{path}` has the `{column}` {shown(found)}, which no scenario has")
    images = len(catalogue.image_ids)
    labelled = np.bincount(query_L, minlength=len(catalogue.query_ids)) > 0
    number = np.where(labelled, np.cumsum(labelled) - 1, -1)
    place_Q = np.flatnonzero(labelled)
    places: list[int] = place_Q.tolist()
    right_L = np.sort(number[query_L] * images + image_L)
    kept = np.flatnonzero(number[predictions.query_N] >= 0)
    return _Case(
        query_ids=tuple(catalogue.query_ids[place] for place in places),
        place_Q=place_Q,
        image_ids=catalogue.image_ids,
        query_N=number[predictions.query_N[kept]],
        image_N=predictions.image_N[kept],
        score_N=predictions.score_N[kept],
        right_L=right_L[np.append(True, right_L[1:] != right_L[:-1])],
    )


def _official_case(predictions: Predictions, data: DataSet) -> _Case:
    """Every hole as it is: duplicates multiply, missing ids match each other or vanish, queries may stay away."""
    path = data.answers / layout.LABELS
    labels = _loose_labels(path)
    query_N, query_L = joinable(predictions.ids[QUERY], labels[QUERY], name=QUERY)
    image_N, image_L = joinable(predictions.ids[IMAGE], labels[IMAGE], name=IMAGE)
    raw = pl.DataFrame({"id": query_L, "raw": labels[QUERY]}).drop_nulls().group_by("id").agg(pl.col("raw").min())
    scored = raw.filter(pl.col("id").is_in(query_N.drop_nulls().unique().to_list())).sort("id")
    if not scored.height:
        message = "no query of the predictions is labelled; the official scorer gives `NaN`, which is no score"
        raise SubmissionError(message)
    image_ids = pl.concat([image_N, image_L]).fill_null(NOTHING).unique().sort()
    queries, images = pl.Enum(scored["id"].to_list()), pl.Enum(image_ids.to_list())
    mine_N, mine_L = codes(query_N, queries), codes(query_L, queries)
    seen_N, seen_L = codes(image_N.fill_null(NOTHING), images), codes(image_L.fill_null(NOTHING), images)
    right_L = np.sort((mine_L * len(image_ids) + seen_L)[mine_L >= 0])
    rows = np.flatnonzero(mine_N >= 0)
    pairs = mine_N[rows] * len(image_ids) + seen_N[rows]
    labelled = np.searchsorted(right_L, pairs, side="right") - np.searchsorted(right_L, pairs)
    rows = np.repeat(rows, np.maximum(labelled, 1))
    return _Case(
        query_ids=tuple(scored["raw"].to_list()),
        place_Q=predictions.catalogue.queries(scored["raw"]),
        image_ids=tuple(image_ids.to_list()),
        query_N=mine_N[rows],
        image_N=seen_N[rows],
        score_N=predictions.score_N[rows],
        right_L=right_L,
    )


def _loose_labels(path: Path) -> pl.DataFrame:
    """The labels as the official scorer takes them: an id may be empty."""
    wanted = [tables.Column(name, may_be_empty=True, max_characters=None) for name in COLUMNS[:2]]
    reading = tables.read(path, wanted, max_bytes=512 << 20, max_rows=10_000_000, extra="ignore", may_be_empty=True)
    if reading.frame is None:
        raise ChallengeError(f"the data set's `{path}` is broken: {reading.problems[0]}")
    if not reading.frame.height:
        raise _nothing(path)
    return reading.frame


def _nothing(path: Path) -> ChallengeError:
    return ChallengeError(f"`{path}` has no label, so there is nothing to score")


def _judged(case: _Case) -> Judged:
    images = len(case.image_ids)
    pairs_N = case.query_N * images + case.image_N
    relevant_N = case.right_L[np.minimum(np.searchsorted(case.right_L, pairs_N), len(case.right_L) - 1)] == pairs_N
    order_N = _order(case, relevant_N)
    query_N, score_N, relevant_N = case.query_N[order_N], case.score_N[order_N], relevant_N[order_N]
    positives_Q = np.bincount(case.right_L // images, minlength=len(case.query_ids)).astype(np.int64)
    rows_Q = np.bincount(query_N, minlength=len(case.query_ids))
    starts_Q = np.cumsum(rows_Q) - rows_Q
    return Judged(
        query_ids=case.query_ids,
        place_Q=case.place_Q,
        positives_Q=positives_Q,
        ap_Q=average_precisions_at_k(query_N, score_N, relevant_N, positives_Q, k=LIMIT),
        image_ids=case.image_ids,
        query_N=query_N,
        image_N=case.image_N[order_N],
        score_N=score_N,
        relevant_N=relevant_N,
        rank_N=np.arange(1, len(query_N) + 1) - np.repeat(starts_Q, rows_Q),
        right_L=case.right_L,
    )


def _order(case: _Case, relevant_N: Bools) -> Codes:
    """Query, score from the highest, wrong before right, image."""
    step, fall = np.diff(case.query_N), np.diff(case.score_N)
    if not np.any((step < 0) | ((step == 0) & (fall >= 0))):
        return np.arange(len(case.query_N))
    return np.lexsort((case.image_N, relevant_N, -case.score_N, case.query_N)).astype(np.int64)
