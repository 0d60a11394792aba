"""`vsc-descriptor`: the official number by a slow plain twin, the laws, the holes that are closed."""

from __future__ import annotations

import csv
import tarfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podium.challenges import challenge
from podium.challenges.vsc import agreement, rankings
from podium.challenges.vsc.predictions import DescriptorPredictions
from podium.errors import ChallengeError, SubmissionError
from podium.formats.descriptors import Descriptors, write_descriptors
from podium.types import DataSet, ScoreSettings, Severity

VSC = challenge("vsc-descriptor")
NO_INTERVAL = ScoreSettings(resamples=0)
QUERIES = [f"Q2{number:05d}" for number in range(20)]
REFERENCES = [f"R2{number:05d}" for number in range(30)]
PAIRS = {("Q200001", "R200004"), ("Q200003", "R200005"), ("Q200008", "R200006")}


def descriptors(videos: list[str], rows: int, seed: int, *, levels: int | None = None) -> Descriptors:
    """Random descriptors; few levels make many equal similarities."""
    rng = np.random.default_rng(seed)
    shape = (len(videos) * rows, 6)
    features = rng.standard_normal(shape) if levels is None else rng.integers(-levels, levels + 1, shape)
    starts = np.tile(np.arange(rows, dtype=float), len(videos))
    return Descriptors(
        video_ids=np.repeat(np.array(videos), rows),
        features_ND=features.astype(np.float32),
        timestamps_N2=np.stack([starts, starts + 1], axis=1),
    )


def plain_micro_ap(queries: Descriptors, references: Descriptors, pairs: set[tuple[str, str]]) -> float:
    """The official procedure, one Python object at a time."""
    hits = [
        (float(np.float32(np.dot(q.astype(np.float64), r.astype(np.float64)))), i, j)
        for i, q in enumerate(queries.features_ND)
        for j, r in enumerate(references.features_ND)
    ]
    hits.sort(key=lambda hit: (-hit[0], hit[1], hit[2]))
    best: dict[tuple[str, str], float] = {}
    for similarity, i, j in hits[: 1200 * len(QUERIES)]:
        best.setdefault((str(queries.video_ids[i]), str(references.video_ids[j])), similarity)
    kept = sorted(best.items(), key=lambda each: -each[1])[: 25 * len(QUERIES)]
    groups: defaultdict[float, list[bool]] = defaultdict(list)
    for pair, similarity in kept:
        groups[similarity].append(pair in pairs)
    total, seen, right = 0.0, 0, 0
    for similarity in sorted(groups, reverse=True):
        gained = sum(groups[similarity])
        seen, right = seen + len(groups[similarity]), right + gained
        total += right / seen * gained / len(pairs)
    return total


def submit(folder: Path, queries: Descriptors, references: Descriptors, subset: Descriptors | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    named = {"query_descriptors": queries, "reference_descriptors": references, "subset_query_descriptors": subset}
    for name, each in named.items():
        if each is not None:
            write_descriptors(folder / f"{name}.npz", each.video_ids, each.features_ND, each.timestamps_N2)
    return folder


def read(folder: Path, data: DataSet, phase: str = "1", *, parity: bool = False) -> DescriptorPredictions:
    reading = VSC.read_predictions(folder, data, phase=VSC.phase(phase), parity=parity)
    assert reading.valid, reading.problems
    return reading.predictions


def value(folder: Path, data: DataSet) -> float:
    return VSC.score(read(folder, data), data, NO_INTERVAL).value


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("levels", [None, 1, 3])
def test_the_score_is_the_plain_one_with_and_without_ties(
    videos: DataSet, tmp_path: Path, seed: int, levels: int | None
) -> None:
    queries = descriptors(QUERIES, 3, seed, levels=levels)
    references = descriptors(REFERENCES, 4, seed + 100, levels=levels)
    scored = value(submit(tmp_path / "p", queries, references), videos)
    assert scored == pytest.approx(plain_micro_ap(queries, references, PAIRS), abs=1e-12)


def test_a_hand_worked_score(videos: DataSet, tmp_path: Path) -> None:
    """Ranking: right, wrong, right, and the third copy is last of 600 pairs, beyond the 500 kept: (1 + 2/3) / 3."""
    features_QD = np.zeros((20, 2), dtype=np.float32)
    features_RD = np.zeros((30, 2), dtype=np.float32)
    features_QD[1], features_RD[4] = (1, 0), (4, 0)
    features_QD[3], features_RD[5] = (0, 1), (0, 2)
    features_RD[7] = (3, 0)
    features_QD[8], features_RD[6] = (-9, 0), (9, 0)
    features_RD[6] = (0.5, -0.5)
    times = np.tile([0.0, 1.0], (30, 1))
    folder = tmp_path / "p"
    folder.mkdir()
    write_descriptors(folder / "query_descriptors.npz", QUERIES, features_QD, times[:20])
    write_descriptors(folder / "reference_descriptors.npz", REFERENCES, features_RD, times)
    score = VSC.score(read(folder, videos), videos, NO_INTERVAL)
    listed = score.measure("copies listed")
    assert listed is not None
    assert listed.note == "2 of 3 pairs"
    assert score.value == pytest.approx((1 + 2 / 3) / 3, abs=1e-12)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([0.25, 2.0, 8.0]))
