"""mAP@20 of `whale-do`: the official numbers to 1e-12 with parity, the holes closed without, and what explains it."""

from __future__ import annotations

import io
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podium.challenges import challenge
from podium.challenges.whale_do import layout
from podium.challenges.whale_do.gallery import galleries
from podium.challenges.whale_do.predictions import SUBMISSION, Predictions
from podium.challenges.whale_do.samples import write_perfect
from podium.errors import ChallengeError, SubmissionError, UsageError
from podium.formats import tables
from podium.types import DataSet, ExhibitKind, Score, ScoreSettings

WHALE_DO = challenge("whale-do")
PHASE = WHALE_DO.phases[0]
PARITY = ScoreSettings(parity=True, resamples=0)
DEFAULT = ScoreSettings(resamples=0)
VALUES = Path(__file__).parents[2].parent / "shared" / "values" / "whale_do"
HEADER = "query_id,database_image_id,score\n"
LABELS = "query_id,database_image_id\n"

Row = tuple[str, str, float]


def write_facts(data: DataSet, individuals: dict[str, str] | None = None) -> None:
    """Metadata for every image of the scenarios: viewpoint and year by the id, whales where they are given."""
    scenarios = layout.read_scenarios(data.inputs)
    ids = sorted({image for each in scenarios for image in (*each.database_image_ids, *each.query_image_ids)})
    frame = pl.DataFrame({"image_id": ids, "height": 400, "width": 150}).with_columns(
        path=pl.format("images/{}.jpg", "image_id"),
        viewpoint=pl.Series([layout.VIEWPOINTS[sum(map(ord, each)) % 3] for each in ids]),
        date=pl.Series([f"{2017 + sum(map(ord, each)) % 2}-08-03" for each in ids]),
    )
    layout.write_metadata(data.inputs / layout.METADATA, frame)
    if individuals is not None:
        more = frame.with_columns(
            timestamp=pl.lit("2018-08-03 10:00:00"),
            whale_id=pl.Series([individuals[each] for each in ids]),
            encounter_id=pl.lit("e"),
        )
        layout.write_metadata(data.answers / layout.METADATA, more)


def official(root: Path, name: str, labels: Path) -> DataSet:
    """A data set out of the official files that lie beside a checkout."""
    source = VALUES / name
    if not source.is_dir():
        pytest.skip("the folder with official values is not there")
    data = DataSet(root / "data")
    shutil.copytree(source, data.inputs)
    layout.write_labels(data.answers / layout.LABELS, layout.read_labels(VALUES / labels).iter_rows())
    if not (data.inputs / layout.METADATA).exists():
        write_facts(data)
    return data


@pytest.fixture
def example(tmp_path: Path) -> DataSet:
    return official(tmp_path, "example/data", Path("example/scoring/example_labels.csv"))


@pytest.fixture
def zoo(tmp_path: Path) -> DataSet:
    """Two scenarios, five animals; `all` is leave-one-out over ten images, `far` asks `j` in a base of six."""
    data = DataSet(tmp_path / "zoo")
    data.inputs.mkdir(parents=True)
    layout.write_scenarios(
        data.inputs,
        [
            layout.Scenario(
                scenario_id="all",
                query_ids=("all-a", "all-b", "all-c", "all-d", "all-j"),
                query_image_ids=("a", "b", "c", "d", "j"),
                database_image_ids=tuple("abcdefghij"),
            ),
            layout.Scenario(
                scenario_id="far", query_ids=("far-j",), query_image_ids=("j",), database_image_ids=tuple("fghiab")
            ),
        ],
    )
    write_facts(
        data, dict(zip("abcdefghij", ["w1", "w1", "w1", "w2", "w2", "w3", "w3", "w4", "w4", "w5"], strict=True))
    )
    right = [("all-a", "b"), ("all-a", "c"), ("all-b", "a"), ("all-b", "c"), ("all-c", "a"), ("all-c", "b")]
    layout.write_labels(data.answers / layout.LABELS, [*right, ("all-d", "e")])
    return data


