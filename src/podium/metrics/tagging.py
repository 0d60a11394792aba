"""How good tags of videos are: GAP@k, Hit@1, PERR and the AP of each class, gathered batch by batch.

Legend: V videos, C classes, K highest classes of a video, N pooled (video, class) pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.metrics.ranking import Bools, Floats, average_precision

Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tagging:
    """What all videos gave.

    Attributes:
        videos: How many there were.
        hit_at_1: Share of videos whose highest class is right.
        perr: Mean over videos of the precision among as many highest classes as the video has labels.
        gap: AP of the pooled pairs; None when no video has a label.
        average_precision_C: (C,) AP of each class over the pooled pairs; NaN for a class without a label.
    """

    videos: int
    hit_at_1: float
    perr: float
    gap: float | None
    average_precision_C: NDArray[np.float64]

    @property
    def mean_average_precision(self) -> float | None:
        """Mean over the classes that have a label; None when none has."""
        known = self.average_precision_C[~np.isnan(self.average_precision_C)]
        return float(known.mean()) if len(known) else None


class TaggingTally:
    """Gathers predictions of many videos, batch by batch, and says at the end how good they were.

    Of each video the `k` highest classes are pooled, so memory grows by k x (score + 5) bytes a video: 180 bytes with
    float32 scores and k 20, and some times that while the result is worked out. Scores are kept in the precision in
    which they come, so the result is exact and does not depend on the batches.

    Ties: among equal scores of one video the lower class is taken first; pooled pairs of one score form a group, so
    their order plays no part.

    Args:
        classes: C.
        k: How many classes of a video are pooled; more than C counts as C.

    Raises:
        UsageError: `classes` or `k` is below 1.

    >>> tally = TaggingTally(3, k=2)
    >>> tally.add(np.array([[0.1, 0.9, 0.5]]), np.array([[False, True, False]]))
    >>> tally.result().gap, tally.result().hit_at_1
    (1.0, 1.0)

    Source: `eval_util.py` of YouTube-8M's starter code.
    """

    def __init__(self, classes: int, *, k: int = 20) -> None:
        if classes < 1 or k < 1:
            raise UsageError(f"`{classes}` classes and k `{k}`; at least 1 of each is needed")
        self._classes = classes
        self._k = min(k, classes)
        self._videos = 0
        self._hits = 0
        self._precision = 0.0
        self._positives_C = np.zeros(classes, dtype=np.int64)
        self._pool: list[tuple[Floats, Bools, NDArray[np.int32]]] = []

    def add(self, score_VC: Floats, label_VC: Bools) -> None:
        """Takes in a batch.

        Args:
            score_VC: (V, C) one number a pair.
            label_VC: (V, C) True where the video has the class.

        Raises:
            UsageError: Shapes do not fit, or a score is not finite.
        """
        score_VC, label_VC = np.asarray(score_VC), np.asarray(label_VC, bool)
        if score_VC.dtype.kind != "f":
            score_VC = score_VC.astype(np.float64)
        if score_VC.shape != label_VC.shape or score_VC.ndim != 2 or score_VC.shape[1] != self._classes:
            shapes = f"`{score_VC.shape}` and labels `{label_VC.shape}`"
            raise UsageError(f"scores have shape {shapes}; both need a row a video and `{self._classes}` columns")
        if not np.isfinite(score_VC).all():
            row, column = np.argwhere(~np.isfinite(score_VC))[0].tolist()
            found = f"the score of video `{row}`, class `{column}` is `{score_VC[row, column]}`"
            raise UsageError(f"{found}; all must be finite")
        if not len(score_VC):
            return
        self._videos += len(score_VC)
        self._hits += int(label_VC[np.arange(len(score_VC)), np.argmax(score_VC, axis=1)].sum())
        self._precision += float(_equal_recall_precisions(score_VC, label_VC).sum())
        self._positives_C += label_VC.sum(axis=0)
        class_VK = highest(score_VC, self._k)
        score_N = np.take_along_axis(score_VC, class_VK, axis=1).ravel()
        label_N = np.take_along_axis(label_VC, class_VK, axis=1).ravel()
        self._pool.append((score_N, label_N, class_VK.ravel().astype(np.int32)))

    def result(self) -> Tagging:
        """How good all that was added is.

        Raises:
            UsageError: Nothing was added.
        """
        if not self._videos:
            raise UsageError("no video was added; at least one is needed")
        score_N = np.concatenate([each for each, _, _ in self._pool])
        label_N = np.concatenate([each for _, each, _ in self._pool])
        class_N = np.concatenate([each for _, _, each in self._pool])
        positives = int(self._positives_C.sum())
        return Tagging(
            videos=self._videos,
            hit_at_1=self._hits / self._videos,
            perr=self._precision / self._videos,
            gap=average_precision(score_N, label_N, positives=positives) if positives else None,
            average_precision_C=self._per_class(score_N, label_N, class_N),
        )

    def _per_class(self, score_N: Floats, label_N: Bools, class_N: Integers) -> NDArray[np.float64]:
        order_N = np.argsort(class_N, kind="stable")
        ends_C = np.cumsum(np.bincount(class_N, minlength=self._classes))
        values_C = np.full(self._classes, np.nan)
        for each in np.flatnonzero(self._positives_C).tolist():
            rows = order_N[ends_C[each - 1] if each else 0 : ends_C[each]]
            values_C[each] = average_precision(score_N[rows], label_N[rows], positives=int(self._positives_C[each]))
        return values_C


def global_average_precision(score_VC: Floats, label_VC: Bools, *, k: int = 20) -> float | None:
    """GAP@k: AP of the `k` highest classes of every video, pooled, divided by all labels; None without a label.

    Args:
        score_VC: (V, C) one number a pair.
        label_VC: (V, C) True where the video has the class; labels outside the `k` highest count as missed.
        k: More than C counts as C.

    Raises:
        UsageError: Shapes do not fit, there is no video, or a score is not finite.

    >>> global_average_precision(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[True, False], [True, False]]), k=1)
    0.5
    """
    return _tally(score_VC, label_VC, k).gap


def hit_at_one(score_VC: Floats, label_VC: Bools) -> float:
    """Share of videos whose highest class is right; the first of equal ones is taken, a video without labels misses.

    >>> hit_at_one(np.array([[0.9, 0.1], [0.5, 0.5]]), np.array([[True, False], [False, True]]))
    0.5
    """
    return _tally(score_VC, label_VC, 1).hit_at_1


def precision_at_equal_recall(score_VC: Floats, label_VC: Bools) -> float:
    """PERR: mean over videos of the precision among as many highest classes as the video has labels.

    A class whose score is not above 0 counts as wrong; a video without labels counts 0.

    >>> precision_at_equal_recall(np.array([[0.9, 0.1, 0.5]]), np.array([[True, True, False]]))
    0.5
    """
    return _tally(score_VC, label_VC, 1).perr


def highest(score_VC: Floats, k: int) -> NDArray[np.int64]:
    """(V, K) the `k` highest classes of each video, best first; among equal scores the lower class first.

    Args:
        score_VC: (V, C) numbers.
        k: 1 to C.

    >>> highest(np.array([[0.5, 0.9, 0.5, 0.5]]), 2).tolist()
    [[1, 0]]
    """
    videos, classes = score_VC.shape
    if k >= classes:
        return np.argsort(-score_VC, axis=1, kind="stable")[:, :k]
    floor_V = np.partition(score_VC, classes - k, axis=1)[:, classes - k]
    above_VC = score_VC >= floor_V[:, None]
    crowded = np.flatnonzero(above_VC.sum(axis=1) > k)
    above_VC[crowded] = False
    chosen_VK = np.empty((videos, k), dtype=np.int64)
    clear = np.ones(videos, bool)
    clear[crowded] = False
    chosen_VK[clear] = np.nonzero(above_VC)[1].reshape(-1, k)
    chosen_VK[crowded] = np.sort(np.argsort(-score_VC[crowded], axis=1, kind="stable")[:, :k], axis=1)
    order_VK = np.argsort(-np.take_along_axis(score_VC, chosen_VK, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen_VK, order_VK, axis=1)


def _equal_recall_precisions(score_VC: Floats, label_VC: Bools) -> NDArray[np.float64]:
    labels_V = label_VC.sum(axis=1)
    most = int(labels_V.max(initial=0))
    if not most:
        return np.zeros(len(score_VC))
    class_VK = highest(score_VC, most)
    right_VK = np.take_along_axis(label_VC, class_VK, axis=1) & (np.take_along_axis(score_VC, class_VK, axis=1) > 0)
    right_VK &= np.arange(most) < labels_V[:, None]
    return right_VK.sum(axis=1) / np.maximum(labels_V, 1)


def _tally(score_VC: Floats, label_VC: Bools, k: int) -> Tagging:
    tally = TaggingTally(np.shape(score_VC)[1] if np.ndim(score_VC) == 2 else 1, k=k)
    tally.add(score_VC, label_VC)
    return tally.result()
