"""How good lists of rated things are: MAP@K of segments, where most of what is listed was never rated.

Legend: R ratings, N listed entries, M listed entries that are rated, P positive ratings, C classes, V videos, D draws.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.metrics.ranking import Bools, Floats
from podium.types import Interval

Integers = NDArray[np.integer[Any]]

UNRATED = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Listing:
    """Ranked lists, one a class, beside the ratings.

    Attributes:
        classes: How many classes there are.
        class_R: (R,) the class of each rating, 0 to C - 1. One rating is one (segment, class) pair.
        positive_R: (R,) bool, the rating says yes.
        rating_N: (N,) the row of the rating that each listed entry has, `UNRATED` where it has none. Entries without a
            rating may also be left out: `place_N` keeps what they take up. An entry listed twice counts twice.
        place_N: (N,) the place of each entry in the list of its class, 0 is the best. Entries stand in any order.
    """

    classes: int
    class_R: Integers
    positive_R: Bools
    rating_N: Integers
    place_N: Integers

    def __post_init__(self) -> None:
        if np.shape(self.class_R) != np.shape(self.positive_R) or np.ndim(self.class_R) != 1:
            shapes = f"`{np.shape(self.class_R)}` and `{np.shape(self.positive_R)}`"
            raise UsageError(f"classes and signs of the ratings have shapes {shapes}; both need one entry a rating")
        if np.shape(self.rating_N) != np.shape(self.place_N) or np.ndim(self.rating_N) != 1:
            shapes = f"`{np.shape(self.rating_N)}` and `{np.shape(self.place_N)}`"
            raise UsageError(f"ratings and places of the list have shapes {shapes}; both need one entry an entry")
        if self.classes < 1:
            raise UsageError(f"there are `{self.classes}` classes; at least 1 is needed")
        _within(self.class_R, 0, self.classes, "a rating has class")
        _within(self.rating_N, UNRATED, len(self.class_R), "an entry has rating")
        _within(self.place_N, 0, None, "an entry has place")

    @cached_property
    def positives_C(self) -> NDArray[np.int64]:
        """(C,) positive ratings of each class, listed or not."""
        return np.bincount(self.class_R[self.positive_R], minlength=self.classes)

    def rated(self, k: int | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first `k` places first, then only what is rated: class and rating of each, by class and place."""
        keep = self.rating_N > UNRATED
        if k is not None:
            if k < 1:
                raise UsageError(f"k is `{k}`; at least 1 is needed")
            keep &= self.place_N < k
        rating_M, place_M = self.rating_N[keep].astype(np.int64), self.place_N[keep]
        class_M = self.class_R[rating_M].astype(np.int64)
        order_M = np.lexsort((place_M, class_M))
        return class_M[order_M], rating_M[order_M]


def segment_average_precisions(listing: Listing, *, k: int | None) -> NDArray[np.float64]:
    """AP of every class; MAP@K is their mean.

    Each list is cut to its first `k` entries, then entries without a rating are dropped: they use up places of the cut,
    but neither count as errors nor shift ranks. AP is the sum of the precision at each positive entry that is left,
    divided by all positive ratings of the class.

    Args:
        listing: Lists and ratings.
        k: How many entries of a list count; None for all of them.

    Returns:
        (C,) AP; NaN for a class without a positive rating, which has none. In [0, 1] where no entry is listed twice.

    Raises:
        UsageError: `k` is below 1.

    >>> lists = Listing(classes=2, class_R=np.array([0, 0, 0, 1]), positive_R=np.array([True, False, True, True]),
    ...                 rating_N=np.array([0, -1, 1, 2]), place_N=np.array([0, 1, 2, 3]))
    >>> segment_average_precisions(lists, k=None)
    array([0.83333333, 0.        ])
    >>> segment_average_precisions(lists, k=3)
    array([0.5, 0. ])

    Source: `segment_eval_inference.py` of YouTube-8M's starter code, the metric of its third challenge.
    """
    class_M, rating_M = listing.rated(k)
    hit_M = listing.positive_R[rating_M]
    first_M = np.searchsorted(class_M, class_M)
    found_M = np.cumsum(hit_M)
    found_M = found_M - (found_M - hit_M)[first_M] if len(found_M) else found_M
    precision_M = found_M / (np.arange(len(class_M)) - first_M + 1.0)
    gained_C = np.bincount(class_M[hit_M], weights=precision_M[hit_M], minlength=listing.classes)
    return _divided(gained_C, listing.positives_C)