def put(data: DataSet, text: str | Path) -> Path:
    folder = data.root.parent / "predictions"
    (folder / SUBMISSION).parent.mkdir(parents=True, exist_ok=True)
    body = text if isinstance(text, str) else text.read_text(encoding="utf-8")
    (folder / SUBMISSION).write_text(body, encoding="utf-8")
    return folder


def read(folder: Path, data: DataSet, *, parity: bool = False) -> Predictions:
    reading = WHALE_DO.read_predictions(folder, data, phase=PHASE, parity=parity)
    if reading.predictions is None:
        raise SubmissionError("refused", reading.problems)
    return reading.predictions


def scored(data: DataSet, text: str | Path, how: ScoreSettings = DEFAULT) -> Score:
    return WHALE_DO.score(read(put(data, text), data, parity=how.parity), data, how)


def csv(*rows: Row) -> str:
    return HEADER + "".join(f"{query},{image},{score!r}\n" for query, image, score in rows)


def label(data: DataSet, *pairs: tuple[str, str]) -> DataSet:
    (data.answers / layout.LABELS).write_text(LABELS + "".join(f"{q},{i}\n" for q, i in pairs), encoding="utf-8")
    return data


def numbered(query: str, hits: Sequence[int], rows: int, *, scores: Callable[[int], float]) -> list[Row]:
    """Rows `x0`, `x1`, ... of a query, where those in `hits` are called `r0`, `r1`, ..."""
    return [(query, f"{'r' if at in hits else 'x'}{at}", scores(at)) for at in range(rows)]


# ---- the official number ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [PARITY, DEFAULT], ids=["parity", "default"])
@pytest.mark.parametrize(
    ("file", "value", "scenarios"),
    [
        ("pred_example_quickstart.csv", 0.038531746031746035, (0.062063492063492064, 0.015000000000000003)),
        ("pred_example_descending.csv", 0.05210355911336303, (0.0764293404489483, 0.02777777777777778)),
    ],
    ids=["E12", "E13"],
)
def test_the_official_example_has_its_official_value(
    example: DataSet, how: ScoreSettings, file: str, value: float, scenarios: tuple[float, float]
) -> None:
    score = scored(example, VALUES / "example" / file, how)
    assert score.value == pytest.approx(value, abs=1e-12)
    for name, expected in zip(("scenario01", "scenario02"), scenarios, strict=True):
        measure = score.measure(f"mAP@20, {name}")
        assert measure is not None
        assert measure.value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("how", [PARITY, DEFAULT], ids=["parity", "default"])
def test_the_labels_as_predictions_score_1(example: DataSet, how: ScoreSettings) -> None:
    """E14."""
    pairs = layout.read_labels(example.answers / layout.LABELS).iter_rows()
    score = scored(example, csv(*((query, image, 0.5) for query, image in pairs)), how)
    assert score.value == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("how", [PARITY, DEFAULT], ids=["parity", "default"])
def test_the_ten_scenarios_of_one_image_an_encounter_have_the_reference_value(
    tmp_path: Path, how: ScoreSettings
) -> None:
    data = official(tmp_path, "official_like", Path("official_like/labels.csv"))
    score = scored(data, VALUES / "official_like" / "synthetic_submission.csv", how)
    assert score.value == pytest.approx(0.7040609019076245, abs=1e-12)
    assert len(score.per_item) == 2_649


