"""MAP@100,000 of whole submissions: by hand, against the official steps, and its laws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podium.challenges.yt8m_segments import layout
from podium.challenges.yt8m_segments.layout import Ratings, Videos
from podium.challenges.yt8m_segments.predictions import SUBMISSION, read_predictions
from podium.challenges.yt8m_segments.samples import write_perfect
from podium.challenges.yt8m_segments.scoring import METRIC, score
from podium.challenges.yt8m_segments.vocabulary import Vocabulary, read_vocabulary, write_vocabulary
from podium.errors import ChallengeError
from podium.types import DataSet, Phase, Score, ScoreSettings

PHASE = Phase(name="1", summary="", code_required=True)
IDS = ("a", "b", "c", "d", "x", "y", "z", "q")
RATINGS = (
    ("a", 30, 3, True),
    ("a", 35, 3, False),
    ("b", 40, 3, True),
    ("c", 50, 3, True),
    ("a", 30, 7, False),
    ("b", 40, 7, True),
    ("d", 60, 8, True),
    ("d", 60, 9, False),
)
GOLDEN = "Class,Segments\n3,x:30 a:30 y:35 a:35 b:40 z:10\n7,a:30 q:5 b:40\n8,x:5 y:5\n9,\n"

Row = tuple[str, int, int, bool]


def make(root: Path, ratings: tuple[Row, ...] = RATINGS) -> DataSet:
    data = DataSet(root)
    indices = np.array([8, 3, 7, 9])
    write_vocabulary(
        data.inputs / layout.VOCABULARY,
        Vocabulary(
            indices=indices,
            knowledge_graph_ids=("",) * 4,
            names=("Eight", "Three", "Seven", ""),
            positive_segments=indices,
            rated_segments=indices,
        ),
    )
    layout.write_videos(data.inputs / layout.VIDEOS, Videos(ids=np.array(IDS), frames=np.full(len(IDS), 63)))
    columns = list(zip(*ratings, strict=True)) if ratings else [(), (), (), ()]
    layout.write_ratings(
        data.answers / layout.RATINGS,
        Ratings(
            videos=np.array(columns[0], dtype=np.str_),
            start_seconds=np.array(columns[1], dtype=np.int64),
            class_indices=np.array(columns[2], dtype=np.int64),
            positive=np.array(columns[3], dtype=bool),
        ),
    )
    return data


def judge(data: DataSet, text: str, *, parity: bool = False, resamples: int = 0) -> Score:
    folder = data.root / "predictions"
    folder.mkdir(exist_ok=True)
    (folder / SUBMISSION).write_text(text)
    reading = read_predictions(folder, data, phase=PHASE, parity=parity)
    assert reading.predictions is not None, reading.problems
    return score(reading.predictions, data, ScoreSettings(parity=parity, resamples=resamples))


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return make(tmp_path / "data")


def test_the_golden_lists_have_the_golden_mean(data: DataSet) -> None:
    found = judge(data, GOLDEN)
    assert found.metric == METRIC == "MAP@100,000"
    assert found.value == pytest.approx((5 / 9 + 1 / 2 + 0) / 3, abs=1e-12)
    assert {each.item: each.value for each in found.per_item} == pytest.approx({"3": 5 / 9, "7": 0.5, "8": 0.0})


def test_each_class_says_what_was_listed_and_how_sure_it_is(data: DataSet) -> None:
    found = judge(data, GOLDEN, resamples=200)
    three = next(each for each in found.per_item if each.item == "3")
    assert three.note == "Three: 2 of 3 positives listed, 4 rated"
    assert three.interval is not None
    assert 0 <= three.interval.low <= three.value <= three.interval.high <= 1
    assert three.interval.unit == "4 rated videos"
    assert found.interval is not None
    assert found.interval.low <= found.value <= found.interval.high
    assert found.interval.unit == "4 rated videos"
    listed = found.measure("positives listed")
    assert listed is not None
    assert (listed.value, listed.note) == (pytest.approx(3 / 5), "3 of 5")
    over_classes = found.measure(f"{METRIC}, over classes")
    assert over_classes is not None
    assert over_classes.interval is not None
    assert over_classes.interval.unit == "3 classes"


def test_perfect_lists_score_one(data: DataSet) -> None:
    folder = data.root / "perfect"
    folder.mkdir()
    write_perfect(data, folder)
    found = judge(data, (folder / SUBMISSION).read_text(), resamples=50)
    assert found.value == 1.0
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (1.0, 1.0)


def test_a_class_that_is_left_out_counts_zero_but_not_with_parity(data: DataSet) -> None:
    text = "Class,Segments\n7,b:40 x:5\n8,x:5"
    assert judge(data, text).value == pytest.approx(1 / 3)
    assert judge(data, text, parity=True).value == pytest.approx(1 / 2)


def test_parity_counts_a_repeated_entry_again(data: DataSet) -> None:
    assert judge(data, "7,b:40 b:40", parity=True).value == 2.0


def test_parity_never_counts_the_last_entry_before_a_line_feed(data: DataSet) -> None:
    assert judge(data, "7,b:40\n", parity=True).value == 0.0
    assert judge(data, "7,b:40", parity=True).value == 1.0


def test_a_rating_beyond_its_video_counts_only_with_parity(tmp_path: Path) -> None:
    data = make(tmp_path, (*RATINGS, ("a", 200, 7, True)))
    closed = judge(data, "Class,Segments\n7,b:40")
    left_out = closed.measure("ratings left out")
    assert closed.value == pytest.approx(1 / 3)
    assert left_out is not None
    assert left_out.value == 1.0
    assert judge(data, "7,b:40", parity=True).value == pytest.approx(1 / 2)
    assert judge(data, "7,b:40 a:200", parity=True).value == 1.0


def test_nothing_to_score_gives_no_score(tmp_path: Path) -> None:
    for number, ratings in enumerate([(), (("a", 30, 3, False),)]):
        data = make(tmp_path / str(number), ratings)
        with pytest.raises(ChallengeError, match="no positive rating"):
            judge(data, GOLDEN)


def test_a_rating_of_an_unknown_class_is_the_data_sets_fault(tmp_path: Path) -> None:
    data = make(tmp_path, (*RATINGS, ("a", 30, 5, True)))
    with pytest.raises(ChallengeError, match="rates class `5`"):
        judge(data, GOLDEN)


def test_of_two_ratings_of_one_pair_the_last_holds(tmp_path: Path) -> None:
    data = make(tmp_path, (("b", 40, 7, True), ("b", 40, 7, False), ("a", 30, 3, True)))
    ratings = layout.read_ratings(data.answers / layout.RATINGS)
    assert ratings.positive.tolist() == [False, True]
    assert judge(data, "Class,Segments\n7,b:40\n3,a:30").value == 1.0


def test_a_rating_off_the_grid_is_the_data_sets_fault(tmp_path: Path) -> None:
    data = make(tmp_path, (("b", 42, 7, True),))
    with pytest.raises(ChallengeError, match="starts at `42` s"):
        layout.read_ratings(data.answers / layout.RATINGS)


def test_a_vocabulary_comes_back_as_it_was_written(data: DataSet) -> None:
    vocabulary = read_vocabulary(data.inputs / layout.VOCABULARY)
    assert vocabulary.names == ("Eight", "Three", "Seven", "")
    assert vocabulary.rows_of(np.array([9, 3, 5])).tolist() == [3, 1, -1]
    assert (vocabulary.label(0), vocabulary.label(3)) == ("8 Eight", "9")


def official(ratings: tuple[Row, ...], text: str, *, top_n: int) -> float:
    """The official local evaluation, line by line: `segment_eval_inference.py`, its crash on the header aside."""
    labels = {(f"{video}:{start}", cls): float(positive) for video, start, cls, positive in ratings}
    lists: dict[int, list[str]] = {}
    for line in text.splitlines(keepends=True):
        cls, segments = line.split(",")
        lists[int(cls)] = [each for each in segments.split(" ")[:top_n] if (each, int(cls)) in labels]
    values: list[float] = []
    for cls, entries in lists.items():
        positives = sum(value > 0 for (_, other), value in labels.items() if other == cls)
        found, value = 0.0, 0.0
        for rank, entry in enumerate(entries, start=1):
            if labels[entry, cls] > 0:
                found += 1
                value += found / rank / positives
        if positives:
            values.append(value)
    return float(np.mean(values)) if values else 0.0


videos = st.sampled_from(IDS[:4])
starts = st.sampled_from([30, 35, 40])
ratings = st.dictionaries(st.tuples(videos, starts, st.sampled_from([3, 7, 8])), st.booleans(), min_size=1)
names = st.builds("{}:{}".format, st.sampled_from([*IDS[:5], "unknown"]), st.sampled_from([30, 35, 40, 41]))
lines = st.lists(st.tuples(st.sampled_from([3, 7, 8, 9]), st.lists(names, max_size=8)), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ratings, lines, st.booleans())
def test_parity_is_the_official_local_evaluation(tmp_path: Path, rated, listed, closed: bool) -> None:
    rows = tuple((*key, positive) for key, positive in rated.items())
    if not any(rated.values()):
        return
    data = make(tmp_path / "law", rows)
    text = "\n".join(f"{cls},{' '.join(entries)}" for cls, entries in listed) + ("\n" if closed else "")
    assert judge(data, text, parity=True).value == pytest.approx(official(rows, text, top_n=100_000), abs=1e-12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ratings, st.permutations([f"{v}:{s}" for v in IDS[:5] for s in (30, 35, 40)]), st.data())
def test_leaving_out_a_right_entry_never_helps_and_an_unrated_one_changes_nothing(
    tmp_path: Path, rated, order, data: st.DataObject
) -> None:
    if not any(rated.values()):
        return
    made = make(tmp_path / "law", tuple((*key, positive) for key, positive in rated.items()))
    cut = data.draw(st.integers(1, len(order)))
    kept = order[:cut]
    gone = data.draw(st.sampled_from(kept))
    before, after = (
        judge(made, "Class,Segments\n" + "".join(f"{cls},{' '.join(each)}\n" for cls in (3, 7, 8, 9))).value
        for each in (kept, [entry for entry in kept if entry != gone])
    )
    signs = [rated.get((gone.partition(":")[0], int(gone.partition(":")[2]), cls)) for cls in (3, 7, 8)]
    if signs == [None] * 3:
        assert after == before
    elif all(sign or sign is None for sign in signs):
        assert after < before
