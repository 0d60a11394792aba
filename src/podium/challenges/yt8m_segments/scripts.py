"""What happens in each video: its theme, the classes that it shows, scene by scene, and what machines and raters say.

A scene is a close-up of a class, a view of the theme's setting, or something that tells nothing. Machines label whole
videos, and mistake siblings for each other; raters judge segments, and hardly err.

Legend: T seconds, S scenes, L labels, R ratings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.challenges.yt8m_segments.layout import SEGMENT_SECONDS
from podium.challenges.yt8m_segments.plan import Plan, Split
from podium.challenges.yt8m_segments.population import SCRIPT, Population, generator
from podium.challenges.yt8m_segments.quotas import Quota

FIRST_SLOTS, LAST_SLOTS = 6, 2
"""Never rated."""
FAULTY_EVERY = 150
"""One in so many rated training videos has a rating beyond its end, as some official files have."""
NOTHING = -1

_SHORTEST_SECONDS = 120
_SURPLUS_SECONDS = 166.0
"""Mean of the exponential distribution that gives a mean length of 230 s when cut at 300 s."""
_SCENE_SECONDS, _SHORTEST_SCENE_SECONDS = 10.0, 3
_CLOSE, _SETTING = 0.58, 0.26
_CLASSES_P = (0.20, 0.38, 0.30, 0.12)
"""Of 1 to 4 classes that a video shows."""
_GUEST = 0.08
_ONLY_SIBLING, _BOTH, _MISSED = 0.07, 0.06, 0.07
_STRANGER = 0.08
_GENERAL = 0.55
_GENERAL_ONLY = 0.03
_RATER_ERROR = 0.04
_SHOWS_SIBLING = 0.75
"""Of the ratings where the machine took a class for its sibling: so many are of segments that show the sibling."""
_SHOWN_SECONDS = 3
_ATTEMPTS = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class Scenes:
    """The scenes of a video, one after the other.

    Attributes:
        start_S: int64 seconds; the first is 0.
        end_S: int64 seconds, behind the last.
        shown_S: int64, the row of the class in a close-up, else -1.
        setting_S: bool, a view of the theme's setting.
    """

    start_S: NDArray[np.int64]
    end_S: NDArray[np.int64]
    shown_S: NDArray[np.int64]
    setting_S: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Script:
    """One video.

    Attributes:
        frames: Seconds.
        theme: Its number.
        scenes: What is seen.
        labels_L: int64, `Index` of what a machine says of the whole video, rising.
        start_R: int64 seconds, of each rating; by start, then class. Empty where nothing is rated.
        rated_R: int64, `Index` of the rated class.
        positive_R: bool.
    """

    frames: int
    theme: int
    scenes: Scenes
    labels_L: NDArray[np.int64]
    start_R: NDArray[np.int64]
    rated_R: NDArray[np.int64]
    positive_R: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Studio:
    """What all scripts of a data set have in common.

    Attributes:
        plan: The size.
        population: The classes.
        seed: Of the data set.
        difficulty: 0 to 1; raters and machines err more in harder sets.
    """

    plan: Plan
    population: Population
    seed: int
    difficulty: float

    def write(self, split: Split, number: int, quotas: Sequence[Quota] = ()) -> Script:
        """The script of one video: a pure function of seed, split and number.

        Args:
            split: Where the video goes.
            number: In the split.
            quotas: Its ratings.
        """
        rng = generator(self.seed, SCRIPT, split.code, number)
        frames = _length(self.plan, rng)
        theme = self._theme(quotas, rng)
        shown = self._shown(theme, [quota.shown for quota in quotas], rng)
        labels = self._labels(theme, shown, quotas, rng, may_lack=not split.rated)
        scenes, picked = _film(frames, shown, quotas, rng, rater_error=2 * self.difficulty * _RATER_ERROR)
        turn = number % FAULTY_EVERY
        if picked and not split.hidden and turn == min(FAULTY_EVERY, split.videos) // 2:
            _, row, positive = picked[-1]
            beyond = -(-frames // SEGMENT_SECONDS) + int(rng.integers(1, 4))
            picked[-1] = (beyond * SEGMENT_SECONDS, row, positive)
        picked.sort()
        indices_C = self.population.indices_C
        return Script(
            frames=frames,
            theme=theme,
            scenes=scenes,
            labels_L=labels,
            start_R=np.array([start for start, _, _ in picked], dtype=np.int64),
            rated_R=indices_C[np.array([row for _, row, _ in picked], dtype=np.int64)],
            positive_R=np.array([positive for _, _, positive in picked], dtype=np.bool_),
        )

    def _theme(self, quotas: Sequence[Quota], rng: np.random.Generator) -> int:
        if quotas:
            return int(self.population.theme_C[quotas[0].shown])
        shares_G = self.population.theme_share_G
        return int(rng.choice(len(shares_G), p=shares_G))

    def _shown(self, theme: int, asked: Sequence[int], rng: np.random.Generator) -> list[int]:
        """The classes that a video shows: what is asked for, others of the theme, and now and then a guest."""
        population = self.population
        members = population.members[theme]
        weights = population.popularity_C[members] ** 0.5
        count = 1 + int(rng.choice(len(_CLASSES_P), p=_CLASSES_P))
        others = rng.choice(members, size=len(members), replace=False, p=weights / weights.sum()).tolist()
        shown = list(dict.fromkeys([*asked, *others]))[: max(count, len(set(asked)))]
        if rng.random() < _GUEST:
            guest = int(rng.integers(len(population.names)))
            known = [population.theme_C[each] for each in population.siblings[guest]]
            if guest not in shown and theme not in known:
                shown.append(guest)
        return shown

    def _labels(
        self, theme: int, shown: Sequence[int], quotas: Sequence[Quota], rng: np.random.Generator, *, may_lack: bool
    ) -> NDArray[np.int64]:
        """What the machine says: most of what is shown, some siblings, a stranger, often the theme's own class."""
        population = self.population
        harder = 2 * self.difficulty
        general = int(population.general_G[theme])
        if may_lack and rng.random() < _GENERAL_ONLY:
            return np.array([general], dtype=np.int64)
        said: set[int] = set()
        for row in shown:
            turn = rng.random() / max(harder, 1e-9)
            sibling = int(rng.choice(population.siblings[row]))
            if turn < _ONLY_SIBLING + _BOTH:
                said.add(sibling)
            if not turn < _ONLY_SIBLING and not _ONLY_SIBLING + _BOTH <= turn < _ONLY_SIBLING + _BOTH + _MISSED:
                said.add(row)
        if rng.random() < harder * _STRANGER:
            said.add(int(rng.integers(len(population.names))))
        # Raters are given videos by their labels, so what is rated was said.
        said |= {quota.rated for quota in quotas}
        indices = population.indices_C[sorted(said)].tolist()
        if not indices or rng.random() < _GENERAL:
            indices.append(general)
        return np.array(sorted(indices), dtype=np.int64)


