"""`vsc-matching`: the official number by a slow plain twin, the laws, the hybrid flow, what stands beside the score."""

from __future__ import annotations

import csv
import json
import runpy
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podium.challenges.vsc import layout
from podium.challenges.vsc.edits_told import edits_of
from podium.challenges.vsc.matches import Matches, write_matches
from podium.challenges.vsc.matching import VSC_MATCHING
from podium.challenges.vsc.matching_agreement import compare
from podium.challenges.vsc.matching_predictions import MatchingPredictions, match_answers
from podium.errors import ChallengeError, SubmissionError
from podium.types import DataSet, ExhibitKind, Score, ScoreSettings, Severity

NO_INTERVAL = ScoreSettings(resamples=0)
QUERIES = [f"Q2{number:05d}" for number in range(20)]
REFERENCES = [f"R2{number:05d}" for number in range(30)]
PLAIN = runpy.run_path(str(Path(__file__).parents[1] / "metrics" / "plain_segments.py"))
Row = tuple[str, str, float, float, float, float, float]

# The truth of the shared fixture: three queries, four segments, 26.5 s of queries and as much of references.
COPIES: list[Row] = [
    ("Q200001", "R200004", 1.0, 5.0, 0.0, 4.0, 1.0),
    ("Q200003", "R200005", 2.0, 6.0, 1.0, 5.0, 1.0),
    ("Q200003", "R200005", 9.0, 12.0, 8.0, 11.0, 1.0),
    ("Q200008", "R200006", 0.0, 15.5, 0.0, 15.5, 1.0),
]


def matches(rows: list[Row]) -> Matches:
    return Matches(
        query_ids=np.array([row[0] for row in rows], np.str_),
        reference_ids=np.array([row[1] for row in rows], np.str_),
        times_N4=np.array([row[2:6] for row in rows], np.float64).reshape(-1, 4),
        score_N=np.array([row[6] for row in rows], np.float64),
    )


def random_rows(seed: int, count: int = 60) -> list[Row]:
    """Boxes of which a third lie near a copy; few scores, so many ties."""
    rng = np.random.default_rng(seed)
    rows: dict[tuple[str, str, float, float, float, float], float] = {}
    for _ in range(count):
        query, reference = str(rng.choice(QUERIES)), str(rng.choice(REFERENCES))
        if rng.random() < 0.4:
            query, reference = COPIES[int(rng.integers(4))][:2]
        start = rng.integers(0, 12, 2)
        span = rng.integers(1, 4, 2)
        times = [float(each) for each in (start[0], start[0] + span[0], start[1], start[1] + span[1])]
        rows[(query, reference, *times)] = float(rng.integers(-3, 4))  # type: ignore[index]
    return [(*key, score) for key, score in rows.items()]