G3 = [("q", "r0"), ("q", "r2"), ("q", "m")]
FALLING = {"scores": lambda at: (32 - at) / 32}
E1 = [("q", "r0", 0.9), ("q", "z", 0.8), ("q", "r2", 0.7), ("q", "y", 0.6)]
WORKED: dict[str, tuple[list[Row], list[tuple[str, str]], float]] = {
    "E1": (E1, G3, 0.5555555555555555),
    "E2": ([*E1, ("p", "x", 0.9), ("p", "y", 0.8)], [*G3, ("p", "x")], 0.7777777777777777),
    "E3": ([(query, image, 0.5) for query, image, _ in E1], G3, 0.3333333333333333),
    "E4": ([("q", "r0", 0.9), ("q", "z", 0.9), ("q", "r2", 0.7)], G3, 0.38888888888888884),
    "E5": ([("q", f"r{at}", 0.5) for at in range(4)], [("q", "r2")], 0.25),
    "E6": ([("q", "a", 0.6), *(("q", each, 0.5) for each in "bcd")], [("q", "a"), ("q", "c")], 0.75),
    "E7": (numbered("q", range(20), 20, **FALLING), [("q", f"r{at}") for at in range(25)], 1.0),
    "E8": (numbered("q", range(10), 20, **FALLING), [("q", f"r{at}") for at in range(25)], 0.5),
    "E9": ([("q", "a", 0.9)], [("q", "b")], 0.0),
    "E10": ([("q", "a", 0.0)], [("q", "a")], 1.0),
    "E11": (numbered("q", [20], 21, **FALLING), [("q", "r20")], 0.047619047619047616),
    "a labelled query absent: the second": (E1, [*G3, ("p", "x")], 0.5555555555555555),
    "a labelled query absent: the first": ([("p", "x", 0.9), ("p", "y", 0.8)], [*G3, ("p", "x")], 1.0),
    "rows for queries not in the labels": ([*E1, ("other", "r0", 0.1)], G3, 0.5555555555555555),
    "one hit twice": ([("q", "a", 0.9), ("q", "a", 0.9)], [("q", "a")], 2.0),
    "twenty copies of a hit": ([("q", "a", 0.9)] * 20, [("q", "a")], 20.0),
    "a miss twice": ([("q", "z", 0.9), ("q", "z", 0.9), ("q", "a", 0.5)], [("q", "a")], 1 / 3),
    "25 hits of 25": (numbered("q", range(25), 25, **FALLING), [("q", f"r{at}") for at in range(25)], 1.25),
    "the query's own image is a miss": ([("all-a", "a", 0.9), ("all-a", "b", 0.5)], [("all-a", "b")], 0.5),
    "scores closer than double precision": (
        [("q", "a", 0.90000000000000001), ("q", "z", 0.9)],
        [("q", "a")],
        0.5,
    ),
    "duplicate label rows": ([("q", "z", 0.9), ("q", "a", 0.5)], [("q", "a"), ("q", "a"), ("q", "m")], 4 / 9),
    "a query called NA vanishes": ([("q", "a", 0.9), ("NA", "z", 0.9)], [("q", "a"), ("NA", "a")], 1.0),
    "an empty image id matches an empty one": ([("q", "", 0.9)], [("q", "")], 1.0),
    "001 is 1 where every id is a number": ([("7", "001", 0.9), ("07", "3", 0.5)], [("007", "1"), ("7", "9")], 0.5),
    "001 is not 1 beside text": ([("q", "001", 0.9), ("q", "a", 0.1)], [("q", "1"), ("q", "a")], 0.25),
    "blanks around an id": ([("q", " a", 0.9), ("q", "b", 0.5)], [("q", "a"), ("q", "b")], 0.25),
    "zeros of both signs tie": ([("q", "a", 0.0), ("q", "z", -0.0)], [("q", "a")], 0.5),
}


@pytest.mark.parametrize(("rows", "pairs", "expected"), WORKED.values(), ids=WORKED)
def test_parity_gives_the_official_number_with_its_holes(
    zoo: DataSet, rows: list[Row], pairs: list[tuple[str, str]], expected: float
) -> None:
    assert scored(label(zoo, *pairs), csv(*rows), PARITY).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        csv(*E1[::-1]),
        "database_image_id,score,query_id\n" + "".join(f"{image},{score},{query}\n" for query, image, score in E1),
        "\ufeff" + csv(*E1).replace("\n", "\r\n\r\n"),
    ],
    ids=["another order of rows", "query_id last", "byte order mark, CRLF, blank lines"],
)
def test_what_does_not_matter_to_the_official_scorer_does_not_matter(zoo: DataSet, text: str) -> None:
    assert scored(label(zoo, *G3), text, PARITY).value == pytest.approx(5 / 9, abs=1e-12)


def test_truth_values_as_scores_are_0_and_1_with_parity(zoo: DataSet) -> None:
    text = HEADER + "q,a,True\nq,z,False\n"
    assert scored(label(zoo, ("q", "a")), text, PARITY).value == 1.0
    assert scored(label(zoo, ("q", "z")), text, PARITY).value == 0.5


