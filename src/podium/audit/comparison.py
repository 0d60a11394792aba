"""Answers of two runs, compared query by query. Pure.

Axes: N rows of an answer, V values of a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from podium.audit.findings import SLIGHT, Difference, Kind
from podium.formats.faults import shown
from podium.types import Answer

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Names:
    """What another run calls things.

    Attributes:
        queries: The original id of each query that the run had, by its id there.
        places: The original of each place, by its name there; what is not listed is unchanged.
    """

    queries: Mapping[str, str]
    places: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What the comparison of two runs came to.

    Attributes:
        compared: Queries.
        differences: At most one a query; those that are more than slight first, each kind in the order of the queries.
        furthest: The largest difference between two values that should be one, in the unit of the tolerance; None
            where no two could be compared.
    """

    compared: int
    differences: tuple[Difference, ...]
    furthest: float | None

    @property
    def changed(self) -> int:
        """Queries whose answer is another one."""
        return sum(each.kind not in SLIGHT for each in self.differences)


def compare(
    before: Mapping[str, Answer], after: Mapping[str, Answer], names: Names, *, tolerance: float, ranked: bool
) -> Comparison:
    """Every query's difference between two runs.

    Args:
        before: Answers of the first run, by query.
        after: Answers of the other, by the query's id there.
        tolerance: The largest difference between two values that counts as rounding; where rows are no ranking, as a
            share of the row's typical magnitude.
        ranked: The rows are a ranking by their first value, of which only the best are listed.
    """
    found: list[Difference] = []
    furthest: list[float] = []
    for there, query in names.queries.items():
        old, new = before.get(query, _NOTHING), _renamed(after.get(there, _NOTHING), names.places)
        judged = compare_answers(old, new, tolerance=tolerance, ranked=ranked)
        if judged.furthest is not None:
            furthest.append(judged.furthest)
        if judged.kind is not None:
            found.append(Difference(query=query, kind=judged.kind, message=judged.message))
    found.sort(key=lambda each: each.kind in SLIGHT)
    return Comparison(
        compared=len(names.queries), differences=tuple(found), furthest=max(furthest) if furthest else None
    )


@dataclass(frozen=True, kw_only=True)
class AnswerComparison:
    """How one answer differs from another; no kind when it does not."""

    kind: Kind | None = None
    message: str = ""
    furthest: float | None = None


def compare_answers(before: Answer, after: Answer, *, tolerance: float, ranked: bool) -> AnswerComparison:
    """How an answer differs from what it was.

    >>> old = Answer(places=("a", "b"), values_NV=np.array([[0.9], [0.5]]))
    >>> new = Answer(places=("a", "b"), values_NV=np.array([[0.9], [0.95]]))
    >>> compare_answers(old, new, tolerance=1e-5, ranked=True).message
    'rank 1 was `a` 0.9, is `b` 0.95'
    """
    if not before.places and not after.places:
        return AnswerComparison()
    if not after.places:
        return AnswerComparison(kind=Kind.MISSING, message=f"had {_rows(before)}, has none")
    if not before.places:
        return AnswerComparison(kind=Kind.EXTRA, message=f"had no row, has {_rows(after)}")
    if before.values_NV.shape[1] != after.values_NV.shape[1]:
        message = f"a row had {before.values_NV.shape[1]} values, has {after.values_NV.shape[1]}"
        return AnswerComparison(kind=Kind.VALUES, message=message)
    return (_compare_rankings if ranked else _compare_rows)(before, after, tolerance)


_NOTHING = Answer(places=(), values_NV=np.empty((0, 1)))


def _renamed(answer: Answer, places: Mapping[str, str]) -> Answer:
    if not places:
        return answer
    return Answer(places=tuple(places.get(each, each) for each in answer.places), values_NV=answer.values_NV)


def _rows(answer: Answer) -> str:
    return f"{len(answer.places)} row{'' if len(answer.places) == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class _Rankings:
    """Two rankings. A tie that was cut at the last place may be filled either way."""

    was: dict[str, Floats]
    now: dict[str, Floats]
    tolerance: float

    @property
    def furthest(self) -> float | None:
        moved = [float(np.abs(self.was[place] - self.now[place]).max()) for place in self.was if place in self.now]
        return max(moved) if moved else None

    @property
    def values_stay(self) -> bool:
        return self.furthest is None or self.furthest <= self.tolerance

    def differ_at_the_cut_only(self, tolerance: float) -> bool:
        """The images of one list alone are all as good as its last place, and both last places are equal."""
        if self.was.keys() == self.now.keys():
            return True
        if len(self.was) != len(self.now):
            return False
        cuts = [min(float(row[0]) for row in rows.values()) for rows in (self.was, self.now)]
        lost = [float(row[0]) - cuts[0] for place, row in self.was.items() if place not in self.now]
        won = [float(row[0]) - cuts[1] for place, row in self.now.items() if place not in self.was]
        return abs(cuts[0] - cuts[1]) <= tolerance and all(each <= tolerance for each in (*lost, *won))

    def order_stays(self) -> bool:
        """The images that both list stand in one order, equal ones beside each other."""
        return _groups(self.was, self.now) == _groups(self.now, self.was)


