"""Answers compared: hand-worked cases, and laws over drawn rankings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.audit.comparison import AnswerComparison, Names, compare, compare_answers
from podium.audit.findings import SLIGHT, Kind
from podium.types import Answer

TOLERANCE = 1e-5


def answer(**values: float) -> Answer:
    return Answer(places=tuple(values), values_NV=np.array(list(values.values()), dtype=np.float64).reshape(-1, 1))


def ranked(before: Answer, after: Answer) -> AnswerComparison:
    return compare_answers(before, after, tolerance=TOLERANCE, ranked=True)


def test_the_same_ranking_is_no_difference_and_row_order_does_not_matter() -> None:
    assert ranked(answer(a=0.9, b=0.5), answer(b=0.5, a=0.9)) == AnswerComparison(furthest=0.0)
    assert ranked(answer(), answer()) == AnswerComparison()


def test_values_that_move_within_the_tolerance_are_the_same() -> None:
    found = ranked(answer(a=0.9, b=0.5), answer(a=0.9 + 5e-6, b=0.5))
    assert found.kind is None
    assert found.furthest == pytest.approx(5e-6)


def test_the_first_rank_that_another_image_holds_is_told() -> None:
    found = ranked(answer(a=0.9, b=0.85, c=0.812, d=0.5), answer(a=0.9, b=0.85, d=0.807, c=0.4))
    assert found.kind is Kind.RANKING
    assert found.message == "rank 3 was `c` 0.812, is `d` 0.807"
    assert found.furthest == pytest.approx(0.412)


def test_a_shorter_or_longer_list_is_a_changed_ranking() -> None:
    assert ranked(answer(a=0.9, b=0.5), answer(a=0.9)).message == "rank 2 was `b` 0.5, is nothing"
    assert ranked(answer(a=0.9), answer(a=0.9, b=0.5)).message == "rank 2 was nothing, is `b` 0.5"


def test_an_answer_that_is_gone_or_new_is_told() -> None:
    gone = ranked(answer(a=0.9, b=0.5), answer())
    assert (gone.kind, gone.message) == (Kind.MISSING, "had 2 rows, has none")
    new = ranked(answer(), answer(a=0.9))
    assert (new.kind, new.message) == (Kind.EXTRA, "had no row, has 1 row")


def test_scores_that_change_under_the_same_ranking_are_told() -> None:
    found = ranked(answer(a=0.9, b=0.5), answer(a=1.0, b=0.6))
    assert found.kind is Kind.VALUES
    assert found.message == "rank 1, `a`, had 0.9, has 1"


def test_an_image_that_takes_the_last_place_among_equal_ones_is_a_tie() -> None:
    found = ranked(answer(a=0.9, b=0.5, c=0.5), answer(a=0.9, b=0.5, d=0.5))
    assert found.kind is Kind.TIES
    assert found.message == "`d` took the place of `c` among equal values at the end, 0.5"


def test_an_image_that_comes_in_above_the_last_place_is_no_tie() -> None:
    assert ranked(answer(a=0.9, b=0.5), answer(a=0.9, d=0.7)).kind is Kind.RANKING
    assert ranked(answer(a=0.9, b=0.5), answer(d=0.9, b=0.5)).kind is Kind.RANKING


def test_an_order_that_rests_on_less_than_the_tolerance_is_rounding() -> None:
    found = ranked(answer(a=0.500001, b=0.5), answer(a=0.5, b=0.500001))
    assert found.kind is Kind.ROUNDING
    at_the_cut = ranked(answer(a=0.9, b=0.500001), answer(a=0.9, c=0.5))
    assert at_the_cut.kind is Kind.ROUNDING


def test_a_value_that_is_no_number_never_counts_as_the_same() -> None:
    assert ranked(answer(a=0.9), answer(a=float("nan"))).kind not in (None, *SLIGHT)


def test_names_are_mapped_back_before_anything_is_compared() -> None:
    before = {"q1": answer(a=0.9, b=0.5), "q2": answer(b=0.7)}
    after = {"x": answer(s=0.9, t=0.5), "y": answer(s=0.75)}
    names = Names(queries={"x": "q1", "y": "q2"}, places={"s": "a", "t": "b"})
    found = compare(before, after, names, tolerance=TOLERANCE, ranked=True)
    assert (found.compared, found.changed) == (2, 1)
    assert str(found.differences[0]) == "query `q2`: rank 1 was `b` 0.7, is `a` 0.75"


def test_what_is_grave_comes_before_what_is_slight() -> None:
    before = {"q1": answer(a=0.9, b=0.5), "q2": answer(a=0.9), "q3": answer(a=0.1)}
    after = {"q1": answer(a=0.9, c=0.5), "q2": answer(b=0.8), "q3": answer(a=0.1)}
    found = compare(before, after, Names(queries={each: each for each in before}), tolerance=TOLERANCE, ranked=True)
    assert [(each.query, each.kind) for each in found.differences] == [("q2", Kind.RANKING), ("q1", Kind.TIES)]
    assert found.changed == 1


def rows(*values: list[float], places: tuple[str, ...] = ("0-1 s", "1-2 s")) -> Answer:
    return Answer(places=places[: len(values)], values_NV=np.array(values, dtype=np.float64))


def unranked(before: Answer, after: Answer) -> AnswerComparison:
    return compare_answers(before, after, tolerance=1e-3, ranked=False)


def test_rows_may_move_by_a_share_of_their_typical_value() -> None:
    before = rows([100.0, -100.0, 100.0], [1.0, 1.0, 0.0])
    assert unranked(before, rows([100.09, -100.0, 100.0], [1.0, 1.0, 0.0009])).kind is None
    found = unranked(before, rows([100.0, -100.0, 100.0], [1.0, 1.0, 0.09]))
    assert found.kind is Kind.VALUES
    assert found.message == "at `1-2 s`, value 3 was 0, is 0.09"
    assert found.furthest == pytest.approx(0.09)


def test_a_huge_value_beside_them_does_not_hide_a_change() -> None:
    before, after = rows([1e9, 1.0, 1.0, 1.0]), rows([1e9, 1.0, 1.0, 1.5])
    assert unranked(before, after).kind is Kind.VALUES


def test_rows_at_other_places_or_of_other_width_are_told() -> None:
    before = rows([1.0], [2.0])
    moved = unranked(before, rows([1.0], [2.0], places=("0-1 s", "3-4 s")))
    assert moved.message == "had 2 rows, has 2; `1-2 s` is gone; `3-4 s` is new"
    assert "another order" in unranked(before, rows([1.0], [2.0], places=("1-2 s", "0-1 s"))).message
    assert unranked(before, rows([1.0, 1.0])).message == "a row had 1 values, has 2"


PLACES = [f"image{number}" for number in range(12)]
scores = st.lists(st.integers(0, 20).map(lambda step: step / 20), min_size=12, max_size=12)


def top(values: list[float], order: list[str], *, limit: int = 5) -> Answer:
    """The first places by value, ties in the given order: what a program does."""
    value = dict(zip(PLACES, values, strict=True))
    best = sorted(order, key=lambda place: -value[place])[:limit]
    return answer(**{place: value[place] for place in best})


@given(scores, st.permutations(PLACES), st.permutations(PLACES))
def test_law_what_a_program_does_with_equal_values_is_never_grave(
    values: list[float], one: list[str], other: list[str]
) -> None:
    found = ranked(top(values, one), top(values, other))
    assert found.kind in (None, Kind.TIES)
    same_images = set(top(values, one).places) == set(top(values, other).places)
    assert (found.kind is None) == same_images


@given(scores, st.permutations(PLACES), st.lists(st.floats(-4e-6, 4e-6), min_size=12, max_size=12))
def test_law_rounding_is_never_grave(values: list[float], order: list[str], noise: list[float]) -> None:
    moved = [value + each for value, each in zip(values, noise, strict=True)]
    assert ranked(top(values, order), top(moved, order)).kind in (None, *SLIGHT)


@given(scores, st.permutations(PLACES), st.integers(0, 4), st.sampled_from([-0.01, 0.01]))
def test_law_a_listed_value_that_moves_is_grave(values: list[float], order: list[str], at: int, step: float) -> None:
    before = top(values, order)
    moved = dict(zip(before.places, before.values_NV[:, 0].tolist(), strict=True))
    moved[before.places[at]] += step
    found = ranked(before, answer(**moved))
    assert found.kind in (Kind.RANKING, Kind.VALUES)
    assert found.furthest == pytest.approx(0.01)


@given(scores, scores, st.permutations(PLACES))
def test_law_a_difference_is_one_both_ways(one: list[float], other: list[float], order: list[str]) -> None:
    left, right = top(one, order), top(other, order)
    there, back = ranked(left, right), ranked(right, left)
    assert (there.kind is None) == (back.kind is None)
    assert (there.kind in SLIGHT) == (back.kind in SLIGHT)
    assert there.furthest == back.furthest