def test_order_preserving_changes_do_nothing(videos: DataSet, tmp_path: Path, seed: int, scale: float) -> None:
    queries, references = descriptors(QUERIES, 2, seed), descriptors(REFERENCES, 2, seed + 1)
    scaled = Descriptors(
        video_ids=references.video_ids,
        features_ND=references.features_ND * np.float32(scale),
        timestamps_N2=references.timestamps_N2,
    )
    assert value(submit(tmp_path / "p", queries, references), videos) == value(
        submit(tmp_path / "p", queries, scaled), videos
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_a_query_that_is_left_out_counts_as_missed(videos: DataSet, tmp_path: Path, seed: int) -> None:
    queries, references = descriptors(QUERIES, 2, seed), descriptors(REFERENCES, 2, seed + 1)
    fewer = descriptors_of(queries, [each for each in QUERIES if each != "Q200003"])
    assert value(submit(tmp_path / "p", fewer, references), videos) <= 2 / 3 + 1e-12


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_moving_a_right_pair_to_the_end_never_helps(videos: DataSet, tmp_path: Path, seed: int) -> None:
    """One query alone: every other pair keeps its place, so only the right pair moves."""
    queries, references = descriptors(QUERIES[8:9], 1, seed), descriptors(REFERENCES, 1, seed + 1)
    before = value(submit(tmp_path / "p", queries, references), videos)
    features = references.features_ND.copy()
    features[6] = -1e4 * np.sign(queries.features_ND[0])
    worse = Descriptors(video_ids=references.video_ids, features_ND=features, timestamps_N2=references.timestamps_N2)
    assert value(submit(tmp_path / "p", queries, worse), videos) <= before


def descriptors_of(whole: Descriptors, videos: list[str]) -> Descriptors:
    keep = np.isin(whole.video_ids, videos)
    return Descriptors(
        video_ids=whole.video_ids[keep],
        features_ND=whole.features_ND[keep],
        timestamps_N2=whole.timestamps_N2[keep],
    )


def test_missing_queries_do_not_shrink_the_budget_but_parity_does(videos: DataSet, tmp_path: Path) -> None:
    fewer = descriptors(QUERIES[:10], 2, 0)
    folder = submit(tmp_path / "p", fewer, descriptors(REFERENCES, 2, 1))
    assert read(folder, videos).query_count == 20
    assert read(folder, videos, parity=True).query_count == 10


def test_only_the_best_pairs_are_kept_and_the_official_files_are_written(videos: DataSet, tmp_path: Path) -> None:
    subset_ids = [each["video_id"] for each in csv.DictReader((videos.inputs / "query_subset.csv").open())]
    queries, references = descriptors(QUERIES, 2, 0), descriptors(REFERENCES, 2, 1)
    folder = submit(tmp_path / "p", queries, references, descriptors_of(queries, subset_ids))
    out = tmp_path / "out"
    out.mkdir()
    written = VSC.write_artifacts(read(folder, videos), out)  # type: ignore[misc]
    rows = list(csv.DictReader((out / "full_rankings.csv").open()))
    assert list(rows[0]) == ["query_id", "ref_id", "score"]
    assert len(rows) == 25 * 20
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    subset = list(csv.DictReader((out / "subset_rankings.csv").open()))
    assert {row["query_id"] for row in subset} <= set(subset_ids)
    with tarfile.open(written[2]) as archive:
        assert sorted(archive.getnames()) == ["full_rankings.csv", "subset_rankings.csv"]


def test_without_code_phase_one_warns_and_phase_two_refuses(videos: DataSet, tmp_path: Path) -> None:
    folder = submit(tmp_path / "p", descriptors(QUERIES, 2, 0), descriptors(REFERENCES, 2, 1))
    first = VSC.read_predictions(folder, videos, phase=VSC.phase("1"))
    assert first.valid
    assert [each.severity for each in first.problems] == [Severity.WARNING]
    second = VSC.read_predictions(folder, videos, phase=VSC.phase("2"))
    assert not second.valid
    assert "main.py" in second.problems[0].hint


def test_rows_moved_to_another_video_are_refused_unless_parity_is_asked(videos: DataSet, tmp_path: Path) -> None:
    moved = descriptors(QUERIES[:2], 17, 0)
    folder = submit(tmp_path / "p", moved, descriptors(REFERENCES, 2, 1))
    strict = VSC.read_predictions(folder, videos, phase=VSC.phase("1"))
    assert not strict.valid
    assert "`Q200000` has `17` rows; at most `16` are allowed" in str(strict.problems[0])
    assert strict.problems[0].count == 2
    assert VSC.read_predictions(folder, videos, phase=VSC.phase("1"), parity=True).valid


def test_more_rows_than_seconds_in_all_are_refused_even_with_parity(videos: DataSet, tmp_path: Path) -> None:
    folder = submit(tmp_path / "p", descriptors(QUERIES, 17, 0), descriptors(REFERENCES, 2, 1))
    assert not VSC.read_predictions(folder, videos, phase=VSC.phase("1"), parity=True).valid


def test_every_problem_is_found_at_once(videos: DataSet, tmp_path: Path) -> None:
    references = descriptors(REFERENCES, 2, 1)
    folder = submit(tmp_path / "p", descriptors([*QUERIES[:-1], "Q999999"], 2, 0), references)
    with np.load(folder / "reference_descriptors.npz") as stored:
        np.savez(folder / "reference_descriptors.npz", **(dict(stored) | {"features": stored["features"][:, :5]}))
    np.savez(folder / "subset_query_descriptors.npz", video_ids=np.array(["Q200000"]))
    problems = VSC.read_predictions(folder, videos, phase=VSC.phase("2")).problems
    text = "\n".join(map(str, problems))
    assert "`Q999999` is not in the query metadata" in text
    assert "the features have `6` dimensions, those of `reference_descriptors.npz` have `5`" in text
    assert "subset_query_descriptors.npz: the array `features` is missing" in text


def test_nothing_to_score_is_an_error_and_not_a_zero(videos: DataSet, tmp_path: Path) -> None:
    (videos.answers / "ground_truth.csv").write_text("query_id,ref_id\n")
    folder = submit(tmp_path / "p", descriptors(QUERIES, 1, 0), descriptors(REFERENCES, 1, 1))
    with pytest.raises(ChallengeError):
        VSC.score(read(folder, videos), videos, NO_INTERVAL)


def test_the_two_column_ground_truth_gives_the_same_score(videos: DataSet, tmp_path: Path) -> None:
    folder = submit(tmp_path / "p", descriptors(QUERIES, 2, 0), descriptors(REFERENCES, 2, 1))
    before = value(folder, videos)
    pairs = "".join(f"{query},{reference}\n" for query, reference in sorted(PAIRS))
    (videos.answers / "ground_truth.csv").write_text("query_id,ref_id\n" + pairs)
    assert value(folder, videos) == before


def test_agreement_is_one_for_the_same_descriptors_and_the_host_can_demand_it(videos: DataSet, tmp_path: Path) -> None:
    ids = [each["video_id"] for each in csv.DictReader((videos.inputs / "query_subset.csv").open())]
    queries, references = descriptors(QUERIES, 2, 0), descriptors(REFERENCES, 2, 1)
    same = submit(tmp_path / "same", queries, references, descriptors_of(queries, ids))
    score = VSC.score(read(same, videos, "2"), videos, ScoreSettings(resamples=0, minimum_agreement=0.99))
    assert score.measure("agreement").value == pytest.approx(1.0)  # type: ignore[union-attr]
    assert score.measure("agreement, ranks").value in (1.0, None)  # type: ignore[union-attr]
    other = submit(tmp_path / "other", queries, references, descriptors(ids, 2, 77))
    loose = VSC.score(read(other, videos, "2"), videos, NO_INTERVAL)
    assert loose.measure("agreement").value < 0.9  # type: ignore[union-attr,operator]
    with pytest.raises(SubmissionError) as refused:
        VSC.score(read(other, videos, "2"), videos, ScoreSettings(resamples=0, minimum_agreement=0.9))
    assert "the host demands `0.9`" in str(refused.value.problems[0])


def test_agreement_takes_the_nearest_time_and_counts_a_missing_video_as_nothing() -> None:
    def one(ids: list[str], features: list[list[float]], starts: list[float]) -> Descriptors:
        times = np.array(starts)
        return Descriptors(
            video_ids=np.array(ids),
            features_ND=np.array(features, dtype=np.float32),
            timestamps_N2=np.stack([times, times + 1], axis=1),
        )

    uploaded = one(["Q000001", "Q000001", "Q000002"], [[1, 0], [0, 1], [1, 1]], [0.0, 1.0, 0.0])
    remade = one(["Q000001", "Q000001"], [[0, 2], [3, 0]], [0.9, 0.2])
    found = agreement.compare(uploaded, remade, subset_ids=np.array(["Q000001", "Q000002"]))
    assert dict(zip(found.videos.tolist(), found.cosine.tolist(), strict=True)) == {"Q000001": 1.0, "Q000002": 0.0}
    assert found.mean == 0.5
    assert found.lowest == ("Q000002", 0.0)


def test_exhibits_show_mistakes_and_misses_with_their_seconds(videos: DataSet, tmp_path: Path) -> None:
    folder = submit(tmp_path / "p", descriptors(QUERIES, 3, 5), descriptors(REFERENCES, 3, 6))
    score = VSC.score(read(folder, videos), videos, NO_INTERVAL)
    kinds = {each.kind.value for each in score.exhibits}
    assert {"false positive", "missed"} <= kinds
    for each in score.exhibits:
        assert (videos.root / each.query.path).is_file()
        assert (videos.root / each.reference.path).is_file()
        assert len(each.similarity_map) == 3
        if each.kind.value != "false positive":
            assert (each.query.item, each.reference.item) in PAIRS
        else:
            assert (each.query.item, each.reference.item) not in PAIRS


def test_identical_descriptors_keep_the_first_pairs_instead_of_none() -> None:
    same = descriptors(QUERIES, 2, 0)
    flat = Descriptors(
        video_ids=same.video_ids, features_ND=np.ones_like(same.features_ND), timestamps_N2=same.timestamps_N2
    )
    ranking = rankings.rank(flat, flat, query_count=1)
    assert len(ranking.query_ids) == 25
    assert (ranking.similarity == 6.0).all()


def test_the_curve_keeps_every_corner(videos: DataSet, tmp_path: Path) -> None:
    folder = submit(tmp_path / "p", descriptors(QUERIES, 3, 5), descriptors(REFERENCES, 3, 6))
    score = VSC.score(read(folder, videos), videos, NO_INTERVAL)
    curve = score.curves[0]
    gains = [(now - before) * p for before, now, p in zip((0.0, *curve.x), curve.x, curve.y, strict=False)]
    assert sum(gains) == pytest.approx(score.value, abs=1e-5)
