"""The classes and how they belong together: themes that occur together, siblings that look alike.

Every class has one theme, and its siblings, which look alike for some seconds, have other themes. So a glance may name
the family, and only the rest of the video names the class.

Legend: C classes of the vocabulary, G themes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from podium.challenges.yt8m_segments.names import class_names
from podium.challenges.yt8m_segments.plan import CLASSES_OF_YOUTUBE_8M, Plan

POPULATION, QUOTAS, SCRIPT, LOOKS, FRAMES, IDS = range(6)
"""What a number is drawn for."""
_POPULARITY_EXPONENT = 0.35
_LAST_RATED_INDEX = 1_832


def generator(seed: int, purpose: int, *numbers: int) -> np.random.Generator:
    """Random numbers of one purpose, the same in every process."""
    return np.random.Generator(np.random.SFC64([seed, purpose, *numbers]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """The classes of a data set.

    Attributes:
        indices_C: int64, `Index` of each class of the vocabulary, not sorted.
        names: One a class.
        theme_C: int64, its theme.
        family_C: int64; classes of one family look alike and have different themes.
        popularity_C: float64, weights by which videos show it; the mean is 1.
        general_G: int64, `Index` of the class that stands for the whole theme, which the vocabulary lacks.
    """

    indices_C: NDArray[np.int64]
    names: tuple[str, ...]
    theme_C: NDArray[np.int64]
    family_C: NDArray[np.int64]
    popularity_C: NDArray[np.float64]
    general_G: NDArray[np.int64]

    @cached_property
    def members(self) -> tuple[NDArray[np.int64], ...]:
        """The classes of each theme."""
        return tuple(np.flatnonzero(self.theme_C == theme) for theme in range(len(self.general_G)))

    @cached_property
    def theme_share_G(self) -> NDArray[np.float64]:
        """Of all videos, so many have each theme; the sum is 1."""
        weights_G = np.array([self.popularity_C[members].sum() for members in self.members])
        return weights_G / weights_G.sum()

    @cached_property
    def siblings(self) -> tuple[tuple[int, ...], ...]:
        """The classes that look like each class, itself left out; one or two."""
        kin: dict[int, list[int]] = {}
        for row, family in enumerate(self.family_C.tolist()):
            kin.setdefault(family, []).append(row)
        return tuple(
            tuple(each for each in kin[family] if each != row) for row, family in enumerate(self.family_C.tolist())
        )


def draw(plan: Plan, *, seed: int) -> Population:
    """The classes of a data set.

    >>> from podium.challenges.yt8m_segments.plan import plan_of
    >>> few = draw(plan_of("tiny"), seed=0)
    >>> all(few.theme_C[row] != few.theme_C[each] for row in range(8) for each in few.siblings[row])
    True
    """
    rng = generator(seed, POPULATION)
    theme_C, family_C = _belonging(plan, rng)
    highest = min(CLASSES_OF_YOUTUBE_8M, max(_LAST_RATED_INDEX, 2 * (plan.classes + plan.themes)))
    indices = rng.permutation(highest)[: plan.classes + plan.themes].astype(np.int64)
    indices_C = indices[: plan.classes]
    # Indices are given out by the number of videos, so the lowest is the most popular.
    popularity_C = (1.0 + np.argsort(np.argsort(indices_C))) ** -_POPULARITY_EXPONENT
    return Population(
        indices_C=indices_C,
        names=class_names(family_C.tolist(), rng),
        theme_C=theme_C,
        family_C=family_C,
        popularity_C=popularity_C / popularity_C.mean(),
        general_G=indices[plan.classes :],
    )


def _belonging(plan: Plan, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Theme and family of each class. Each round takes one class of every theme and pairs them off."""
    themes: list[int] = []
    families: list[int] = []
    pairs = plan.themes // 2
    for turn in range(plan.classes // plan.themes):
        themes += rng.permutation(plan.themes).tolist()
        # The odd one out makes a family of three.
        families += [turn * pairs + min(place // 2, pairs - 1) for place in range(plan.themes)]
    order = rng.permutation(plan.classes)
    return np.array(themes, dtype=np.int64)[order], np.array(families, dtype=np.int64)[order]