def submit(folder: Path, full: list[Row], subset: list[Row] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_matches(folder / "full_matches.csv", matches(full))
    if subset is not None:
        write_matches(folder / "subset_matches.csv", matches(subset))
    return folder


def read(folder: Path, data: DataSet, phase: str = "1", *, parity: bool = False) -> MatchingPredictions:
    reading = VSC_MATCHING.read_predictions(folder, data, phase=VSC_MATCHING.phase(phase), parity=parity)
    assert reading.predictions is not None, [str(each) for each in reading.problems]
    return reading.predictions


def scored(folder: Path, data: DataSet, how: ScoreSettings = NO_INTERVAL) -> Score:
    return VSC_MATCHING.score(read(folder, data, parity=how.parity), data, how)


def measure(score: Score, name: str) -> float | None:
    found = score.measure(name)
    assert found is not None, [each.name for each in score.measures]
    return found.value


def subset_of(data: DataSet, rows: list[Row]) -> list[Row]:
    ids = set(layout.read_subset(data.inputs / "query_subset.csv").tolist())
    return [row for row in rows if row[0] in ids]


@pytest.mark.parametrize("seed", range(12))
def test_the_score_is_the_plain_one_ties_and_all(videos: DataSet, tmp_path: Path, seed: int) -> None:
    rows = random_rows(seed)
    number = {each: at for at, each in enumerate((*QUERIES, *REFERENCES))}
    predicted = [((number[row[0]], number[row[1]], *row[2:6]), row[6]) for row in rows]
    truth = [(number[row[0]], number[row[1]], *row[2:6]) for row in COPIES]
    plain = PLAIN["plain_curve"](predicted, truth)[0]
    assert scored(submit(tmp_path / "p", rows), videos).value == pytest.approx(plain, abs=1e-12)


def test_a_hand_worked_score(videos: DataSet, tmp_path: Path) -> None:
    """Half of the 15.5 s copy first, then 7.75 s of a wrong pair, then a whole copy of 4 s.

    Recall 7.75 / 26.5 at precision 1, and 4 / 26.5 more at precision 11.75 / 19.5.
    """
    rows: list[Row] = [
        ("Q200008", "R200006", 0.0, 7.75, 7.75, 15.5, 0.9),
        ("Q200000", "R200000", 0.0, 7.75, 0.0, 7.75, 0.5),
        ("Q200001", "R200004", 1.0, 5.0, 0.0, 4.0, 0.1),
    ]
    score = scored(submit(tmp_path / "p", rows), videos)
    assert score.value == pytest.approx((7.75 + 4 * 11.75 / 19.5) / 26.5, abs=1e-12)
    assert measure(score, "pairwise micro-AP") == pytest.approx((1 + 2 / 3) / 3, abs=1e-12)
    assert measure(score, "VCSL recall") == pytest.approx((0.25 + 1 + 0) / 3, abs=1e-6)
    assert measure(score, "VCSL precision") == pytest.approx((1 + 0 + 1) / 3, abs=1e-6)
    assert measure(score, "copied pairs listed") == pytest.approx(2 / 3)
    assert measure(score, "false pairs listed") == 1.0
    items = {each.item: each for each in score.per_item}
    assert sorted(items) == ["Q200001", "Q200003", "Q200008"]
    assert items["Q200001"].value == pytest.approx(1.0)
    assert items["Q200003"].value == 0.0
    assert items["Q200003"].note == "2 copied segments, no match listed"
    assert items["Q200008"].value == pytest.approx(0.5)


def test_perfect_matches_score_one_and_none_score_zero(videos: DataSet, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    VSC_MATCHING.perfect(videos, tmp_path / "p")  # type: ignore[misc]
    perfect = VSC_MATCHING.score(read(tmp_path / "p", videos, "2"), videos, ScoreSettings(resamples=30))
    assert perfect.value == pytest.approx(1.0, abs=1e-12)
    assert perfect.interval is not None
    assert perfect.interval.low == pytest.approx(1.0)
    assert perfect.interval.unit == "20 queries"
    nothing = scored(submit(tmp_path / "n", []), videos)
    assert nothing.value == 0.0
    assert nothing.curves[0].x == ()


def test_the_interval_holds_the_score_and_is_as_wide_as_few_queries_make_it(videos: DataSet, tmp_path: Path) -> None:
    folder = submit(tmp_path / "p", [*COPIES[:3], *random_rows(3)])
    first, second = (scored(folder, videos, ScoreSettings(resamples=200)) for _ in range(2))
    assert first.interval is not None
    assert first.interval == second.interval
    assert first.interval.low < first.value < first.interval.high


def test_the_curve_has_the_area_of_the_score(videos: DataSet, tmp_path: Path) -> None:
    score = scored(submit(tmp_path / "p", [*COPIES[:2], *random_rows(5)]), videos)
    curve = score.curves[0]
    gains = [(now - before) * p for before, now, p in zip((0.0, *curve.x), curve.x, curve.y, strict=False)]
    assert sum(gains) == pytest.approx(score.value, abs=1e-5)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([0.25, 3.0]), shift=st.sampled_from([-100.0, 7.0]))
def test_order_preserving_changes_of_the_scores_do_nothing(
    videos: DataSet, tmp_path: Path, seed: int, scale: float, shift: float
) -> None:
    rows = random_rows(seed, 30)
    changed: list[Row] = [(*row[:6], row[6] * scale + shift) for row in rows]  # type: ignore[misc]
    assert scored(submit(tmp_path / "p", rows), videos).value == scored(submit(tmp_path / "p", changed), videos).value


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), at=st.integers(0, 3))
def test_taking_a_right_match_out_never_helps(videos: DataSet, tmp_path: Path, seed: int, at: int) -> None:
    """The exact copy, at the top: it costs no precision, so it can only gain."""
    rows = random_rows(seed, 30)
    key = COPIES[at][:6]
    rows = [row for row in rows if row[:6] != key]
    with_it = scored(submit(tmp_path / "p", [*rows, (*key, 99.0)]), videos).value
    assert scored(submit(tmp_path / "p", rows), videos).value <= with_it + 1e-12