def _length(plan: Plan, rng: np.random.Generator) -> int:
    return int(min(plan.longest_seconds, _SHORTEST_SECONDS + rng.exponential(_SURPLUS_SECONDS)))


def _film(
    frames: int, shown: Sequence[int], quotas: Sequence[Quota], rng: np.random.Generator, *, rater_error: float
) -> tuple[Scenes, list[tuple[int, int, bool]]]:
    """The scenes of a video, drawn again until there is something to rate, and the ratings: start, row, positive."""
    wanted = [quota.shown for quota in quotas]
    scenes = _scenes(frames, shown, rng)
    for attempt in range(_ATTEMPTS):
        if all(_suffices(scenes, frames, quota) for quota in quotas):
            break
        scenes = _scenes(frames, [*shown, *wanted * (1 + attempt // 3)], rng)
    picked: list[tuple[int, int, bool]] = []
    for quota in quotas:
        taken = {start for start, row, _ in picked if row == quota.rated}
        picked += _rate(scenes, frames, quota, taken, rng, rater_error=rater_error)
    return scenes, picked


def _scenes(frames: int, shown: Sequence[int], rng: np.random.Generator) -> Scenes:
    rest = _SCENE_SECONDS - _SHORTEST_SCENE_SECONDS
    lengths = _SHORTEST_SCENE_SECONDS + rng.exponential(rest, size=frames // _SHORTEST_SCENE_SECONDS + 1)
    ends = np.rint(np.cumsum(lengths)).astype(np.int64)
    end_S = np.append(ends[ends < frames - 1], frames)
    count = len(end_S)
    turn_S = rng.random(count)
    class_S = np.asarray(shown, dtype=np.int64)[rng.integers(len(shown), size=count)]
    return Scenes(
        start_S=np.append(0, end_S[:-1]),
        end_S=end_S,
        shown_S=np.where(turn_S < _CLOSE, class_S, NOTHING),
        setting_S=(turn_S >= _CLOSE) & (turn_S < _CLOSE + _SETTING),
    )


def _shown_seconds(scenes: Scenes, frames: int, row: int) -> NDArray[np.int64]:
    """Seconds for which each slot that may be rated shows a class; the first is slot 6."""
    slots = -(-frames // SEGMENT_SECONDS)
    there_T = np.zeros(slots * SEGMENT_SECONDS, dtype=np.int64)
    there_T[:frames] = np.repeat(scenes.shown_S == row, scenes.end_S - scenes.start_S)
    return there_T.reshape(slots, SEGMENT_SECONDS).sum(axis=1)[FIRST_SLOTS : slots - LAST_SLOTS]


def _suffices(scenes: Scenes, frames: int, quota: Quota) -> bool:
    seconds = _shown_seconds(scenes, frames, quota.shown)
    showing, lacking = int((seconds >= _SHOWN_SECONDS).sum()), int((seconds == 0).sum())
    if quota.rated != quota.shown:
        return showing >= quota.negatives
    return showing >= quota.positives + 1 and lacking >= quota.negatives + 1


def _rate(
    scenes: Scenes, frames: int, quota: Quota, taken: set[int], rng: np.random.Generator, *, rater_error: float
) -> list[tuple[int, int, bool]]:
    """Ratings of one class: start, row, positive."""
    seconds = _shown_seconds(scenes, frames, quota.shown)
    first = FIRST_SLOTS * SEGMENT_SECONDS
    free = np.array([first + SEGMENT_SECONDS * at not in taken for at in range(len(seconds))])
    positives = [True] * quota.positives + [False] * quota.negatives
    found: list[tuple[int, int, bool]] = []
    for positive in positives:
        erring = rng.random() < rater_error
        # A sibling that is taken for the class is a negative that looks like a positive.
        shows = (positive and not erring) or (not positive and erring)
        if quota.rated != quota.shown:
            shows = bool(rng.random() < _SHOWS_SIBLING)
        at = _slot(seconds, free, shows, rng)
        if at is None:
            break
        free[at] = False
        found.append((first + SEGMENT_SECONDS * at, quota.rated, positive))
    return found


def _slot(seconds: NDArray[np.int64], free: NDArray[np.bool_], shows: bool, rng: np.random.Generator) -> int | None:
    """A free slot that does or does not show the class; the nearest to that where there is none."""
    if not free.any():
        return None
    fits = free & ((seconds >= _SHOWN_SECONDS) if shows else (seconds == 0))
    if fits.any():
        return int(rng.choice(np.flatnonzero(fits)))
    best = np.where(free, seconds if shows else -seconds, -SEGMENT_SECONDS - 1)
    return int(np.argmax(best))
