"""The most similar images of a database, for many queries at once and for each as if it were alone.

The similarity of two rows is their exact inner product, rounded once to float32: a property of the two rows, so what
else is compared, in which blocks and by which library changes no bit. Ranking takes a shortlist from a float32 product
of whole blocks, as long as the error of that product asks for, and computes exactly what is on it.

Axes: Q queries, N images of the database, D dimensions, K ranked images, P pairs, B queries of a block.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.search.float32 import true_positions
from podium.search.rounding import round_sums, rounding_share, sum_error
from podium.search.rows import Rows, measure, spans

TOP, LATERAL = "top", "lateral"
VIEWS = (TOP, LATERAL)
LATERAL_VIEWPOINTS = ("left", "right")
NOBODY = -1
"""Stands where an image has no row in the database, or a query no more ranked images."""

_BLOCK_CELLS = 4 << 20
_UNIT = 2.0**-24
Rows32 = NDArray[np.float32]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Part:
    """How one member of a model counts.

    Attributes:
        serves: Which pairs it compares: ``lateral`` are those with at least one lateral image, ``top`` all others.
        weight: In the mean of the members that serve a pair, above 0.
    """

    serves: tuple[str, ...] = VIEWS
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.serves or not set(self.serves) <= set(VIEWS):
            raise UsageError(f"a member serves `{list(self.serves)}`; `{TOP}` and `{LATERAL}` are allowed")
        if not (self.weight > 0 and np.isfinite(self.weight)):
            raise UsageError(f"the weight of a member is `{self.weight}`; it lies above 0")


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """Images as rows of numbers.

    Attributes:
        blocks: One (N, D) float32 a member; D may differ.
        lateral_N: Which of them show an animal from its side.
    """

    blocks: tuple[Rows32, ...]
    lateral_N: Bools

    def __post_init__(self) -> None:
        if not self.blocks or any(len(each) != len(self.lateral_N) for each in self.blocks):
            raise UsageError("every member has one row an image")

    def __len__(self) -> int:
        return len(self.lateral_N)

    def take(self, chosen: Any) -> Images:
        """Some of the images: a slice, a mask or their numbers."""
        return Images(
            blocks=tuple(np.ascontiguousarray(each[chosen]) for each in self.blocks), lateral_N=self.lateral_N[chosen]
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking:
    """The best images of the database for each query, best first; equal ones in the order of the database.

    Attributes:
        indices_QK: Rows of the database; `NOBODY` where a query has no more.
        similarity_QK: -inf where a query has no more.
    """

    indices_QK: Indices
    similarity_QK: Floats


def is_lateral(viewpoint: str) -> bool:
    """Whether a viewpoint is from the side.

    >>> is_lateral("left"), is_lateral("top"), is_lateral("")
    (True, False, False)
    """
    return viewpoint in LATERAL_VIEWPOINTS


def unit_rows(rows_ND: NDArray[Any]) -> Rows32:
    """Rows of length 1 as float32; a row of zeros stays one. Each row is computed by itself.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    rows = np.ascontiguousarray(rows_ND, np.float64)
    lengths_N1 = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    return (rows / np.where(lengths_N1 > 0, lengths_N1, 1.0)).astype(np.float32)


def rank(
    query_QD: NDArray[Any], database_ND: NDArray[Any], *, own_Q: NDArray[Any] | None = None, k: int = 20
) -> Ranking:
    """The `k` images of highest inner product for each query, without its own.

    Args:
        query_QD: (Q, D) float32, finite; rows of unit length make it a ranking by cosine.
        database_ND: (N, D) float32, finite.
        own_Q: (Q,) the row of each query's own image in the database, `NOBODY` where it has none; None is none at all.
        k: 1 or more.

    Raises:
        UsageError: Shapes, types or numbers do not fit.

    >>> eye = np.eye(3, dtype=np.float32)
    >>> found = rank(eye[:1] + eye[2:] / 2, eye, own_Q=np.array([0]), k=3)
    >>> found.indices_QK.tolist(), found.similarity_QK.tolist()
    ([[2, 1, -1]], [[0.5, 0.0, -inf]])
    """
    query, database = (np.asanyarray(each) for each in (query_QD, database_ND))
    return rank_images(_alone(query), _alone(database), parts=(Part(),), own_Q=own_Q, k=k)