def resampled_segment_average_precisions(
    listing: Listing, video_R: Integers, *, k: int | None, videos: int | None = None, resamples: int, seed: int
) -> NDArray[np.float64]:
    """AP of every class when whole videos are drawn with replacement.

    A video that is drawn twice is there twice with all its ratings and listed entries, one after the other. The cut is
    that of the lists as they are.

    Args:
        listing: Lists and ratings.
        video_R: The video of each rating, 0 to V - 1.
        k: As of `segment_average_precisions`.
        videos: V, with those that were never rated; None takes the rated ones, which are all that matter.
        resamples: D, at least 1.
        seed: Same seed, same draws.

    Returns:
        (D, C) AP; NaN where a draw holds no positive rating of a class.

    Raises:
        UsageError: Shapes or values do not fit.
    """
    if np.shape(video_R) != np.shape(listing.class_R):
        shapes = f"`{np.shape(video_R)}` and ratings `{np.shape(listing.class_R)}`"
        raise UsageError(f"the videos of the ratings have shape {shapes}; both need one entry a rating")
    if resamples < 1:
        raise UsageError(f"`{resamples}` resamples; at least 1 is needed")
    if videos is None:
        names, video_R = np.unique(video_R, return_inverse=True)
        videos = len(names)
    _within(video_R, 0, videos, "a rating has video")
    class_M, rating_M = listing.rated(k)
    hits_P = np.flatnonzero(listing.positive_R[rating_M])
    video_M, class_P = video_R[rating_M], class_M[hits_P]
    first_P = np.searchsorted(class_M, class_P)
    first_hit_P = np.searchsorted(class_P, class_P)
    positive_class, positive_video = listing.class_R[listing.positive_R], video_R[listing.positive_R]
    drawn_DC = np.full((resamples, listing.classes), np.nan)
    for draw, times_V in enumerate(_draws(videos, resamples, seed)):
        times_M = times_V[video_M]
        times_P = times_M[hits_P]
        called_M, found_P = np.cumsum(times_M), np.cumsum(times_P)
        before_P = called_M[hits_P] - times_P
        before_P -= (called_M - times_M)[first_P]
        wrong_P = before_P - (found_P - times_P) + (found_P - times_P)[first_hit_P]
        gained_P = _gained(times_P, before_P, wrong_P)
        gained_C = np.bincount(class_P, weights=gained_P, minlength=listing.classes)
        positives_C = np.bincount(positive_class, weights=times_V[positive_video], minlength=listing.classes)
        drawn_DC[draw] = _divided(gained_C, positives_C)
    return drawn_DC


def percentile_interval(values_D: Floats, *, level: float = 0.95, unit: str = "") -> Interval | None:
    """The middle `level` of values that were drawn; None when none is a number.

    >>> percentile_interval(np.array([0.0, 1.0, np.nan])).resamples
    2
    """
    if not 0 < level < 1:
        raise UsageError(f"the level is `{level}`; it must be between 0 and 1")
    kept = values_D[~np.isnan(values_D)]
    if not len(kept):
        return None
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high), level=level, resamples=len(kept), unit=unit)


def list_average_precision(
    score_N: Floats,
    positive_N: Bools,
    *,
    positives: int | None = None,
    n: int | None = None,
    ties: Literal["given", "official"] = "given",
) -> float:
    """Mean precision at each positive among the `n` highest scores, divided by min(positives, n).

    Args:
        score_N: One number an entry.
        positive_N: True where the entry is right.
        positives: Right entries in all, listed or not; None counts those of `positive_N`.
        n: How many of the highest count; None for all.
        ties: Equal scores keep the order they came in (``given``), or that of the official shuffle, which does not
            depend on labels either (``official``).

    Returns:
        0.0 without positives or entries. Above 1 only where `positives` is less than what is listed.

    Raises:
        UsageError: Shapes differ, a score is NaN, or a count is out of range.

    >>> list_average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]))
    0.8333333333333333
    >>> list_average_precision(np.ones(4), np.array([True, False, True, False]), ties="official")
    0.41666666666666663

    Source: `average_precision_calculator.py` of YouTube-8M's starter code.
    """
    score_N, positive_N = np.asarray(score_N), np.asarray(positive_N, bool)
    if score_N.ndim != 1 or score_N.shape != positive_N.shape:
        raise UsageError(f"scores have shape `{score_N.shape}` and signs `{positive_N.shape}`; both need one an entry")
    if np.isnan(score_N).any():
        raise UsageError(f"score `{int(np.flatnonzero(np.isnan(score_N))[0])}` is NaN; all must be numbers")
    positives = int(positive_N.sum()) if positives is None else positives
    if positives < 0 or (n is not None and n < 1):
        raise UsageError(f"`{positives}` positives and n `{n}`; at least 0 and 1 are needed")
    if ties == "official":
        shuffled_N = official_order(len(score_N))
        score_N, positive_N = score_N[shuffled_N], positive_N[shuffled_N]
    if not positives:
        return 0.0
    hits = np.flatnonzero(positive_N[np.argsort(-score_N, kind="stable")][:n])
    divisor = positives if n is None else min(positives, n)
    return float((np.arange(1, len(hits) + 1) / (hits + 1.0)).sum() / divisor)


def official_order(count: int) -> NDArray[np.int64]:
    """The shuffle that the official routine makes of `count` entries before it sorts them by score.

    It is always the same one. The official code reseeds the generator of the whole process for it; this does not.

    >>> official_order(4).tolist()
    [3, 1, 0, 2]
    """
    return np.array(random.Random(0).sample(range(count), count), dtype=np.int64)  # noqa: S311 - a fixed shuffle


def _gained(times_P: Integers, before_P: Integers, wrong_P: Integers) -> NDArray[np.float64]:
    """Sum of the precision at each of `times` copies of a hit, after `before` entries of which `wrong` are no hits.

    The j-th copy has precision 1 - wrong / (before + j); the sum of the fractions is a difference of harmonic numbers.
    """
    top = int((before_P + times_P).max(initial=0))
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, top + 1))])
    return times_P.astype(np.float64) - wrong_P * (harmonic[before_P + times_P] - harmonic[before_P])


def _draws(videos: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(rng.integers(0, videos, videos), minlength=videos)


def _divided(gained_C: NDArray[Any], positives_C: NDArray[Any]) -> NDArray[np.float64]:
    return np.divide(gained_C, positives_C, out=np.full(len(gained_C), np.nan), where=positives_C > 0)


def _within(values: Integers, low: int, high: int | None, what: str) -> None:
    if not len(values):
        return
    wrong = np.flatnonzero((values < low) | (values >= high if high is not None else False))
    if len(wrong):
        allowed = f"`{low}` and up" if high is None else f"`{low}` to `{high - 1}`"
        raise UsageError(f"{what} `{values[wrong[0]]}`; {allowed} are allowed")
