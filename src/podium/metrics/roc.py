"""How well scores tell positives from negatives, whatever their scale: the area under the ROC curve.

Legend: N predictions, G groups, L distinct scores of a group.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.metrics.ranking import Bools, Floats

Integers = NDArray[np.integer[Any]]


def roc_auc(score_N: Floats, positive_N: Bools) -> float | None:
    """How often a positive has a higher score than a negative; equal scores count a half. None without a pair.

    Args:
        score_N: (N,) finite; only their order matters.
        positive_N: (N,) True where the prediction is right.

    Raises:
        UsageError: Shapes differ, or a score is not finite.

    >>> roc_auc(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]))
    0.875
    """
    value = float(roc_auc_by_group(score_N, positive_N, np.zeros(len(positive_N), np.int64), groups=1)[0])
    return None if np.isnan(value) else value


def roc_auc_by_group(score_N: Floats, positive_N: Bools, group_N: Integers, *, groups: int) -> NDArray[np.float64]:
    """(G,) the area of each group; NaN for one that lacks positives or negatives.

    Args:
        score_N: (N,) finite.
        positive_N: (N,) True where the prediction is right.
        group_N: (N,) 0 to G - 1.
        groups: G.

    Raises:
        UsageError: Shapes differ, a score is not finite, or a group is out of range.
    """
    score_N, positive_N, group_N = np.asarray(score_N), np.asarray(positive_N, bool), np.asarray(group_N)
    if score_N.ndim != 1 or not score_N.shape == positive_N.shape == group_N.shape:
        shapes = f"`{score_N.shape}`, `{positive_N.shape}` and `{group_N.shape}`"
        raise UsageError(f"scores, outcomes and groups have shapes {shapes}; all need one entry a prediction")
    if not np.isfinite(score_N).all():
        raise UsageError(f"score `{int(np.flatnonzero(~np.isfinite(score_N))[0])}` is not finite; all must be")
    if len(group_N) and (int(group_N.min()) < 0 or int(group_N.max()) >= groups):
        raise UsageError(f"groups are `{group_N.min()}` to `{group_N.max()}`; 0 to `{groups - 1}` are known")
    order_N = np.lexsort((score_N, group_N))
    score_N, positive_N, group_N = score_N[order_N], positive_N[order_N], group_N[order_N]
    fresh_N = np.ones(len(score_N), bool)
    fresh_N[1:] = (score_N[1:] != score_N[:-1]) | (group_N[1:] != group_N[:-1])
    run_N = np.cumsum(fresh_N) - 1
    group_L = group_N[fresh_N]
    positive_L = np.bincount(run_N[positive_N], minlength=len(group_L)).astype(np.float64)
    negative_L = np.bincount(run_N[~positive_N], minlength=len(group_L)).astype(np.float64)
    negatives_G = np.bincount(group_L, weights=negative_L, minlength=groups)
    positives_G = np.bincount(group_L, weights=positive_L, minlength=groups)
    before_G = np.cumsum(negatives_G) - negatives_G
    below_L = np.cumsum(negative_L) - negative_L - before_G[group_L]
    won_G = np.bincount(group_L, weights=positive_L * (below_L + negative_L / 2), minlength=groups)
    pairs_G = positives_G * negatives_G
    return np.divide(won_G, pairs_G, out=np.full(groups, np.nan), where=pairs_G > 0)
