"""The submission builder: which segments, in which order, and what the file holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from podium.challenges.yt8m_segments.builder import (
    Eligibility,
    ScoreFile,
    Segments,
    best_segments,
    eligible_segments,
    write_submission,
)
from podium.challenges.yt8m_segments.layout import VIDEOS, VOCABULARY, Videos, write_videos
from podium.challenges.yt8m_segments.predictions import read_predictions
from podium.challenges.yt8m_segments.vocabulary import Vocabulary, write_vocabulary
from podium.errors import UsageError
from podium.types import DataSet, Phase

IDS = np.array(["abcd", "wxyz", "e", "0123"])
VIDEO_TABLE = Videos(ids=IDS, frames=np.array([60, 40, 41, 52]))


def slow(scores: list[np.ndarray], cap: int) -> list[int]:
    """Sorted by sum, then by place."""
    sums = [sum(float(each[place]) for each in scores) for place in range(len(scores[0]))]
    return sorted(range(len(sums)), key=lambda place: (-sums[place], place))[:cap]


def test_the_first_six_and_last_two_slots_are_left_out() -> None:
    segments = eligible_segments(VIDEO_TABLE)
    listed = [f"{IDS[v]}:{s}" for v, s in zip(segments.video.tolist(), segments.start_seconds.tolist(), strict=True)]
    assert listed == ["abcd:30", "abcd:35", "abcd:40", "abcd:45", "e:30", "0123:30", "0123:35", "0123:40"]


def test_a_rule_that_drops_nothing_keeps_every_slot() -> None:
    segments = eligible_segments(VIDEO_TABLE, Eligibility(first=0, last=0))
    assert len(segments.video) == 12 + 8 + 9 + 11
    assert segments.start_seconds[-1] == 50


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float16, np.float32])
def test_the_best_are_those_of_a_plain_sort_for_every_kind_of_number(dtype: type) -> None:
    rng = np.random.default_rng(0)
    for spread in (1, 3, 200):
        drawn = [rng.integers(0, spread + 1, 500).astype(dtype) for _ in range(3)]
        for cap in (1, 7, 499, 500, 900):
            assert best_segments(drawn, cap).tolist() == slow(drawn, cap)


def test_wide_ranges_need_both_histograms() -> None:
    rng = np.random.default_rng(1)
    for models in (1, 2, 7):
        whole = [rng.integers(0, 65_536, 2_000).astype(np.uint16) for _ in range(models)]
        assert best_segments(whole, 321).tolist() == slow(whole, 321)
    signed = [rng.integers(-32_768, 32_768, 2_000).astype(np.int16) for _ in range(2)]
    assert best_segments(signed, 321).tolist() == slow(signed, 321)
    logits = [rng.normal(-4, 2, 2_000).astype(np.float32)]
    assert best_segments(logits, 321).tolist() == slow(logits, 321)


finite = st.floats(-100, 100, width=16)


@given(arrays.arrays(np.float16, st.integers(1, 40), elements=finite), st.integers(1, 45))
def test_any_floats_are_ranked_as_a_plain_sort_ranks_them(scores: np.ndarray, cap: int) -> None:
    assert best_segments([scores], cap).tolist() == slow([scores], cap)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 30))
def test_a_larger_cap_only_adds_to_the_end(values: list[int], cap: int) -> None:
    scores = [np.array(values, np.uint16)]
    assert best_segments(scores, cap + 1)[:cap].tolist() == best_segments(scores, cap).tolist()


def test_minus_zero_and_zero_tie() -> None:
    assert best_segments([np.array([-0.0, 0.0, -0.0], np.float32)], 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(UsageError, match="segment `1` is"):
        best_segments([np.array([0, bad], np.float16)], 1)


@pytest.fixture
def segments() -> Segments:
    return eligible_segments(VIDEO_TABLE)


def test_the_file_is_the_plain_one(tmp_path: Path, segments: Segments) -> None:
    first = np.array([[0, 9, 9, 1, 5, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1]], np.uint16)
    second = np.array([[0, 0, 0, 8, 5, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 7]], np.uint16)
    write_submission(tmp_path / "sub.csv", [first, second], segments, np.array([1831, 3]), cap=4)
    assert (tmp_path / "sub.csv").read_text() == (
        "Class,Segments\n1831,e:30 abcd:35 abcd:40 abcd:45\n3,0123:40 abcd:30 abcd:35 abcd:40\n"
    )


def test_files_and_arrays_give_the_same_bytes_and_the_validator_takes_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = DataSet(tmp_path / "data")
    ids = np.array([f"{number:x}" for number in rng.permutation(400)])
    videos = Videos(ids=ids, frames=rng.integers(1, 300, 400))
    indices = rng.choice(3_862, 5, replace=False)
    write_videos(data.inputs / VIDEOS, videos)
    names = ("",) * 5
    write_vocabulary(
        data.inputs / VOCABULARY,
        Vocabulary(
            indices=indices, knowledge_graph_ids=names, names=names, positive_segments=indices, rated_segments=indices
        ),
    )
    segments = eligible_segments(videos)
    models = [rng.integers(0, 50, (5, len(segments.video))).astype(np.uint16) for _ in range(2)]
    for number, model in enumerate(models):
        np.save(tmp_path / f"{number}.npy", model)
    files = [ScoreFile(tmp_path / f"{number}.npy") for number in range(2)]
    folder = tmp_path / "predictions"
    folder.mkdir()
    write_submission(folder / "sub.csv", models, segments, indices, cap=1_000)
    write_submission(tmp_path / "other.csv", files, segments, indices, cap=1_000)
    assert (folder / "sub.csv").read_bytes() == (tmp_path / "other.csv").read_bytes()
    reading = read_predictions(folder, data, phase=Phase(name="1", summary="", code_required=True))
    assert reading.problems == ()
    for row in range(5):
        best = best_segments([model[row] for model in models], 1_000)
        slots = reading.predictions.grid.slot(segments.video[best], segments.start_seconds[best].astype(np.int64))
        np.testing.assert_array_equal(reading.predictions.of(row), slots)


def test_a_submission_that_fails_leaves_no_file(tmp_path: Path, segments: Segments) -> None:
    scores = np.zeros((2, 8), np.float32)
    scores[1, 3] = np.nan
    with pytest.raises(UsageError, match="must be finite"):
        write_submission(tmp_path / "sub.csv", [scores], segments, np.array([3, 7]))
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_is_refused(tmp_path: Path, segments: Segments) -> None:
    good = np.zeros((2, 8), np.uint16)
    classes = np.array([3, 7])
    path = tmp_path / "sub.csv"
    backwards = Segments(ids=IDS, video=segments.video[::-1], start_seconds=segments.start_seconds[::-1])
    twice = Segments(ids=np.array(["a"] * 4), video=segments.video, start_seconds=segments.start_seconds)
    for models, which, cap, expected in (
        ([], segments, 1, "no predictions"),
        ([good[:1]], segments, 1, r"shape `\(1, 8\)`"),
        ([good, good.astype(np.float32)], segments, 1, "all alike"),
        ([good.astype(np.int64)], segments, 1, "`int64`"),
        ([good], segments, 0, "the cap is `0`"),
        ([good], backwards, 1, "by video, then by start"),
        ([good], twice, 1, "a video is there twice"),
    ):
        with pytest.raises(UsageError, match=expected):
            write_submission(path, models, which, classes, cap=cap)


def test_files_that_hold_no_class_major_array_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "flat.npy", np.zeros(4))
    np.save(tmp_path / "rows.npy", np.asfortranarray(np.zeros((3, 4))))
    for name in ("text.npy", "flat.npy", "rows.npy", "missing.npy"):
        with pytest.raises(UsageError, match=name):
            ScoreFile(tmp_path / name)
