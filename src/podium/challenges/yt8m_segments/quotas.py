"""Who rates what: how many ratings each class gets, how many of them positive, and in which videos.

The shape follows the official vocabulary file: 155 to 250 ratings a class with a median of 243, of which 25 to 204 are
positive with a median of 137, 55.7 % of all; about five ratings a video. Smaller sets keep the proportions.

Raters were given the videos that a machine had labelled with a class. Where the machine took a class for its sibling,
every rating of it is negative.

Legend: C classes, V videos.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.challenges.yt8m_segments.plan import RATINGS_A_VIDEO, Split
from podium.challenges.yt8m_segments.population import QUOTAS, Population, generator

POSITIVE_SHARE = 0.557

_MOST, _LEAST = 250, 155
_SHORTFALL_MEDIAN, _SHORTFALL_SIGMA = 7.0, 1.05
"""Of a class from the most ratings, lognormal."""
_SHARE_ALPHA, _SHARE_BETA = 7.6, 6.04
"""Of the beta distribution of a class's positive share."""
_POSITIVE_WHERE_RIGHT = 0.74
"""Positive share among ratings in videos that do show the class."""
_RATINGS_A_QUOTA = 4.6
_DRAWS = 20_000


@dataclass(frozen=True, kw_only=True)
class Quota:
    """Ratings of one class in one video.

    Attributes:
        rated: Row of the class that is rated.
        shown: Row of the class that the video shows; a sibling of `rated` where the machine was wrong.
        positives: Ratings of 1.
        negatives: Ratings of 0.
    """

    rated: int
    shown: int
    positives: int
    negatives: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Quotas:
    """The ratings of a split.

    Attributes:
        of_video: One or two quotas for each video; two are of one theme. None where there are more videos than quotas.
        positive_C: int64, positive ratings of each class.
        rated_C: int64, all ratings of each class.
    """

    of_video: tuple[tuple[Quota, ...], ...]
    positive_C: NDArray[np.int64]
    rated_C: NDArray[np.int64]


def draw(population: Population, split: Split, *, seed: int) -> Quotas:
    """The ratings of a split, the same for every process.

    Args:
        population: The classes.
        split: One that is rated.
        seed: Of the data set.
    """
    rated_C, positive_C = _counts(population, split, seed)
    rng = generator(seed, QUOTAS, 1 + split.code)
    loose = [
        quota
        for row in range(len(rated_C))
        for quota in _quotas_of(population, row, int(rated_C[row]), int(positive_C[row]), rng)
    ]
    together = _join([loose[place] for place in rng.permutation(len(loose)).tolist()], population, split.videos)
    order: list[int] = rng.permutation(len(together)).tolist()
    return Quotas(
        of_video=tuple(together[place] for place in order),
        positive_C=positive_C,
        rated_C=rated_C,
    )


def _counts(population: Population, split: Split, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ratings and positive ratings of each class: evenly spread quantiles, so that small sets keep the shape."""
    classes = len(population.names)
    # Not of the split: a class that is often rated in one split is in the other.
    rng = generator(seed, QUOTAS, 0)
    short = _SHORTFALL_MEDIAN * rng.lognormal(0.0, _SHORTFALL_SIGMA, size=_DRAWS)
    wanted_C = _quantiles(np.maximum(_MOST - short, _LEAST), rng.permutation(classes))
    share_C = _quantiles(rng.beta(_SHARE_ALPHA, _SHARE_BETA, size=_DRAWS), rng.permutation(classes))
    exact_C = wanted_C * (split.videos * RATINGS_A_VIDEO / wanted_C.sum())
    rated_C = np.maximum(4, _rounded(exact_C))
    positive_C = np.clip(_rounded(rated_C * share_C), 1, rated_C - 1)
    return rated_C, positive_C


def _quantiles(draws: NDArray[np.float64], order_C: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.quantile(draws, (order_C + 0.5) / len(order_C))


def _rounded(exact_C: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers whose sum is that of the exact ones, but for less than 1."""
    return np.diff(np.rint(np.concatenate([[0.0], np.cumsum(exact_C)]))).astype(np.int64)


def _quotas_of(population: Population, row: int, rated: int, positive: int, rng: np.random.Generator) -> list[Quota]:
    """The ratings of one class, video by video: first where the machine was right, then where it was wrong."""
    count = max(2, round(rated / _RATINGS_A_QUOTA))
    right = int(np.clip(round(count * positive / rated / _POSITIVE_WHERE_RIGHT), 1, count))
    while right < count and positive > rated * right // count:
        right += 1
    sizes = np.diff(np.arange(count + 1) * rated // count)
    room = int(sizes[:right].sum())
    positives = np.diff(np.cumsum(np.concatenate([[0], sizes[:right]])) * positive // room)
    quotas: list[Quota] = []
    for place, size in enumerate(sizes.tolist()):
        if place < right:
            ones = int(positives[place])
            quotas.append(Quota(rated=row, shown=row, positives=ones, negatives=size - ones))
        else:
            sibling = int(rng.choice(population.siblings[row]))
            quotas.append(Quota(rated=row, shown=sibling, positives=0, negatives=size))
    return quotas


def _join(loose: list[Quota], population: Population, videos: int) -> list[tuple[Quota, ...]]:
    """As many groups as there are videos: quotas of one theme, if possible of two classes, are put into one video."""
    surplus = len(loose) - videos
    waiting: dict[int, list[Quota]] = {}
    joined: list[tuple[Quota, ...]] = []
    for quota in loose:
        others = waiting.setdefault(int(population.theme_C[quota.shown]), [])
        partner = next((each for each in others if each.rated != quota.rated), None) if len(joined) < surplus else None
        if partner is None:
            others.append(quota)
        else:
            others.remove(partner)
            joined.append((partner, quota))
    for others in waiting.values():
        while len(joined) < surplus and len(others) > 1:
            joined.append((others.pop(), others.pop()))
    single: list[tuple[Quota, ...]] = [(quota,) for others in waiting.values() for quota in others]
    nothing: tuple[Quota, ...] = ()
    return [*joined, *single, *[nothing] * max(0, -surplus)]