def test_negative_scores_tie_in_the_pairwise_number_with_parity_only(videos: DataSet, tmp_path: Path) -> None:
    rows: list[Row] = [(*COPIES[0][:6], -0.1), ("Q200002", "R200001", 0.0, 4.0, 0.0, 4.0, -0.2)]
    folder = submit(tmp_path / "p", rows)
    assert measure(scored(folder, videos), "pairwise micro-AP") == pytest.approx(1 / 3)
    official = scored(folder, videos, ScoreSettings(resamples=0, parity=True))
    assert measure(official, "pairwise micro-AP") == pytest.approx(1 / 6)
    assert official.value == scored(folder, videos).value


def test_parity_scores_what_only_the_official_reader_takes(videos: DataSet, tmp_path: Path) -> None:
    folder = submit(tmp_path / "p", COPIES)
    text = (folder / "full_matches.csv").read_text().splitlines()
    text[1] = text[1].rpartition(",")[0] + ",inf"
    (folder / "full_matches.csv").write_text("\n".join([*text, text[2], "Q200001,R200004,3,3,1,1,0.5"]) + "\n")
    assert not VSC_MATCHING.read_predictions(folder, videos, phase=VSC_MATCHING.phase("1")).valid
    official = scored(folder, videos, ScoreSettings(resamples=0, parity=True))
    assert official.value == pytest.approx(1.0, abs=1e-12)
    assert measure(official, "pairwise micro-AP") is None


def test_without_code_phase_one_warns_and_phase_two_refuses(videos: DataSet, tmp_path: Path) -> None:
    folder = submit(tmp_path / "p", COPIES)
    first = VSC_MATCHING.read_predictions(folder, videos, phase=VSC_MATCHING.phase("1"))
    assert first.valid
    assert [each.severity for each in first.problems] == [Severity.WARNING]
    assert measure(scored(folder, videos), "segment AP, subset") is None
    second = VSC_MATCHING.read_predictions(folder, videos, phase=VSC_MATCHING.phase("2"))
    assert not second.valid
    assert "main.py" in second.problems[0].hint


def test_a_query_outside_the_subset_is_refused_in_the_subset_file(videos: DataSet, tmp_path: Path) -> None:
    inside = set(layout.read_subset(videos.inputs / "query_subset.csv").tolist())
    outside = next(each for each in QUERIES if each not in inside)
    row: Row = (outside, "R200000", 0.0, 1.0, 0.0, 1.0, 0.5)
    reading = VSC_MATCHING.read_predictions(submit(tmp_path / "p", [row], [row]), videos, phase=VSC_MATCHING.phase("2"))
    assert [each.place for each in reading.problems] == ["subset_matches.csv line 2"]
    assert f"`{outside}`, which is not in `query_subset.csv`" in reading.problems[0].message


