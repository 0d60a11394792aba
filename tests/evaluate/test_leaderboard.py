"""The ranking rules."""

import dataclasses

import pytest

from podium.errors import UsageError
from podium.leaderboard import rank
from podium.types import Digests, Interval, Measure, Metric, Report, Score, Verdict

UP = Metric(name="micro-AP")
DOWN = Metric(name="error", higher_is_better=False)


def report(name: str, value: float | None, *, half: float = 0.0, created: str = "2026-01-01") -> Report:
    score = None
    if value is not None:
        score = Score(value=value, metric="micro-AP", interval=Interval(low=value - half, high=value + half))
    return Report(
        challenge="c",
        challenge_version="1",
        phase="1",
        verdict=Verdict.SCORED if score else Verdict.FAILED,
        message="",
        score=score,
        submission_name=name,
        created=created,
    )


def test_equal_values_share_the_better_rank_and_the_next_is_skipped() -> None:
    rows = rank([report("a", 0.5), report("b", 0.7), report("c", 0.5), report("d", 0.1)], UP)
    assert [(each.name, each.rank) for each in rows] == [("b", 1), ("a", 2), ("c", 2), ("d", 4)]


def test_lower_is_better_turns_the_order_round() -> None:
    rows = rank([report("a", 0.5), report("b", 0.7)], DOWN)
    assert [each.name for each in rows] == ["a", "b"]


def test_a_failed_run_takes_no_place() -> None:
    rows = rank([report("a", None), report("b", 0.0)], UP)
    assert [(each.name, each.rank) for each in rows] == [("b", 1)]


def test_ties_stand_in_the_order_of_their_making() -> None:
    rows = rank([report("late", 0.5, created="2026-02-01"), report("early", 0.5)], UP)
    assert [each.name for each in rows] == ["early", "late"]


def test_intervals_that_reach_the_first_are_marked() -> None:
    rows = rank([report("a", 0.9, half=0.1), report("b", 0.75, half=0.1), report("c", 0.2, half=0.1)], UP)
    assert [each.tied_with_first for each in rows] == [False, True, False]


def test_reports_on_different_data_cannot_be_compared() -> None:
    other = dataclasses.replace(report("b", 0.7), digests=Digests(data="sha256:1"))
    with pytest.raises(UsageError, match="cannot be compared"):
        rank([report("a", 0.5), other], UP)


def test_nothing_to_rank_gives_no_rows() -> None:
    assert rank([], UP) == ()


def test_columns_are_found_by_name_and_play_no_part_in_the_order() -> None:
    score = Score(value=0.5, metric="micro-AP", measures=(Measure(name="parameters", value=7.0),))
    small = dataclasses.replace(report("small", 0.5), score=score)
    rows = rank([small, report("large", 0.7)], UP, columns=("parameters", "seconds per frame"))
    assert [each.name for each in rows] == ["large", "small"]
    assert rows[0].columns == (("parameters", None), ("seconds per frame", None))
    assert rows[1].columns == (("parameters", 7.0), ("seconds per frame", None))
    assert rank([small], UP)[0].columns == ()
