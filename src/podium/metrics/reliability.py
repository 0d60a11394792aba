"""How far probabilities may be trusted: of what is called 70 % sure, 70 % should be right.

Legend: N predictions, B bins that hold at least one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.metrics.ranking import Bools, Floats

Integers = NDArray[np.integer[Any]]

_Z_95 = 1.959963984540054


@dataclass(frozen=True, kw_only=True, eq=False)
class Reliability:
    """Probabilities in bins, from low to high; bins without a prediction are left out.

    Attributes:
        low_B: (B,) where each bin begins.
        high_B: (B,) where it ends.
        count_B: (B,) int64 predictions in it.
        positive_B: (B,) int64 of them are right.
        confidence_B: (B,) their mean probability.
        share_B: (B,) their share that is right.
        share_low_B: (B,) lower end of the 95 % Wilson interval of that share.
        share_high_B: (B,) its upper end.
        expected_calibration_error: Mean of |share - confidence|, bins weighted by their counts; 0 is best.
        brier_score: Mean of (probability - outcome) squared; 0 is best.
    """

    low_B: NDArray[np.float64]
    high_B: NDArray[np.float64]
    count_B: NDArray[np.int64]
    positive_B: NDArray[np.int64]
    confidence_B: NDArray[np.float64]
    share_B: NDArray[np.float64]
    share_low_B: NDArray[np.float64]
    share_high_B: NDArray[np.float64]
    expected_calibration_error: float
    brier_score: float


def reliability(
    probability_N: Floats, positive_N: Bools, *, bins: int = 10, by: Literal["width", "mass"] = "width"
) -> Reliability:
    """The reliability of probabilities.

    By width, bins cut [0, 1] into equal parts; a probability on a cut belongs to the upper part, 1 to the last. By
    mass, they hold equally many predictions, as far as equal probabilities, which always share a bin, allow.

    Args:
        probability_N: (N,) in [0, 1]; at least one.
        positive_N: (N,) True where the prediction is right.
        bins: At most so many, 1 to 1,000.
        by: What the bins have in common.

    Raises:
        UsageError: Shapes differ, a probability is outside [0, 1], there is none, or `bins` or `by` is out of range.

    >>> found = reliability(np.array([0.1, 0.3, 0.8, 1.0]), np.array([False, True, True, True]), bins=2)
    >>> found.count_B.tolist(), found.confidence_B.tolist(), found.share_B.tolist()
    ([2, 2], [0.2, 0.9], [0.5, 1.0])
    >>> round(found.expected_calibration_error, 12), round(found.brier_score, 12)
    (0.2, 0.135)

    Source: Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", 2015;
    Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """
    probability_N, positive_N = _checked(probability_N, positive_N, bins)
    if by not in ("width", "mass"):
        raise UsageError(f"bins have no `{by}` in common; `width` and `mass` are known")
    bin_N, edges = _by_width(probability_N, bins) if by == "width" else _by_mass(probability_N, bins)
    count = np.bincount(bin_N, minlength=len(edges) - 1)
    held = np.flatnonzero(count)
    count_B = count[held]
    positive_B = np.bincount(bin_N, weights=positive_N, minlength=len(count))[held].astype(np.int64)
    confidence_B = np.bincount(bin_N, weights=probability_N, minlength=len(count))[held] / count_B
    share_B = positive_B / count_B
    low_B, high_B = wilson_intervals(positive_B, count_B)
    return Reliability(
        low_B=edges[held],
        high_B=edges[held + 1],
        count_B=count_B,
        positive_B=positive_B,
        confidence_B=confidence_B,
        share_B=share_B,
        share_low_B=low_B,
        share_high_B=high_B,
        expected_calibration_error=float(count_B @ np.abs(share_B - confidence_B) / len(probability_N)),
        brier_score=float(np.square(probability_N - positive_N).mean()),
    )


def wilson_intervals(
    positive_B: Integers, count_B: Integers, *, z: float = _Z_95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper ends of the Wilson score intervals of shares.

    Args:
        positive_B: Successes, 0 to the count.
        count_B: Trials, at least 1 each.
        z: Quantile of the normal distribution; 1.96 gives 95 %.

    Raises:
        UsageError: A count is below 1, or successes are out of range.

    >>> low, high = wilson_intervals(np.array([8]), np.array([10]))
    >>> round(float(low[0]), 4), round(float(high[0]), 4)
    (0.4902, 0.9433)

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    positive_B, count_B = np.asarray(positive_B), np.asarray(count_B)
    if np.shape(positive_B) != np.shape(count_B) or (count_B < 1).any():
        raise UsageError("every share needs a count of at least 1")
    if (positive_B < 0).any() or (positive_B > count_B).any():
        raise UsageError("a share has more successes than trials, or fewer than 0")
    share_B, room_B = positive_B / count_B, z * z / count_B
    middle_B = (share_B + room_B / 2) / (1 + room_B)
    half_B = z * np.sqrt(share_B * (1 - share_B) / count_B + room_B / (4 * count_B)) / (1 + room_B)
    low_B = np.where(positive_B == 0, 0.0, np.maximum(0.0, middle_B - half_B))
    high_B = np.where(positive_B == count_B, 1.0, np.minimum(1.0, middle_B + half_B))
    return low_B, high_B


def _by_width(probability_N: Floats, bins: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    edges = np.arange(bins + 1) / bins
    bin_N = np.searchsorted(edges, probability_N, side="right") - 1
    return np.minimum(bin_N, bins - 1).astype(np.int64), edges


def _by_mass(probability_N: Floats, bins: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Each distinct probability goes where the middle of its run lies among the sorted predictions."""
    values, inverse_N, counts = np.unique(probability_N, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    share = np.minimum(bins - 1, (middle * bins / len(probability_N)).astype(np.int64))
    _, place = np.unique(share, return_inverse=True)
    first = np.flatnonzero(np.diff(place, prepend=-1))
    edges = np.concatenate([[0.0], (values[first[1:] - 1] + values[first[1:]]) / 2, [1.0]])
    return place[inverse_N].astype(np.int64), edges


def _checked(probability_N: Floats, positive_N: Bools, bins: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    probability_N, positive_N = np.asarray(probability_N, np.float64), np.asarray(positive_N, bool)
    if probability_N.ndim != 1 or probability_N.shape != positive_N.shape:
        shapes = f"`{probability_N.shape}` and outcomes `{positive_N.shape}`"
        raise UsageError(f"probabilities have shape {shapes}; both need one entry a prediction")
    if not len(probability_N):
        raise UsageError("there is no probability; at least one is needed")
    wrong = np.flatnonzero(~((probability_N >= 0) & (probability_N <= 1)))
    if len(wrong):
        raise UsageError(f"probability `{wrong[0]}` is `{probability_N[wrong[0]]}`; 0 to 1 are allowed")
    if not 1 <= bins <= 1_000:
        raise UsageError(f"`{bins}` bins; 1 to 1,000 are allowed")
    return probability_N, positive_N
