"""How good rankings of one database for many queries are: AP at k of each query, and how sure their mean is.

Legend: N ranked rows, Q queries, T groups of rows of one query with one similarity, M means that are asked for,
G groups of queries that are drawn together, R resamples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.metrics.ranking import Bools, Floats
from podium.types import Interval

Integers = NDArray[np.integer[Any]]

_DRAWS_AT_ONCE = 1 << 16
"""So few that they stay in a processor's cache."""


def average_precisions_at_k(
    query_N: Integers, similarity_N: Floats, relevant_N: Bools, positives_Q: Integers, *, k: int
) -> NDArray[np.float64]:
    """AP at k of every query; mAP at k is their mean.

    The rows of a query with one similarity form a group, so the order inside ties plays no part. With h_j relevant
    rows inside group j, and TP_j relevant ones among the R_j rows up to its end, AP is the sum over groups of
    h_j x TP_j / R_j, divided by min(positives, k). Without ties that is the sum of the precision at each relevant row.

    `k` bounds the divisor only: rows after the k-th are not cut, and a row that is there twice counts twice. A reader
    has to refuse both.

    Args:
        query_N: The query of each row, 0 to Q - 1, in any order.
        similarity_N: One finite number a row; only its order inside the query matters.
        relevant_N: True where the row is right.
        positives_Q: Right rows that the database holds for each query, listed or not; at least 1. A query without any
            has no AP: leave it out.
        k: How many rows a query may list; at least 1.

    Returns:
        (Q,) AP, 0.0 for a query without a relevant row; in [0, 1] where the rows of a query are distinct and at most k.

    Raises:
        UsageError: Shapes or values do not fit, or a query has no positives.

    >>> query_N, similarity_N = np.array([0, 0, 0, 1]), np.array([0.9, 0.8, 0.7, 0.5])
    >>> average_precisions_at_k(query_N, similarity_N, np.array([True, False, True, True]), np.array([2, 4]), k=20)
    array([0.83333333, 0.25      ])

    Source: the rule of Where's Whale-do?: `sklearn.metrics.average_precision_score` of each query, times the relevant
    rows that were listed, divided by min(positives, 20).
    """
    query_N, similarity_N, relevant_N = _checked(query_N, similarity_N, relevant_N, positives_Q, k)
    order_N = best_first(query_N, similarity_N)
    if order_N is not None:
        query_N, similarity_N, relevant_N = query_N[order_N], similarity_N[order_N], relevant_N[order_N]
    queries = len(positives_Q)
    if not len(query_N):
        return np.zeros(queries)
    found_N = np.concatenate([[0], np.cumsum(relevant_N)])
    firsts_Q = np.searchsorted(query_N, np.arange(queries))
    last_N = np.append((query_N[1:] != query_N[:-1]) | (similarity_N[1:] != similarity_N[:-1]), True)
    ends_T = np.flatnonzero(last_N) + 1
    found_T, query_T = found_N[ends_T], query_N[ends_T - 1]
    hits_T = np.diff(found_T, prepend=0)
    precision_T = (found_T - found_N[firsts_Q[query_T]]) / (ends_T - firsts_Q[query_T])
    gained_Q = np.bincount(query_T, weights=hits_T * precision_T, minlength=queries)
    return gained_Q / np.minimum(positives_Q, k)


def best_first(query_N: Integers, similarity_N: Floats) -> NDArray[np.intp] | None:
    """The order that puts the rows of one query together, the greatest similarity first; None when they stand so.

    Rows of one query with one similarity keep the order they came in.

    >>> best_first(np.array([1, 0, 1]), np.array([0.1, 0.2, 0.3])).tolist()
    [1, 2, 0]
    >>> best_first(np.array([0, 0, 1]), np.array([0.3, 0.3, 0.9])) is None
    True
    """
    step_N = np.diff(query_N)
    if not np.any((step_N < 0) | ((step_N == 0) & (similarity_N[1:] > similarity_N[:-1]))):
        return None
    return np.lexsort((-similarity_N, query_N))


def bootstrap_mean(
    values_Q: Floats, group_Q: Integers, *, resamples: int = 1_000, seed: int = 0, level: float = 0.95
) -> Interval:
    """A percentile interval of a mean over queries, drawing whole groups of queries with replacement.

    Queries of one group are no independent draws: photographs of one animal are easy or hard together. A group that is
    drawn twice counts twice with all its queries.

    Args:
        values_Q: One finite number a query, at least one.
        group_Q: The group of each query, any whole numbers.
        resamples: Draws, at least 1.
        seed: Same seed, same interval.
        level: Of confidence, in (0, 1).

    Raises:
        UsageError: Shapes or values do not fit, or resamples or level are out of range.

    >>> bootstrap_mean(np.array([0.5, 0.5]), np.array([0, 0])).unit
    '1 group'
    """
    interval = bootstrap_means(np.asarray(values_Q)[None], group_Q, resamples=resamples, seed=seed, level=level)[0]
    if interval is None:
        raise UsageError("no value is finite; a mean needs at least one")
    return interval


