"""Photographs parted into those to learn from and those to judge by.

Photographs of one encounter look alike, so a random split reads far too well: here whole individuals, whole encounters
or later seasons are held out. The random one is there to compare with what others report.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from podium.errors import UsageError, nearest
from podium.solutions.reidentification.photos import Photo


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One way to part a collection; both halves in the collection's order."""

    train: tuple[Photo, ...]
    validation: tuple[Photo, ...]


def split(photos: Sequence[Photo], *, kind: str, folds: int, seed: int = 0) -> tuple[Fold, ...]:
    """Several ways to part a collection; each photograph is in the validation of at most one of them.

    Args:
        photos: Each with an encounter.
        kind: ``individual``: individuals are apart. ``encounter``: encounters are apart, those of one individual are
            dealt over the folds. ``time``: learn from what is earlier, judge by the next span of time; encounters that
            reach over the border are left out. ``photo``: photographs of one individual are dealt over the folds.
        folds: At least 2; for ``time`` at least 1, and the earliest span is only learned from.
        seed: Of the dealing.

    Raises:
        UsageError: The kind is unknown, there is too little to part, or ``time`` meets photographs without one.
    """
    if kind not in _DEALERS:
        raise UsageError(f"photographs are not split by `{kind}`; {nearest(kind, _DEALERS)}")
    least = 1 if kind == "time" else 2
    if folds < least:
        raise UsageError(f"a split by `{kind}` has at least {least} folds; found `{folds}`")
    return _DEALERS[kind](photos, folds, np.random.default_rng(seed))


def _by_individual(photos: Sequence[Photo], folds: int, rng: np.random.Generator) -> tuple[Fold, ...]:
    """The largest first, each to the fold with the fewest photographs, so that folds are of like size."""
    groups = _groups(photos, lambda each: each.individual)
    _need(len(groups), folds, "individuals")
    names = list(groups)
    rng.shuffle(names)
    sizes = [0] * folds
    places = [0] * len(photos)
    for name in sorted(names, key=lambda each: -len(groups[each])):
        fold = sizes.index(min(sizes))
        sizes[fold] += len(groups[name])
        for place in groups[name]:
            places[place] = fold
    return _folds(photos, places, folds)


def _by_encounter(photos: Sequence[Photo], folds: int, rng: np.random.Generator) -> tuple[Fold, ...]:
    return _dealt(photos, folds, rng, unit=lambda each: each.encounter or each.image_id, what="encounters")


def _by_photo(photos: Sequence[Photo], folds: int, rng: np.random.Generator) -> tuple[Fold, ...]:
    return _dealt(photos, folds, rng, unit=lambda each: each.image_id, what="photographs")


def _dealt(
    photos: Sequence[Photo], folds: int, rng: np.random.Generator, *, unit: Callable[[Photo], str], what: str
) -> tuple[Fold, ...]:
    """Units of one individual go round the folds; the next individual goes on where the last one stopped."""
    individuals = _groups(photos, lambda each: each.individual)
    places = [0] * len(photos)
    turn = 0
    names = list(individuals)
    rng.shuffle(names)
    for name in names:
        units = _groups(photos, unit, within=individuals[name])
        order = list(units)
        rng.shuffle(order)
        for each in order:
            for place in units[each]:
                places[place] = turn % folds
            turn += 1
    _need(turn, folds, what)
    return _folds(photos, places, folds)


def _by_time(photos: Sequence[Photo], folds: int, rng: np.random.Generator) -> tuple[Fold, ...]:  # noqa: ARG001 - as the other dealers
    undated = sum(each.taken is None for each in photos)
    if undated:
        raise UsageError(f"a split by `time` needs the time of each photograph; `{undated}` of {len(photos)} lack it")
    spans: dict[str, list[datetime]] = {}
    for each in photos:
        spans.setdefault(each.encounter or each.image_id, []).extend([each.taken] if each.taken else [])
    starts = {name: min(times) for name, times in spans.items()}
    ends = {name: max(times) for name, times in spans.items()}
    moments = sorted(starts.values())
    borders = [moments[len(moments) * part // (folds + 1)] for part in range(1, folds + 1)]
    if len(set(borders)) < folds or borders[0] == moments[0]:
        raise UsageError(f"the encounters start at too few moments for `{folds}` folds by `time`")
    found: list[Fold] = []
    for number, border in enumerate(borders):
        until = borders[number + 1] if number + 1 < folds else datetime.max
        name_of = [each.encounter or each.image_id for each in photos]
        earlier = tuple(each for each, name in zip(photos, name_of, strict=True) if ends[name] < border)
        later = tuple(each for each, name in zip(photos, name_of, strict=True) if border <= starts[name] < until)
        if not earlier or not later:
            raise UsageError(f"a split by `time` into `{folds}` folds leaves nothing before or after `{border}`")
        found.append(Fold(train=earlier, validation=later))
    return tuple(found)


def _groups(
    photos: Sequence[Photo], key: Callable[[Photo], str], within: Iterable[int] | None = None
) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for place in range(len(photos)) if within is None else within:
        groups[key(photos[place])].append(place)
    return groups


def _folds(photos: Sequence[Photo], places: Sequence[int], folds: int) -> tuple[Fold, ...]:
    pairs = list(zip(photos, places, strict=True))
    return tuple(
        Fold(
            train=tuple(photo for photo, place in pairs if place != fold),
            validation=tuple(photo for photo, place in pairs if place == fold),
        )
        for fold in range(folds)
    )


def _need(found: int, folds: int, what: str) -> None:
    if found < folds:
        raise UsageError(f"`{folds}` folds need as many {what}; found `{found}`")


_DEALERS: dict[str, Callable[[Sequence[Photo], int, np.random.Generator], tuple[Fold, ...]]] = {
    "individual": _by_individual,
    "encounter": _by_encounter,
    "time": _by_time,
    "photo": _by_photo,
}
KINDS = tuple(_DEALERS)
