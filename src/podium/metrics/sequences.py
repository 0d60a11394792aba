"""From values of frames to the numbers of a sequence: mean, recall and decay, as DAVIS defines them.

Axes: T frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError

Floats = NDArray[np.float64]

RECALL_THRESHOLD = 0.5


class Frames(StrEnum):
    """Which frames of a sequence count."""

    ALL = "all"
    INNER = "inner"

    def of(self, values_T: Floats) -> Floats:
        """The values that count: all, or those without the first and the last.

        >>> Frames.INNER.of(np.array([0.1, 0.2, 0.3])).tolist()
        [0.2]
        """
        return values_T if self is Frames.ALL else values_T[1:-1]


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """The numbers of a sequence.

    Attributes:
        mean: Of the values.
        recall: Share of values above one half; a value that is no number counts as a miss.
        decay: Mean of the first quarter less that of the last.
    """

    mean: float
    recall: float
    decay: float


def statistics(values_T: Floats) -> Statistics | None:
    """The statistics of a sequence; None when no value is a number.

    Quarters share the frame where they meet, and their ends are rounded half up. Values that are no number take no
    part in means; a quarter without any number leaves no decay, which then is NaN.

    Args:
        values_T: One value a frame, in order of time; NaN where there is none.

    Raises:
        UsageError: The values are not one-dimensional.

    >>> statistics(np.array([1.0, 0.8, 0.6, 0.4]))
    Statistics(mean=0.7, recall=0.75, decay=0.4)
    """
    values_T = np.asarray(values_T, np.float64)
    if values_T.ndim != 1:
        raise UsageError(f"values have shape `{values_T.shape}`; one value a frame is needed")
    if not np.isfinite(values_T).any():
        return None
    first, last = _quarter(values_T, 0), _quarter(values_T, 3)
    return Statistics(
        mean=float(np.nanmean(values_T)),
        recall=float(np.mean(values_T > RECALL_THRESHOLD)),
        decay=_mean(first) - _mean(last),
    )


def _quarter(values_T: Floats, quarter: int) -> Floats:
    edges = np.floor(np.linspace(1, len(values_T), 5) + 1e-10 + 0.5).astype(np.int64) - 1
    return values_T[edges[quarter] : edges[quarter + 1] + 1]


def _mean(values: Floats) -> float:
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else float("nan")
