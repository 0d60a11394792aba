"""The match file of `vsc-matching`: what it takes, what it refuses and where it says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from podium.challenges.vsc import layout
from podium.challenges.vsc.matches import COLUMNS, Matches, MatchReading, beside_truth, read_matches, write_matches
from podium.errors import UsageError
from podium.metrics.segments import segment_average_precision
from podium.types import Severity

QUERIES = layout.Videos(ids=np.array(["Q200001", "Q200002"]), duration_seconds=np.array([30.5, 12.0]))
REFERENCES = layout.Videos(ids=np.array(["R200001", "R200002"]), duration_seconds=np.array([61.2, 9.9]))
HEADER = ",".join(COLUMNS)
GOOD = "Q200001,R200001,0,10.5,20,30.5,0.9"

Read = Callable[..., MatchReading]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a file of these lines."""

    def reading(*lines: str, parity: bool = False, **options: int) -> MatchReading:
        path = tmp_path / "full_matches.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return read_matches(path, queries=QUERIES, references=REFERENCES, parity=parity, **options)

    return reading


def said(reading: MatchReading) -> list[str]:
    return [str(each) for each in reading.problems]


def test_a_good_file_is_read_as_it_stands(read: Read) -> None:
    reading = read(HEADER, GOOD, "Q200002,R200001,1,2,3,4,-1e-3", GOOD.replace("0.9", "0.8").replace("10.5", "11"))
    assert reading.problems == ()
    assert reading.matches is not None
    assert reading.matches.query_ids.tolist() == ["Q200001", "Q200002", "Q200001"]
    assert reading.matches.times_N4[0].tolist() == [0, 10.5, 20, 30.5]
    assert reading.matches.score_N.tolist() == [0.9, -0.001, 0.8]


@pytest.mark.parametrize(
    ("row", "place", "message"),
    [
        ("Q200001,R200001,0,10,20,30,NaN", "line 3", "`score` is `NaN`; a finite number is needed"),
        ("Q200001,R200001,0,10,20,30,inf", "line 3", "`score` is `inf`; a finite number is needed"),
        ("Q200001,R200001,0,10,20,30,high", "line 3", "`score` is `high`; a number is needed"),
        ("Q200001,R200001,0,10,20,30,", "line 3", "`score` is empty; a number is needed"),
        ("Q200001,R200001,0,inf,20,30,1", "line 3", "`query_end` is `inf`; a finite number is needed"),
        ("Q200001,R200001,0,ten,20,30,1", "line 3", "`query_end` is `ten`; a number is needed"),
        ("Q200001,R200001,0,10,-1,30,1", "line 3", "`ref_start` is `-1`; at least `0` is needed"),
        ("Q200001,R200001,5,5,20,30,1", "line 3", "`query_end` is `5` and `query_start` is `5`; it must come after"),
        ("Q200001,R200001,0,10,30,20,1", "line 3", "`ref_end` is `20` and `ref_start` is `30`; it must come after"),
        ("Q200003,R200001,0,10,20,30,1", "line 3", "`query_id` is `Q200003`, which is not in the query metadata"),
        ("Q200001,R999999,0,10,20,30,1", "line 3", "`ref_id` is `R999999`, which is not in the reference metadata"),
        ("R200001,Q200001,0,10,20,30,1", "line 3", "`query_id` is `R200001`"),
        ("200001,R200001,0,10,20,30,1", "line 3", "which is not in the query metadata; write `Q200001`"),
        ("Q200001,R200001,0,32.5,20,30,1", "line 3", "`query_end` is `32.5`; `Q200001` ends by `31` s"),
        ("Q200001,R200002,0,10,20,30,1", "line 3", "`ref_end` is `30`; `R200002` ends by `10` s"),
        ("Q200001,R200001,0,10.5,20,30.50,0.1", "line 3", "the segment is that of line `2`; each may be listed once"),
        ("Q200001,R200001,0,10,20,30", "line 3", "the line has `6` fields; the header has `7` columns"),
        ("Q200001,R200001,0,10,20,30,1,2", "line 3", "the line has `8` fields; the header has `7` columns"),
    ],
)
def test_every_hole_is_closed_with_its_line_and_column(read: Read, row: str, place: str, message: str) -> None:
    reading = read(HEADER, GOOD, row)
    assert reading.matches is None
    assert any(place in each and message in each for each in said(reading)), said(reading)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (HEADER.removesuffix(",score"), "the column `score` is missing"),
        (HEADER + ",note", "columns that are not allowed: `note`"),
        ("", "the file is empty"),
        (",", "is needed"),
        (HEADER.replace("ref_id", "reference_id"), "the column `ref_id` is missing"),
    ],
)
def test_other_columns_are_refused(read: Read, header: str, message: str) -> None:
    reading = read(header)
    assert reading.matches is None
    assert any(message in each for each in said(reading)), said(reading)


def test_the_reference_writers_order_is_read_with_a_warning_and_refused_with_parity(read: Read) -> None:
    lines = ("query_id,ref_id,score,query_start,query_end,ref_start,ref_end", "Q200001,R200001,0.9,0,10.5,20,30.5")
    reading = read(*lines)
    assert reading.matches is not None
    assert reading.matches.times_N4.tolist() == [[0, 10.5, 20, 30.5]]
    assert reading.matches.score_N.tolist() == [0.9]
    (problem,) = reading.problems
    assert problem.severity is Severity.WARNING
    assert "the official validator wants `query_id,ref_id,query_start" in problem.message
    assert read(*lines, parity=True).matches is None