def test_where_the_official_scorer_prints_nan_or_fails_there_is_no_score(zoo: DataSet) -> None:
    with pytest.raises(SubmissionError, match="which is no score"):
        scored(zoo, csv(("nobody", "a", 0.5)), PARITY)
    with pytest.raises(SubmissionError, match="cannot join"):
        scored(zoo, csv(("17", "a", 0.5)), PARITY)
    for how in (PARITY, DEFAULT):
        with pytest.raises(ChallengeError, match="has no label"):
            scored(label(zoo), csv(("all-a", "b", 0.5)), how)


def official_twin(predictions: str, labels: str) -> float | None:
    """The official procedure in pandas and scikit-learn; None where it fails or gives no number."""
    pd, metrics = pytest.importorskip("pandas"), pytest.importorskip("sklearn.metrics")
    keys = ["query_id", "database_image_id"]
    try:
        listed, right = (pd.read_csv(io.StringIO(text), index_col="query_id") for text in (predictions, labels))
        if not listed["score"].between(0.0, 1.0).all() or list(listed.columns) != ["database_image_id", "score"]:
            return None
        right["hit"] = 1.0
        joined = listed.merge(right, how="left", on=keys)
        joined["hit"] = joined["hit"].fillna(0.0)
    except (ValueError, TypeError):
        return None
    values: list[float] = []
    wanted = right.groupby("query_id").size()
    for query, rows in joined.groupby("query_id"):
        if query in wanted.index:
            found = rows["hit"].sum()
            ap = metrics.average_precision_score(rows["hit"], rows["score"].astype(float)) if found else 0.0
            values.append(ap * found / min(wanted[query], 20))
    return float(np.mean(values)) if values else None


def parity_value(data: DataSet, predictions: str, labels: str) -> float | None:
    (data.answers / layout.LABELS).write_text(labels, encoding="utf-8")
    try:
        return scored(data, predictions, PARITY).value
    except SubmissionError:
        return None


@pytest.mark.parametrize(("rows", "pairs", "expected"), WORKED.values(), ids=WORKED)
def test_the_twin_of_the_official_scorer_agrees_on_the_worked_cases(
    rows: list[Row], pairs: list[tuple[str, str]], expected: float
) -> None:
    labels = LABELS + "".join(f"{query},{image}\n" for query, image in pairs)
    assert official_twin(csv(*rows), labels) == pytest.approx(expected, abs=1e-12)


NAMES = st.sampled_from(["a", "b", "NA", "", "null", "None", " a", "A", "nan", "a1", "1a", "-", "1.5.2"])
NUMBERS = st.sampled_from(["1", "001", "1.0", " 1", "2", "+2", "-3", "1e1", "10", "007", "7 "])
MIXED = st.one_of(NAMES, NUMBERS)
SCORES = st.sampled_from(["0", "1", "0.5", "0.25", "5e-1", ".75", " 0.5", "-0.0", "1.0"])


@st.composite
def files(draw: st.DrawFn) -> tuple[str, str]:
    """Predictions and labels whose ids a guessing reader takes for numbers, for missing, or for what they are."""
    queries, images = (draw(st.sampled_from([NAMES, NUMBERS, MIXED])) for _ in range(2))
    rows = draw(st.lists(st.tuples(queries, images, SCORES), min_size=1, max_size=12))
    pairs = draw(st.lists(st.tuples(queries, images), min_size=1, max_size=8))
    return HEADER + "".join(",".join(row) + "\n" for row in rows), LABELS + "".join(",".join(p) + "\n" for p in pairs)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files())