def rank_images(
    query: Images, database: Images, *, parts: Sequence[Part], own_Q: NDArray[Any] | None = None, k: int = 20
) -> Ranking:
    """As `rank`, by the weighted mean over the members that serve a pair.

    A pair is lateral when one of its two images is: nothing else decides which members compare it.

    Args:
        query: Blocks in the order of the parts.
        database: The same.
        parts: One a member; every kind of pair that occurs is served.
        own_Q: As for `rank`.
        k: 1 or more.

    Raises:
        UsageError: As for `rank`.
    """
    own_Q = own_rows(own_Q, len(query), len(database))
    if k < 1:
        raise UsageError(f"`k` is `{k}`; 1 or more is allowed")
    comparison = Comparison(query, database, parts)
    indices_QK = np.full((len(query), k), NOBODY, np.int64)
    similarity_QK = np.full((len(query), k), -np.inf)
    for span in comparison.query_spans():
        estimate_BN = comparison.estimate(span)
        own_B = own_Q[span]
        has = np.flatnonzero(own_B != NOBODY)
        estimate_BN[has, own_B[has]] = -np.inf
        query_P, database_P = _shortlist(estimate_BN, comparison.margins(span), k)
        similarity_P = comparison.pairs(query_P + span.start, database_P)
        order_P = np.lexsort((database_P, -similarity_P, query_P))
        query_P, database_P, similarity_P = query_P[order_P], database_P[order_P], similarity_P[order_P]
        place_P = np.arange(len(query_P)) - np.searchsorted(query_P, query_P)
        best = place_P < k
        rows, places = query_P[best] + span.start, place_P[best]
        indices_QK[rows, places] = database_P[best]
        similarity_QK[rows, places] = similarity_P[best]
    return Ranking(indices_QK=indices_QK, similarity_QK=similarity_QK)


def rank_rows(similarity_QN: Floats, *, own_Q: NDArray[Any] | None = None, k: int = 20) -> Ranking:
    """The ranking of given similarities, with the same rules.

    >>> rank_rows(np.array([[0.5, 0.9, 0.5]]), k=2).indices_QK.tolist()
    [[1, 0]]
    """
    queries, images = similarity_QN.shape
    own_Q = own_rows(own_Q, queries, images)
    indices_QK, best_QK = np.full((queries, k), NOBODY, np.int64), np.full((queries, k), -np.inf)
    for row in range(queries):
        order = np.argsort(-similarity_QN[row], kind="stable")
        order = order[order != own_Q[row]][:k]
        indices_QK[row, : len(order)] = order
        best_QK[row, : len(order)] = similarity_QN[row, order]
    return Ranking(indices_QK=indices_QK, similarity_QK=best_QK)


def own_rows(own_Q: NDArray[Any] | None, queries: int, images: int) -> Indices:
    """Checked rows of the queries' own images; `NOBODY` throughout for None."""
    if own_Q is None:
        return np.full(queries, NOBODY, np.int64)
    own = np.asarray(own_Q)
    if own.shape != (queries,) or own.dtype.kind not in "iu" or (own < NOBODY).any() or (own >= images).any():
        raise UsageError(f"own images are given as one row of the database, or `{NOBODY}`, for each query")
    return own.astype(np.int64)