def test_an_end_within_the_second_after_the_last_only_warns(read: Read) -> None:
    reading = read(HEADER, "Q200001,R200001,0,31.8,20,30,1")
    assert reading.matches is not None
    assert [each.severity for each in reading.problems] == [Severity.WARNING]
    assert read(HEADER, "Q200001,R200001,0,31,20,30,1").problems == ()


def test_a_file_without_matches_warns_and_is_read(read: Read) -> None:
    reading = read(HEADER)
    assert reading.matches is not None
    assert len(reading.matches) == 0
    assert [each.severity for each in reading.problems] == [Severity.WARNING]


def test_all_kinds_of_faults_come_at_once_and_many_of_a_kind_are_counted(read: Read) -> None:
    bad = ["Q200009,R200001,0,10,20,30,1"] * 1_000
    reading = read(HEADER, "Q200001,R200001,9,3,20,30,1", *bad)
    text = said(reading)
    assert any("it must come after" in each for each in text)
    assert any("Q200009" in each and "and 997 more" in each for each in text)
    assert any("is that of line `3`" in each for each in text)
    assert len(text) < 10


def test_too_many_rows_links_and_missing_files_are_refused(read: Read, tmp_path: Path) -> None:
    assert "at most `2` are allowed" in said(read(HEADER, *[GOOD] * 3, max_rows=2))[0]
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "full_matches.csv")
    for path, message in ((link, "this is a link"), (tmp_path / "none.csv", "the file is missing")):
        reading = read_matches(path, queries=QUERIES, references=REFERENCES)
        assert reading.matches is None
        assert message in said(reading)[0]


@pytest.mark.parametrize(
    "rows",
    [
        ["Q200001,R200001,0,10,20,30,inf"],
        ["Q200001,R200001,5,5,20,30,1"],
        ["Q200009,R999999,0,10,20,30,1"],
        ["Q200001,R200001,0,9999,20,30,1"],
        [GOOD, GOOD],
        ["200001,200001,0,10,20,30,1"],
    ],
)
def test_parity_passes_what_the_official_validator_passes(read: Read, rows: list[str]) -> None:
    reading = read(HEADER, *rows, parity=True)
    assert reading.problems == ()
    assert reading.matches is not None
    assert all(len(each) == 7 for each in reading.matches.query_ids.tolist())
    assert read(HEADER, *rows).matches is None


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (HEADER, "Q200001,R200001,-1,10,20,30,1", "at least `0` is needed"),
        (HEADER, "Q200001,R200001,11,10,20,30,1", "it must not come before the start"),
        (HEADER, "Q200001,R200001,0,10,20,30,nan", "the official scorer stops at that"),
        (HEADER, "X200001,R200001,0,10,20,30,1", "`Q` and a number is needed"),
        ("note," + HEADER, "x," + GOOD, "other columns stand among the seven"),
    ],
)
def test_parity_refuses_what_the_official_validator_or_scorer_refuses(
    read: Read, header: str, row: str, message: str
) -> None:
    reading = read(header, row, parity=True)
    assert reading.matches is None
    assert any(message in each for each in said(reading)), said(reading)


def test_parity_passes_further_columns_at_the_end(read: Read) -> None:
    reading = read(HEADER + ",note", GOOD + ",x", parity=True)
    assert reading.matches is not None
    assert reading.matches.score_N.tolist() == [0.9]


def test_what_is_written_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 4, (50, 2))
    matches = Matches(
        query_ids=np.repeat(QUERIES.ids, 25),
        reference_ids=np.tile(REFERENCES.ids, 25),
        times_N4=np.stack([start[:, 0], start[:, 0] + 1 / 3, start[:, 1], start[:, 1] + 5], axis=1),
        score_N=rng.normal(size=50).astype(np.float32).astype(np.float64),
    )
    path = tmp_path / "full_matches.csv"
    write_matches(path, matches)
    assert path.read_text(encoding="utf-8").splitlines()[0] == HEADER
    for parity in (False, True):
        reading = read_matches(path, queries=QUERIES, references=REFERENCES, parity=parity)
        assert reading.problems == ()
        assert reading.matches is not None
        assert np.array_equal(reading.matches.times_N4, matches.times_N4)
        assert np.array_equal(reading.matches.score_N, matches.score_N)
        assert reading.matches.query_ids.tolist() == matches.query_ids.tolist()
    again = tmp_path / "again.csv"
    write_matches(again, matches)
    assert again.read_bytes() == path.read_bytes()
    broken = Matches(
        query_ids=matches.query_ids,
        reference_ids=matches.reference_ids,
        times_N4=matches.times_N4,
        score_N=np.full(50, np.nan),
    )
    with pytest.raises(UsageError, match=r"the column `score` of `again\.csv` has numbers that are not finite"):
        write_matches(again, broken)


def test_matches_beside_the_truth_score_as_they_should(read: Read) -> None:
    matches = read(HEADER, GOOD, "Q200002,R200001,1,2,3,4,0.1").matches
    assert matches is not None
    rows = {
        "query_id": ["Q200001", "Q200001"],
        "ref_id": ["R200001", "R200002"],
        "query_start": [0.0, 0.0],
        "query_end": [10.5, 10.5],
        "ref_start": [20.0, 0.0],
        "ref_end": [30.5, 10.5],
    }
    judged = beside_truth(matches, layout.Truth(segments=pl.DataFrame(rows)), query_ids=np.array(["Q200003"]))
    assert judged.query_ids.tolist() == ["Q200001", "Q200002", "Q200003"]
    assert judged.reference_ids.tolist() == ["R200001", "R200002"]
    assert judged.predicted.query_N.tolist() == [0, 1]
    assert judged.truth.reference_N.tolist() == [0, 1]
    value = segment_average_precision(judged.predicted, matches.score_N, judged.truth)
    assert value == pytest.approx(0.5, abs=1e-12)
