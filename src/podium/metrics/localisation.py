"""Precision, recall and F of copied segments as VCSL first defined them: without scores, pair by pair.

Kept beside segment AP so that numbers can be held against the literature. Source: VCSL, CVPR 2022.

Legend: N predicted boxes, M true boxes, P pairs of videos with either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import ChallengeError
from podium.metrics.intervals import union_lengths
from podium.metrics.overlaps import overlapping
from podium.metrics.segments import Segments

_SECONDS = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Localisation:
    """Precision and recall of each pair.

    Attributes:
        query_P: (P,) the query of each pair.
        reference_P: (P,) its reference.
        precision_P: (P,) NaN for a pair without predictions.
        recall_P: (P,) NaN for a pair without truth.
    """

    query_P: NDArray[np.int64]
    reference_P: NDArray[np.int64]
    precision_P: NDArray[np.float64]
    recall_P: NDArray[np.float64]

    @property
    def precision(self) -> float | None:
        """Mean over the pairs with predictions; None without any."""
        return _mean(self.precision_P)

    @property
    def recall(self) -> float:
        """Mean over the pairs with truth."""
        return float(np.nanmean(self.recall_P))

    @property
    def f(self) -> float:
        """Harmonic mean of both; 0 when either is 0 or missing."""
        precision, recall = self.precision or 0.0, self.recall
        return 2 * precision * recall / (precision + recall) if precision and recall else 0.0

    @property
    def missed(self) -> int:
        """Pairs with truth and no prediction."""
        return int(np.isnan(self.precision_P).sum())

    @property
    def false_alarms(self) -> int:
        """Pairs with predictions and no truth."""
        return int(np.isnan(self.recall_P).sum())


def localisation(predicted: Segments, truth: Segments) -> Localisation:
    """VCSL's precision and recall of every pair.

    On an axis, precision is what the predictions share with the true boxes that they overlap on both axes, over the sum
    of their lengths; recall is the same from the side of the true boxes. The two axes are multiplied. Overlapping
    predictions are summed, not merged, so a box said twice costs nothing but counts twice.

    Args:
        predicted: Boxes, already cut at a score.
        truth: Boxes.

    Raises:
        ChallengeError: The truth is empty.

    >>> copy = Segments(query_N=np.array([0]), reference_N=np.array([0]), times_N4=np.array([[0.0, 10, 5, 15]]))
    >>> half = Segments(query_N=np.array([0]), reference_N=np.array([0]), times_N4=np.array([[0.0, 5, 5, 10]]))
    >>> found = localisation(half, copy)
    >>> round(found.precision, 3), round(found.recall, 3), round(found.f, 3)
    (1.0, 0.25, 0.4)
    """
    if not len(truth):
        raise ChallengeError("the ground truth has no segment, so there is nothing to score")
    references = 1 + max(int(each.reference_N.max(initial=0)) for each in (predicted, truth))
    pair_N, pair_M = (each.query_N.astype(np.int64) * references + each.reference_N for each in (predicted, truth))
    pairs, at = np.unique(np.concatenate([pair_N, pair_M]), return_inverse=True)
    row_O, true_O = overlapping(predicted.times_N4, pair_N, truth.times_N4, pair_M)
    a_O4, b_O4 = predicted.times_N4[row_O].astype(np.float64), truth.times_N4[true_O].astype(np.float64)
    start_O2, end_O2 = np.maximum(a_O4[:, ::2], b_O4[:, ::2]), np.minimum(a_O4[:, 1::2], b_O4[:, 1::2])
    precision_P, recall_P = np.ones(len(pairs)), np.ones(len(pairs))
    at_N, at_M = at[: len(pair_N)], at[len(pair_N) :]
    for axis in range(2):
        for share_P, boxes, line_O, at_B in (
            (precision_P, predicted, row_O, at_N),
            (recall_P, truth, true_O, at_M),
        ):
            found_B = union_lengths(line_O, start_O2[:, axis], end_O2[:, axis], lines=len(boxes))
            times_B2 = boxes.times_N4[:, 2 * axis : 2 * axis + 2]
            found_P = np.bincount(at_B, found_B, len(pairs))
            length_P = np.bincount(at_B, times_B2[:, 1] - times_B2[:, 0], len(pairs))
            share_P *= found_P / (length_P + _SECONDS)
    precision_P[np.bincount(at_N, minlength=len(pairs)) == 0] = np.nan
    recall_P[np.bincount(at_M, minlength=len(pairs)) == 0] = np.nan
    return Localisation(
        query_P=pairs // references, reference_P=pairs % references, precision_P=precision_P, recall_P=recall_P
    )


def _mean(values: NDArray[np.floating[Any]]) -> float | None:
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else None