def bootstrap_means(
    values_MQ: Floats, group_Q: Integers, *, resamples: int = 1_000, seed: int = 0, level: float = 0.95
) -> tuple[Interval | None, ...]:
    """Percentile intervals of several means over the same draws of whole groups.

    Args:
        values_MQ: One row a mean; NaN where a query takes no part in it.
        group_Q: The group of each query, any whole numbers.
        resamples: Draws, at least 1. A draw without any query of a mean is left out of that mean's interval.
        seed: Same seed, same intervals.
        level: Of confidence, in (0, 1).

    Returns:
        One interval a row, whose unit counts the groups that take part; None for a row without values.

    Raises:
        UsageError: Shapes or values do not fit, or resamples or level are out of range.

    >>> few = bootstrap_means(np.array([[1.0, 1.0, 0.0], [np.nan, np.nan, 0.25]]), np.array([7, 7, 9]))
    >>> [(each.low, each.high, each.unit) for each in few]
    [(0.0, 1.0, '2 groups'), (0.25, 0.25, '1 group')]
    """
    values_MQ, group_Q = np.atleast_2d(np.asarray(values_MQ, np.float64)), np.asarray(group_Q)
    if resamples < 1 or not 0 < level < 1:
        wanted = "at least 1, and a level between 0 and 1, are needed"
        raise UsageError(f"`{resamples}` resamples at level `{level}`; {wanted}")
    if values_MQ.ndim != 2 or group_Q.shape != values_MQ.shape[1:] or not len(group_Q):
        shapes = f"`{values_MQ.shape}` and groups `{group_Q.shape}`"
        raise UsageError(f"values have shape {shapes}; both need one entry a query, and at least one")
    if np.isinf(values_MQ).any():
        raise UsageError("a value is infinite; all must be finite, or NaN where a query takes no part")
    names_G, group_Q = np.unique(group_Q, return_inverse=True)
    sums_GM, counts_GM = _per_group(values_MQ, group_Q, len(names_G))
    means_RM = _resampled(sums_GM, counts_GM, resamples, seed)
    groups_M = (counts_GM > 0).sum(axis=0)
    return tuple(_interval(drawn_R, int(groups), level) for drawn_R, groups in zip(means_RM.T, groups_M, strict=True))


def _per_group(
    values_MQ: NDArray[np.float64], group_Q: Integers, groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and number of the values of each group, for each mean."""
    there_MQ = ~np.isnan(values_MQ)
    sums = [np.bincount(group_Q, weights=row, minlength=groups) for row in np.where(there_MQ, values_MQ, 0.0)]
    counts = [np.bincount(group_Q, weights=row, minlength=groups) for row in there_MQ]
    return np.stack(sums, axis=1).astype(np.float64), np.stack(counts, axis=1).astype(np.float64)


def _resampled(
    sums_GM: NDArray[np.float64], counts_GM: NDArray[np.float64], resamples: int, seed: int
) -> NDArray[np.float64]:
    """The means of each resample; NaN where a draw holds no query of a mean."""
    rng = np.random.default_rng(seed)
    groups, means = sums_GM.shape
    means_RM = np.full((resamples, means), np.nan)
    both_GM = np.concatenate([sums_GM, counts_GM], axis=1)
    size = max(1, _DRAWS_AT_ONCE // groups)
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn_RG = rng.integers(0, groups, (rows, groups), dtype=np.int32)
        drawn_RG += np.arange(rows, dtype=np.int32)[:, None] * groups
        times_RG = np.bincount(drawn_RG.ravel(), minlength=rows * groups).reshape(rows, groups)
        total_RM = times_RG.astype(np.float64) @ both_GM
        count_RM = total_RM[:, means:]
        np.divide(total_RM[:, :means], count_RM, out=means_RM[start : start + rows], where=count_RM > 0)
    return means_RM


def _interval(drawn_R: NDArray[np.float64], groups: int, level: float) -> Interval | None:
    kept_R = drawn_R[~np.isnan(drawn_R)]
    if not len(kept_R):
        return None
    low, high = np.quantile(kept_R, [(1 - level) / 2, (1 + level) / 2])
    unit = f"{groups} group{'s' if groups != 1 else ''}"
    return Interval(low=float(low), high=float(high), level=level, resamples=len(kept_R), unit=unit)


def _checked(
    query_N: Integers, similarity_N: Floats, relevant_N: Bools, positives_Q: Integers, k: int
) -> tuple[Integers, Floats, Bools]:
    query_N, similarity_N, relevant_N = np.asarray(query_N), np.asarray(similarity_N), np.asarray(relevant_N, bool)
    if similarity_N.dtype.kind != "f":
        similarity_N = similarity_N.astype(np.float64)
    if not query_N.shape == similarity_N.shape == relevant_N.shape or query_N.ndim != 1:
        shapes = f"`{query_N.shape}`, `{similarity_N.shape}` and `{relevant_N.shape}`"
        raise UsageError(f"queries, similarities and relevance have shapes {shapes}; all need one entry a row")
    if not np.isfinite(similarity_N).all():
        row = int(np.flatnonzero(~np.isfinite(similarity_N))[0])
        raise UsageError(f"similarity `{row}` is `{similarity_N[row]}`; all must be finite")
    if k < 1:
        raise UsageError(f"k is `{k}`; at least 1 is needed")
    short = np.flatnonzero(np.asarray(positives_Q) < 1)
    if len(short):
        raise UsageError(f"query `{short[0]}` has `{positives_Q[short[0]]}` positives; leave such queries out")
    if len(query_N) and (int(query_N.min()) < 0 or int(query_N.max()) >= len(positives_Q)):
        known = f"0 to {len(positives_Q) - 1} are known"
        raise UsageError(f"queries are numbered `{query_N.min()}` to `{query_N.max()}`; {known}")
    return query_N.astype(np.intp, copy=False), similarity_N, relevant_N
