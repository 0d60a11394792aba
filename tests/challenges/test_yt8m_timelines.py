"""The videos that explain a score, and the curves of its lists: by hand, and against slow plain twins."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.challenges.yt8m_segments import layout, timelines
from podium.challenges.yt8m_segments.judging import Judged, judge
from podium.challenges.yt8m_segments.layout import Ratings, Videos
from podium.challenges.yt8m_segments.predictions import SUBMISSION, SegmentPredictions, read_predictions
from podium.challenges.yt8m_segments.vocabulary import Vocabulary, write_vocabulary
from podium.metrics import Listing, segment_average_precisions
from podium.types import DataSet, Mark, Phase, Timeline

PHASE = Phase(name="1", summary="", code_required=True)
IDS = ("a", "b", "c", "d", "e", "f")

Row = tuple[str, int, int, bool]

RATINGS: tuple[Row, ...] = (
    ("a", 30, 3, True),
    ("a", 35, 3, False),
    ("b", 40, 3, True),
    ("c", 50, 3, True),
    ("a", 30, 7, False),
    ("b", 40, 7, True),
    ("d", 60, 8, True),
)
# Of class 3, b:40 stands behind the negative a:35, and c:50 is not listed; of class 8, d:60 is not listed.
GOLDEN = "Class,Segments\n3,e:30 a:30 e:35 a:35 b:40 e:10\n7,a:30 e:5 b:40\n8,e:5\n"


def build(root: Path, ratings: Iterable[Row], text: str, *, parity: bool = False) -> tuple[SegmentPredictions, Judged]:
    data = DataSet(root)
    indices = np.array([8, 3, 7])
    vocabulary = Vocabulary(
        indices=indices,
        knowledge_graph_ids=("",) * 3,
        names=("Eight", "Three", ""),
        positive_segments=indices,
        rated_segments=indices,
    )
    write_vocabulary(data.inputs / layout.VOCABULARY, vocabulary)
    layout.write_videos(data.inputs / layout.VIDEOS, Videos(ids=np.array(IDS), frames=np.full(len(IDS), 63)))
    videos, starts, classes, positive = zip(*ratings, strict=True)
    layout.write_ratings(
        data.answers / layout.RATINGS,
        Ratings(
            videos=np.array(videos),
            start_seconds=np.array(starts),
            class_indices=np.array(classes),
            positive=np.array(positive),
        ),
    )
    (root / SUBMISSION).write_text(text)
    reading = read_predictions(root, data, phase=PHASE, parity=parity)
    assert reading.predictions is not None, reading.problems
    return reading.predictions, judge(reading.predictions, data, parity=parity)


@pytest.fixture
def golden(tmp_path: Path) -> tuple[SegmentPredictions, Judged]:
    return build(tmp_path, RATINGS, GOLDEN)


def test_every_rating_stands_where_a_ruler_puts_it(golden: tuple[SegmentPredictions, Judged]) -> None:
    found = timelines.stand(golden[1])
    assert found.place_R.tolist() == [1, 3, 4, -1, 0, 2, -1]
    assert found.precision_R == pytest.approx([1, 1 / 2, 2 / 3, 0, 0, 1 / 2, 0])
    assert found.ahead_R.tolist() == [0, 0, 1, 0, 0, 1, 0]
    # Three positives of class 3, one of 7, one of 8.
    assert found.lack_R == pytest.approx([0, 0, 1 / 9, 1 / 3, 0, 1 / 2, 1])
    # Without a:35 b:40 would have precision 1, not 2/3; without a:30 of class 7 b:40 would have 1, not 1/2.
    assert found.cost_R == pytest.approx([0, 1 / 9, 0, 0, 1 / 2, 0, 0])


def test_the_videos_that_cost_most_come_first_and_none_comes_twice(golden: tuple[SegmentPredictions, Judged]) -> None:
    found = timelines.explain(*golden, each=2, seed=0)
    told = [(each.item, each.note.split(":")[0]) for each in found]
    assert told == [("d", "Missed"), ("b", "Missed"), ("a", "False alarm")]
    assert found[0].note.startswith("Missed: `8 Eight` at 1:00 is rated positive and is not listed")
    assert found[1].note == ("Missed: `7` at 0:40 is rated positive and has place 3 of 3, 1 rated negative before it")
    assert found[2].note == "False alarm: `7` at 0:30 is rated negative and has place 1 of 3"
    assert found[0].duration_seconds == 63


def test_a_lane_holds_the_ratings_and_the_top_of_the_list(golden: tuple[SegmentPredictions, Judged]) -> None:
    (video,) = (each for each in timelines.explain(*golden, each=2, seed=0) if each.item == "a")
    assert [lane.label for lane in video.lanes] == ["7", "3 Three"]
    three = video.lanes[1]
    assert three.note == "top 6 of 6"
    spans = [(each.mark, each.start_seconds, each.end_seconds, each.note) for each in three.spans]
    assert spans == [
        (Mark.PREDICTED, 30, 35, "place 2 of 6"),
        (Mark.PREDICTED, 35, 40, "place 4 of 6"),
        (Mark.POSITIVE, 30, 35, "place 2 of 6"),
        (Mark.NEGATIVE, 35, 40, "place 4 of 6"),
    ]
    assert [each.strength for each in three.spans] == [
        pytest.approx(1 - math.log(2) / math.log(7), abs=1e-4),
        pytest.approx(1 - math.log(4) / math.log(7), abs=1e-4),
        None,
        None,
    ]


def test_a_long_list_shows_its_first_tenth(tmp_path: Path) -> None:
    every = [f"{video}:{start}" for video in IDS for start in range(0, 65, 5)]
    assert len(every) == 78
    found = timelines.explain(*build(tmp_path, RATINGS, f"Class,Segments\n3,{' '.join(every)}\n"), each=6, seed=0)
    lanes = [lane for video in found for lane in video.lanes if lane.label == "3 Three"]
    assert {lane.note for lane in lanes} == {"top 20 of 78"}
    shown = {each.note for lane in lanes for each in lane.spans if each.mark is Mark.PREDICTED}
    assert all(int(note.split()[1]) <= 20 for note in shown)
    assert len(shown) == 20


def test_a_class_without_a_list_says_so(tmp_path: Path) -> None:
    found = timelines.explain(*build(tmp_path, RATINGS, "Class,Segments\n7,b:40\n"), each=1, seed=0)
    assert next(lane.note for each in found for lane in each.lanes if lane.label != "7") == "no list"


def test_none_are_asked_for_and_none_are_given(golden: tuple[SegmentPredictions, Judged]) -> None:
    assert timelines.explain(*golden, each=0, seed=0) == ()


def test_among_equals_the_seed_decides_and_one_seed_always_the_same(tmp_path: Path) -> None:
    ratings = [(name, 30, 3, True) for name in IDS]
    built = build(tmp_path, ratings, "Class,Segments\n7,a:30\n")

    def first(seed: int) -> tuple[Timeline, ...]:
        return timelines.explain(*built, each=2, seed=seed)

    assert first(1) == first(1)
    assert len({first(seed)[0].item for seed in range(20)}) > 1


def test_with_parity_a_rating_that_nobody_can_list_draws_nothing_wrong(tmp_path: Path) -> None:
    ratings = [*RATINGS, ("zz", 30, 3, True), ("a", 355, 3, True)]
    found = timelines.explain(*build(tmp_path, ratings, "3,a:30 a:30 a:35\n", parity=True), each=6, seed=0)
    assert "zz" not in {each.item for each in found}


def test_the_mean_curve_of_one_class_is_its_own_envelope(tmp_path: Path) -> None:
    _, judged = build(tmp_path, RATINGS[:4], "Class,Segments\n3,a:30 a:35 b:40\n")
    (curve,) = timelines.curves(judged)
    assert (curve.x_label, curve.y_label, len(curve.x)) == ("recall", "mean precision", 101)
    # Precision 1 up to recall 1/3, 2/3 up to 2/3, and the third positive is nowhere.
    assert [curve.y[at] for at in (0, 33, 34, 66, 67, 100)] == pytest.approx([1, 1, 2 / 3, 2 / 3, 0, 0], abs=1e-6)


def listing(rows: list[tuple[int, bool, int]]) -> Judged:
    """Ratings with a class, a sign and a place; one place of a class is taken once."""
    taken = {(cls, place): positive for cls, positive, place in rows}
    class_R = np.array([cls for cls, _ in taken])
    positive_R = np.array(list(taken.values()))
    places = np.array([place for _, place in taken])
    lists = Listing(
        classes=4,
        class_R=class_R,
        positive_R=positive_R,
        rating_N=np.flatnonzero(places >= 0),
        place_N=places[places >= 0],
    )
    count = len(class_R)
    indices = np.arange(4)
    return Judged(
        vocabulary=Vocabulary(
            indices=indices,
            knowledge_graph_ids=("",) * 4,
            names=("",) * 4,
            positive_segments=indices,
            rated_segments=indices,
        ),
        listing=lists,
        ids=np.array(["a"]),
        video_R=np.zeros(count, np.int64),
        start_seconds_R=np.zeros(count, np.int64),
        left_out=0,
        scored=lists.positives_C > 0,
    )


ratings_of_lists = st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(-1, 200)), min_size=1, max_size=120)


@given(ratings_of_lists)
@settings(deadline=None)
def test_lacks_add_up_to_what_the_classes_lack(rows: list[tuple[int, bool, int]]) -> None:
    judged = listing(rows)
    values_C = segment_average_precisions(judged.listing, k=None)
    lack_C = np.bincount(judged.listing.class_R, weights=timelines.stand(judged).lack_R, minlength=4)
    assert lack_C[judged.scored] == pytest.approx((1 - values_C)[judged.scored], abs=1e-12)


@given(ratings_of_lists, st.data())
@settings(deadline=None)
def test_the_cost_of_a_negative_is_what_its_class_gains_without_it(
    rows: list[tuple[int, bool, int]], data: st.DataObject
) -> None:
    judged = listing(rows)
    lists = judged.listing
    at = data.draw(st.integers(0, len(lists.class_R) - 1))
    cost = timelines.stand(judged).cost_R[at]
    if lists.positive_R[at] or not judged.scored[lists.class_R[at]]:
        assert cost == 0
        return
    kept = lists.rating_N != at
    without = Listing(
        classes=4,
        class_R=lists.class_R,
        positive_R=lists.positive_R,
        rating_N=lists.rating_N[kept],
        place_N=lists.place_N[kept],
    )
    before, after = (segment_average_precisions(each, k=None)[lists.class_R[at]] for each in (lists, without))
    assert cost == pytest.approx(after - before, abs=1e-12)


@given(ratings_of_lists)
@settings(deadline=None)
def test_the_mean_curve_is_that_of_the_slow_twin(rows: list[tuple[int, bool, int]]) -> None:
    judged = listing(rows)
    curve = next((each for each in timelines.curves(judged) if each.x_label == "recall"), None)
    if not judged.scored.any():
        assert curve is None
        return
    assert curve is not None
    expected = np.zeros(101)
    for row in np.flatnonzero(judged.scored):
        mine = sorted(
            (int(place), bool(judged.listing.positive_R[rating]))
            for rating, place in zip(judged.listing.rating_N, judged.listing.place_N, strict=True)
            if judged.listing.class_R[rating] == row
        )
        points = []
        for rank in range(1, len(mine) + 1):
            found = sum(positive for _, positive in mine[:rank])
            points.append((found / int(judged.listing.positives_C[row]), found / rank, found))
        for level in range(101):
            reached = [precision for recall, precision, found in points if found and recall >= level / 100 - 1e-9]
            expected[level] += max(reached, default=0.0)
    assert curve.y == pytest.approx(expected / judged.scored.sum(), abs=2e-6)


def test_the_share_over_places_is_counted_in_parts_of_a_power_of_ten() -> None:
    rows = [(place % 4, place < 60, place) for place in range(200)]
    (curve,) = (each for each in timelines.curves(listing(rows)) if each.y_label == "share of positives")
    # The first parts hold less than 25 entries until place 30 (10 ** 1.5 = 31.6, so 31 entries), and so on.
    assert curve.y[0] == 1.0
    assert curve.y[-1] == 0.0
    assert all(before >= after for before, after in zip(curve.y, curve.y[1:], strict=False))
    assert curve.x[0] == pytest.approx(np.mean(np.log10(np.arange(1, 32))), abs=1e-6)


def test_too_few_rated_entries_give_no_share(golden: tuple[SegmentPredictions, Judged]) -> None:
    assert [each.y_label for each in timelines.curves(golden[1])] == ["mean precision"]
