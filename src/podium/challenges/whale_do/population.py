"""Who was photographed when: individuals, their encounters and the times of the photographs, drawn by a seed.

The figures follow the published training set: a fifth of the whales has one image and half has three or fewer, while a
few have dozens; an encounter lasts at most an hour and never mixes whales or viewpoints; photographs from the side are
all of 2017.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

LATERAL_SHARE = 0.30
"""Of a whale's encounters after its first; more than the real 0.22, so that small sets can ask across viewpoints."""

_FEW_IMAGES = (0.197, 0.204, 0.113)
"""The shares of whales with 1, 2 and 3 images."""
_TAIL_SIGMA = 1.0
"""Of the logarithm of the image counts of all other whales, above 3."""
_YEARS = (2017, 2018, 2019)
_YEAR_WEIGHTS = (607, 312, 346)
"""Top encounters of the real set."""
_MEDIAN_IMAGES = {2017: 1.6, 2018: 5.0, 2019: 5.0}
"""Of a top encounter; 2017 was photographed more sparingly."""
_SIGMA_IMAGES = 0.85
_FIRST_DAYS = {2017: datetime(2017, 8, 3), 2018: datetime(2018, 8, 1), 2019: datetime(2019, 7, 30)}
_DAYS_A_YEAR = 10
_SEASON_DAYS = 58
_HOUR_SECONDS = 3_600
_SLOTS = tuple(range(7, 20, 2))
"""Hours at which an encounter may begin: two of one whale on one day stay more than an hour apart."""


@dataclass(frozen=True, kw_only=True)
class Census:
    """How many of what.

    Attributes:
        individuals: Whales, over both splits.
        images: Photographs, over both splits; at least one a whale.
        new: Share of whales that only the test split shows.
        seen: Share of whales that both splits show, by different encounters.
    """

    individuals: int
    images: int
    new: float = 0.29
    seen: float = 0.12


@dataclass(frozen=True, kw_only=True)
class Encounter:
    """Photographs of one whale from one side within an hour.

    Attributes:
        individual: From 0.
        number: Of this whale's encounters, from 0, in the order of time.
        taken: When each photograph was taken, rising.
        split: ``train`` or ``test``.
    """

    individual: int
    number: int
    viewpoint: str
    taken: tuple[datetime, ...]
    split: str = "train"

    @property
    def day(self) -> int:
        """The date as one number, the same for all that was photographed that day."""
        return self.taken[0].toordinal()

    @property
    def year(self) -> float:
        """When, as a year with a fraction."""
        return self.taken[0].year + self.taken[0].timetuple().tm_yday / 366


def draw(census: Census, *, seed: int) -> tuple[Encounter, ...]:
    """The encounters of a population, by individual, then time.

    >>> found = draw(Census(individuals=40, images=150), seed=0)
    >>> sum(len(each.taken) for each in found), len({each.individual for each in found})
    (150, 40)
    """
    rng = np.random.default_rng([seed, 7_881_617])
    counts = image_counts(census.individuals, census.images)
    rng.shuffle(counts)
    days = _field_days(rng)
    drawn = [_encounters(row, int(count), days, rng) for row, count in enumerate(counts)]
    return tuple(each for encounters in _split(drawn, census, rng) for each in encounters)


def image_counts(individuals: int, images: int) -> NDArray[np.int64]:
    """How many images each whale has, rising: fixed shares of 1, 2 and 3, then a lognormal tail that gives the sum.

    >>> image_counts(10, 40).tolist()
    [1, 1, 2, 2, 3, 4, 4, 6, 7, 10]
    """
    ends = np.round(np.cumsum(_FEW_IMAGES) * individuals).astype(np.int64)
    counts = np.searchsorted(ends, np.arange(individuals), side="right") + 1
    few = counts <= len(_FEW_IMAGES)
    many = individuals - int(few.sum())
    left = images - int(counts[few].sum()) - 4 * many
    if many and left > 0:
        shares = np.exp(_TAIL_SIGMA * _normal_quantiles(many))
        extra = np.floor(shares / shares.sum() * left).astype(np.int64)
        # What rounding left over goes to the longest, one each.
        extra[many - (left - int(extra.sum())) :] += 1
        counts[~few] += extra
    elif left < 0:
        counts = _cut(counts, -left)
    return counts