def test_the_official_files_are_written(videos: DataSet, tmp_path: Path) -> None:
    rows = [*COPIES, *random_rows(0)]
    folder = submit(tmp_path / "p", rows, subset_of(videos, rows))
    out = tmp_path / "out"
    out.mkdir()
    written = VSC_MATCHING.write_artifacts(read(folder, videos), out)  # type: ignore[misc]
    assert [each.name for each in written] == ["full_matches.csv", "subset_matches.csv", "submission.tar.gz"]
    for name in ("full_matches.csv", "subset_matches.csv"):
        assert (out / name).read_bytes() == (folder / name).read_bytes()
    with tarfile.open(written[2]) as archive:
        assert sorted(archive.getnames()) == ["full_matches.csv", "subset_matches.csv"]
    (folder / "subset_matches.csv").unlink()
    again = tmp_path / "again"
    again.mkdir()
    VSC_MATCHING.write_artifacts(read(folder, videos), again)  # type: ignore[misc]
    assert (again / "subset_matches.csv").read_bytes() == b""


def test_agreement_is_one_for_the_same_matches_and_the_host_can_demand_it(videos: DataSet, tmp_path: Path) -> None:
    rows = [*COPIES, *random_rows(1)]
    mine = subset_of(videos, rows)
    demand = ScoreSettings(resamples=0, minimum_agreement=0.95)
    same = scored(submit(tmp_path / "same", rows, mine), videos, demand)
    assert measure(same, "agreement") == 1.0
    assert measure(same, "agreement, furthest score") == 0.0
    other = submit(tmp_path / "other", rows, mine[: len(mine) // 2])
    loose = measure(scored(other, videos), "agreement")
    assert loose is not None
    assert 0 < loose < 0.95
    with pytest.raises(SubmissionError) as refused:
        scored(other, videos, demand)
    assert "the host demands `0.95`" in str(refused.value.problems[0])


def test_agreement_is_the_best_overlap_of_boxes_of_one_pair() -> None:
    uploaded = matches(
        [
            ("Q000001", "R000001", 0.0, 4.0, 0.0, 4.0, 0.5),
            ("Q000002", "R000001", 0.0, 4.0, 0.0, 4.0, 0.5),
            ("Q000003", "R000001", 0.0, 4.0, 0.0, 4.0, 0.5),
            ("Q000009", "R000001", 0.0, 4.0, 0.0, 4.0, 0.5),
        ]
    )
    remade = matches(
        [
            ("Q000001", "R000001", 0.0, 4.0, 0.0, 2.0, 0.7),
            ("Q000002", "R000002", 0.0, 4.0, 0.0, 4.0, 0.5),
            ("Q000003", "R000001", 0.0, 4.0, 0.0, 4.0, 0.4),
            ("Q000003", "R000001", 6.0, 8.0, 6.0, 8.0, 0.1),
        ]
    )
    found = compare(uploaded, remade, subset_ids=np.array(["Q000001", "Q000002", "Q000003", "Q000004"]))
    overlap = dict(zip(found.queries.tolist(), found.overlap_Q.tolist(), strict=True))
    assert overlap == {"Q000001": 0.5, "Q000002": 0.0, "Q000003": pytest.approx(2 / 3)}
    assert found.lowest == ("Q000002", 0.0)
    assert found.furthest == pytest.approx(0.1)
    nobody = compare(uploaded, remade, subset_ids=np.array(["Q000007"]))
    assert (nobody.mean, nobody.lowest, nobody.furthest) == (1.0, None, None)


def span(source: str, start: float, end: float, *names: str, speed: float = 1.0) -> dict[str, Any]:
    edits = [{"name": each, "strength": 0.5} for each in names]
    return {"start": start, "end": end, "source": source, "edits": edits, "speed": speed, "box": [0, 0, 1, 1]}


def test_each_kind_of_edit_has_its_own_score_where_the_data_set_tells(videos: DataSet, tmp_path: Path) -> None:
    story = {
        "seed": 0,
        "queries": {
            "Q200001": [span("clip.mp4", 0, 1, "crop"), span("R200004", 1, 5, "flip", speed=1.25)],
            "Q200003": [span("R200005", 2, 6, "flip", "grey"), span("R200005", 9, 12, "blur")],
            "Q200008": [span("R200006", 0, 15.5)],
            "Q200000": [span("clip.mp4", 0, 15.5, "noise")],
        },
    }
    (videos.answers / "edits.json").write_text(json.dumps(story))
    told = edits_of(videos, layout.read_truth(videos.answers / "ground_truth.csv"))
    assert told == {
        "Q200001": {"flip", "speed"},
        "Q200003": {"flip", "grey", "blur"},
        "Q200008": {"unedited"},
    }
    score = scored(submit(tmp_path / "p", [COPIES[0], COPIES[3]]), videos)
    by_edit = {each.name.partition(", ")[2]: each for each in score.measures if each.name.startswith("segment AP, ")}
    assert {name: each.value for name, each in by_edit.items() if name != "subset"} == {
        "blur": 0.0,
        "flip": pytest.approx(4 / 11),
        "grey": 0.0,
        "speed": pytest.approx(1.0),
        "unedited": pytest.approx(1.0),
    }
    assert by_edit["flip"].note == "2 queries with a copy edited so"
    (videos.answers / "edits.json").write_text('{"queries": 3}')
    with pytest.raises(ChallengeError, match=r"edits\.json` is broken"):
        scored(tmp_path / "p", videos)


def test_nothing_to_score_is_an_error_and_not_a_zero(videos: DataSet, tmp_path: Path) -> None:
    folder = submit(tmp_path / "p", COPIES)
    header = ",".join(layout.MATCH_COLUMNS) + "\n"
    for truth, reason in (("", "no rows"), ("Q200001,R200004,3,3,1,2\n", "nothing to score")):
        (videos.answers / "ground_truth.csv").write_text(header + truth)
        with pytest.raises(ChallengeError, match=reason):
            scored(folder, videos)


def test_pairs_without_times_are_a_fault_of_the_data_set(videos: DataSet, tmp_path: Path) -> None:
    assert VSC_MATCHING.check_data(videos) == ()
    (videos.answers / "ground_truth.csv").write_text("query_id,ref_id\nQ200001,R200004\n")
    assert any("the pairs have no times" in str(each) for each in VSC_MATCHING.check_data(videos))
    with pytest.raises(ChallengeError, match="names pairs without times"):
        scored(submit(tmp_path / "p", COPIES), videos)


def test_a_labelled_segment_without_length_is_a_fault_of_the_data_set(videos: DataSet) -> None:
    text = (videos.answers / "ground_truth.csv").read_text()
    (videos.answers / "ground_truth.csv").write_text(text + "Q200001,R200004,7,7,7,8\n")
    assert any("`query_end` is `7` and `query_start` is `7`" in str(each) for each in VSC_MATCHING.check_data(videos))


def test_exhibits_show_the_surest_mistakes_and_the_longest_misses(videos: DataSet, tmp_path: Path) -> None:
    rows: list[Row] = [
        (*COPIES[0][:6], 0.7),
        ("Q200002", "R200001", 0.0, 4.0, 0.0, 4.0, 0.9),
        ("Q200008", "R200006", 0.0, 3.0, 15.5, 15.6, 0.8),
        ("Q200002", "R200002", 0.0, 4.0, 0.0, 4.0, 0.1),
    ]
    shown = scored(submit(tmp_path / "p", rows), videos, ScoreSettings(resamples=0, exhibits=2)).exhibits
    told = [(each.kind, each.query.item, each.reference.item, each.rank) for each in shown]
    assert told == [
        (ExhibitKind.FALSE_POSITIVE, "Q200002", "R200001", 1),
        (ExhibitKind.FALSE_POSITIVE, "Q200008", "R200006", 2),
        (ExhibitKind.MISSED, "Q200008", "R200006", None),
        (ExhibitKind.MISSED, "Q200003", "R200005", None),
        (ExhibitKind.FOUND, "Q200001", "R200004", 3),
    ]
    assert all((videos.root / clip.path).is_file() for each in shown for clip in (each.query, each.reference))
    assert (shown[3].query.start_seconds, shown[3].query.end_seconds) == (2.0, 6.0)
    assert shown[4].similarity == 0.7
    assert scored(tmp_path / "p", videos, ScoreSettings(resamples=0, exhibits=0)).exhibits == ()


def test_the_audit_sees_every_segment_by_its_times(videos: DataSet, tmp_path: Path) -> None:
    rows = subset_of(videos, [*COPIES, *random_rows(2)])
    answers = match_answers(submit(tmp_path / "p", rows, rows), videos)
    assert {query: len(each.places) for query, each in answers.items()} == {
        query: sum(row[0] == query for row in rows) for query in {row[0] for row in rows}
    }
    for each in answers.values():
        assert len(set(each.places)) == len(each.places)
        assert each.values_NV.shape == (len(each.places), 1)
    shuffled = match_answers(submit(tmp_path / "s", rows, rows[::-1]), videos)
    for query, each in answers.items():
        assert shuffled[query].places == each.places
        np.testing.assert_array_equal(shuffled[query].values_NV, each.values_NV)
    (tmp_path / "p" / "subset_matches.csv").write_text("query_id\n")
    with pytest.raises(SubmissionError):
        match_answers(tmp_path / "p", videos)


def test_every_way_to_spoil_predictions_is_refused_with_its_file(videos: DataSet, tmp_path: Path) -> None:
    for at, (name, spoil) in enumerate(VSC_MATCHING.broken()):  # type: ignore[misc]
        folder = tmp_path / str(at)
        folder.mkdir()
        VSC_MATCHING.perfect(videos, folder)  # type: ignore[misc]
        if not subset_of(videos, COPIES):
            submit(folder, COPIES, [])
        spoil(folder)
        reading = VSC_MATCHING.read_predictions(folder, videos, phase=VSC_MATCHING.phase("2"))
        errors = [each for each in reading.problems if each.severity is Severity.ERROR]
        assert reading.predictions is None, name
        assert errors, name
        assert all("_matches.csv" in each.place for each in errors), name


def test_perfect_matches_end_where_their_videos_end(videos: DataSet, tmp_path: Path) -> None:
    text = (videos.answers / "ground_truth.csv").read_text()
    late = "Q200009,R200009,10,50,0,40\nQ200009,R200009,10,50,0,40\nQ200011,R200009,30,50,0,20\n"
    (videos.answers / "ground_truth.csv").write_text(text + late)
    folder = tmp_path / "p"
    folder.mkdir()
    VSC_MATCHING.perfect(videos, folder)  # type: ignore[misc]
    rows = list(csv.DictReader((folder / "full_matches.csv").open()))
    assert [row["query_end"] for row in rows if row["query_id"] == "Q200009"] == ["16.0"]
    assert not [row for row in rows if row["query_id"] == "Q200011"]
    assert read(folder, videos, "2").full.score_N.tolist() == [1.0] * 5


def test_the_two_tracks_take_the_same_data_and_have_the_same_walls() -> None:
    from podium.challenges.vsc.descriptor import DESCRIPTOR

    for name in ("mounts", "workdir", "limits", "wall_seconds_per_query", "make_data", "import_data", "subset_data"):
        assert getattr(VSC_MATCHING, name) == getattr(DESCRIPTOR, name), name
    assert [each.name for each in VSC_MATCHING.phases] == ["1", "2"]
