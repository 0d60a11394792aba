"""How well segments are told, counted batch by batch over the pairs of segment and class that people rated.

Legend: R ratings of a batch, C classes, P rated pairs of all batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, UsageError
from podium.metrics.ranking import average_precision
from podium.solutions.segment_classification.dataset import SegmentBatch

try:
    from torch import Tensor
except ImportError as error:
    raise MachineError("training needs torch: `pip install 'podium[train]'`") from error

_HALF = 0.5


@dataclass(frozen=True, kw_only=True)
class SegmentResult:
    """What all batches gave; None where nothing of the kind was rated.

    Attributes:
        pairs: How many were rated.
        auc: Area under the ROC curve of all pairs together, equal probabilities counted half.
        accuracy: Share of pairs that are on their side of 0.5; 0.5 itself says no.
        mined_accuracy: Share of mined negatives that are at 0.5 or below.
        map: Mean, over the classes with a positive rating, of the AP among their rated segments.
    """

    pairs: int
    auc: float | None
    accuracy: float | None
    mined_accuracy: float | None
    map: float | None


class SegmentTally:
    """Counts batches of rated segments; of each pair 9 bytes are kept.

    Args:
        classes: C.
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._pairs: list[tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int32]]] = []
        self._mined = 0
        self._mined_right = 0

    def add(self, batch: SegmentBatch, probability_RC: Tensor) -> None:
        """Takes in a batch.

        Args:
            batch: Its ratings above 0.5 are positive.
            probability_RC: (R, C) what the network gives, 0 to 1.

        Raises:
            UsageError: The shape does not fit, or a probability of a rated pair is not finite.
        """
        wanted = (len(batch.class_R), self._classes)
        if tuple(probability_RC.shape) != wanted:
            raise UsageError(f"the probabilities are `{tuple(probability_RC.shape)}`; `{wanted}` is needed")
        rated_R = probability_RC.detach().float().gather(1, batch.class_R[:, None])[:, 0].cpu().numpy()
        if not np.isfinite(rated_R).all():
            raise UsageError("a probability is not finite; the training has come apart, a lower rate may help")
        positive_R = (batch.score_R > _HALF).cpu().numpy()
        self._pairs.append((rated_R, positive_R, batch.class_R.cpu().numpy().astype(np.int32)))
        free_RC = batch.free_VC[batch.video_R]
        self._mined += int(free_RC.sum())
        self._mined_right += int(((probability_RC <= _HALF) & free_RC).sum())

    def result(self) -> SegmentResult:
        """How good all that was added is.

        Raises:
            MachineError: scikit-learn is not installed.
        """
        if not sum(len(each) for each, _, _ in self._pairs):
            return SegmentResult(pairs=0, auc=None, accuracy=None, mined_accuracy=None, map=None)
        probability_P, positive_P, class_P = (np.concatenate(each) for each in zip(*self._pairs, strict=True))
        return SegmentResult(
            pairs=len(probability_P),
            auc=_auc(probability_P, positive_P),
            accuracy=float(((probability_P > _HALF) == positive_P).mean()),
            mined_accuracy=self._mined_right / self._mined if self._mined else None,
            map=_mean_average_precision(probability_P, positive_P, class_P),
        )


def _auc(probability_P: NDArray[np.float32], positive_P: NDArray[np.bool_]) -> float | None:
    if positive_P.all() or not positive_P.any():
        return None
    try:
        from sklearn.metrics import roc_auc_score
    except ImportError as error:
        raise MachineError("judging segments needs scikit-learn: `pip install 'podium[train]'`") from error
    return float(roc_auc_score(positive_P, probability_P))


def _mean_average_precision(
    probability_P: NDArray[np.float32], positive_P: NDArray[np.bool_], class_P: NDArray[np.int32]
) -> float | None:
    order_P = np.argsort(class_P, kind="stable")
    bounds = np.flatnonzero(np.diff(class_P[order_P])) + 1
    found = [
        average_precision(probability_P[pairs], positive_P[pairs], positives=int(positive_P[pairs].sum()))
        for pairs in np.split(order_P, bounds)
        if positive_P[pairs].any()
    ]
    return float(np.mean(found)) if found else None