def _cut(counts: NDArray[np.int64], surplus: int) -> NDArray[np.int64]:
    """Takes images from the whales that have most, one by one, as long as one is left to each."""
    counts = counts.copy()
    for _ in range(min(surplus, int(counts.sum()) - len(counts))):
        counts[np.flatnonzero(counts == counts.max())[0]] -= 1
    return np.sort(counts)


def _normal_quantiles(count: int) -> NDArray[np.float64]:
    """Evenly spread quantiles of the standard normal distribution."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((row + 0.5) / count) for row in range(count)])


def _field_days(rng: np.random.Generator) -> dict[int, list[datetime]]:
    days: dict[int, list[datetime]] = {}
    for year in _YEARS:
        chosen = sorted(rng.choice(_SEASON_DAYS, size=_DAYS_A_YEAR, replace=False).tolist())
        days[year] = [_FIRST_DAYS[year] + timedelta(days=each) for each in chosen]
    return days


def _encounters(
    individual: int, images: int, days: dict[int, list[datetime]], rng: np.random.Generator
) -> list[Encounter]:
    found: list[Encounter] = []
    free = {(day, slot) for year in _YEARS for day in days[year] for slot in _SLOTS}
    while images > 0:
        lateral = bool(found) and rng.random() < LATERAL_SHARE
        year = 2017 if lateral else int(rng.choice(_YEARS, p=np.array(_YEAR_WEIGHTS) / sum(_YEAR_WEIGHTS)))
        start = _start(free, days[year], rng)
        if start is None:
            continue
        size = min(images, _size(year, lateral, rng))
        viewpoint = str(rng.choice(["left", "right"])) if lateral else "top"
        found.append(Encounter(individual=individual, number=0, viewpoint=viewpoint, taken=_times(start, size, rng)))
        images -= size
    found.sort(key=lambda each: each.taken)
    return [replace(each, number=number) for number, each in enumerate(found)]


def _start(free: set[tuple[datetime, int]], days: Sequence[datetime], rng: np.random.Generator) -> datetime | None:
    """When the next encounter begins; None when the year is full."""
    left = [(day, slot) for day in days for slot in _SLOTS if (day, slot) in free]
    if not left:
        return None
    day, slot = left[int(rng.integers(len(left)))]
    free.remove((day, slot))
    return day + timedelta(hours=slot, seconds=int(rng.integers(0, 900)))


def _size(year: int, lateral: bool, rng: np.random.Generator) -> int:
    if lateral:
        return 1 + int(rng.poisson(0.7))
    return max(1, round(float(rng.lognormal(math.log(_MEDIAN_IMAGES[year]), _SIGMA_IMAGES))))


def _times(start: datetime, size: int, rng: np.random.Generator) -> tuple[datetime, ...]:
    gaps = 1.0 + rng.exponential(40.0, size=size - 1)
    # Half an hour, so that the next encounter's slot is more than an hour away.
    gaps *= min(1.0, 0.5 * _HOUR_SECONDS / max(float(gaps.sum()), 1.0))
    seconds = np.concatenate([[0], np.cumsum(np.maximum(1, np.round(gaps)))]).astype(np.int64)
    return tuple(start + timedelta(seconds=each) for each in seconds.tolist())


def _split(drawn: list[list[Encounter]], census: Census, rng: np.random.Generator) -> list[list[Encounter]]:
    """Who is shown to participants, who is judged, and who is both, spread evenly over the long tail."""
    order = sorted(range(len(drawn)), key=lambda row: (sum(len(each.taken) for each in drawn[row]), row))
    # A walk by the golden ratio deals the roles evenly to short and long albums alike.
    turns = (np.arange(len(order)) * 0.618_033_988_75 + rng.random()) % 1.0
    turn = dict(zip(order, turns.tolist(), strict=True))
    dealt = sorted(order, key=turn.__getitem__)
    both = set([row for row in dealt if len(drawn[row]) > 1][: round(census.seen * len(drawn))])
    new = set([row for row in reversed(dealt) if row not in both][: round(census.new * len(drawn))])
    parts: list[list[Encounter]] = []
    for row, encounters in enumerate(drawn):
        if row in both:
            tested = _some(len(encounters), rng)
            parts.append([replace(each, split="test") if each.number in tested else each for each in encounters])
        else:
            split = "test" if row in new else "train"
            parts.append([replace(each, split=split) for each in encounters])
    return parts


def _some(count: int, rng: np.random.Generator) -> set[int]:
    """About half of the numbers below a count of 2 or more; never none, never all."""
    return set(rng.choice(count, size=max(1, count // 2), replace=False).tolist())