def test_parity_agrees_with_the_twin_of_the_official_scorer_on_odd_ids(zoo: DataSet, case: tuple[str, str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = official_twin(*case)
    ours = parity_value(zoo, *case)
    assert (ours is None) == (theirs is None)
    assert ours == pytest.approx(theirs, abs=1e-12)


# ---- the default: every hole closed ----------------------------------------------------------------------------------

SURE = csv(("all-a", "b", 0.9), ("all-a", "c", 0.8), ("all-b", "d", 0.9), ("all-b", "a", 0.5))


def test_a_labelled_query_without_rows_counts_0(zoo: DataSet) -> None:
    assert scored(zoo, SURE).value == pytest.approx((1.0 + 0.25 + 0 + 0) / 4, abs=1e-12)
    assert scored(zoo, SURE, PARITY).value == pytest.approx((1.0 + 0.25) / 2, abs=1e-12)


def test_leaving_a_query_out_never_helps(zoo: DataSet) -> None:
    rows = SURE.splitlines(keepends=True)
    for query in ("all-a", "all-b"):
        left = "".join(row for row in rows if not row.startswith(query))
        assert scored(zoo, left).value < scored(zoo, SURE).value


def test_queries_without_a_right_image_are_not_scored(zoo: DataSet) -> None:
    more = SURE + "far-j,a,0.5\nall-j,a,1\n"
    assert scored(zoo, more).value == scored(zoo, SURE).value
    assert "far-j" not in {each.item for each in scored(zoo, more).per_item}


def test_duplicate_labels_count_once(zoo: DataSet) -> None:
    pairs = list(layout.read_labels(zoo.answers / layout.LABELS).iter_rows())
    before = scored(zoo, SURE)
    assert scored(label(zoo, *pairs, *pairs), SURE) == before


@pytest.mark.parametrize(
    "rows",
    [
        "all-a,b,0.9\nall-a,b,0.9\n",
        "all-a,a,0.9\n",
        "far-j,c,0.9\n",
        "nobody,c,0.9\n",
        "NA,b,0.9\n",
        "all-a,NA,0.9\n",
    ],
    ids=["a row twice", "own image", "another database", "unknown query", "query NA", "image NA"],
)
def test_what_the_official_scorer_lets_through_is_refused(zoo: DataSet, rows: str) -> None:
    with pytest.raises(SubmissionError):
        scored(zoo, HEADER + rows)


def test_labels_that_no_scenario_knows_are_the_data_sets_fault(zoo: DataSet) -> None:
    for pair in (("all-x", "b"), ("all-a", "zebra")):
        with pytest.raises(ChallengeError, match="which no scenario has"):
            scored(label(zoo, ("all-a", "b"), pair), SURE)


def test_predictions_read_with_parity_cannot_be_scored_without_it(zoo: DataSet) -> None:
    predictions = read(put(zoo, SURE), zoo, parity=True)
    with pytest.raises(UsageError, match="read with parity"):
        WHALE_DO.score(predictions, zoo, DEFAULT)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), st.floats(0.1, 3.0))
def test_neither_the_order_of_rows_nor_an_order_preserving_change_matters(
    zoo: DataSet, random: Any, power: float
) -> None:
    rows = [row.split(",") for row in SURE.splitlines()[1:]]
    before = scored(zoo, SURE)
    random.shuffle(rows)
    after = scored(zoo, csv(*((query, image, float(score) ** power) for query, image, score in rows)))
    assert after.value == before.value
    assert after.per_item == before.per_item


# ---- what explains the score -----------------------------------------------------------------------------------------


def test_the_perfect_predictions_score_1_and_are_valid(zoo: DataSet, tmp_path: Path) -> None:
    folder = tmp_path / "perfect"
    folder.mkdir()
    write_perfect(zoo, folder)
    reading = WHALE_DO.read_predictions(folder, zoo, phase=PHASE)
    assert reading.problems == ()
    score = WHALE_DO.score(reading.predictions, zoo, ScoreSettings(resamples=50))
    assert score.value == pytest.approx(1.0, abs=1e-12)
    assert score.interval is not None
    assert (score.interval.low, score.interval.high) == pytest.approx((1.0, 1.0))
    assert all(each.kind is ExhibitKind.FOUND for each in score.exhibits)


def test_perfect_predictions_of_a_query_with_more_than_20_right_images_score_1(tmp_path: Path) -> None:
    data = DataSet(tmp_path / "many")
    data.inputs.mkdir(parents=True)
    images = tuple(f"i{at:02d}" for at in range(40))
    scenario = layout.Scenario(scenario_id="s", query_ids=("q",), query_image_ids=("i05",), database_image_ids=images)
    layout.write_scenarios(data.inputs, [scenario])
    write_facts(data)
    layout.write_labels(data.answers / layout.LABELS, [("q", each) for each in images[10:35]])
    write_perfect(data, tmp_path / "perfect")
    assert WHALE_DO.score(read(tmp_path / "perfect", data), data, DEFAULT).value == pytest.approx(1.0, abs=1e-12)