class Comparison:
    """Queries against a database: estimates of all similarities, exact ones of those that are asked for.

    Args:
        query: Blocks in the order of the parts.
        database: The same.
        parts: One a member.
    """

    def __init__(self, query: Images, database: Images, parts: Sequence[Part]) -> None:
        if not len(query.blocks) == len(database.blocks) == len(parts):
            found = f"`{len(query.blocks)}` and `{len(database.blocks)}`"
            raise UsageError(f"`{len(parts)}` members compare images with {found} blocks")
        self._query, self._database = query, database
        self._shares = view_shares(parts)
        self._rows: list[tuple[Rows, Rows]] = []
        for query_QD, database_ND in zip(query.blocks, database.blocks, strict=True):
            pair = measure(query_QD, "query"), measure(database_ND, "database")
            if pair[0].dimensions != pair[1].dimensions:
                raise UsageError(f"rows of `{pair[0].dimensions}` and `{pair[1].dimensions}` numbers do not compare")
            self._rows.append(pair)
        self._wide: list[Floats | None] = [None] * len(self._rows)

    def query_spans(self) -> Iterator[slice]:
        """Blocks of queries whose product with the database fits a few megabytes."""
        return spans(len(self._query), max(1, _BLOCK_CELLS // max(len(self._database), 1)))

    def estimate(self, span: slice) -> Rows32:
        """(B, N) float32 similarities, off by at most `margins`."""

        def product(member: int) -> Rows32:
            queries, database = self._rows[member]
            return queries.read(span) @ database.read(slice(None)).T

        return self._mix(span, product)

    def margins(self, span: slice) -> Floats:
        """(B,) how far an estimate of a query can be from the similarity."""
        margin_B = np.zeros(len(range(*span.indices(len(self._query)))))
        for queries, database in self._rows:
            longest_B = queries.norms[span] * database.longest
            margin_B = np.maximum(
                margin_B, longest_B * (rounding_share(queries.dimensions) + (len(self._rows) + 4) * _UNIT)
            )
        return margin_B

    def exact(self, span: slice) -> Floats:
        """(B, N) all similarities of some queries."""
        return self._mix(span, lambda member: self._exact_block(member, span))

    def pairs(self, query_P: Indices, database_P: Indices) -> Floats:
        """(P,) similarities of pairs, sorted by query."""
        similarity_P = np.zeros(len(query_P))
        lateral_P = self._query.lateral_N[query_P] | self._database.lateral_N[database_P]
        for member, share_2 in enumerate(self._shares):
            share_P = share_2[lateral_P.astype(np.int64)]
            served = np.flatnonzero(share_P > 0)
            exact_P = self._exact_pairs(member, query_P[served], database_P[served])
            similarity_P[served] += share_P[served] * exact_P
        return similarity_P

    def _exact_pairs(self, member: int, query_P: Indices, database_P: Indices) -> Rows32:
        queries, database = self._rows[member]
        wide_ND = self._wide_rows(member)
        sums_P = np.empty(len(query_P))
        edges = np.flatnonzero(np.diff(query_P, prepend=NOBODY, append=NOBODY)).tolist() if len(query_P) else []
        for start, end in itertools.pairwise(edges):
            row_D = queries.vectors[query_P[start]].astype(np.float64)
            sums_P[start:end] = wide_ND[database_P[start:end]] @ row_D
        errors_P = sum_error(queries.norms[query_P] * database.norms[database_P], queries.dimensions)

        def row_pair(pair: int) -> tuple[Rows32, Rows32]:
            return queries.vectors[query_P[pair]], database.vectors[database_P[pair]]

        return round_sums(sums_P, errors_P, row_pair)

    def _exact_block(self, member: int, span: slice) -> Floats:
        queries, database = self._rows[member]
        query_BD, width = queries.read(span), len(database)
        sums_BN = query_BD.astype(np.float64) @ self._wide_rows(member).T
        errors_BN = sum_error(queries.norms[span][:, None] * database.norms[None, :], queries.dimensions)

        def row_pair(pair: int) -> tuple[Rows32, Rows32]:
            return query_BD[pair // width], database.vectors[pair % width]

        rounded = round_sums(sums_BN.reshape(-1), errors_BN.reshape(-1), row_pair)
        return rounded.reshape(sums_BN.shape).astype(np.float64)

    def _wide_rows(self, member: int) -> Floats:
        """(N, D) float64 rows of the database, converted once."""
        wide_ND = self._wide[member]
        if wide_ND is None:
            wide_ND = self._wide[member] = self._rows[member][1].read(slice(None)).astype(np.float64)
        return wide_ND

    def _mix(self, span: slice, product: Callable[[int], Any]) -> Any:
        """The weighted mean of members' (B, N) products, each pair by those that serve it."""
        lateral_B1, lateral_N = self._query.lateral_N[span][:, None], self._database.lateral_N
        views = [True, False]
        if lateral_B1.size and lateral_N.size:
            views = [not (lateral_B1.all() or lateral_N.all()), bool(lateral_B1.any() or lateral_N.any())]
        mixed: list[Any] = [None, None]
        for member, share_2 in enumerate(self._shares):
            needed = [view for view in (0, 1) if views[view] and share_2[view] > 0]
            if not needed:
                continue
            product_BN = product(member)
            for view in needed:
                share = product_BN.dtype.type(share_2[view])
                scaled = product_BN if share == 1 else product_BN * share
                mixed[view] = scaled if mixed[view] is None else mixed[view] + scaled
        if all(views):
            return np.where(lateral_B1 | lateral_N, mixed[1], mixed[0])
        return mixed[1] if views[1] else mixed[0]


def view_shares(parts: Sequence[Part]) -> list[Floats]:
    """(2,) for each member: its share in the similarity of top pairs and of lateral ones; shares of a view add up to 1.

    >>> [each.tolist() for each in view_shares([Part(weight=3.0), Part(serves=("lateral",), weight=1.0)])]
    [[1.0, 0.75], [0.0, 0.25]]
    """
    weights = np.array([[part.weight if view in part.serves else 0.0 for view in VIEWS] for part in parts])
    totals_2 = weights.sum(axis=0)
    if (totals_2 <= 0).any():
        raise UsageError(f"no member serves `{VIEWS[int(np.flatnonzero(totals_2 <= 0)[0])]}` pairs")
    return list(weights / totals_2)


def _shortlist(estimate_BN: Rows32, margin_B: Floats, k: int) -> tuple[Indices, Indices]:
    """Queries and images of all pairs that may be among the k best of their query."""
    images = estimate_BN.shape[1]
    if images == 0 or not len(estimate_BN):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    if k < images:
        kth_B = np.partition(estimate_BN, images - k, axis=1)[:, images - k]
        cutoff_B = np.nextafter((kth_B - 2 * margin_B).astype(np.float32), np.float32(-np.inf))
        flat = true_positions(estimate_BN >= cutoff_B[:, None])
    else:
        flat = np.arange(estimate_BN.size)
    flat = flat[np.isfinite(estimate_BN.reshape(-1)[flat])]
    query_P, database_P = np.divmod(flat, images)
    return query_P.astype(np.int64), database_P.astype(np.int64)


def _alone(rows_ND: NDArray[Any]) -> Images:
    return Images(blocks=(rows_ND,), lateral_N=np.zeros(len(rows_ND), np.bool_))