def _compare_rankings(before: Answer, after: Answer, tolerance: float) -> AnswerComparison:
    both = _Rankings(
        was=dict(zip(before.places, before.values_NV, strict=True)),
        now=dict(zip(after.places, after.values_NV, strict=True)),
        tolerance=tolerance,
    )
    furthest = both.furthest
    if not (both.values_stay and both.differ_at_the_cut_only(tolerance)):
        kind, message = _first_difference(both)
        return AnswerComparison(kind=kind, message=message, furthest=furthest)
    if not both.order_stays() or not both.differ_at_the_cut_only(0.0):
        message = f"the order rests on differences below {tolerance:g}: {_first_difference(both)[1]}"
        return AnswerComparison(kind=Kind.ROUNDING, message=message, furthest=furthest)
    if lost := [place for place in both.was if place not in both.now]:
        won = next(place for place in both.now if place not in both.was)
        cut = min(float(row[0]) for row in both.was.values())
        message = f"{shown(won)} took the place of {shown(lost[0])} among equal values at the end, {cut:.6g}"
        return AnswerComparison(kind=Kind.TIES, message=message, furthest=furthest)
    return AnswerComparison(furthest=furthest)


def _groups(rows: dict[str, Floats], shared: dict[str, Floats]) -> list[set[str]]:
    by_value: dict[float, set[str]] = {}
    for place, row in rows.items():
        if place in shared:
            by_value.setdefault(float(row[0]), set()).add(place)
    return [by_value[value] for value in sorted(by_value, reverse=True)]


def _first_difference(both: _Rankings) -> tuple[Kind, str]:
    """The first rank that another image holds, else the first image whose value changed."""
    old = sorted(both.was, key=lambda place: -float(both.was[place][0]))
    rank_then = {place: rank for rank, place in enumerate(old)}
    new = sorted(both.now, key=lambda place: (-float(both.now[place][0]), rank_then.get(place, len(old))))
    for rank in range(max(len(old), len(new))):
        left, right = (places[rank] if rank < len(places) else None for places in (old, new))
        if left != right and not _are_equal(both, left, right):
            was, now = _told(left, both.was), _told(right, both.now)
            return Kind.RANKING, f"rank {rank + 1} was {was}, is {now}"
    for rank, place in enumerate(old):
        if place in both.now and not np.abs(both.was[place] - both.now[place]).max() <= both.tolerance:
            column = int(np.argmax(np.abs(both.was[place] - both.now[place])))
            was, now = both.was[place][column], both.now[place][column]
            return Kind.VALUES, f"rank {rank + 1}, {shown(place)}, had {was:.9g}, has {now:.9g}"
    return Kind.RANKING, "other images among equal values"


def _are_equal(both: _Rankings, left: str | None, right: str | None) -> bool:
    """Both runs list both images, and neither tells them apart."""
    if left is None or right is None or right not in both.was or left not in both.now:
        return False
    return both.was[left][0] == both.was[right][0] and both.now[left][0] == both.now[right][0]


def _told(place: str | None, rows: dict[str, Floats]) -> str:
    return "nothing" if place is None else f"{shown(place)} {float(rows[place][0]):.9g}"


def _compare_rows(before: Answer, after: Answer, tolerance: float) -> AnswerComparison:
    if before.places != after.places:
        was, now = set(before.places), set(after.places)
        gone, come = (next((p for p in a.places if p not in b), None) for a, b in ((before, now), (after, was)))
        parts = [f"had {_rows(before)}, has {len(after.places)}"]
        parts += [f"{shown(gone)} is gone"] if gone is not None else []
        parts += [f"{shown(come)} is new"] if come is not None else []
        parts += ["the rows stand in another order"] if was == now else []
        return AnswerComparison(kind=Kind.VALUES, message="; ".join(parts))
    moved_NV = np.abs(after.values_NV - before.values_NV) / _magnitudes(before.values_NV)[:, None]
    furthest = float(moved_NV.max(initial=0.0))
    if furthest <= tolerance:
        return AnswerComparison(furthest=furthest)
    row, column = (int(each) for each in np.argwhere(~(moved_NV <= tolerance))[0])
    was, now = before.values_NV[row, column], after.values_NV[row, column]
    message = f"at {shown(before.places[row])}, value {column + 1} was {was:.9g}, is {now:.9g}"
    return AnswerComparison(kind=Kind.VALUES, message=message, furthest=furthest)


def _magnitudes(values_NV: Floats) -> Floats:
    """(N,) the median of each row's absolute values, zeros left out: a few huge values do not make the rest small."""
    sizes_NV = np.abs(values_NV)
    found = [float(np.median(row[row > 0])) if (row > 0).any() else 1.0 for row in sizes_NV]
    return np.array(found, dtype=np.float64)
