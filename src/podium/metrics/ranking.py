"""How good a ranking is: precision and recall over pairs that carry a similarity.

Legend: N predicted pairs, G groups of pairs with one similarity, best first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import ChallengeError, UsageError

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class PrecisionRecall:
    """The curve of a ranking: one point for each distinct similarity, best first.

    Attributes:
        similarity_G: The cut: everything at or above it is called a match.
        precision_G: Share of the called pairs that are relevant.
        recall_G: Share of all relevant pairs that are called.
    """

    similarity_G: Floats
    precision_G: NDArray[np.float64]
    recall_G: NDArray[np.float64]


def average_precision(similarity_N: Floats, relevant_N: Bools, *, positives: int) -> float:
    """Adjusted average precision; over the pairs of all queries at once it is micro-AP.

    Pairs with one similarity form a group, and only a group's end is a cut, so the order inside ties plays no part.
    Relevant pairs that were never predicted count as missed.

    Args:
        similarity_N: One finite number a predicted pair; only its order matters.
        relevant_N: True where the pair is in the ground truth.
        positives: Relevant pairs in the ground truth, predicted or not.

    Returns:
        The sum over groups of precision x gain in recall, in [0, 1]; 0.0 when nothing was predicted.

    Raises:
        ChallengeError: There are no positives.
        UsageError: A similarity is not finite, shapes differ, or more relevant pairs than positives.

    >>> average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), positives=2)
    0.8333333333333333

    Source: the rule of the Video Similarity Challenge, `sklearn.metrics.average_precision_score` times the share of
    positives that were predicted.
    """
    curve = precision_recall(similarity_N, relevant_N, positives=positives)
    gain_G = np.diff(curve.recall_G, prepend=0.0)
    return min(1.0, float(gain_G @ curve.precision_G))


def simple_average_precision(similarity_N: Floats, relevant_N: Bools, *, positives: int) -> float:
    """Mean precision at each relevant pair; equal similarities keep the order they came in.

    The same as `average_precision` where no two similarities are equal.

    Args:
        similarity_N: One finite number a predicted pair.
        relevant_N: True where the pair is in the ground truth.
        positives: Relevant pairs in the ground truth, predicted or not.

    Raises:
        ChallengeError: There are no positives.
        UsageError: A similarity is not finite, shapes differ, or more relevant pairs than positives.

    >>> simple_average_precision(np.array([1.0, 1.0]), np.array([True, False]), positives=1)
    1.0
    """
    similarity_N, relevant_N = _checked(similarity_N, relevant_N, positives)
    relevant_N = relevant_N[_best_first(similarity_N)]
    ranks = np.flatnonzero(relevant_N) + 1.0
    return float((np.arange(1, len(ranks) + 1) / ranks).sum() / positives)


def precision_recall(similarity_N: Floats, relevant_N: Bools, *, positives: int) -> PrecisionRecall:
    """Precision and recall at every distinct similarity, best first.

    Args:
        similarity_N: One finite number a predicted pair.
        relevant_N: True where the pair is in the ground truth.
        positives: Relevant pairs in the ground truth, predicted or not.

    Raises:
        ChallengeError: There are no positives.
        UsageError: A similarity is not finite, shapes differ, or more relevant pairs than positives.

    >>> precision_recall(np.array([3.0, 1.0, 1.0]), np.array([True, True, False]), positives=4).recall_G.tolist()
    [0.25, 0.5]
    """
    similarity_N, relevant_N = _checked(similarity_N, relevant_N, positives)
    order_N = _best_first(similarity_N)
    similarity_N, found_N = similarity_N[order_N], np.cumsum(relevant_N[order_N])
    ends_G = group_ends(similarity_N)
    found_G = found_N[ends_G]
    return PrecisionRecall(
        similarity_G=similarity_N[ends_G], precision_G=found_G / (ends_G + 1.0), recall_G=found_G / positives
    )


def recall_at_precision(similarity_N: Floats, relevant_N: Bools, *, positives: int, precision: float = 0.9) -> float:
    """The highest recall at any cut whose precision is at least the asked one; 0.0 when no cut reaches it.

    Args:
        similarity_N: One finite number a predicted pair.
        relevant_N: True where the pair is in the ground truth.
        positives: Relevant pairs in the ground truth, predicted or not.
        precision: In (0, 1].

    Raises:
        ChallengeError: There are no positives.
        UsageError: A similarity is not finite, shapes differ, or more relevant pairs than positives.

    >>> recall_at_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), positives=2)
    0.5
    """
    curve = precision_recall(similarity_N, relevant_N, positives=positives)
    return float(curve.recall_G[curve.precision_G >= precision].max(initial=0.0))


def group_ends(sorted_N: Floats) -> NDArray[np.intp]:
    """Where each run of equal values ends.

    >>> group_ends(np.array([5.0, 5.0, 2.0])).tolist()
    [1, 2]
    """
    if not len(sorted_N):
        return np.empty(0, np.intp)
    return np.append(np.flatnonzero(sorted_N[1:] != sorted_N[:-1]), len(sorted_N) - 1)


def _best_first(similarity_N: Floats) -> NDArray[np.intp]:
    return np.argsort(-similarity_N, kind="stable")


def _checked(similarity_N: Floats, relevant_N: Bools, positives: int) -> tuple[Floats, Bools]:
    similarity_N, relevant_N = np.asarray(similarity_N), np.asarray(relevant_N, bool)
    if similarity_N.dtype.kind != "f":
        similarity_N = similarity_N.astype(np.float64)
    if similarity_N.ndim != 1 or similarity_N.shape != relevant_N.shape:
        shapes = f"`{similarity_N.shape}` and relevance `{relevant_N.shape}`"
        raise UsageError(f"similarities have shape {shapes}; both need one entry a pair")
    if not np.isfinite(similarity_N).all():
        row = int(np.flatnonzero(~np.isfinite(similarity_N))[0])
        raise UsageError(f"similarity `{row}` is `{similarity_N[row]}`; all must be finite")
    if positives < 1:
        raise ChallengeError("the ground truth has no positive pair, so there is nothing to score")
    found = int(relevant_N.sum())
    if found > positives:
        raise UsageError(f"`{found}` predicted pairs are relevant, but the ground truth has only `{positives}`")
    return similarity_N, relevant_N
