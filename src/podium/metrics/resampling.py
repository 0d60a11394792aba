"""How sure a score is: bootstrap intervals.

Legend: N predicted pairs, Q queries, G groups of pairs with one similarity, M relevant pairs that were predicted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import ChallengeError, UsageError
from podium.metrics.ranking import Bools, Floats, group_ends
from podium.types import Interval

Integers = NDArray[np.integer[Any]]


def bootstrap_average_precision(
    similarity_N: Floats,
    relevant_N: Bools,
    query_N: Integers,
    positives_Q: Integers,
    *,
    resamples: int = 1_000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """A percentile interval of micro-AP, drawing whole queries with replacement.

    A query drawn twice counts twice with all its predictions and positives. A draw without any positive has no
    micro-AP and is left out.

    Args:
        similarity_N: One finite number a predicted pair.
        relevant_N: True where the pair is in the ground truth.
        query_N: The query of each pair, 0 to Q - 1.
        positives_Q: Relevant pairs in the ground truth of each query, also of those without predictions.
        resamples: Draws, at least 1.
        seed: Same seed, same interval.
        level: Of confidence, in (0, 1).

    Raises:
        ChallengeError: No query has a positive.
        UsageError: Shapes or values do not fit, or resamples or level are out of range.

    >>> few = bootstrap_average_precision(np.ones(2), np.array([True, True]), np.array([0, 1]), np.array([1, 1]))
    >>> few.low, few.high, few.unit
    (1.0, 1.0, 'query')
    """
    if resamples < 1 or not 0 < level < 1:
        raise UsageError(
            f"`{resamples}` resamples at level `{level}`; at least 1, and a level between 0 and 1, are needed"
        )
    _check(similarity_N, relevant_N, query_N, positives_Q)
    drawn = resampled_average_precision(similarity_N, relevant_N, query_N, positives_Q, resamples=resamples, seed=seed)
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        raise ChallengeError(f"none of `{resamples}` resamples drew a query with a positive pair")
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high), level=level, resamples=len(drawn), unit="query")


def resampled_average_precision(
    similarity_N: Floats,
    relevant_N: Bools,
    query_N: Integers,
    positives_Q: Integers,
    *,
    resamples: int,
    seed: int,
) -> NDArray[np.float64]:
    """Micro-AP of each resample; NaN where a draw holds no positive.

    >>> resampled_average_precision(np.ones(1), np.array([True]), np.array([0]), np.array([1]), resamples=2, seed=0)
    array([1., 1.])
    """
    order_N = np.argsort(-np.asarray(similarity_N), kind="stable")
    query_N = np.asarray(query_N)[order_N].astype(np.intp)
    ends_G = group_ends(np.asarray(similarity_N)[order_N])
    relevant_M = np.flatnonzero(np.asarray(relevant_N, bool)[order_N])
    end_M = ends_G[np.searchsorted(ends_G, relevant_M)]
    query_M = query_N[relevant_M]
    last_M = np.searchsorted(end_M, end_M, side="right") - 1
    values = np.full(resamples, np.nan)
    for index, weight_Q in enumerate(_draws(len(positives_Q), resamples, seed)):
        total = int(weight_Q @ positives_Q)
        if total:
            called_N = np.cumsum(weight_Q[query_N])
            weight_M = weight_Q[query_M]
            found_M = np.cumsum(weight_M)[last_M]
            called_M = np.maximum(called_N[end_M], 1)
            values[index] = float(weight_M @ (found_M / called_M)) / total
    return values


def _draws(queries: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(rng.integers(0, queries, queries), minlength=queries)


def _check(similarity_N: Floats, relevant_N: Bools, query_N: Integers, positives_Q: Integers) -> None:
    if not np.shape(similarity_N) == np.shape(relevant_N) == np.shape(query_N) or np.ndim(similarity_N) != 1:
        shapes = f"`{np.shape(similarity_N)}`, `{np.shape(relevant_N)}` and `{np.shape(query_N)}`"
        raise UsageError(f"similarities, relevance and queries have shapes {shapes}; all need one entry a pair")
    if not np.isfinite(similarity_N).all():
        raise UsageError("a similarity is not finite; all must be")
    if len(positives_Q) == 0 or int(np.sum(positives_Q)) < 1:
        raise ChallengeError("the ground truth has no positive pair, so there is nothing to resample")
    if len(query_N) and (int(np.min(query_N)) < 0 or int(np.max(query_N)) >= len(positives_Q)):
        raise UsageError(
            f"queries are numbered `{np.min(query_N)}` to `{np.max(query_N)}`; 0 to {len(positives_Q) - 1} are known"
        )
    found_Q = np.bincount(np.asarray(query_N)[np.asarray(relevant_N, bool)], minlength=len(positives_Q))
    over = np.flatnonzero(found_Q > positives_Q)
    if len(over):
        raise UsageError(
            f"query `{over[0]}` has `{found_Q[over[0]]}` relevant pairs, but only `{positives_Q[over[0]]}` positives"
        )