def test_each_query_says_where_its_right_images_were(zoo: DataSet) -> None:
    items = {each.item: (each.value, each.note.split(": ")) for each in scored(zoo, SURE).per_item}
    assert list(items) == ["all-a", "all-b", "all-c", "all-d"]
    assert items["all-a"] == (1.0, ["all · left · 2018", "2 of 2 right images, ranked 1, 2"])
    assert items["all-b"][1][1] == "1 of 2 right images, ranked 2"
    assert items["all-c"] == (0.0, ["all · top · 2018", "no row; 2 right images"])
    assert items["all-d"][1][1] == "no row; 1 right image"


def test_the_interval_is_over_individuals_and_says_so(zoo: DataSet) -> None:
    how = ScoreSettings(resamples=200)
    score = scored(zoo, SURE, how)
    assert score.interval is not None
    assert score.interval.unit == "2 individuals"
    over_queries = score.measure("mAP@20, interval over queries")
    assert over_queries is not None
    assert over_queries.interval is not None
    assert (over_queries.interval.unit, over_queries.value) == ("4 queries", score.value)
    (zoo.answers / layout.METADATA).unlink()
    plain = scored(zoo, SURE, how)
    assert plain.interval is not None
    assert plain.interval.unit == "4 queries"
    assert plain.measure("mAP@20, interval over queries") is None
    assert (plain.interval.low, plain.interval.high) == (over_queries.interval.low, over_queries.interval.high)


def test_each_group_of_queries_has_its_own_mean_count_and_interval(zoo: DataSet) -> None:
    score = scored(zoo, SURE, ScoreSettings(resamples=100))
    values = {each.item: each.value for each in score.per_item}
    groups: dict[str, list[float]] = {}
    for each in score.per_item:
        scenario, viewpoint, year = each.note.split(": ")[0].split(" · ")
        for name in (scenario, f"{viewpoint} queries", f"queries of {year}"):
            groups.setdefault(f"mAP@20, {name}", []).append(values[each.item])
    for name, mine in groups.items():
        measure = score.measure(name)
        assert measure is not None
        assert measure.value == pytest.approx(sum(mine) / len(mine), abs=1e-12)
        assert measure.note == ("1 query" if len(mine) == 1 else f"{len(mine)} queries")
        assert measure.interval is not None
        assert "individual" in measure.interval.unit
    assert len(groups) >= 4


def test_individuals_of_the_training_set_and_new_ones_have_their_own_means(zoo: DataSet) -> None:
    assert scored(zoo, SURE).measure("mAP@20, known individuals") is None
    answers = layout.read_metadata(zoo.answers / layout.METADATA, labelled=True)
    trained = answers.filter(pl.col("whale_id") == "w2").with_columns(image_id=pl.format("train-{}", "image_id"))
    layout.write_metadata(zoo.public / layout.TRAIN / layout.METADATA, trained)
    score = scored(zoo, SURE)
    values = {each.item: each.value for each in score.per_item}
    known, new = (score.measure(f"mAP@20, {each} individuals") for each in ("known", "new"))
    assert known is not None
    assert new is not None
    assert (known.value, known.note) == (values["all-d"], "1 query")
    assert new.value == pytest.approx(sum(values[f"all-{each}"] for each in "abc") / 3, abs=1e-12)
    assert new.note == "3 queries"


def test_hit_rates_and_counts(zoo: DataSet) -> None:
    score = scored(zoo, SURE)
    found = {each.name: (each.value, each.note) for each in score.measures}
    assert found["top-1"][0] == 0.25
    assert found["top-5"][0] == 0.5
    assert found["right images listed"] == (3 / 7, "3 of 7 that can be listed; 7 are right")
    assert found["queries answered"] == (0.5, "2 of 4 queries have no row")
    (curve,) = score.curves
    assert curve.x == tuple(float(rank) for rank in range(1, 21))
    assert curve.y == (0.25, *[0.5] * 19)


