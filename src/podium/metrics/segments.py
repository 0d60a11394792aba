"""How well copied segments were found: segment AP, its curve, its value query by query and under resampling.

A segment is a box: an interval of the query beside an interval of the reference, in seconds. Boxes of one pair of
videos are judged together, on each axis by itself, by the lengths of unions. Nothing is recomputed when a box is added:
every slice of an axis knows when it was first covered, so all of it is sorting and summing.

Source: the matching track of the Video Similarity Challenge, after the metric of VCSL.

Legend: N predicted boxes, M true boxes, Q queries, G groups of equal score (best first), E slices of an axis that
a group covers first, 2 axes (query, reference), 4 times (query start and end, reference start and end).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import ChallengeError, UsageError
from podium.metrics.intervals import NEVER, cut, first_covered
from podium.metrics.overlaps import overlaps_by_turn
from podium.metrics.ranking import Floats, PrecisionRecall, average_precision, group_ends

Integers = NDArray[np.integer[Any]]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Segments:
    """Boxes of pairs of videos.

    Attributes:
        query_N: (N,) the number of each box's query, 0 and up.
        reference_N: (N,) likewise of its reference.
        times_N4: (N, 4) query start and end, reference start and end, in seconds; finite. A box that is empty on an
            axis, or reversed, covers nothing there.
    """

    query_N: Integers
    reference_N: Integers
    times_N4: Floats

    def __post_init__(self) -> None:
        count = len(self.query_N)
        if np.shape(self.reference_N) != (count,) or np.shape(self.times_N4) != (count, 4):
            shapes = f"`{np.shape(self.reference_N)}` and `{np.shape(self.times_N4)}`"
            raise UsageError(f"references and times of `{count}` boxes have shapes {shapes}")
        wrong = np.flatnonzero(~np.isfinite(self.times_N4).all(axis=1))
        if len(wrong):
            raise UsageError(f"box `{wrong[0]}` has the times `{self.times_N4[wrong[0]].tolist()}`; all must be finite")
        if count and min(int(self.query_N.min()), int(self.reference_N.min())) < 0:
            raise UsageError("a box has a video with a number below 0; they are numbered from 0")

    def __len__(self) -> int:
        return len(self.query_N)

    def only(self, chosen_N: NDArray[Any]) -> Segments:
        """The chosen boxes, by mask or by row."""
        return Segments(
            query_N=self.query_N[chosen_N], reference_N=self.reference_N[chosen_N], times_N4=self.times_N4[chosen_N]
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Gains:
    """Seconds of one axis that were first counted at a group of scores, by query.

    Attributes:
        group_E: (E,) not decreasing.
        query_E: (E,)
        seconds_E: (E,) above 0.
    """

    group_E: NDArray[np.int64]
    query_E: NDArray[np.int64]
    seconds_E: Doubles


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentTally:
    """All that segment AP needs, query by query; any choice or draw of queries is a weighting of it.

    Attributes:
        score_G: (G,) the distinct scores, best first.
        called: For each axis, what the predictions cover.
        right: For each axis, what they cover of the truth that they touched.
        truth_Q2: (Q, 2) seconds of the truth on each axis.
    """

    score_G: Floats
    called: tuple[Gains, Gains]
    right: tuple[Gains, Gains]
    truth_Q2: Doubles

    @staticmethod
    def of(predicted: Segments, score_N: Floats, truth: Segments, *, queries: int | None = None) -> SegmentTally:
        """Tallies predictions against the truth.

        Args:
            predicted: Boxes.
            score_N: (N,) any numbers but NaN; only their order matters.
            truth: Boxes.
            queries: Q, with those that hold nothing; None counts up to the highest number in use.

        Raises:
            ChallengeError: The truth is empty.
            UsageError: Shapes do not fit, a score is NaN, or a query's number is out of range.
        """
        score_N = _checked(predicted, score_N)
        numbers = np.concatenate([predicted.query_N, truth.query_N]).astype(np.int64)
        highest = int(numbers.max(initial=-1))
        queries = highest + 1 if queries is None else queries
        if highest >= queries:
            raise UsageError(f"a box has query `{highest}`; 0 to `{queries - 1}` are known")
        group_N, score_G = _groups(score_N)
        references = 1 + max(int(each.reference_N.max(initial=0)) for each in (predicted, truth))
        pair_N, pair_M = (each.query_N.astype(np.int64) * references + each.reference_N for each in (predicted, truth))
        touched_M = _first_touched(predicted.times_N4, pair_N, group_N, truth.times_N4, pair_M)
        pair_A = np.concatenate([pair_N, pair_M])
        rank_A = np.concatenate([group_N, touched_M])
        predicted_A = np.arange(len(pair_A)) < len(pair_N)
        times_A4 = np.concatenate([predicted.times_N4, truth.times_N4]).astype(np.float64)
        called: list[Gains] = []
        right: list[Gains] = []
        truth_Q2 = np.zeros((queries, 2))
        for axis in range(2):
            slices = cut(pair_A, times_A4[:, 2 * axis], times_A4[:, 2 * axis + 1])
            query_S = slices.line_S // references
            called_S = first_covered(slices, rank_A, predicted_A)
            right_S = np.maximum(called_S, first_covered(slices, rank_A, ~predicted_A))
            true_S = first_covered(slices, np.zeros_like(rank_A), ~predicted_A) < NEVER
            truth_Q2[:, axis] = np.bincount(query_S[true_S], slices.length_S[true_S], minlength=queries)
            called.append(_gains(called_S, query_S, slices.length_S))
            right.append(_gains(right_S, query_S, slices.length_S))
        if not truth_Q2.any(axis=0).all():
            raise ChallengeError("the ground truth has no segment of any length, so there is nothing to score")
        return SegmentTally(
            score_G=score_G, called=(called[0], called[1]), right=(right[0], right[1]), truth_Q2=truth_Q2
        )

    @property
    def queries(self) -> int:
        """Q."""
        return len(self.truth_Q2)

    def average_precision(self, weight_Q: Floats | None = None) -> float:
        """Segment AP.

        Args:
            weight_Q: (Q,) how often each query counts, 0 or more; None counts each once.

        Returns:
            In [0, 1]; NaN where no query with truth has a weight.
        """
        curve = self.curve(weight_Q)
        if curve is None:
            return float("nan")
        return min(1.0, float(np.diff(curve.recall_G, prepend=0.0) @ curve.precision_G))

    def curve(self, weight_Q: Floats | None = None) -> PrecisionRecall | None:
        """Precision and recall at each score that gains recall, best first; None without any truth.

        Args:
            weight_Q: As of `average_precision`.
        """
        weight_Q = np.ones(self.queries) if weight_Q is None else np.asarray(weight_Q, np.float64)
        truth_2 = weight_Q @ self.truth_Q2
        if not (truth_2 > 0).all():
            return None
        kept_G = np.unique(np.concatenate([each.group_E for each in self.right]))
        called_G2 = np.stack([_summed(each, weight_Q, kept_G) for each in self.called], axis=1)
        right_G2 = np.stack([_summed(each, weight_Q, kept_G) for each in self.right], axis=1)
        return _points(self.score_G[kept_G], right_G2, called_G2, truth_2)

    def per_query(self) -> Doubles:
        """(Q,) segment AP of every query by itself; NaN for a query without truth."""
        bounds = np.arange(self.queries + 1)
        parts = [_by_query(each, bounds) for each in (*self.called, *self.right)]
        value_Q = np.full(self.queries, np.nan)
        one = np.ones(1)
        for query in np.flatnonzero((self.truth_Q2 > 0).all(axis=1)).tolist():
            mine = [each[query] for each in parts]
            alone = SegmentTally(
                score_G=self.score_G,
                called=(mine[0], mine[1]),
                right=(mine[2], mine[3]),
                truth_Q2=self.truth_Q2[query : query + 1],
            )
            value_Q[query] = alone.average_precision(one)
        return value_Q

    def resampled(self, *, resamples: int, seed: int) -> Doubles:
        """Segment AP of each draw of whole queries with replacement; NaN where a draw holds no truth.

        A query drawn twice counts twice with all its boxes, as if it were two queries.

        Args:
            resamples: Draws, at least 1.
            seed: Same seed, same draws.
        """
        if resamples < 1:
            raise UsageError(f"`{resamples}` resamples; at least 1 is needed")
        kept_G = np.unique(np.concatenate([each.group_E for each in self.right]))
        compact = SegmentTally(
            score_G=self.score_G[kept_G],
            called=(_compacted(self.called[0], kept_G), _compacted(self.called[1], kept_G)),
            right=(_compacted(self.right[0], kept_G), _compacted(self.right[1], kept_G)),
            truth_Q2=self.truth_Q2,
        )
        rng = np.random.default_rng(seed)
        values_D = np.empty(resamples)
        for draw in range(resamples):
            weight_Q = np.bincount(rng.integers(0, self.queries, self.queries), minlength=self.queries)
            values_D[draw] = compact.average_precision(weight_Q.astype(np.float64))
        return values_D


def segment_average_precision(predicted: Segments, score_N: Floats, truth: Segments) -> float:
    """Segment AP, the metric of the matching track.

    On each axis, recall is the part of the true seconds that predictions cover, and precision the part of the
    predicted seconds that is true; each pair of videos counts its own seconds, however its boxes overlap. A true box
    counts only once a prediction of its pair overlaps it on both axes. Recall and precision of the two axes are joined
    by their geometric mean; predictions of one score come together.

    Args:
        predicted: Boxes.
        score_N: (N,) any numbers but NaN; only their order matters.
        truth: Boxes.

    Returns:
        The sum over scores of precision x gain in recall, in [0, 1]; 0.0 without predictions.

    Raises:
        ChallengeError: The truth is empty.
        UsageError: Shapes do not fit, or a score is NaN.

    >>> copy = Segments(query_N=np.array([0]), reference_N=np.array([0]), times_N4=np.array([[0.0, 10, 5, 15]]))
    >>> half = Segments(query_N=np.array([0]), reference_N=np.array([0]), times_N4=np.array([[0.0, 5, 5, 10]]))
    >>> segment_average_precision(half, np.array([0.9]), copy)
    0.5
    """
    return SegmentTally.of(predicted, score_N, truth).average_precision()


def pairwise_average_precision(predicted: Segments, score_N: Floats, truth: Segments, *, parity: bool = False) -> float:
    """micro-AP over pairs of videos, each with the highest score of its boxes; where the boxes lie plays no part.

    Args:
        predicted: Boxes.
        score_N: (N,) finite.
        truth: Boxes; each pair counts once.
        parity: As the reference computes it: a score below 0 becomes 0, so that such pairs tie.

    Raises:
        ChallengeError: The truth is empty.
        UsageError: Shapes do not fit, or a score is not finite.

    >>> boxes = Segments(query_N=np.array([0, 0]), reference_N=np.array([0, 1]), times_N4=np.zeros((2, 4)))
    >>> scores, truth = np.array([-0.1, -0.2]), boxes.only(np.array([0]))
    >>> [pairwise_average_precision(boxes, scores, truth, parity=parity) for parity in (False, True)]
    [1.0, 0.5]
    """
    score_N = _checked(predicted, score_N)
    references = 1 + max(int(each.reference_N.max(initial=0)) for each in (predicted, truth))
    pair_N, pair_M = (each.query_N.astype(np.int64) * references + each.reference_N for each in (predicted, truth))
    pairs, at_N = np.unique(pair_N, return_inverse=True)
    best_P = np.full(len(pairs), 0.0 if parity else -np.inf)
    np.maximum.at(best_P, at_N, score_N)
    positive = np.unique(pair_M)
    return average_precision(best_P, np.isin(pairs, positive), positives=len(positive))


def _first_touched(
    times_N4: Floats, pair_N: Integers, group_N: NDArray[np.int32], times_M4: Floats, pair_M: Integers
) -> NDArray[np.int32]:
    touched_M = np.full(len(pair_M), NEVER, np.int32)
    for row, true in overlaps_by_turn(times_N4, pair_N, times_M4, pair_M):
        np.minimum.at(touched_M, true, group_N[row])
    return touched_M


def _checked(predicted: Segments, score_N: Floats) -> Doubles:
    score_N = np.asarray(score_N, np.float64)
    if score_N.shape != (len(predicted),):
        raise UsageError(f"scores have shape `{score_N.shape}`; one for each of `{len(predicted)}` boxes is needed")
    if np.isnan(score_N).any():
        raise UsageError(f"score `{int(np.flatnonzero(np.isnan(score_N))[0])}` is NaN; all must be numbers")
    return score_N


def _groups(score_N: Doubles) -> tuple[NDArray[np.int32], Doubles]:
    order_N = np.argsort(-score_N)
    sorted_N = score_N[order_N]
    ends_G = group_ends(sorted_N)
    group_N = np.empty(len(score_N), np.int32)
    group_N[order_N] = np.repeat(np.arange(len(ends_G), dtype=np.int32), np.diff(ends_G, prepend=-1))
    return group_N, sorted_N[ends_G]


def _gains(rank_S: NDArray[np.int32], query_S: NDArray[np.int64], length_S: Doubles) -> Gains:
    use = np.flatnonzero((rank_S < NEVER) & (length_S > 0))
    use = use[np.argsort(rank_S[use], kind="stable")]
    return Gains(group_E=rank_S[use].astype(np.int64), query_E=query_S[use], seconds_E=length_S[use])


def _summed(gains: Gains, weight_Q: Doubles, kept_G: NDArray[np.int64]) -> Doubles:
    """Weighted seconds of all groups up to each kept one."""
    total_E = np.cumsum(weight_Q[gains.query_E] * gains.seconds_E)
    at_G = np.searchsorted(gains.group_E, kept_G, side="right")
    return np.concatenate([[0.0], total_E])[at_G]


def _points(score_G: Floats, right_G2: Doubles, called_G2: Doubles, truth_2: Doubles) -> PrecisionRecall:
    recall_G2 = np.minimum(right_G2 / truth_2, 1.0)
    shares_G2 = np.divide(right_G2, called_G2, out=np.zeros_like(right_G2), where=called_G2 > 0)
    recall_G = np.sqrt(recall_G2.prod(axis=1))
    precision_G = np.sqrt(np.minimum(shares_G2, 1.0).prod(axis=1))
    gained_G = np.diff(recall_G, prepend=0.0) > 0
    return PrecisionRecall(
        similarity_G=score_G[gained_G], precision_G=precision_G[gained_G], recall_G=recall_G[gained_G]
    )


def _compacted(gains: Gains, kept_G: NDArray[np.int64]) -> Gains:
    """The same sums at the kept groups, numbered anew, from as few entries as possible."""
    at_E = np.searchsorted(kept_G, gains.group_E)
    use = at_E < len(kept_G)
    queries = int(gains.query_E.max(initial=0)) + 1
    keys, at = np.unique(at_E[use] * queries + gains.query_E[use], return_inverse=True)
    seconds = np.bincount(at, gains.seconds_E[use], len(keys)).astype(np.float64)
    return Gains(group_E=keys // queries, query_E=keys % queries, seconds_E=seconds)


def _by_query(gains: Gains, bounds: Integers) -> list[Gains]:
    order_E = np.argsort(gains.query_E, kind="stable")
    at = np.searchsorted(gains.query_E[order_E], bounds)
    group_E, seconds_E = gains.group_E[order_E], gains.seconds_E[order_E]
    nobody = np.zeros(len(group_E), np.int64)
    return [
        Gains(group_E=group_E[a:b], query_E=nobody[: b - a], seconds_E=seconds_E[a:b])
        for a, b in zip(at[:-1].tolist(), at[1:].tolist(), strict=True)
    ]
