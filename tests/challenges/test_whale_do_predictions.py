"""Reading predictions of `whale-do`: every hole closed by default, the official reader's ways with parity."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from podium.challenges import challenge
from podium.challenges.whale_do import layout
from podium.challenges.whale_do.official import guess, joinable
from podium.challenges.whale_do.predictions import SUBMISSION
from podium.challenges.whale_do.samples import BROKEN, write_perfect
from podium.errors import SubmissionError
from podium.types import DataSet, Problem, Reading, ScoreSettings, Severity

WHALE_DO = challenge("whale-do")
PHASE = WHALE_DO.phases[0]
IMAGES = [f"test{number:04d}" for number in range(40)]
HEADER = "query_id,database_image_id,score\n"


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """Scenario `loo`: queries of its own database; scenario `far`: a query that its database does not hold."""
    made = DataSet(tmp_path / "data")
    made.inputs.mkdir(parents=True)
    layout.write_scenarios(
        made.inputs,
        [
            layout.Scenario(
                scenario_id="loo",
                query_ids=("loo-test0000", "loo-test0001"),
                query_image_ids=("test0000", "test0001"),
                database_image_ids=tuple(IMAGES[:30]),
            ),
            layout.Scenario(
                scenario_id="far",
                query_ids=("far-test0039", "NA"),
                query_image_ids=("test0039", "test0038"),
                database_image_ids=(*IMAGES[30:38], "001"),
            ),
        ],
    )
    facts = {"image_id": [*IMAGES, "001"], "height": 9, "width": 3, "viewpoint": "top", "date": "2018-08-03"}
    frame = pl.DataFrame(facts).with_columns(path=pl.format("images/{}.jpg", "image_id"))
    layout.write_metadata(made.inputs / layout.METADATA, frame)
    layout.write_labels(
        made.answers / layout.LABELS,
        [("loo-test0000", "test0001"), ("loo-test0001", "test0000"), ("far-test0039", "test0030"), ("NA", "001")],
    )
    return made


def read(data: DataSet, text: str, *, parity: bool = False) -> Reading:
    folder = data.root.parent / "predictions"
    (folder / SUBMISSION).parent.mkdir(parents=True, exist_ok=True)
    (folder / SUBMISSION).write_text(text, encoding="utf-8")
    return WHALE_DO.read_predictions(folder, data, phase=PHASE, parity=parity)


def errors(reading: Reading) -> list[Problem]:
    found = [each for each in reading.problems if each.severity is Severity.ERROR]
    assert bool(found) == (reading.predictions is None)
    return found


def test_good_predictions_become_numbers_in_the_order_of_the_scenarios(data: DataSet) -> None:
    reading = read(data, HEADER + "NA,001,1\nloo-test0001,test0000,0.25\nloo-test0001,test0002,0\n")
    assert errors(reading) == []
    predictions = reading.predictions
    assert predictions.query_N.tolist() == [3, 1, 1]
    assert [predictions.catalogue.image_ids[at] for at in predictions.image_N] == ["001", "test0000", "test0002"]
    assert predictions.score_N.tolist() == [1.0, 0.25, 0.0]
    assert predictions.catalogue.query_ids == ("loo-test0000", "loo-test0001", "far-test0039", "NA")


def test_reading_needs_no_answers(data: DataSet) -> None:
    (data.answers / layout.LABELS).unlink()
    assert read(data, HEADER + "NA,001,1\n").valid


def test_queries_without_rows_are_named_in_a_warning(data: DataSet) -> None:
    (warning,) = read(data, HEADER + "NA,001,1\n").problems
    assert (warning.severity, warning.count) == (Severity.WARNING, 3)
    assert str(warning).startswith("submission.csv: `loo-test0000` has no row, so it scores 0")


HOLES = {
    "an unknown query": (
        "NA,001,1\nloo-tset0000,test0002,1\n",
        "line 3: `query_id` `loo-tset0000` is not in the scenarios; did you mean `loo-test0000`?",
    ),
    "blanks around a query": (
        "loo-test0000 ,test0002,1\n",
        "line 2: `query_id` `loo-test0000 ` is not in the scenarios; there are blanks around `loo-test0000`; "
        "ids are compared as they are written",
    ),
    "an unknown image": (
        "loo-test0000,tset0002,1\n",
        "line 2: `database_image_id` `tset0002` is in no database; did you mean `test0002`?",
    ),
    "blanks around an image": (
        "loo-test0000, test0002,1\n",
        "line 2: `database_image_id` ` test0002` is in no database; there are blanks around `test0002`; "
        "ids are compared as they are written",
    ),
    "a number that only looks like an id": (
        "NA,1,1\n",
        "line 2: `database_image_id` `1` is in no database",
    ),
    "an image of another scenario's database": (
        "loo-test0000,test0030,1\n",
        "line 2: query `loo-test0000`: `test0030` is not in the database of `loo`",
    ),
    "the image of another query that no database holds": (
        "far-test0039,test0038,1\n",
        "line 2: query `far-test0039`: `test0038` is not in the database of `far`",
    ),
    "the query's own image": (
        "loo-test0000,test0001,1\nloo-test0001,test0001,1\n",
        "line 3: query `loo-test0001`: `test0001` is the query's own image; it may not be ranked",
    ),
    "the query's own image outside the database": (
        "far-test0039,test0039,1\n",
        "line 2: query `far-test0039`: `test0039` is the query's own image; it may not be ranked",
    ),
    "a row twice": (
        "loo-test0000,test0001,1\n\nNA,001,1\nloo-test0000,test0001,0.5\n",
        "line 5: query `loo-test0000`: `test0001` stands in line `2` already",
    ),
    "more than 20 rows": (
        "".join(f"loo-test0000,{image},0.5\n" for image in IMAGES[1:30]),
        "line 22: `loo-test0000` has `29` rows; at most `20` are allowed",
    ),
    "a score above 1": ("NA,001,1.0001\n", "line 2: `score` is `1.0001`; at most `1` is allowed"),
    "a score below 0": ("NA,001,-1e-9\n", "line 2: `score` is `-1e-9`; at least `0` is needed"),
    "an infinite score": ("NA,001,inf\n", "line 2: `score` is `inf`; a finite number is needed"),
    "NaN as score": ("NA,001,nan\n", "line 2: `score` is `nan`; a finite number is needed"),
    "no score": ("NA,001,\n", "line 2: `score` is empty; a number is needed"),
    "a decimal comma": ('NA,001,"0,5"\n', "line 2: `score` is `0,5`; a number is needed"),
    "a truth value as score": ("NA,001,True\n", "line 2: `score` is `True`; a number is needed"),
    "an empty image": ("NA,,1\n", "line 2: `database_image_id` is empty; text is needed"),
    "an empty query": (",001,1\n", "line 2: `query_id` is empty; text is needed"),
}


@pytest.mark.parametrize(("rows", "expected"), HOLES.values(), ids=HOLES)
def test_each_hole_is_closed_and_says_so_with_its_line(data: DataSet, rows: str, expected: str) -> None:
    assert [str(each) for each in errors(read(data, HEADER + rows))] == [f"submission.csv {expected}"]


def test_ids_are_text_so_that_na_and_leading_zeros_are_ids(data: DataSet) -> None:
    reading = read(data, HEADER + "NA,001,1\n")
    assert errors(reading) == []
    assert WHALE_DO.score(reading.predictions, data, ScoreSettings(resamples=0)).value == 0.25


def test_the_same_image_may_be_asked_for_in_two_scenarios_and_is_excluded_in_each_by_id(tmp_path: Path) -> None:
    data = DataSet(tmp_path / "partly")
    data.inputs.mkdir(parents=True)
    scenarios = [
        layout.Scenario(scenario_id=name, query_ids=(f"{name}-a",), query_image_ids=("a",), database_image_ids=database)
        for name, database in (("with", ("a", "b")), ("without", ("b", "c")))
    ]
    layout.write_scenarios(data.inputs, scenarios)
    assert read(data, HEADER + "with-a,b,1\nwithout-a,b,1\nwithout-a,c,1\n").valid
    assert len(errors(read(data, HEADER + "with-a,a,1\nwith-a,c,1\nwithout-a,a,1\n"))) == 3


def test_all_problems_come_at_once_also_when_a_number_is_broken(data: DataSet) -> None:
    rows = "NA,001,2\nloo-test0000,test0000,1\nnobody,001,1\nNA,test0001,0.5\nNA,001,0.4\n"
    lines = [each.place for each in errors(read(data, HEADER + rows))]
    assert lines == [f"submission.csv line {line}" for line in (2, 4, 3, 5, 6)]


def test_like_problems_are_gathered_however_many_there_are(data: DataSet) -> None:
    found = errors(read(data, HEADER + "".join(f"nobody{at},nothing,7\n" for at in range(200_000))))
    assert len(found) <= 10
    assert {each.count for each in found} == {1, 199_998}
    found = errors(read(data, HEADER + "loo-test0000,test0001,1\n" * 200_000))
    assert [each.count for each in found] == [1, 1, 199_997, 1]
    assert str(found[-1]) == "submission.csv line 22: `loo-test0000` has `200000` rows; at most `20` are allowed"


def test_every_sample_of_broken_predictions_is_refused_in_at_most_ten_messages(data: DataSet, tmp_path: Path) -> None:
    assert len(BROKEN) >= 20
    for at, (name, spoil) in enumerate(BROKEN):
        folder = tmp_path / f"broken{at}"
        folder.mkdir()
        write_perfect(data, folder)
        spoil(folder)
        for parity in (False, True):
            reading = WHALE_DO.read_predictions(folder, data, phase=PHASE, parity=parity)
            assert len(errors(reading)) <= 10, name
            assert all(each.place and each.message for each in reading.problems), name
            assert parity or not reading.valid, name


def test_columns_may_stand_in_the_order_that_the_official_scorer_takes_and_no_other(data: DataSet) -> None:
    assert read(data, "database_image_id,score,query_id\n001,1,NA\n").valid
    assert read(data, "database_image_id,query_id,score\n001,NA,1\n").valid
    for header, row in (
        ("query_id,score,database_image_id", "NA,1,001"),
        ("score,database_image_id,query_id", "1,001,NA"),
    ):
        for parity in (False, True):
            (problem,) = errors(read(data, f"{header}\n{row}\n", parity=parity))
            assert "line 1: the columns are in the order" in str(problem)


def test_what_a_stranger_may_write_around_the_rows_is_fine(data: DataSet) -> None:
    text = "\ufeff" + HEADER.replace("\n", "\r\n") + '\r\n"NA","001",1\r\n\r\nloo-test0000,test0001,0.5'
    for parity in (False, True):
        assert errors(read(data, text, parity=parity)) == []


REJECTED = {
    "a score above 1": HEADER + "q,a,1.5\n",
    "a score below 0": HEADER + "q,a,-0.1\n",
    "an infinite score": HEADER + "q,a,inf\n",
    "NaN as score": HEADER + "q,a,NaN\nq,b,1\n",
    "an empty score": HEADER + "q,a,\nq,b,1\n",
    "no score at all": HEADER + "q,a,\n",
    "text as score": HEADER + "q,a,high\nq,b,1\n",
    "a decimal comma": HEADER + 'q,a,"0,5"\nq,b,1\n',
    "columns in the wrong order": "query_id,score,database_image_id\nq,1,a\n",
    "an extra column": "query_id,database_image_id,score,note\nq,a,1,x\n",
    "a saved index column": ",query_id,database_image_id,score\n0,q,a,1\n",
    "no query column": "database_image_id,score\na,1\n",
    "a query column of another case": "Query_id,database_image_id,score\nq,a,1\n",
    "semicolons": "query_id;database_image_id;score\nq;a;1\n",
    "a header alone": HEADER,
    "an empty file": "",
    "a truth value among numbers": HEADER + "q,a,True\nq,b,0.5\n",
}


@pytest.mark.parametrize("text", REJECTED.values(), ids=REJECTED)
def test_what_the_official_scorer_rejects_is_rejected_with_parity_and_without(data: DataSet, text: str) -> None:
    assert errors(read(data, text, parity=True))
    assert errors(read(data, text))


def test_a_missing_file_is_a_problem_and_nothing_is_raised(data: DataSet, tmp_path: Path) -> None:
    for parity in (False, True):
        (problem,) = WHALE_DO.read_predictions(tmp_path / "nowhere", data, phase=PHASE, parity=parity).problems
        assert str(problem) == "submission.csv: the file is missing"


@pytest.mark.parametrize("score", ["True", "False", "-0.0", "0", "1", " 0.5", "5e-1", ".5"])
def test_what_the_official_scorer_reads_as_a_score_is_one_with_parity(data: DataSet, score: str) -> None:
    reading = read(data, HEADER + f"anybody,anything,{score}\n", parity=True)
    assert errors(reading) == []
    value = {"True": 1.0, "False": 0.0}.get(score)
    assert reading.predictions.score_N.tolist() == [float(score) if value is None else value]


@pytest.mark.parametrize("name", ["", "NA", "null", "None", "nan", "NaN", "N/A", "<NA>", "#N/A"])
def test_an_id_that_the_official_scorer_takes_for_missing_is_missing_with_parity(name: str) -> None:
    assert guess(pl.Series([name, "x"])).values.to_list() == [None, "x"]


def test_numbers_and_text_cannot_be_joined_with_parity() -> None:
    with pytest.raises(SubmissionError, match="cannot join"):
        joinable(pl.Series(["1", "2"]), pl.Series(["a", "2"]), name="query_id")
    whole, real = joinable(pl.Series(["01", "2"]), pl.Series(["1.0", "NA"]), name="query_id")
    assert (whole.to_list(), real.to_list()) == (["1.0", "2.0"], ["1.0", None])


def test_an_id_of_a_million_characters_is_not_compared_with_all_others(
    data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> str:
        raise AssertionError("a nearest id was looked for")

    monkeypatch.setattr("podium.challenges.whale_do.predictions.nearest", never)
    found = errors(read(data, HEADER + "x" * 1_000_000 + ",test0003,0.5\n"))
    assert len(found) == 2
    assert all(len(str(each)) < 300 for each in found)