def test_equal_scores_promise_no_rank(zoo: DataSet) -> None:
    """Among equals the wrong images stand first, whatever the order in the file."""
    tied = csv(("all-a", "b", 0.5), ("all-a", "d", 0.5), ("all-a", "e", 0.5))
    for text in (tied, csv(*(("all-a", image, 0.5) for image in "edb"))):
        score = scored(zoo, text)
        assert score.per_item[0].note.endswith("1 of 2 right images, ranked 3")
        (gallery,) = [each for each in galleries(read(put(zoo, text), zoo), zoo) if each.item == "all-a"]
        assert [(each.clip.item, each.right) for each in gallery.candidates] == [
            ("d", False),
            ("e", False),
            ("b", True),
        ]


def test_exhibits_show_wrong_missed_and_found_images(zoo: DataSet) -> None:
    score = scored(zoo, SURE)
    by_kind = {kind: [each for each in score.exhibits if each.kind is kind] for kind in ExhibitKind}
    (wrong,), missed, (found,) = (by_kind[kind] for kind in ExhibitKind)
    assert (wrong.query.item, wrong.reference.item, wrong.rank, wrong.similarity) == ("b", "d", 1, 0.9)
    assert "the first right one has rank 2, of 2" in wrong.note
    assert {(each.query.item, each.reference.item) for each in missed} == {("c", "a"), ("d", "e")}
    assert all(each.rank is None and each.similarity is None for each in missed)
    assert (found.query.item, found.reference.item, found.reference.path) == ("a", "b", "inputs/images/b.jpg")
    assert scored(zoo, SURE, replace(DEFAULT, exhibits=0)).exhibits == ()
    assert len(scored(zoo, SURE, replace(DEFAULT, exhibits=1)).exhibits) == 3


def test_galleries_come_worst_first_with_facts_to_filter_by(zoo: DataSet) -> None:
    shown = list(galleries(read(put(zoo, SURE), zoo), zoo))
    assert [(each.item, each.value) for each in shown] == [
        ("all-c", 0.0),
        ("all-d", 0.0),
        ("all-b", 0.25),
        ("all-a", 1.0),
    ]
    worst, second = shown[0], shown[2]
    assert worst.facets == (("scenario", "all"), ("viewpoint", "top"), ("year", "2018"))
    assert (worst.candidates, worst.missed_count) == ((), 2)
    assert [each.clip.item for each in worst.missed] == ["a", "b"]
    assert second.query.path == "inputs/images/b.jpg"
    assert second.note == "w1 · right · 2017-08-03 · 1 of 2 right images, ranked 2"
    assert [(each.rank, each.similarity, each.right, each.note) for each in second.candidates] == [
        (1, 0.9, False, "w2 · left · 2017-08-03"),
        (2, 0.5, True, "w1 · left · 2018-08-03"),
    ]
    assert [(each.clip.item, each.rank, each.right) for each in second.missed] == [("c", None, True)]


def test_a_gallery_shows_at_most_eight_missed_images(tmp_path: Path) -> None:
    data = official(tmp_path, "official_like", Path("official_like/labels.csv"))
    text = "\n".join((VALUES / "official_like" / "synthetic_submission.csv").read_text().splitlines()[:21]) + "\n"
    shown = list(galleries(read(put(data, text), data), data))
    assert len(shown) == 2_649
    assert max(len(each.missed) for each in shown) == 8
    assert max(each.missed_count for each in shown) > 8
    assert sum(bool(each.candidates) for each in shown) == 1


def test_scoring_twice_gives_the_same_and_another_seed_another_interval(zoo: DataSet) -> None:
    first, again = (scored(zoo, SURE, ScoreSettings(resamples=100)) for _ in range(2))
    assert first == again
    assert scored(zoo, SURE, ScoreSettings(resamples=100, seed=1)).value == first.value


def test_the_report_of_a_score_is_strict_json(zoo: DataSet) -> None:
    from podium import evaluate

    tables.write(zoo.root / "manifest.json", {"a": [1]})
    report = evaluate.score("whale-do", put(zoo, SURE) / SUBMISSION, data=zoo, settings=ScoreSettings(resamples=20))
    assert report.score is not None
    assert "NaN" not in report.to_json()
    assert report.score.value == pytest.approx(0.3125, abs=1e-12)
